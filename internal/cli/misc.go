package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

func miscCommands() []spec { return []spec{hello(), callMethod(), listAPI(), search(), version()} }

func hello() spec {
	return spec{
		use: "hello", short: "Say who you are and which hub this is", group: groupMisc, aliases: []string{"moshimoshi", "hi"}, json: true,
		run: func(v *invocation) error {
			if err := v.loginIfPossible(); err != nil {
				return err
			}
			user, err := v.one("getLoggedInUser")
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(row{"user": user, "hub": v.cfg.server, "koji_version": v.hub.HubVersion()})
			}
			name := str(user, "name")
			if user == nil {
				v.println("Not authenticated")
				name = "anonymous user"
			}
			v.printf("hello, %s!\n\nYou are using the hub at %s (Koji %s)\n", name, v.cfg.server, first(v.hub.HubVersion(), "version unknown"))
			if user == nil {
				return nil
			}
			switch koji.AuthType(hubclient.Int(user["authtype"])) {
			case koji.AuthNormal:
				v.println("Authenticated via password")
			case koji.AuthSSL:
				v.printf("Authenticated via client certificate %s\n", v.cfg.cert)
			case koji.AuthGSSAPI, koji.AuthKerberos:
				v.println("Authenticated via GSSAPI")
			}
			return nil
		},
	}
}

// callFlags are the options of call.
type callFlags struct {
	json, jsonInput, jsonOutput, bare, python bool
	kwargs                                    string
}

func callMethod() spec {
	var o callFlags
	return spec{
		use: "call METHOD [ARGUMENT | NAME=VALUE]…", short: "Call any method of the hub", group: groupMisc, min: 1, max: -1, complete: []string{"method"},
		long: `Call any method of the hub and print its answer. NAME=VALUE gives a named argument.

Values are numbers, None, True, False or text; with --json-input they are JSON, with --python what Python reads.`,
		example: "  moromi call getTag f42\n  moromi call --json listTagged f42 latest=true\n  moromi call getBuild 17 strict=True",
		flags: func(f *pflag.FlagSet) {
			f.BoolVarP(&o.json, "json", "j", false, "JSON for arguments and answer")
			f.BoolVar(&o.jsonInput, "json-input", false, "arguments are JSON")
			f.BoolVar(&o.jsonOutput, "json-output", false, "print the answer as JSON")
			f.BoolVarP(&o.bare, "bare-strings", "b", false, "take what is not JSON or Python for text")
			f.BoolVarP(&o.python, "python", "p", false, "arguments are Python literals, as \"['a', 1]\"")
			f.StringVar(&o.kwargs, "kwargs", "", "named arguments as a `DICT`ionary: JSON with --json-input, else Python (which other arguments are then, too)")
		},
		run: func(v *invocation) error {
			args, err := o.arguments(v.args[1:])
			if err != nil {
				return err
			}
			if err := v.loginIfPossible(); err != nil {
				return err
			}
			answer, err := v.call(v.args[0], args...)
			if err != nil {
				return err
			}
			if o.json || o.jsonOutput {
				return v.printJSON(answer)
			}
			v.println(pprint(answer))
			return nil
		},
	}
}

// value reads an argument in the syntax chosen.
func (o *callFlags) value(word string) (any, error) {
	read, syntax := func(s string) (any, error) { return argument(s, false), nil }, ""
	switch {
	case o.json || o.jsonInput:
		read, syntax = xmlrpc.FromJSON, "JSON"
	case o.python || o.kwargs != "":
		read, syntax = pyLiteral, "a Python literal"
	}
	v, err := read(word)
	if err != nil && o.bare {
		return word, nil
	}
	if err != nil {
		return nil, usagef("%q is not %s; --bare-strings takes it for text", word, syntax)
	}
	return v, nil
}

func (o *callFlags) arguments(words []string) ([]any, error) {
	if o.python && (o.json || o.jsonInput) {
		return nil, usagef("--python and --json-input exclude each other")
	}
	named := kw{}
	if o.kwargs != "" {
		v, err := o.value(o.kwargs)
		object, ok := v.(map[string]any)
		if err != nil || !ok {
			return nil, usagef("--kwargs must be a dictionary")
		}
		named = object
	}
	name := regexp.MustCompile(`^([A-Za-z_]\w*)=(?s:(.*))$`)
	var args []any
	for _, w := range words {
		key, value := "", w
		if m := name.FindStringSubmatch(w); m != nil {
			key, value = m[1], m[2]
		}
		v, err := o.value(value)
		if err != nil {
			return nil, err
		}
		if key != "" {
			named[key] = v
		} else {
			args = append(args, v)
		}
	}
	return append(args, named), nil
}

func listAPI() spec {
	return spec{
		use: "list-api [METHOD…]", short: "List the methods of the hub, or explain some", group: groupMisc, max: -1, json: true, complete: []string{"method"},
		run: func(v *invocation) error {
			for _, m := range v.args {
				help, err := v.call("system.methodHelp", m)
				if err != nil {
					return err
				}
				if hubclient.String(help) == "" {
					return fmt.Errorf("unknown method: %s", m)
				}
				v.println(hubclient.String(help))
			}
			if len(v.args) > 0 {
				return nil
			}
			methods, err := v.list("_listapi")
			if err != nil {
				return err
			}
			sortBy(methods, "name")
			if v.json {
				return v.printJSON(methods)
			}
			for _, m := range methods {
				v.printf("%s%s\n", str(m, "name"), parameters(m))
				if doc := text(m, "doc"); doc != "" {
					v.printf("  description: %s\n", doc)
				}
			}
			return nil
		},
	}
}

// parameters are a method's, as they are written in Python.
func parameters(m row) string {
	if desc := text(m, "argdesc"); desc != "" {
		return desc
	}
	var list []string
	for _, a := range hubclient.List(m["args"]) {
		if pair := hubclient.List(a); len(pair) == 2 {
			list = append(list, pyStr(pair[0])+"="+pyStr(pair[1]))
		} else {
			list = append(list, pyStr(a))
		}
	}
	return "(" + strings.Join(list, ", ") + ")"
}

func searchTypes() []string {
	return []string{"package", "build", "tag", "target", "user", "host", "rpm", "maven", "win"}
}

func search() spec {
	var regex, exact bool
	return spec{
		use: "search TYPE PATTERN", short: "Search for names", group: groupInfo, min: 2, max: 2, json: true, example: "  moromi search build 'foo-1.*'",
		long: "Search for names of a type that match a pattern. Types are " + strings.Join(searchTypes(), ", ") + ".",
		flags: func(f *pflag.FlagSet) {
			f.BoolVarP(&regex, "regex", "r", false, "the pattern is a regular expression")
			f.BoolVar(&exact, "exact", false, "the pattern is the name")
		},
		run: func(v *invocation) error {
			if !slices.Contains(searchTypes(), v.args[0]) {
				return usagef("%q cannot be searched for; types are %s", v.args[0], strings.Join(searchTypes(), ", "))
			}
			kind := "glob"
			if regex {
				kind = "regexp"
			} else if exact {
				kind = "exact"
			}
			found, err := v.list("search", v.args[1], v.args[0], kind)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(found)
			}
			for _, r := range found {
				v.println(str(r, "name"))
			}
			return nil
		},
	}
}

func version() spec {
	return spec{
		use: "version", short: "Show the versions of this command and of the hub", group: groupMisc,
		run: func(v *invocation) error {
			v.printf("Client: %s\n", koji.Version)
			answer, err := v.call("getKojiVersion")
			if err != nil {
				return err
			}
			v.printf("Hub:    %s\n", pyStr(answer))
			return nil
		},
	}
}
