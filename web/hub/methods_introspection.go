package hub

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

// introspectionMethods tell clients what there is to call.
func (h *Hub) introspectionMethods() []Method {
	return []Method{
		{Name: "_listapi", Auth: Anonymous, Help: "Every method with its parameters and help.",
			Func: func(c *Call, _ Args) (any, error) { return c.hub.listAPI(), nil }},
		{Name: "system.listMethods", Auth: Anonymous, Help: "The names of all methods.",
			Func: func(c *Call, _ Args) (any, error) {
				listed := c.hub.listed()
				names := make([]string, len(listed))
				for i, m := range listed {
					names[i] = m.Name
				}
				return names, nil
			}},
		{Name: "system.methodSignature", Params: "method", Auth: Anonymous, Help: "Signatures are not told: parameters have no fixed types.",
			Func: func(*Call, Args) (any, error) { return "signatures not supported", nil }},
		{Name: "system.methodHelp", Params: "method", Auth: Anonymous, Help: "A method's parameters and help as text, empty for an unknown one.",
			Func: func(c *Call, a Args) (any, error) {
				name, _ := a.Get("method").(string)
				m := c.hub.methods[name]
				if m == nil || hidden(m.Name) {
					return "", nil
				}
				return m.Name + m.sig.String() + "\ndescription: " + m.Help, nil
			}},
		{Name: "getAPIVersion", Auth: Anonymous, Help: "The version of the protocol.",
			Func: func(*Call, Args) (any, error) { return koji.APIVersion, nil }},
		{Name: "getKojiVersion", Auth: Anonymous, Help: "The Koji release whose protocol this is.",
			Func: func(*Call, Args) (any, error) { return koji.Version, nil }},
	}
}

// debugMethods are for trying a connection.
func debugMethods() []Method {
	return []Method{
		{Name: "hello", Params: "*args", Auth: Anonymous, Help: "A greeting.",
			Func: func(*Call, Args) (any, error) { return "Hello World", nil }},
		{Name: "echo", Params: "*args", Auth: Anonymous, Help: "The arguments.",
			Func: func(_ *Call, a Args) (any, error) { return xmlrpc.KeepTimes(append([]any{}, a.Rest()...)), nil }},
		{Name: "error", Auth: Anonymous, Help: "A GenericError, to see how a client takes one.",
			Func: func(*Call, Args) (any, error) { return nil, fault.New(fault.Generic, "test error") }},
		{Name: "fault", Auth: Anonymous, Help: "An error that is not Koji's own, to see how a client takes one.",
			Func: func(*Call, Args) (any, error) { return nil, fault.New(fault.Internal, "test exception") }},
	}
}

// hidden tells the methods that are in no list: the two that Koji does not list, and this hub's own module, which Koji does not have.
func hidden(name string) bool {
	return name == "multiCall" || name == "system.multicall" || strings.HasPrefix(name, "moromi.")
}

// listAPI is _listapi's answer; argspec is what Python's inspect.getfullargspec gives.
func (h *Hub) listAPI() []any {
	listed := h.listed()
	list := make([]any, len(listed))
	for i, m := range listed {
		var names, defaults, args []any
		for _, p := range m.sig.params {
			names = append(names, p.name)
			if p.optional {
				defaults = append(defaults, p.value)
				args = append(args, []any{p.name, p.value})
			} else {
				args = append(args, p.name)
			}
		}
		var rest, extra any
		if m.sig.rest != "" {
			rest = m.sig.rest
			args = append(args, rest)
		}
		if m.sig.extra != "" {
			extra = m.sig.extra
			args = append(args, extra)
		}
		var def any
		if defaults != nil {
			def = defaults
		}
		list[i] = map[string]any{
			"name": m.Name, "doc": m.Help, "argdesc": m.sig.String(), "args": orEmpty(args),
			"argspec": []any{orEmpty(names), rest, extra, def, []any{}, nil, map[string]any{}},
		}
	}
	return list
}

func orEmpty(list []any) []any {
	if list == nil {
		return []any{}
	}
	return list
}

// inKojiOrder lists methods as Koji registers them: introspection, the root methods by name, the modules host, scheduler and repo, others,
// the session methods, and last those of plugins as they were given.
func inKojiOrder(methods map[string]*Method) []*Method {
	introspection := []string{"_listapi", "system.listMethods", "system.methodSignature", "system.methodHelp"}
	sessions := []string{"login", "sslLogin", "logout", "subsession", "logoutChild", "exclusiveSession", "sharedSession"}
	rank := func(m *Method) (group, place int) {
		if m.Plugin {
			return 7, m.place
		}
		if i := slices.Index(introspection, m.Name); i >= 0 {
			return 0, i
		}
		if i := slices.Index(sessions, m.Name); i >= 0 {
			return 6, i
		}
		module, _, dotted := strings.Cut(m.Name, ".")
		if !dotted {
			return 1, 0
		}
		if i := slices.Index([]string{"host", "scheduler", "repo"}, module); i >= 0 {
			return 2 + i, 0
		}
		return 5, 0
	}
	order := slices.SortedFunc(maps.Values(methods), func(a, b *Method) int {
		ag, ap := rank(a)
		bg, bp := rank(b)
		return cmp.Or(cmp.Compare(ag, bg), cmp.Compare(ap, bp), cmp.Compare(a.Name, b.Name))
	})
	return slices.DeleteFunc(order, func(m *Method) bool { return hidden(m.Name) })
}
