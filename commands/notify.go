package commands

import (
	"context"
	"slices"

	"moromi/internal/koji"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
	taskmodel "moromi/projections/task"
	usermodel "moromi/projections/user"
)

// NotifyConfig says whether and how people are told of builds by mail (hub.conf of Koji 1.35: DisableNotifications, EmailDomain,
// NotifyOnSuccess, KojiWebURL). The zero value tells nobody.
type NotifyConfig struct {
	// Enabled has a task buildNotification made for each build that ends. Someone must carry these tasks out.
	Enabled bool
	// EmailDomain is put behind a user's name.
	EmailDomain string
	// OnSuccess tells owners of builds that went well, too.
	OnSuccess bool
	// WebURL is where the site's pages are.
	WebURL string
}

// notifyBuild makes the task that tells people of the end of a build. What goes wrong here is logged: the build has ended all the same.
func (s *Service) notifyBuild(ctx context.Context, a Actor, taskID, id int64) {
	if !s.Notify.Enabled {
		return
	}
	if err := s.makeNotification(ctx, a, taskID, id); err != nil {
		s.Log.Error("nobody was told of a build", "build", id, "error", err)
	}
}

func (s *Service) makeNotification(ctx context.Context, a Actor, taskID, id int64) error {
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		return err
	}
	target, err := s.targetOfTask(ctx, taskID)
	if err != nil {
		return err
	}
	to, err := s.recipients(ctx, b, target)
	if err != nil || len(to) == 0 {
		return err
	}
	var t any
	if target != nil {
		t = target
	}
	_, err = s.MakeTask(ctx, a, MakeTask{Method: "buildNotification", Params: []any{to, b, t, s.Notify.WebURL}})
	return err
}

// targetOfTask gives the build target that a build task was started with, in getBuildTarget's shape; nil if it had none.
func (s *Service) targetOfTask(ctx context.Context, taskID int64) (query.Row, error) {
	t, err := taskmodel.ByID(ctx, s.DB, taskID, true, nil)
	if err != nil || t == nil {
		return nil, err
	}
	params, _ := t["request"].([]any)
	targetName, ok := namedParams(t["method"].(string), params)["target"].(string)
	if !ok {
		return nil, nil
	}
	cols := []query.Col{{Name: "id", Expr: "t.id"}, {Name: "name", Expr: "t.name"}, {Name: "build_tag", Expr: "c.build_tag"}, {Name: "build_tag_name", Expr: "b.name"},
		{Name: "dest_tag", Expr: "c.dest_tag"}, {Name: "dest_tag_name", Expr: "d.name"}}
	return query.New(cols, "build_target t").Join("join build_target_config c on c.build_target_id = t.id").Join("join tag b on b.id = c.build_tag").
		Join("join tag d on d.id = c.dest_tag").Where("t.name = ?", targetName).At("c", nil).One(ctx, s.DB)
}

// recipients are the addresses of the build's owner and of its package's owner in the destination tag, if they are people who may log in.
func (s *Service) recipients(ctx context.Context, b, target query.Row) ([]any, error) {
	if koji.BuildState(b["state"].(int64)) == koji.BuildComplete && !s.Notify.OnSuccess {
		return nil, nil
	}
	ids := []int64{b["owner_id"].(int64)}
	if target != nil {
		p, err := tagmodel.Package(ctx, s.DB, target["dest_tag"].(int64), b["package_id"].(int64), nil)
		if err != nil {
			return nil, err
		}
		if owner, ok := p["owner_id"].(int64); ok && p["blocked"] != true {
			ids = append(ids, owner)
		}
	}
	var names []string
	for _, id := range ids {
		u, err := usermodel.ByID(ctx, s.DB, id)
		if err != nil {
			return nil, err
		}
		if u != nil && u["status"] == int64(koji.StatusNormal) && u["usertype"] == int64(koji.UserNormal) {
			names = append(names, u["name"].(string)+"@"+s.Notify.EmailDomain)
		}
	}
	slices.Sort(names)
	var out []any
	for _, n := range slices.Compact(names) {
		out = append(out, n)
	}
	return out, nil
}

// Tagging is what a builder reports of a build that was, or was not, put into a tag. Nil tags were not named.
type Tagging struct {
	Successful    bool
	Tag, From     *int64
	Build         int64
	User          any // whom to name, as the builder gave it
	IgnoreSuccess bool
	Failure       string
}

// NotifyTagging makes the task that tells people of a tagging, unless nobody is to be told.
func (s *Service) NotifyTagging(ctx context.Context, a Actor, t Tagging) error {
	if !s.Notify.Enabled || t.Successful && t.IgnoreSuccess {
		return nil
	}
	b, err := buildmodel.Get(ctx, s.DB, buildmodel.Spec{ID: t.Build}, nil)
	if err != nil || b == nil {
		return err
	}
	if !t.Successful {
		b["state"] = int64(koji.BuildFailed) // as far as telling people goes
	}
	var to []any
	for _, tag := range []*int64{t.Tag, t.From} {
		if tag == nil {
			continue
		}
		more, err := s.recipients(ctx, b, query.Row{"dest_tag": *tag})
		if err != nil {
			return err
		}
		for _, m := range more {
			if !slices.Contains(to, m) {
				to = append(to, m)
			}
		}
	}
	if len(to) == 0 {
		return nil
	}
	_, err = s.MakeTask(ctx, a, MakeTask{Method: "tagNotification",
		Params: []any{to, t.Successful, idOrNil(t.Tag), idOrNil(t.From), t.Build, t.User, t.IgnoreSuccess, t.Failure}})
	return err
}

func idOrNil(id *int64) any {
	if id == nil {
		return nil
	}
	return *id
}
