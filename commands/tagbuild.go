package commands

import (
	"context"

	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
	usermodel "moromi/projections/user"
)

// TagChange is a build going into a tag, out of one, or from one to another. To and From are tags as tagmodel.Get gives them, Build a build as
// buildmodel.Get does; User is on whose rights it happens.
type TagChange struct {
	Build    query.Row
	To, From query.Row
	User     int64
	Force    bool
	// Strict refuses to untag a build that is not in the tag.
	Strict bool
}

func (c TagChange) operation() string {
	switch {
	case c.To == nil:
		return "untag"
	case c.From == nil:
		return "tag"
	}
	return "move"
}

// permissions are the names of a user's permissions, those of groups included.
func (s *Service) permissions(ctx context.Context, user int64) ([]string, error) {
	return s.perms.Get(user, func() ([]string, error) { return usermodel.Perms(ctx, s.DB, user, true) })
}

// CheckTagAccess tells whether a user may tag builds with a tag, why not, and whether an administrator's force would help.
func (s *Service) CheckTagAccess(ctx context.Context, t query.Row, user int64) (allowed, override bool, reason string, err error) {
	perms, err := s.permissions(ctx, user)
	if err != nil {
		return false, false, "", err
	}
	holds := func(p string) bool {
		for _, x := range perms {
			if x == p {
				return true
			}
		}
		return false
	}
	override = holds("admin")
	if t["locked"].(bool) {
		return false, override, "tag is locked", nil
	}
	if p, ok := t["perm"].(string); ok && !holds(p) {
		return false, override, "tag requires " + p + " permission", nil
	}
	return true, override, "", nil
}

func (s *Service) assertTagAccess(ctx context.Context, t query.Row, user int64, force bool) error {
	allowed, override, reason, err := s.CheckTagAccess(ctx, t, user)
	if err == nil && !allowed && !(override && force) {
		err = fault.New(fault.ActionNotAllowed, "%s", reason)
	}
	return err
}

// CheckTagging does every check of a tagging but the last: the build's state, access, package list, policy. An administrator's force lists a
// package that is not listed.
func (s *Service) CheckTagging(ctx context.Context, a Actor, c TagChange) error {
	if st := koji.BuildState(c.Build["state"].(int64)); c.To != nil && st != koji.BuildComplete {
		return fault.New(fault.Tag, "build %v not complete: state %s", c.Build["nvr"], st)
	}
	for _, t := range []query.Row{c.To, c.From} {
		if t != nil {
			if err := s.assertTagAccess(ctx, t, c.User, c.Force); err != nil {
				return err
			}
		}
	}
	if err := s.checkListed(ctx, a, c); err != nil {
		return err
	}
	return s.assertTagPolicy(ctx, a, c)
}

func (s *Service) assertTagPolicy(ctx context.Context, a Actor, c TagChange) error {
	data := map[string]any{"tag": nil, "fromtag": nil, "build": c.Build["id"], "operation": c.operation()}
	if c.User != a.UserID { // a builder acts for who made the task
		data["user_id"] = c.User
	}
	if c.To != nil {
		data["tag"] = c.To["id"]
	}
	if c.From != nil {
		data["fromtag"] = c.From["id"]
	}
	return s.AssertPolicy(ctx, a, "tag", data, c.Force)
}

func (s *Service) checkListed(ctx context.Context, a Actor, c TagChange) error {
	if c.To == nil {
		return nil
	}
	pkg := c.Build["package_id"].(int64)
	entry, err := tagmodel.Package(ctx, s.DB, c.To["id"].(int64), pkg, nil)
	if err != nil {
		return err
	}
	var problem *fault.Error
	switch {
	case entry == nil:
		problem = fault.New(fault.Tag, "Package %v not in list for %v", c.Build["name"], c.To["name"])
	case entry["blocked"].(bool):
		problem = fault.New(fault.Tag, "Package %v blocked in %v", c.Build["name"], c.To["name"])
	default:
		return nil
	}
	if !c.Force || !a.Admin {
		return problem
	}
	open := false
	return s.ListPackage(ctx, a, ListPackage{Tag: c.To, Package: pkg, Block: &open, Force: true})
}

// SubmitTagging checks a tagging or move and makes the task that carries it out; answers the task's id.
func (s *Service) SubmitTagging(ctx context.Context, a Actor, c TagChange) (int64, error) {
	if err := s.CheckTagging(ctx, a, c); err != nil {
		return 0, err
	}
	var from any
	if c.From != nil {
		from = c.From["id"]
	}
	priority := int64(tagTaskPriority)
	return s.MakeTask(ctx, a, MakeTask{Method: "tagBuild", Params: []any{c.To["id"], c.Build["id"], c.Force, from}, Priority: &priority})
}

// tagTaskPriority is that of tasks that tag: ahead of builds.
const tagTaskPriority = 10

// ChangeTags carries a tagging, untagging or move out, without the policy's and package list's checks (CheckTagging makes them), but with those
// on the tags themselves. The actor of the events is the user on whose rights it happens.
func (s *Service) ChangeTags(ctx context.Context, c TagChange) error {
	a := Actor{UserID: c.User}
	for _, t := range []query.Row{c.From, c.To} {
		if t != nil {
			if err := s.assertTagAccess(ctx, t, c.User, c.Force); err != nil {
				return err
			}
		}
	}
	id, nvr := c.Build["id"].(int64), c.Build["nvr"].(string)
	if st := koji.BuildState(c.Build["state"].(int64)); c.To != nil && st != koji.BuildComplete {
		return fault.New(fault.Tag, "build %s not complete: state %s", nvr, st)
	}
	if c.From != nil {
		from := c.From["name"].(string)
		if _, err := s.decideTag(ctx, a, "untag build", c.From["id"].(int64), func(t *tag.Tag) ([]events.Event, error) {
			return t.UntagBuild(id, nvr, from, c.Strict)
		}); err != nil {
			return err
		}
		s.removeEmptySideTag(ctx, a, c.From["id"].(int64))
	}
	if c.To == nil {
		return nil
	}
	to := c.To["name"].(string)
	_, err := s.decideTag(ctx, a, "tag build", c.To["id"].(int64), func(t *tag.Tag) ([]events.Event, error) { return t.TagBuild(id, nvr, to, c.Force) })
	return err
}

// Untag takes a build out of a tag, if access and policy allow it.
func (s *Service) Untag(ctx context.Context, a Actor, c TagChange) error {
	if err := s.assertTagPolicy(ctx, a, c); err != nil {
		return err
	}
	return s.ChangeTags(ctx, c)
}

// MassTag puts many builds into a tag in one event, past every check; builds that are there move to the front as well.
func (s *Service) MassTag(ctx context.Context, a Actor, t query.Row, builds []int64) error {
	_, err := s.decideTag(ctx, a, "mass tag", t["id"].(int64), func(t *tag.Tag) ([]events.Event, error) { return t.TagBuilds(builds) })
	return err
}

// DropFromTag takes a build out of a tag whatever the tag's rules: the build is being taken apart.
func (s *Service) DropFromTag(ctx context.Context, a Actor, tagID, build int64) error {
	_, err := s.decideTag(ctx, a, "drop build", tagID, func(t *tag.Tag) ([]events.Event, error) { return t.UntagBuild(build, "", "", false) })
	if err == nil {
		s.removeEmptySideTag(ctx, a, tagID)
	}
	return err
}
