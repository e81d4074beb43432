package hub

import (
	"slices"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/task"
)

// listTasks filters; options that Koji does not know are ignored, as it does.
func (d Deps) listTasks(c *Call, a Args) (any, error) {
	opts, err := a.Map("opts")
	if err != nil {
		return nil, err
	}
	f, err := taskFilter(opts)
	if err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return task.List(c.Context(), d.DB, f, o)
}

func taskFilter(opts map[string]any) (task.Filter, error) {
	f := task.Filter{IDs: map[string]task.IDs{}, NotIDs: map[string]task.IDs{}, Before: map[string]time.Time{}, After: map[string]time.Time{}, Decode: xmlrpc.Truthy(opts["decode"])}
	times := map[string]string{"created": "create_time", "started": "start_time", "complete": "completion_time", "completed": "completion_time"}
	for k, v := range opts {
		bare, not := strings.CutPrefix(k, "not_")
		var err error
		switch {
		case slices.Contains([]string{"owner", "host_id", "channel_id", "parent"}, bare):
			to := f.IDs
			if not {
				to = f.NotIDs
			}
			to[bare], err = idCondition(k, v)
		case bare == "arch" && not:
			f.NotArches, err = textList(k, v)
		case bare == "arch":
			f.Arches, err = textList(k, v)
		case bare == "state" && not:
			f.NotStates, err = intList(k, v)
		case bare == "state":
			f.States, err = intList(k, v)
		case k == "method":
			s, ok := v.(string)
			if !ok {
				err = fault.New(fault.Parameter, "listTasks: method must be text, not %s", pyType(v))
			}
			f.Method = &s
		case strings.HasSuffix(k, "Before") && times[strings.TrimSuffix(k, "Before")] != "" && v != nil:
			f.Before[times[strings.TrimSuffix(k, "Before")]], err = moment(k, v)
		case strings.HasSuffix(k, "After") && times[strings.TrimSuffix(k, "After")] != "" && v != nil:
			f.After[times[strings.TrimSuffix(k, "After")]], err = moment(k, v)
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func idCondition(k string, v any) (task.IDs, error) {
	switch v := v.(type) {
	case nil:
		return task.IDs{Null: true}, nil
	case int64:
		return task.IDs{In: []int64{v}}, nil
	}
	in, err := intList(k, v)
	return task.IDs{In: in}, err
}

func intList(k string, v any) ([]int64, error) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, fault.New(fault.Parameter, "%s must be a list with something in it, not %s", k, clip(pyRepr(v)))
	}
	out := make([]int64, len(list))
	for i, x := range list {
		if out[i], ok = x.(int64); !ok {
			return nil, fault.New(fault.Parameter, "%s must be a list of integers, not of %s", k, pyType(x))
		}
	}
	return out, nil
}

func textList(k string, v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, fault.New(fault.Parameter, "%s must be a list with something in it, not %s", k, clip(pyRepr(v)))
	}
	out := make([]string, len(list))
	for i, x := range list {
		if out[i], ok = x.(string); !ok {
			return nil, fault.New(fault.Parameter, "%s must be a list of texts, not of %s", k, pyType(x))
		}
	}
	return out, nil
}

func moment(k string, v any) (time.Time, error) {
	t, err := timeValue(v)
	if err != nil || t == nil {
		return time.Time{}, fault.New(fault.Parameter, "%s must be a time, not %s", k, clip(pyRepr(v)))
	}
	return *t, nil
}
