package commands

import (
	"context"
	"slices"

	"moromi/internal/fault"
	"moromi/internal/koji"
	buildmodel "moromi/projections/build"
	notifymodel "moromi/projections/notification"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
	taskmodel "moromi/projections/task"
	usermodel "moromi/projections/user"
)

// NotifyConfig says whether and how people are told of builds by mail (hub.conf of Koji 1.35: DisableNotifications, EmailDomain,
// NotifyOnSuccess, KojiWebURL). The hub only makes the tasks; whoever carries out the task buildNotification or tagNotification sends the
// mail. The zero value tells nobody.
type NotifyConfig struct {
	// Enabled has a task made for each build that ends and each tagging that someone is to be told of.
	Enabled bool
	// EmailDomain is put behind a user's name.
	EmailDomain string
	// OnSuccess tells owners of builds that went well, too.
	OnSuccess bool
	// WebURL is where the site's pages are.
	WebURL string
}

// DefaultNotifyConfig is Koji's default: people are told of everything, at a domain that no mail is delivered to (RFC 2606) until the site
// names its own.
func DefaultNotifyConfig() NotifyConfig {
	return NotifyConfig{Enabled: true, EmailDomain: "example.com", OnSuccess: true, WebURL: "http://localhost/koji"}
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
	var dest *int64
	if target != nil {
		id := target["dest_tag"].(int64)
		dest = &id
	}
	to, err := s.recipients(ctx, b, dest, koji.BuildState(b["state"].(int64)))
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

// recipients are the addresses of those who are told of a build that ended, or was or was not put into a tag (nil: none): who registered for
// its package and tag, its owner, and the package's owner in the tag; but nobody who opted out (Koji's get_notification_recipients). Sorted.
func (s *Service) recipients(ctx context.Context, b query.Row, tag *int64, state koji.BuildState) ([]any, error) {
	pkg := b["package_id"].(int64)
	all, err := notifymodel.Wanting(ctx, s.DB, pkg, tag, state == koji.BuildComplete)
	if err != nil {
		return nil, err
	}
	if s.Notify.OnSuccess || state != koji.BuildComplete {
		all = append(all, notifymodel.Recipient{UserID: b["owner_id"].(int64), Email: s.address(b["owner_name"].(string))})
		owner, err := s.packageOwner(ctx, pkg, tag)
		if err != nil {
			return nil, err
		}
		if owner != nil {
			all = append(all, *owner)
		}
	}
	users := make([]int64, len(all))
	for i, r := range all {
		users[i] = r.UserID
	}
	optedOut, err := notifymodel.Blocking(ctx, s.DB, users, pkg, tag)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, r := range all {
		if !optedOut[r.UserID] {
			addresses = append(addresses, r.Email)
		}
	}
	slices.Sort(addresses)
	var out []any
	for _, x := range slices.Compact(addresses) {
		out = append(out, x)
	}
	return out, nil
}

// packageOwner is who owns a package in a tag, nil if the package is blocked there or the owner is no person who may log in.
func (s *Service) packageOwner(ctx context.Context, pkg int64, tag *int64) (*notifymodel.Recipient, error) {
	if tag == nil {
		return nil, nil
	}
	p, err := tagmodel.Package(ctx, s.DB, *tag, pkg, nil)
	if err != nil {
		return nil, err
	}
	owner, ok := p["owner_id"].(int64)
	if !ok || p["blocked"] == true {
		return nil, nil
	}
	u, err := usermodel.ByID(ctx, s.DB, owner)
	if err != nil || u == nil || u["status"] != int64(koji.StatusNormal) || u["usertype"] != int64(koji.UserNormal) {
		return nil, err
	}
	return &notifymodel.Recipient{UserID: owner, Email: s.address(u["name"].(string))}, nil
}

// address is where mail for a user goes.
func (s *Service) address(user string) string { return user + "@" + s.Notify.EmailDomain }

// Tagging is what became of the wish to put a build into a tag or to take it out of one.
type Tagging struct {
	Successful    bool
	Tag, From     any // as the caller named them; nil: not named
	Build         any // as the caller named it
	BuildID       int64
	User          any // id of whom to name, nil for nobody
	IgnoreSuccess bool
	Failure       string
}

// NotifyTagging makes the task that tells people of a tagging, unless nobody is to be told. Tags that are not there tell nobody.
func (s *Service) NotifyTagging(ctx context.Context, a Actor, t Tagging) error {
	if !s.Notify.Enabled || t.Successful && t.IgnoreSuccess {
		return nil
	}
	b, err := buildmodel.Get(ctx, s.DB, buildmodel.Spec{ID: t.BuildID}, nil)
	if err != nil || b == nil {
		return err
	}
	state := koji.BuildComplete
	if !t.Successful {
		state = koji.BuildFailed // as far as telling people goes
	}
	var to []any
	for _, key := range []any{t.Tag, t.From} {
		if key == nil {
			continue
		}
		tag, err := s.tagInfo(ctx, key, nil)
		if fault.Is(err, fault.Generic) {
			continue
		}
		if err != nil {
			return err
		}
		id := tag["id"].(int64)
		more, err := s.recipients(ctx, b, &id, state)
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
	_, err = s.MakeTask(ctx, a, MakeTask{Method: "tagNotification", Params: []any{to, t.Successful, t.Tag, t.From, t.Build, t.User, t.IgnoreSuccess, t.Failure}})
	return err
}

// NoteTagging is NotifyTagging for a tagging that has happened: what goes wrong with telling people of it is logged.
func (s *Service) NoteTagging(ctx context.Context, a Actor, t Tagging) {
	if err := s.NotifyTagging(ctx, a, t); err != nil {
		s.Log.Error("nobody was told of a tagging", "build", t.BuildID, "error", err)
	}
}
