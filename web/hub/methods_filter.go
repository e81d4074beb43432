package hub

import (
	"cmp"
	"slices"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// filterMethods call another method and count, sort or cut what it answers.
func (h *Hub) filterMethods() []Method {
	inner := Custom("the method that is called is authorised by itself")
	return []Method{
		{Name: "count", Params: "methodName, *args, **kw", Auth: inner, Help: "How many results the method has with these arguments.",
			Func: (*Call).count},
		{Name: "filterResults", Params: "methodName, *args, **kw", Auth: inner,
			Help: "The method's results sorted and cut by filterOpts: order, offset, limit, noneGreatest.",
			Func: func(c *Call, a Args) (any, error) {
				_, list, err := c.countAndFilter(a)
				return list, err
			}},
		{Name: "countAndFilterResults", Params: "methodName, *args, **kw", Auth: inner,
			Help: "The number of the method's results, and filterResults of them.",
			Func: func(c *Call, a Args) (any, error) {
				n, list, err := c.countAndFilter(a)
				if err != nil {
					return nil, err
				}
				return []any{n, list}, nil
			}},
	}
}

// callOther runs the method that a method like count was given.
func (c *Call) callOther(a Args, kw map[string]any) (any, error) {
	name, ok := a.Get("methodName").(string)
	if !ok || hidden(name) {
		return nil, invalidMethod(pyRepr(a.Get("methodName")))
	}
	k, err := c.child(name)
	if err != nil {
		return nil, err
	}
	return k.invoke(a.Rest(), kw)
}

func (c *Call) count(a Args) (any, error) {
	result, err := c.callOther(a, a.Extra())
	if err != nil {
		return nil, err
	}
	if result, err = plainValue(result); err != nil {
		return nil, err
	}
	if seq, ok := asStream(result); ok {
		n := 0
		for _, err := range seq {
			if err != nil {
				return nil, err
			}
			n++
		}
		return n, nil
	}
	switch v := result.(type) {
	case nil:
		return 0, nil
	case map[string]any:
		return len(v), nil
	case xmlrpc.Struct:
		return len(v), nil
	}
	if list, ok := elements(result); ok {
		return len(list), nil
	}
	return 1, nil
}

// countAndFilter gives the number of results before offset and limit, and what is left after them; list is nil if the method answered nothing.
func (c *Call) countAndFilter(a Args) (int, any, error) {
	kw := a.Extra()
	opts, err := filterOptions(kw["filterOpts"])
	if err != nil {
		return 0, nil, err
	}
	delete(kw, "filterOpts")
	result, err := c.callOther(a, kw)
	if err == nil {
		result, err = (&budget{left: c.hub.cfg.Limits.Multicall}).keep(result)
	}
	if f := fault.Of(err); f != nil {
		return 0, nil, fault.Wrap(f.Err, fault.Generic, "method %s raised an exception (%s)", clip(pyRepr(a.Get("methodName"))), f.Message)
	} else if err != nil {
		return 0, nil, err
	}
	if result == nil {
		return 0, nil, nil
	}
	list, ok := elements(result)
	list = slices.Clone(list) // it is sorted in place, and may be the method's own
	if !ok {
		return 0, nil, fault.New(fault.Generic, "%s() did not return a list", a.Get("methodName"))
	}
	n := len(list)
	if err := opts.sort(list); err != nil {
		return 0, nil, err
	}
	return n, opts.cut(list), nil
}

type filterOpts struct {
	order         string
	descending    bool
	nilGreatest   bool
	offset, limit *int64
}

// filterOptions reads filterOpts. Wrong types are Python exceptions in Koji: fault code 1.
func filterOptions(v any) (filterOpts, error) {
	o := filterOpts{nilGreatest: true}
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return o, fault.New(fault.Internal, "filterOpts must be a struct, not %s", pyType(v))
	}
	if order, given := m["order"]; given && xmlrpc.Truthy(order) {
		if o.order, ok = order.(string); !ok {
			return o, fault.New(fault.Internal, "order must be text, not %s", pyType(order))
		}
		o.order, o.descending = strings.CutPrefix(o.order, "-")
	}
	if g, given := m["noneGreatest"]; given {
		o.nilGreatest = xmlrpc.Truthy(g)
	}
	for name, to := range map[string]**int64{"offset": &o.offset, "limit": &o.limit} {
		switch n := m[name].(type) {
		case nil:
		case int64:
			*to = &n
		default:
			return o, fault.New(fault.Internal, "slice indices must be integers: %s is %s", name, pyType(n))
		}
	}
	return o, nil
}

// sort orders the results by one key, stably. None sorts above everything, or below it without nilGreatest.
func (o filterOpts) sort(list []any) error {
	if o.order == "" {
		return nil
	}
	keys := make(map[int]any, len(list))
	index := make([]int, len(list))
	for i, e := range list {
		v, ok := member(e, o.order)
		if !ok {
			return fault.New(fault.Internal, "no such key to order by: %s", pyQuote(clip(o.order)))
		}
		keys[i], index[i] = v, i
	}
	var bad error
	slices.SortStableFunc(index, func(a, b int) int {
		n, err := compareValues(keys[a], keys[b], o.nilGreatest)
		if err != nil {
			bad = err
		}
		if o.descending {
			return -n
		}
		return n
	})
	if bad != nil {
		return bad
	}
	sorted := make([]any, len(list))
	for i, j := range index {
		sorted[i] = list[j]
	}
	copy(list, sorted)
	return nil
}

// compareValues orders two values of one kind as Python does.
func compareValues(a, b any, nilGreatest bool) (int, error) {
	an, bn := isNil(a), isNil(b)
	if an || bn {
		n := 0
		switch {
		case an && !bn:
			n = 1
		case bn && !an:
			n = -1
		}
		if !nilGreatest {
			n = -n
		}
		return n, nil
	}
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			return cmp.Compare(x, y), nil
		}
	}
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil
		}
	}
	if x, ok := a.(interface{ UnixNano() int64 }); ok {
		if y, ok := b.(interface{ UnixNano() int64 }); ok {
			return cmp.Compare(x.UnixNano(), y.UnixNano()), nil
		}
	}
	return 0, fault.New(fault.Internal, "'<' not supported between values of different kinds")
}

func isNil(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case *int64:
		return v == nil
	case *string:
		return v == nil
	case *float64:
		return v == nil
	case *bool:
		return v == nil
	}
	return false
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case *int64:
		return float64(*v), true
	case *float64:
		return *v, true
	}
	return 0, false
}

// cut is list[offset:][:limit] with Python's meaning of negative numbers.
func (o filterOpts) cut(list []any) []any {
	if o.offset != nil {
		list = list[sliceIndex(*o.offset, len(list)):]
	}
	if o.limit != nil {
		list = list[:sliceIndex(*o.limit, len(list))]
	}
	return list
}

func sliceIndex(i int64, n int) int {
	if i < 0 {
		i += int64(n)
	}
	return int(min(max(i, 0), int64(n)))
}
