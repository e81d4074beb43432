package commands

import (
	"context"
	"fmt"

	"moromi/internal/fault"
	"moromi/projections/catalog"
	"moromi/projections/query"
)

// addTaskPolicyData adds what rules may ask of a task's parameters: source, target, tag, build_tag and scratch (policy_data_from_task_args).
// A source that is no text is a fault; a target or tag that there is not is none.
func (s *Service) addTaskPolicyData(ctx context.Context, data map[string]any, method string, params []any) error {
	p := namedParams(method, params)
	if opts, ok := p["opts"].(map[string]any); ok && method == "indirectionimage" { // all its parameters are in there
		p = map[string]any{"opts": opts}
		for k, v := range opts {
			p[k] = v
		}
	}
	if source, there := first(p, "src", "spec_url", "url"); there && method != "newRepo" {
		text, ok := source.(string)
		if !ok {
			return fault.New(fault.Parameter, "the source of a %s task must be text", method)
		}
		data["source"] = text
	}
	if target, there := first(p, "target", "build_target", "target_info"); there {
		name, err := s.everNamed(ctx, "build_target", target)
		if err != nil {
			return err
		}
		data["target"] = name
	}
	for key, names := range map[string][]string{"tag": {"tag", "tag_id", "tag_info"}, "build_tag": {"build_tag"}} {
		if tag, there := first(p, names...); there {
			name, err := s.everNamed(ctx, "tag", tag)
			if err != nil {
				return err
			}
			if name != nil {
				data[key] = name
			}
		}
	}
	if opts, ok := p["opts"].(map[string]any); ok {
		if scratch, there := opts["scratch"]; there {
			data["scratch"] = scratch
		}
	}
	return nil
}

// first gives the first of the keys that is there.
func first(p map[string]any, keys ...string) (any, bool) {
	for _, k := range keys {
		if v, there := p[k]; there {
			return v, true
		}
	}
	return nil, false
}

// everNamed gives the name of a tag or target that is or was, nil if there never was one, or if the reference names nothing.
func (s *Service) everNamed(ctx context.Context, table string, ref any) (any, error) {
	id, name, err := reference(ref)
	if err != nil {
		return nil, nil //nolint:nilerr // a parameter that names nothing is as good as none: the task itself will tell
	}
	sql := map[string]string{"tag": `select name from tag where id = $1 or name = $2`, "build_target": `select name from build_target where id = $1 or name = $2`}[table]
	rows, err := s.DB.Query(ctx, sql, id, name)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", table, err)
	}
	defer rows.Close()
	var found any
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, fmt.Errorf("look up %s: %w", table, err)
		}
		found = n
	}
	return found, rows.Err()
}

// taskSource is what a task was told to build, as the test source reads it.
func taskSource(method string, params []any) (string, bool) {
	p := namedParams(method, params)
	keys := map[string][]string{"winbuild": {"source_url"}, "wrapperRPM": {"spec_url"}, "indirectionimage": nil}
	names, special := keys[method]
	if !special {
		names = []string{"src", "url"}
	}
	v, _ := first(p, names...)
	text, ok := v.(string)
	return text, ok
}

// PolicyVolume gives the volume that the volume policy names for the data; nil if none, or one that there is not. Strict makes that a fault, and
// an error in the policy, too, which otherwise is only logged (check_volume_policy).
func (s *Service) PolicyVolume(ctx context.Context, a Actor, data map[string]any, strict bool) (query.Row, error) {
	r, err := s.ApplyPolicy(ctx, a, "volume", data)
	if err != nil {
		if strict || ctx.Err() != nil {
			return nil, err
		}
		s.Log.ErrorContext(ctx, "volume policy", "error", err)
		return nil, nil
	}
	if !r.Matched {
		if strict {
			return nil, fault.New(fault.Generic, "No volume policy match")
		}
		return nil, nil
	}
	v, err := catalog.Find(ctx, s.DB, "volume", r.Action)
	if err == nil && v == nil {
		if strict {
			return nil, fault.New(fault.Generic, "Policy returned no such volume: %s", r.Action)
		}
		s.Log.ErrorContext(ctx, "the volume policy names a volume that does not exist", "volume", r.Action, "rule", r.Rule().Number)
	}
	return v, err
}
