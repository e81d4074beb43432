package hub

import (
	"fmt"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// multicallMethods are the two names of the call that makes many calls.
func (h *Hub) multicallMethods() []Method {
	row := Method{Params: "calls", Auth: Custom("each entry is authorised by itself"),
		Help: "Make several calls, each {methodName, params}. The answer has for each either a list with its result or a struct {faultCode, faultString}.",
		Func: (*Call).multiCall}
	a, b := row, row
	a.Name, b.Name = "multiCall", "system.multicall"
	return []Method{a, b}
}

// multiCall runs the entries one after the other. Each is on its own: a fault or panic in one changes nothing for the others.
func (c *Call) multiCall(a Args) (any, error) {
	entries, err := entriesOf(a.Get("calls"))
	if err != nil {
		return nil, err
	}
	budget := &budget{left: c.hub.cfg.Limits.Multicall}
	results := make([]any, 0, len(entries))
	for _, e := range entries {
		if err := c.ctx.Err(); err != nil {
			return nil, fmt.Errorf("multicall: %w", err) // the client is gone
		}
		result, err := c.entry(e, budget)
		if err != nil {
			f := c.hub.faultOf(c.ctx, c.log, c.req.id, err)
			c.req.personal = true // what made it fail may be the moment
			results = append(results, map[string]any{"faultCode": int(f.Code), "faultString": f.Message})
			continue
		}
		results = append(results, []any{result})
	}
	return results, nil
}

// entriesOf gives the entries of a multicall. Python goes through the letters of a text and the keys of a struct too; none is an entry then,
// and each gets its fault.
func entriesOf(calls any) ([]any, error) {
	switch calls := calls.(type) {
	case []any:
		return calls, nil
	case string:
		var entries []any
		for _, r := range calls {
			entries = append(entries, string(r))
		}
		return entries, nil
	case map[string]any:
		var entries []any
		for k := range calls {
			entries = append(entries, k)
		}
		return entries, nil
	}
	return nil, fault.New(fault.Internal, "'%s' object is not iterable", pyType(calls))
}

// entry runs one entry of a multicall. The faults for what is no entry are Python's exceptions, fault code 1.
func (c *Call) entry(e any, b *budget) (any, error) {
	var call map[string]any
	switch e := e.(type) {
	case map[string]any:
		call = e
	case string:
		return nil, fault.New(fault.Internal, "string indices must be integers, not 'str'")
	case []any:
		return nil, fault.New(fault.Internal, "list indices must be integers or slices, not str")
	default:
		return nil, fault.New(fault.Internal, "'%s' object is not subscriptable", pyType(e))
	}
	for _, key := range []string{"methodName", "params"} {
		if _, ok := call[key]; !ok {
			return nil, fault.New(fault.Internal, "%s", key)
		}
	}
	name, ok := call["methodName"].(string)
	if !ok {
		return nil, invalidMethod(pyRepr(call["methodName"]))
	}
	params, ok := call["params"].([]any)
	if !ok {
		return nil, fault.New(fault.Internal, "params must be a list, not %s", pyType(call["params"]))
	}
	k, err := c.child(name)
	if err != nil {
		return nil, err
	}
	if err := k.lockOut(); err != nil {
		return nil, err
	}
	positional, kw := xmlrpc.SplitKwargs(params)
	result, err := k.invoke(positional, kw)
	if err != nil {
		return nil, err
	}
	return b.keep(result)
}

func errBudget() error {
	return fault.New(fault.Generic, "the results of this multicall are too large together; make fewer calls at once")
}
