package hub

import (
	"slices"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	"moromi/projections/tag"
	"moromi/projections/user"
)

// tagBuildMethods put builds into tags and say what is in them.
func tagBuildMethods(d Deps) []Method {
	return []Method{
		{Name: "listTagged", Params: "tag, event=None, inherit=False, prefix=None, latest=False, package=None, owner=None, type=None, strict=True, extra=False, draft=None", Auth: Anonymous,
			Help: "The builds in a tag, the ones tagged last first; latest keeps so many of each package.", Func: d.listTagged},
		{Name: "listTaggedRPMS", Params: "tag, event=None, inherit=False, latest=False, package=None, arch=None, rpmsigs=False, owner=None, type=None, strict=True, extra=True, draft=None", Auth: Anonymous,
			Help: "The rpms of the builds in a tag, and the builds.", Func: d.listTaggedRPMS},
		{Name: "getLatestBuilds", Params: "tag, event=None, package=None, type=None, draft=None", Auth: Anonymous, Help: "The latest build of each package in a tag, inherited ones included.", Func: d.getLatestBuilds},
		{Name: "getLatestRPMS", Params: "tag, package=None, arch=None, event=None, rpmsigs=False, type=None, draft=None", Auth: Anonymous, Help: "The rpms of the latest builds in a tag, and the builds.", Func: d.getLatestRPMS},
		{Name: "checkTagAccess", Params: "tag_id, user_id=None", Auth: Anonymous, Help: "Whether a user may tag builds with a tag, whether force helps, and why not.", Func: d.checkTagAccess},
		{Name: "tagBuild", Params: "tag, build, force=False, fromtag=None", Auth: Session, Write: true, Rides: true, Help: "Ask for a build to be tagged, or moved from another tag; answers the id of the task that does it.", Func: d.tagBuild},
		{Name: "untagBuild", Params: "tag, build, strict=True, force=False", Auth: Session, Write: true, Rides: true, Help: "Take a build out of a tag.", Func: d.untagBuild},
		{Name: "tagBuildBypass", Params: "tag, build, force=False, notify=False", Auth: Perm("tag"), Write: true, Rides: true, Help: "Tag a build at once, past the package list.", Func: d.tagBuildBypass},
		{Name: "untagBuildBypass", Params: "tag, build, strict=True, force=False, notify=False", Auth: Perm("tag"), Write: true, Rides: true, Help: "Untag a build at once.", Func: d.untagBuildBypass},
		{Name: "moveBuild", Params: "tag1, tag2, build, force=False", Auth: Session, Write: true, Help: "Ask for a build to be moved from one tag to another; answers the id of the task that does it.", Func: d.moveBuild},
		{Name: "moveAllBuilds", Params: "tag1, tag2, package, force=False", Auth: Session, Write: true, Help: "Ask for all builds of a package to be moved, oldest first; answers the ids of the tasks.", Func: d.moveAllBuilds},
		{Name: "massTag", Params: "tag, builds", Auth: Perm("tag"), Write: true, Rides: true, Help: "Tag many builds in one event, past every check.", Func: d.massTag},
		{Name: "snapshotTag", Params: "src, dst, config=True, pkgs=True, builds=True, groups=True, latest_only=True, inherit_builds=True, event=None, force=False", Auth: Perm("tag"), Write: true,
			Help: "Make a tag with what another has, or had at an event; inheritance and external repositories are not taken over.", Func: d.snapshotTag},
		{Name: "snapshotTagModify", Params: "src, dst, config=True, pkgs=True, builds=True, groups=True, latest_only=True, inherit_builds=True, event=None, force=False, remove=False", Auth: Perm("tag"), Write: true,
			Help: "Bring a tag to what another has, or had at an event; remove takes out what the other does not have.", Func: d.snapshotTagModify},
		{Name: "host.tagBuild", Params: "task_id, tag, build, force=False, fromtag=None", Auth: Host, Write: true, Help: "Tag a build on behalf of the task's owner.", Func: d.hostTagBuild},
		{Name: "host.tagNotification", Params: "is_successful, tag_id, from_id, build_id, user_id, ignore_success=False, failure_msg=''", Auth: Host, Write: true, Help: "Report how a tagging went, so that people are told.", Func: d.hostTagNotification},
	}
}

// buildFilter reads the parameters that the calls about a tag's builds share.
func buildFilter(a Args) (tag.BuildFilter, error) {
	f := tag.BuildFilter{}
	var err error
	for param, to := range map[string]*string{"package": &f.Package, "type": &f.Type} {
		if *to, err = a.StringOr(param, ""); err != nil {
			return f, err
		}
	}
	if !a.IsNil("draft") {
		b := a.Bool("draft")
		f.Draft = &b
	}
	return f, nil
}

// latest reads latest: true is 1, a number that many, false all.
func latest(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	}
	if xmlrpc.Truthy(v) {
		return 1
	}
	return 0
}

// taggedIn gives the tag and the event of a call; tag nil if it is not there and the call is not strict.
func (d Deps) taggedIn(c *Call, a Args, strict bool) (query.Row, *int64, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, nil, err
	}
	find := d.findTag
	if strict {
		find = d.theTag
	}
	t, err := find(c, a.Get("tag"), event)
	return t, event, err
}

func (d Deps) listTagged(c *Call, a Args) (any, error) {
	t, event, err := d.taggedIn(c, a, a.Bool("strict"))
	if err != nil || t == nil {
		return []any{}, err
	}
	f, err := buildFilter(a)
	if err != nil {
		return nil, err
	}
	f.Inherited, f.Latest, f.Extra = a.Bool("inherit"), latest(a.Get("latest")), a.Bool("extra")
	if f.Prefix, err = a.StringOr("prefix", ""); err != nil {
		return nil, err
	}
	if f.Owner, err = d.ownerName(c, a); err != nil {
		return nil, err
	}
	return tag.Builds(c.Context(), d.DB, t["id"].(int64), f, event)
}

// ownerName reads owner, which may name the user in any way.
func (d Deps) ownerName(c *Call, a Args) (string, error) {
	switch v := a.Get("owner").(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		u, err := d.theUser(c, v)
		if err != nil {
			return "", err
		}
		return u["name"].(string), nil
	}
}

func (d Deps) listTaggedRPMS(c *Call, a Args) (any, error) {
	t, event, err := d.taggedIn(c, a, a.Bool("strict"))
	if err != nil || t == nil {
		return []any{}, err
	}
	f, err := buildFilter(a)
	if err != nil {
		return nil, err
	}
	f.Inherited, f.Latest = a.Bool("inherit"), latest(a.Get("latest"))
	if f.Owner, err = d.ownerName(c, a); err != nil {
		return nil, err
	}
	return d.taggedRPMs(c, a, t["id"].(int64), tag.RPMFilter{BuildFilter: f, NoExtra: !a.Bool("extra")}, event)
}

func (d Deps) taggedRPMs(c *Call, a Args, id int64, f tag.RPMFilter, event *int64) (any, error) {
	f.Signatures = a.Bool("rpmsigs")
	var err error
	switch v := a.Get("arch").(type) {
	case nil:
	case string:
		f.Arches = []string{v}
	default:
		if f.Arches, err = a.Reject(fault.Generic).Strings("arch"); err != nil {
			return nil, err
		}
	}
	rpms, builds, err := tag.RPMStream(c.Context(), d.DB, id, f, event)
	if err != nil {
		return nil, err
	}
	return rpmsAndBuilds{rpms, builds}, nil
}

// rpmsAndBuilds is the list of these two lists. The rpms are never in memory as a whole.
type rpmsAndBuilds struct {
	rpms   xmlrpc.Marshaler
	builds []query.Row
}

// MarshalXMLRPC writes the list.
func (l rpmsAndBuilds) MarshalXMLRPC(e *xmlrpc.Encoder) error {
	e.BeginArray()
	if err := l.rpms.MarshalXMLRPC(e); err != nil {
		return err
	}
	if err := e.Value(l.builds); err != nil {
		return err
	}
	e.EndArray()
	return nil
}

// latestIn gives the tag, which may be deleted, and the event of a call about a tag's latest builds.
func (d Deps) latestIn(c *Call, a Args) (id int64, event *int64, err error) {
	if event, err = a.Reject(fault.Generic).IntOrNil("event"); err != nil {
		return 0, nil, err
	}
	if id, ok := a.Get("tag").(int64); ok {
		return id, event, nil
	}
	id, err = d.theEverTag(c, a.Get("tag"))
	return id, event, err
}

func (d Deps) getLatestBuilds(c *Call, a Args) (any, error) {
	id, event, err := d.latestIn(c, a)
	if err != nil {
		return nil, err
	}
	f, err := buildFilter(a)
	if err != nil {
		return nil, err
	}
	f.Inherited, f.Latest = true, 1
	return tag.Builds(c.Context(), d.DB, id, f, event)
}

func (d Deps) getLatestRPMS(c *Call, a Args) (any, error) {
	id, event, err := d.latestIn(c, a)
	if err != nil {
		return nil, err
	}
	f, err := buildFilter(a)
	if err != nil {
		return nil, err
	}
	f.Inherited, f.Latest = true, 1
	return d.taggedRPMs(c, a, id, tag.RPMFilter{BuildFilter: f}, event)
}

func (d Deps) checkTagAccess(c *Call, a Args) (any, error) {
	id, err := c.UserID(), error(nil)
	if !a.IsNil("user_id") {
		if id, err = a.Int("user_id"); err != nil {
			return nil, err
		}
	}
	if id == 0 {
		return nil, fault.New(fault.Generic, "a user_id is required")
	}
	t, err := d.theTag(c, a.Get("tag_id"), nil)
	if err != nil {
		return nil, err
	}
	allowed, override, reason, err := d.Service.CheckTagAccess(c.Context(), t, id)
	return []any{allowed, override, reason}, err
}

// tagChange puts the parts of a tagging together; to and from may be nil.
func (d Deps) tagChange(c *Call, a Args, to, from any) (commands.TagChange, commands.Actor, error) {
	ch := commands.TagChange{User: c.UserID(), Force: a.Bool("force"), Strict: true}
	var err error
	if ch.Build, err = d.theBuild(c, a.Get("build")); err != nil {
		return ch, commands.Actor{}, err
	}
	if to != nil {
		if ch.To, err = d.theTag(c, to, nil); err != nil {
			return ch, commands.Actor{}, err
		}
	}
	if xmlrpc.Truthy(from) {
		if ch.From, err = d.theTag(c, from, nil); err != nil {
			return ch, commands.Actor{}, err
		}
	}
	actor, err := d.actor(c)
	return ch, actor, err
}

func (d Deps) tagBuild(c *Call, a Args) (any, error) {
	ch, actor, err := d.tagChange(c, a, a.Get("tag"), a.Get("fromtag"))
	if err != nil {
		return nil, err
	}
	return d.Service.SubmitTagging(c.Context(), actor, ch)
}

func (d Deps) untagBuild(c *Call, a Args) (any, error) { return d.untag(c, a, false) }

func (d Deps) untagBuildBypass(c *Call, a Args) (any, error) { return d.untag(c, a, true) }

func (d Deps) untag(c *Call, a Args, bypass bool) (any, error) {
	from, err := d.theTag(c, a.Get("tag"), nil) // Koji asks for the tag before the build
	if err != nil {
		return nil, err
	}
	ch, actor, err := d.tagChange(c, a, nil, nil)
	if err != nil {
		return nil, err
	}
	ch.From, ch.Strict = from, a.Bool("strict")
	if err := d.Service.Untag(c.Context(), actor, ch); err != nil {
		return nil, err
	}
	d.distRepoAfter(c, actor, ch)
	if !bypass || a.Bool("notify") {
		d.Service.NoteTagging(c.Context(), actor, commands.Tagging{Successful: true, From: a.Get("tag"), Build: a.Get("build"),
			BuildID: ch.Build["id"].(int64), User: actor.UserID})
	}
	return nil, nil
}

func (d Deps) tagBuildBypass(c *Call, a Args) (any, error) {
	to, err := d.theTag(c, a.Get("tag"), nil) // Koji asks for the tag before the build
	if err != nil {
		return nil, err
	}
	ch, actor, err := d.tagChange(c, a, nil, nil)
	if err != nil {
		return nil, err
	}
	ch.To = to
	if err := d.Service.AssertPolicy(c.Context(), actor, "tag", map[string]any{"tag": ch.To["id"], "build": ch.Build["id"], "fromtag": nil, "operation": "tag"}, ch.Force); err != nil {
		return nil, err
	}
	if err := d.Service.ChangeTags(c.Context(), ch); err != nil {
		return nil, err
	}
	d.distRepoAfter(c, actor, ch)
	if a.Bool("notify") {
		d.Service.NoteTagging(c.Context(), actor, commands.Tagging{Successful: true, Tag: a.Get("tag"), Build: a.Get("build"),
			BuildID: ch.Build["id"].(int64), User: actor.UserID})
	}
	return nil, nil
}

func (d Deps) moveBuild(c *Call, a Args) (any, error) {
	ch, actor, err := d.tagChange(c, a, a.Get("tag2"), a.Get("tag1"))
	if err != nil {
		return nil, err
	}
	return d.Service.SubmitTagging(c.Context(), actor, ch)
}

func (d Deps) moveAllBuilds(c *Call, a Args) (any, error) {
	from, err := d.theTag(c, a.Get("tag1"), nil)
	if err != nil {
		return nil, err
	}
	to, err := d.theTag(c, a.Get("tag2"), nil)
	if err != nil {
		return nil, err
	}
	p, err := d.thePackage(c, a.Get("package"))
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	builds, err := tag.Builds(c.Context(), d.DB, from["id"].(int64), tag.BuildFilter{Package: p["name"].(string)}, nil)
	if err != nil {
		return nil, err
	}
	changes := make([]commands.TagChange, len(builds))
	for i, b := range builds {
		// the oldest first, so that the order in the new tag is that of the old one
		changes[len(builds)-1-i] = commands.TagChange{Build: b, To: to, From: from, User: c.UserID(), Force: a.Bool("force"), Strict: true}
	}
	for _, ch := range changes {
		if err := d.Service.CheckTagging(c.Context(), actor, ch); err != nil {
			return nil, err
		}
	}
	ids := []int64{}
	for _, ch := range changes {
		id, err := d.Service.SubmitTagging(c.Context(), actor, ch)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (d Deps) massTag(c *Call, a Args) (any, error) {
	t, err := d.theTag(c, a.Get("tag"), nil)
	if err != nil {
		return nil, err
	}
	list, err := a.List("builds")
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(list))
	for i, x := range list {
		b, err := d.theBuild(c, x)
		if err != nil {
			return nil, err
		}
		if st := koji.BuildState(b["state"].(int64)); st != koji.BuildComplete {
			return nil, fault.New(fault.Tag, "build %v not complete: state %s", b["nvr"], st)
		}
		ids[i] = b["id"].(int64)
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.MassTag(c.Context(), actor, t, ids)
}

func (d Deps) hostTagBuild(c *Call, a Args) (any, error) {
	host, _, id, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	t, err := d.theTask(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	if t["host_id"] != host || koji.TaskState(t["state"].(int64)) != koji.TaskOpen {
		return nil, fault.New(fault.ActionNotAllowed, "host %d does not own task %d", host, id)
	}
	ch, _, err := d.tagChange(c, a, a.Get("tag"), a.Get("fromtag"))
	if err != nil {
		return nil, err
	}
	ch.User = t["owner"].(int64)
	perms, err := user.Perms(c.Context(), d.DB, ch.User, true)
	if err != nil {
		return nil, err
	}
	actor := commands.Actor{UserID: ch.User, Admin: slices.Contains(perms, "admin")}
	if err := d.Service.CheckTagging(c.Context(), actor, ch); err != nil {
		return nil, err
	}
	if err := d.Service.ChangeTags(c.Context(), ch); err != nil {
		return nil, err
	}
	d.distRepoAfter(c, actor, ch)
	return nil, nil
}

// hostTagNotification takes the builder's report. As in Koji, a build that is not there tells nobody.
func (d Deps) hostTagNotification(c *Call, a Args) (any, error) {
	t := commands.Tagging{Successful: a.Bool("is_successful"), Tag: a.Get("tag_id"), From: a.Get("from_id"), Build: a.Get("build_id"),
		User: a.Get("user_id"), IgnoreSuccess: a.Bool("ignore_success")}
	var err error
	if t.Failure, err = a.StringOr("failure_msg", ""); err != nil {
		return nil, err
	}
	if _, isID := t.User.(int64); t.User != nil && !isID {
		u, err := d.theUser(c, t.User)
		if err != nil {
			return nil, err
		}
		t.User = u["id"]
	}
	b, err := d.findBuild(c, t.Build)
	if err != nil || b == nil {
		return nil, err
	}
	t.BuildID = b["build_id"].(int64)
	c.Log().Info("tagging reported", "ok", t.Successful, "tag", t.Tag, "from", t.From, "build", t.BuildID, "failure", t.Failure)
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.NotifyTagging(c.Context(), actor, t)
}
