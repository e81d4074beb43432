package hub

import (
	"moromi/commands"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/build"
	"moromi/projections/rpm"
)

// hostBuildMethods are what a builder calls for its builds and buildroots.
func hostBuildMethods(d Deps) []Method {
	return []Method{
		{Name: "host.initBuild", Params: "data", Auth: Host, Write: true, Help: "Begin the rpm build of a task; answers its id.", Func: d.hostInitBuild},
		{Name: "host.completeBuild", Params: "task_id, build_id, srpm, rpms, brmap=None, logs=None", Auth: Host, Write: true, Help: "Import what a task built and complete its build.", Func: d.hostCompleteBuild},
		{Name: "host.failBuild", Params: "task_id, build_id", Auth: Host, Write: true, Help: "End a task's build without a result.", Func: d.hostFailBuild},
		{Name: "host.moveBuildToScratch", Params: "task_id, srpm, rpms, logs=None", Auth: Host, Write: true, Help: "Put the files of a scratch build in their place.", Func: d.hostMoveBuildToScratch},
		{Name: "host.newBuildRoot", Params: "repo, arch, task_id=None", Auth: Host, Write: true, Rides: true, Help: "Record a new buildroot; answers its id.", Func: d.hostNewBuildRoot},
		{Name: "host.setBuildRootState", Params: "brootid, state, task_id=None", Auth: Host, Write: true, Help: "Take a buildroot to another state, by name or number.", Func: d.hostSetBuildRootState},
		{Name: "host.setBuildRootList", Params: "brootid, rpmlist, task_id=None", Auth: Host, Write: true, Rides: true, Help: "What is in a new buildroot.", Func: d.hostListBuildRoot(false)},
		{Name: "host.updateBuildRootList", Params: "brootid, rpmlist, task_id=None", Auth: Host, Write: true, Rides: true, Help: "What a build's requirements added to a buildroot.", Func: d.hostListBuildRoot(true)},
	}
}

func (d Deps) hostInitBuild(c *Call, a Args) (any, error) {
	host, err := c.RequireHost()
	if err != nil {
		return nil, err
	}
	data, err := a.Map("data")
	if err != nil {
		return nil, err
	}
	in, err := newBuild(data)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.InitBuild(c.Context(), actor, host, in)
}

// newBuild reads the struct that describes a build to be made (kojihub.new_build).
func newBuild(data map[string]any) (commands.NewBuild, error) {
	in := commands.NewBuild{Draft: xmlrpc.Truthy(data["draft"])}
	for _, f := range []struct {
		name string
		to   *string
	}{{"name", &in.Name}, {"version", &in.Version}, {"release", &in.Release}} {
		s, ok := data[f.name].(string)
		if !ok {
			return in, fault.New(fault.Generic, "No %s value for build", f.name)
		}
		*f.to = s
	}
	epoch, given := data["epoch"]
	if !given {
		return in, fault.New(fault.Generic, "No epoch value for build")
	}
	if n, ok := epoch.(int64); ok {
		in.Epoch = &n
	} else if epoch != nil {
		return in, fault.New(fault.Generic, "Invalid epoch: %s", clip(pyRepr(epoch)))
	}
	if s, ok := data["source"].(string); ok {
		in.Source = &s
	}
	if n, ok := data["task_id"].(int64); ok {
		in.TaskID = &n
	}
	var err error
	in.Extra, err = jsonOf(data["extra"])
	return in, err
}

func (d Deps) hostCompleteBuild(c *Call, a Args) (any, error) {
	host, actor, task, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	if err := d.Service.OwnsTask(c.Context(), task, host); err != nil {
		return nil, err
	}
	in := commands.CompleteBuild{HostID: host, TaskID: task}
	if in.BuildID, err = a.Int("build_id"); err != nil {
		return nil, err
	}
	if in.SRPM, err = a.String("srpm"); err != nil {
		return nil, err
	}
	if in.RPMs, err = a.Strings("rpms"); err != nil {
		return nil, err
	}
	roots, err := a.Map("brmap")
	if err != nil {
		return nil, err
	}
	in.Buildroots = map[string]int64{}
	for rel, v := range roots {
		id, ok := v.(int64)
		if !ok {
			return nil, fault.New(fault.Parameter, "Invalid buildroot id: %s", clip(pyRepr(v)))
		}
		in.Buildroots[rel] = id
	}
	if in.Logs, err = logLists(a); err != nil {
		return nil, err
	}
	if err := d.Service.CompleteBuild(c.Context(), actor, in); err != nil {
		return nil, err
	}
	return orNil(build.Get(c.Context(), d.DB, build.Spec{ID: in.BuildID}, nil))
}

// logLists reads the parameter logs: paths by label.
func logLists(a Args) (map[string][]string, error) {
	logs, err := a.Map("logs")
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for label, v := range logs {
		list, ok := v.([]any)
		if !ok {
			return nil, fault.New(fault.Parameter, "Invalid list of logs: %s", clip(pyRepr(v)))
		}
		for _, x := range list {
			s, ok := x.(string)
			if !ok {
				return nil, fault.New(fault.Parameter, "Invalid log: %s", clip(pyRepr(x)))
			}
			out[label] = append(out[label], s)
		}
	}
	return out, nil
}

func (d Deps) hostFailBuild(c *Call, a Args) (any, error) {
	host, actor, task, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	if err := d.Service.OwnsTask(c.Context(), task, host); err != nil {
		return nil, err
	}
	id, err := a.Int("build_id")
	if err != nil {
		return nil, err
	}
	return nil, d.Service.FailBuild(c.Context(), actor, host, task, id)
}

func (d Deps) hostMoveBuildToScratch(c *Call, a Args) (any, error) {
	host, actor, task, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	if err := d.Service.OwnsTask(c.Context(), task, host); err != nil {
		return nil, err
	}
	in := commands.ScratchBuild{HostID: host, TaskID: task}
	if in.SRPM, err = a.String("srpm"); err != nil {
		return nil, err
	}
	if in.RPMs, err = a.Strings("rpms"); err != nil {
		return nil, err
	}
	if in.Logs, err = logLists(a); err != nil {
		return nil, err
	}
	return nil, d.Service.MoveToScratch(c.Context(), actor, in)
}

func (d Deps) hostNewBuildRoot(c *Call, a Args) (any, error) {
	host, task, err := d.hostTask(c, a)
	if err != nil {
		return nil, err
	}
	arch, err := a.Reject(fault.Generic).String("arch")
	if err != nil {
		return nil, err
	}
	repo, err := a.Int("repo")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.NewBuildroot(c.Context(), actor, host, repo, arch, task)
}

func (d Deps) hostSetBuildRootState(c *Call, a Args) (any, error) {
	r, err := d.rootCall(c, a)
	if err != nil {
		return nil, err
	}
	state, err := rootState(a.Get("state"))
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetBuildrootState(c.Context(), r.actor, r.host, r.id, state, r.task)
}

// rootState reads a buildroot's state by name or number.
func rootState(v any) (koji.BuildrootState, error) {
	for st := koji.BuildrootInit; st <= koji.BuildrootExpired; st++ {
		if v == st.String() || v == int64(st) {
			return st, nil
		}
	}
	return 0, fault.New(fault.Generic, "Invalid buildroot state: %s", clip(pyRepr(v)))
}

func (d Deps) hostListBuildRoot(update bool) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		r, err := d.rootCall(c, a)
		if err != nil {
			return nil, err
		}
		list, err := a.List("rpmlist")
		if err != nil {
			return nil, err
		}
		rpms := make([]commands.ListedRPM, len(list))
		for i, v := range list {
			if rpms[i], err = listedRPM(v); err != nil {
				return nil, err
			}
		}
		return nil, d.Service.ListBuildroot(c.Context(), r.actor, r.host, r.id, rpms, update, r.task)
	}
}

// listedRPM reads one rpm of a buildroot's list. With a location, the name or id of an external repository, it is one of that, described in full.
func listedRPM(v any) (commands.ListedRPM, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return commands.ListedRPM{}, fault.New(fault.Generic, "Invalid rpm: %s", clip(pyRepr(v)))
	}
	location, _ := m["location"].(string)
	id, _ := m["location"].(int64) // as builders send it
	if location == "" && id == 0 {
		s, err := rpm.ParseSpec(m)
		return commands.ListedRPM{Spec: s}, err
	}
	x, err := externalRPM(m)
	if err != nil {
		return commands.ListedRPM{}, err
	}
	n := koji.NVRA{NVR: koji.NVR{Name: x.Name, Version: x.Version, Release: x.Release}, Arch: x.Arch, Location: location}
	return commands.ListedRPM{Spec: rpm.Spec{NVRA: n}, External: &x, ExternalRepoID: id}, nil
}

// externalRPM reads what is known of an rpm of an external repository; every field must be there and of its type.
func externalRPM(m map[string]any) (x events.ExternalRPM, err error) {
	for _, f := range []string{"name", "version", "release", "epoch", "arch", "payloadhash", "size", "buildtime"} {
		if _, there := m[f]; !there {
			return x, fault.New(fault.Generic, "%s field missing: %s", f, clip(pyRepr(m)))
		}
	}
	bad := func(f string) error {
		return fault.New(fault.Generic, "Invalid value for %s: %s", f, clip(pyRepr(m[f])))
	}
	for f, to := range map[string]*string{"name": &x.Name, "version": &x.Version, "release": &x.Release, "arch": &x.Arch, "payloadhash": &x.PayloadHash} {
		s, ok := m[f].(string)
		if !ok {
			return x, bad(f)
		}
		*to = s
	}
	for f, to := range map[string]*int64{"size": &x.Size, "buildtime": &x.BuildTime} {
		n, ok := m[f].(int64)
		if !ok {
			return x, bad(f)
		}
		*to = n
	}
	switch e := m["epoch"].(type) {
	case nil:
	case int64:
		x.Epoch = &e
	default:
		return x, bad("epoch")
	}
	return x, nil
}
