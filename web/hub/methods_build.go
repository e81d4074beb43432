package hub

import (
	"encoding/json"
	"io/fs"
	"path"
	"time"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/archive"
	"moromi/projections/build"
	"moromi/projections/query"
)

// buildMethods are builds as people ask about them and manage them; see also hostBuildMethods.
func buildMethods(d Deps) []Method {
	return []Method{
		{Name: "getBuild", Params: "buildInfo, strict=False", Auth: Anonymous, Help: "A build by id, N-V-R or struct.", Func: d.getBuild},
		{Name: "findBuildID", Params: "X, strict=False", Auth: Anonymous, Help: "The id of a build by N-V-R or struct; an id is answered as it is.", Func: d.findBuildID},
		{Name: "listBuilds", Params: "packageID=None, userID=None, taskID=None, prefix=None, state=None, volumeID=None, source=None, createdBefore=None, createdAfter=None, completeBefore=None, completeAfter=None, type=None, typeInfo=None, queryOpts=None, pattern=None, cgID=None, draft=None, promotedBefore=None, promotedAfter=None, promoter=None",
			Auth: Anonymous, Help: "Builds that match all that is given.", Func: d.listBuilds},
		{Name: "getBuildLogs", Params: "build", Auth: Anonymous, Help: "The log files of a complete build: name, directory and path below the topdir.", Func: d.getBuildLogs},
		{Name: "getAverageBuildDuration", Params: "package, age=None", Auth: Anonymous, Help: "How many seconds a package's builds take, over the last age months.", Func: d.getAverageBuildDuration},
		{Name: "getNextRelease", Params: "build_info, incr=1", Auth: Anonymous, Help: "The release after the last one of a package's version.", Func: d.getNextRelease},
		{Name: "getBuildType", Params: "buildInfo, strict=False", Auth: Anonymous, Help: "A build's types, each with what is known about it.", Func: d.getBuildType},
		{Name: "listBTypes", Params: "query=None, queryOpts=None", Auth: Anonymous, Help: "Build types, all or by name or id.", Func: d.listBTypes},
		{Name: "addBType", Params: "name", Auth: Admin, Write: true, Help: "Make a build type.", Func: d.addBType},
		{Name: "createEmptyBuild", Params: "name, version, release, epoch, owner=None, draft=False", Auth: Admin, Write: true, Help: "Make a complete build without content; answers its id.", Func: d.createEmptyBuild},
		{Name: "cancelBuild", Params: "buildID, strict=False", Auth: Session, Write: true, Help: "Stop a build and its task: its owner and admins may. Answers whether there was anything to stop.", Func: d.cancelBuild},
		{Name: "buildReferences", Params: "build, limit=None, lazy=False", Auth: Anonymous, Help: "What refers to a build: tags, rpms built with it, archives.", Func: d.buildReferences},
		{Name: "deleteBuild", Params: "build, strict=True, min_ref_age=604800", Auth: Admin, Write: true, Help: "Remove a build's files if nothing refers to it. Its name stays taken.", Func: d.deleteBuild},
		{Name: "resetBuild", Params: "build", Auth: Admin, Write: true, Help: "Take back all that was imported for a build.", Func: d.resetBuild},
		{Name: "promoteBuild", Params: "build, force=False", Auth: Session, Write: true, Help: "Make a draft a regular build, as the policy draft_promotion lets.", Func: d.promoteBuild},
		{Name: "untaggedBuilds", Params: "name=None, queryOpts=None, draft=None", Auth: Anonymous, Help: "Complete builds that are in no tag.", Func: d.untaggedBuilds},
		{Name: "setBuildOwner", Params: "build, user", Auth: Admin, Write: true, Help: "Give a build another owner.", Func: d.setBuildOwner},
		{Name: "setBuildTimestamp", Params: "build, ts", Auth: Admin, Write: true, Help: "Set when a build counts as completed, in seconds since the epoch.", Func: d.setBuildTimestamp},
	}
}

// findBuild looks a build up as clients name it; nil if there is none.
func (d Deps) findBuild(c *Call, info any) (query.Row, error) {
	s, err := build.ParseSpec(info)
	if err != nil {
		return nil, err
	}
	return build.Get(c.Context(), d.DB, s, nil)
}

// theBuild is findBuild with Koji's fault for a build that is not there.
func (d Deps) theBuild(c *Call, info any) (query.Row, error) {
	b, err := d.findBuild(c, info)
	if err == nil && b == nil {
		err = fault.New(fault.Generic, "No such build: %s", clip(pyRepr(info)))
	}
	return b, err
}

// buildAndActor is what a command on a build needs.
func (d Deps) buildAndActor(c *Call, info any) (int64, commands.Actor, error) {
	b, err := d.theBuild(c, info)
	if err != nil {
		return 0, commands.Actor{}, err
	}
	actor, err := d.actor(c)
	return b["build_id"].(int64), actor, err
}

func (d Deps) getBuild(c *Call, a Args) (any, error) {
	if a.Bool("strict") {
		return orNil(d.theBuild(c, a.Get("buildInfo")))
	}
	return orNil(d.findBuild(c, a.Get("buildInfo")))
}

func (d Deps) findBuildID(c *Call, a Args) (any, error) {
	x := a.Get("X")
	if id, ok := x.(int64); ok {
		return id, nil
	}
	s, err := build.ParseSpec(x)
	if err != nil {
		return nil, err
	}
	id, err := build.FindID(c.Context(), d.DB, s, nil)
	switch {
	case err != nil:
		return nil, err
	case id != 0:
		return id, nil
	case a.Bool("strict"):
		return nil, fault.New(fault.Generic, "No such build: %s", clip(pyRepr(x)))
	}
	return nil, nil
}

func (d Deps) listBuilds(c *Call, a Args) (any, error) {
	f, none, err := d.buildFilter(c, a)
	if err != nil || none {
		return []query.Row{}, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return build.List(c.Context(), d.DB, f, nil, o)
}

// buildFilter reads listBuilds' parameters. none tells that no build can match, because something named is not there.
func (d Deps) buildFilter(c *Call, a Args) (f build.Filter, none bool, err error) {
	for name, to := range map[string]**int64{"taskID": &f.Task, "state": &f.State, "volumeID": &f.Volume} {
		if *to, err = a.IntOrNil(name); err != nil {
			return f, false, err
		}
	}
	for name, to := range map[string]**time.Time{"createdBefore": &f.CreatedBefore, "createdAfter": &f.CreatedAfter, "completeBefore": &f.CompleteBefore,
		"completeAfter": &f.CompleteAfter, "promotedBefore": &f.PromotedBefore, "promotedAfter": &f.PromotedAfter} {
		if !a.Bool(name) {
			continue // Koji takes 0 and "" for none
		}
		if *to, err = a.Time(name); err != nil {
			return f, false, err
		}
	}
	for name, to := range map[string]*string{"prefix": &f.Prefix, "pattern": &f.Pattern, "source": &f.Source} {
		if *to, err = a.StringOr(name, ""); err != nil {
			return f, false, err
		}
	}
	if !a.IsNil("draft") {
		draft := a.Bool("draft")
		f.Draft = &draft
	}
	if none, err = d.buildPeople(c, a, &f); none || err != nil {
		return f, none, err
	}
	none, err = d.buildKinds(c, a, &f)
	return f, none, err
}

// buildPeople looks up the package, the owner and the promoter that listBuilds is asked for.
func (d Deps) buildPeople(c *Call, a Args, f *build.Filter) (none bool, err error) {
	if !a.IsNil("packageID") {
		id, err := d.packageID(c, a.Get("packageID"))
		if err != nil || id == 0 {
			return true, err
		}
		f.Package = &id
	}
	for name, to := range map[string]**int64{"userID": &f.Owner, "promoter": &f.Promoter} {
		if a.IsNil(name) {
			continue
		}
		u, err := d.findUser(c, a.Get(name))
		if err != nil || u == nil {
			return true, err
		}
		id := u["id"].(int64)
		*to = &id
	}
	return false, nil
}

// buildKinds looks up the build type and the content generator.
func (d Deps) buildKinds(c *Call, a Args, f *build.Filter) (none bool, err error) {
	if a.Bool("cgID") {
		cg, err := build.ContentGenerator(c.Context(), d.DB, a.Get("cgID"))
		if err != nil || cg == nil {
			return true, err
		}
		id := cg["id"].(int64)
		f.ContentGenerator = &id
	}
	if a.IsNil("type") {
		return false, nil
	}
	t, err := build.Type(c.Context(), d.DB, a.Get("type"))
	if err != nil {
		return false, err
	}
	if t == nil {
		return false, fault.New(fault.Generic, "unsupported build type: %s", clip(pyRepr(a.Get("type"))))
	}
	info, _ := a.Get("typeInfo").(map[string]any)
	switch a.Get("type") {
	case "maven":
		f.Maven, err = mavenBuilds(info)
	case "win":
		f.Win, err = winBuilds(info)
	default:
		id := t["id"].(int64)
		f.Type = &id
	}
	return false, err
}

// packageID gives the id of a package by name or id, 0 if there is none.
func (d Deps) packageID(c *Call, info any) (int64, error) {
	p, err := build.Package(c.Context(), d.DB, info)
	if err != nil || p == nil {
		return 0, err
	}
	return p["id"].(int64), nil
}

func treeOf(b query.Row) storage.Build {
	return storage.Build{Volume: b["volume_name"].(string), Name: b["name"].(string), Version: b["version"].(string), Release: b["release"].(string)}
}

func (d Deps) getBuildLogs(c *Call, a Args) (any, error) {
	b, err := d.theBuild(c, a.Get("build"))
	if err != nil {
		return nil, err
	}
	dir, err := treeOf(b).Dir()
	if err != nil {
		return []query.Row{}, nil // such a name has no place in the tree
	}
	if dir, err = dir.Join("data", "logs"); err != nil {
		return nil, err
	}
	logs := []query.Row{}
	err = d.Storage.Walk(dir, func(rel string, e fs.DirEntry) error {
		if e.Type().IsRegular() {
			logs = append(logs, query.Row{"name": e.Name(), "dir": path.Dir(rel), "path": dir.String() + "/" + path.Dir(rel) + "/" + e.Name()})
		}
		return nil
	})
	return logs, err
}

func (d Deps) getAverageBuildDuration(c *Call, a Args) (any, error) {
	id, err := d.packageID(c, a.Get("package"))
	if err != nil || id == 0 {
		return nil, err
	}
	months, err := a.IntOrNil("age")
	if err != nil {
		return nil, err
	}
	avg, err := build.AverageDuration(c.Context(), d.DB, id, months)
	if err != nil || avg == nil {
		return nil, err
	}
	return *avg, nil
}

func (d Deps) getNextRelease(c *Call, a Args) (any, error) {
	incr, err := a.Int("incr")
	if err != nil {
		return nil, err
	}
	info, err := a.Map("build_info")
	if err != nil {
		return nil, err
	}
	name, ok := info["name"].(string)
	version, ok2 := info["version"].(string)
	if !ok || !ok2 {
		return nil, fault.New(fault.Generic, "getNextRelease needs name and version")
	}
	last, err := build.LastRelease(c.Context(), d.DB, name, version)
	if err != nil {
		return nil, err
	}
	next, ok := koji.NextRelease(last, incr)
	if !ok {
		return nil, fault.New(fault.Build, "Unable to increment release value: %s", last)
	}
	return next, nil
}

func (d Deps) getBuildType(c *Call, a Args) (any, error) {
	find := d.findBuild
	if a.Bool("strict") {
		find = d.theBuild
	}
	b, err := find(c, a.Get("buildInfo"))
	if err != nil || b == nil {
		return nil, err
	}
	types, err := build.Types(c.Context(), d.DB, b)
	if err != nil {
		return nil, err
	}
	// what the hub itself keeps of a type goes before what the build's extra says
	id := b["build_id"].(int64)
	for _, kind := range []struct {
		name string
		get  func() (query.Row, error)
	}{
		{"maven", func() (query.Row, error) { return archive.MavenBuild(c.Context(), d.DB, id, nil) }},
		{"win", func() (query.Row, error) { return archive.WinBuild(c.Context(), d.DB, id, nil) }},
		{"image", func() (query.Row, error) { return archive.ImageBuild(c.Context(), d.DB, id) }},
	} {
		info, err := kind.get()
		if err != nil {
			return nil, err
		}
		if info != nil {
			types[kind.name] = info
		}
	}
	return types, nil
}

func (d Deps) listBTypes(c *Call, a Args) (any, error) {
	q, err := a.Map("query")
	if err != nil {
		return nil, err
	}
	var name *string
	var id *int64
	if v, given := q["name"]; given {
		s, ok := v.(string)
		if !ok {
			return nil, fault.New(fault.Parameter, "Invalid type for name: %s", pyType(v))
		}
		name = &s
	}
	if v, given := q["id"]; given {
		n, ok := v.(int64)
		if !ok {
			return nil, fault.New(fault.Parameter, "Invalid type for id: %s", pyType(v))
		}
		id = &n
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return build.ListTypes(c.Context(), d.DB, name, id, o)
}

func (d Deps) addBType(c *Call, a Args) (any, error) {
	name, err := a.Reject(fault.Generic).String("name")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.AddBuildType(c.Context(), actor, name)
}

func (d Deps) createEmptyBuild(c *Call, a Args) (any, error) {
	in := commands.NewBuild{State: koji.BuildComplete, Draft: a.Bool("draft")}
	g := a.Reject(fault.Generic)
	var err error
	for name, to := range map[string]*string{"name": &in.Name, "version": &in.Version, "release": &in.Release} {
		if *to, err = g.String(name); err != nil {
			return nil, err
		}
	}
	if in.Epoch, err = g.IntOrNil("epoch"); err != nil {
		return nil, err
	}
	if !a.IsNil("owner") {
		u, err := d.theUser(c, a.Get("owner"))
		if err != nil {
			return nil, err
		}
		in.Owner = u["id"].(int64)
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.CreateBuild(c.Context(), actor, in)
}

func (d Deps) cancelBuild(c *Call, a Args) (any, error) {
	b, err := d.findBuild(c, a.Get("buildID"))
	if err != nil {
		return nil, err
	}
	if b == nil {
		if a.Bool("strict") {
			return nil, fault.New(fault.Generic, "No such build: %s", clip(pyRepr(a.Get("buildID"))))
		}
		return false, nil
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	if b["owner_id"] != actor.UserID && !actor.Admin {
		return nil, fault.New(fault.ActionNotAllowed, "Cannot cancel build, not owner")
	}
	return d.Service.CancelBuild(c.Context(), actor, b["build_id"].(int64))
}

func (d Deps) buildReferences(c *Call, a Args) (any, error) {
	b, err := d.theBuild(c, a.Get("build"))
	if err != nil {
		return nil, err
	}
	limit, err := a.IntOrNil("limit")
	if err != nil {
		return nil, err
	}
	return d.Service.BuildReferences(c.Context(), b["build_id"].(int64), limit, a.Bool("lazy"))
}

func (d Deps) deleteBuild(c *Call, a Args) (any, error) {
	id, actor, err := d.buildAndActor(c, a.Get("build"))
	if err != nil {
		return nil, err
	}
	seconds, err := a.Float("min_ref_age")
	if err != nil {
		return nil, err
	}
	age := time.Duration(seconds * float64(time.Second))
	return d.Service.DeleteBuild(c.Context(), actor, id, a.Bool("strict"), &age)
}

func (d Deps) resetBuild(c *Call, a Args) (any, error) {
	b, err := d.findBuild(c, a.Get("build"))
	if err != nil || b == nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.ResetBuild(c.Context(), actor, b["build_id"].(int64))
}

func (d Deps) promoteBuild(c *Call, a Args) (any, error) {
	id, actor, err := d.buildAndActor(c, a.Get("build"))
	if err != nil {
		return nil, err
	}
	if err := d.Service.PromoteBuild(c.Context(), actor, id, a.Bool("force")); err != nil {
		return nil, err
	}
	return d.theBuild(c, id)
}

func (d Deps) untaggedBuilds(c *Call, a Args) (any, error) {
	name, err := a.StringOr("name", "")
	if err != nil {
		return nil, err
	}
	var draft *bool
	if !a.IsNil("draft") {
		b := a.Bool("draft")
		draft = &b
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return build.Untagged(c.Context(), d.DB, name, draft, o)
}

func (d Deps) setBuildOwner(c *Call, a Args) (any, error) {
	id, actor, err := d.buildAndActor(c, a.Get("build"))
	if err != nil {
		return nil, err
	}
	u, err := d.theUser(c, a.Get("user"))
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetBuildOwner(c.Context(), actor, id, u["id"].(int64))
}

func (d Deps) setBuildTimestamp(c *Call, a Args) (any, error) {
	id, actor, err := d.buildAndActor(c, a.Get("build"))
	if err != nil {
		return nil, err
	}
	if _, text := a.Get("ts").(string); text || a.IsNil("ts") {
		return nil, fault.New(fault.Generic, "Invalid type for timestamp")
	}
	at, err := a.Reject(fault.Generic).Time("ts")
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetBuildTimestamp(c.Context(), actor, id, *at)
}

// jsonOf is a decoded value as JSON, nil for None.
func jsonOf(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "No such build extra data: %s", clip(pyRepr(v)))
	}
	return raw, nil
}
