package commands

import (
	"context"

	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	taskmodel "moromi/projections/task"
)

// NewRepo asks for a newRepo task. Tag is as the client gave it: name, id or struct.
type NewRepo struct {
	Tag                         any
	Event                       *int64
	Src, Debuginfo, SeparateSrc bool
}

// NewRepoTask makes a task that makes a repository, and answers its id.
func (s *Service) NewRepoTask(ctx context.Context, a Actor, in NewRepo) (int64, error) {
	if _, err := s.tagInfo(ctx, in.Tag, in.Event); err != nil {
		return 0, err
	}
	var named xmlrpc.Struct // in Koji's order: the document is what clients see as the task's request
	if in.Event != nil {
		named = append(named, xmlrpc.Member{Name: "event", Value: *in.Event})
	}
	for _, o := range []struct {
		name string
		on   bool
	}{{"src", in.Src}, {"separate_src", in.SeparateSrc}, {"debuginfo", in.Debuginfo}} {
		if o.on {
			named = append(named, xmlrpc.Member{Name: o.name, Value: true})
		}
	}
	params := []any{in.Tag}
	if len(named) > 0 {
		params = append(params, append(named, xmlrpc.Member{Name: "__starstar", Value: true}))
	}
	priority := int64(repoTaskPriority)
	return s.MakeTask(ctx, a, MakeTask{Method: "newRepo", Params: params, Channel: "createrepo", Priority: &priority})
}

// DistRepoTask makes the task that makes a dist repository, and answers its id. tagKey is the tag as the client named it. If the tag wants
// it (extra distrepo.cancel_others), tasks for the same tag that are not finished are canceled.
func (s *Service) DistRepoTask(ctx context.Context, a Actor, tagKey any, t query.Row, repoID int64, keys []any, opts map[string]any) (int64, error) {
	if extra, ok := t["extra"].(map[string]any); ok && truth(extra["distrepo.cancel_others"]) {
		rows, err := query.New([]query.Col{{Name: "id", Expr: "id"}}, "task").Where("method = 'distRepo' and state in (0, 1, 4)").OrderBy("id").All(ctx, s.DB)
		if err != nil {
			return 0, err
		}
		for _, r := range rows {
			id := r["id"].(int64)
			params, err := taskmodel.Request(ctx, s.DB, id)
			if err != nil {
				return 0, err
			}
			if len(params) == 0 || params[0] != tagKey {
				continue
			}
			if _, err := s.CancelTask(ctx, a, id, true); err != nil {
				return 0, err
			}
		}
	}
	priority := int64(repoTaskPriority)
	return s.MakeTask(ctx, a, MakeTask{Method: "distRepo", Params: []any{tagKey, repoID, keys, opts}, Channel: "createrepo", Priority: &priority})
}
