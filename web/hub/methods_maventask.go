package hub

import (
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	"moromi/projections/rpm"
	"moromi/projections/tag"
)

// mavenTaskMethods make the tasks of Maven and Windows builds, and those that wrap what such builds made in rpms.
func mavenTaskMethods(d Deps) []Method {
	return []Method{
		{Name: "mavenBuild", Params: "url, target, opts=None, priority=None, channel='maven'", Auth: Session, Write: true, Help: "Build from a source repository with Maven; answers the task's id.", Func: d.mavenBuild},
		{Name: "chainMaven", Params: "builds, target, opts=None, priority=None, channel='maven'", Auth: Session, Write: true, Help: "Build with Maven, in order, what needs one another: a struct of each package's parameters; answers the task's id.", Func: d.chainMaven},
		{Name: "wrapperRPM", Params: "build, url, target, priority=None, channel='maven', opts=None", Auth: Session, Write: true, Help: "Wrap what a complete build made in rpms, by a spec file template in a source repository; answers the task's id.", Func: d.wrapperRPM},
		{Name: "winBuild", Params: "vm, url, target, opts=None, priority=None, channel='vm'", Auth: Session, Write: true, Help: "Build from a source repository in a Windows virtual machine, as the policy vm lets; answers the task's id.", Func: d.winBuild},
	}
}

func (d Deps) mavenBuild(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	url, err := a.String("url")
	if err != nil {
		return nil, err
	}
	return d.submit(c, a, "maven", url, a.Get("target"))
}

func (d Deps) chainMaven(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	builds, err := a.Map("builds")
	if err != nil {
		return nil, err
	}
	if builds == nil {
		return nil, a.wrong("builds", "dict")
	}
	// Koji leaves absent options absent here, unlike in mavenBuild.
	return d.enqueue(c, a, commands.MakeTask{Method: "chainmaven", Params: []any{builds, a.Get("target"), a.Get("opts")}, Channel: channel(a)})
}

func (d Deps) wrapperRPM(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	given, err := a.Map("opts")
	if err != nil {
		return nil, err
	}
	opts := map[string]any{}
	for k, v := range given {
		if k != "repo_id" { // Koji ignores it: the repository is the target's
			opts[k] = v
		}
	}
	url, err := a.String("url")
	if err != nil {
		return nil, err
	}
	b, err := d.theBuild(c, a.Get("build"))
	if err != nil {
		return nil, err
	}
	if !xmlrpc.Truthy(opts["scratch"]) && !xmlrpc.Truthy(opts["create_build"]) {
		if wrapped, err := d.hasRPMs(c, b); err != nil {
			return nil, err
		} else if wrapped {
			return nil, fault.New(fault.PreBuild, "wrapper rpms for %v have already been built", b["nvr"])
		}
	}
	target, err := d.currentTarget(c, a.Get("target"))
	if err != nil {
		return nil, err
	}
	channel, err := a.String("channel")
	if err != nil {
		return nil, err
	}
	return d.enqueue(c, a, commands.MakeTask{Method: "wrapperRPM", Params: []any{url, target, b, nil, opts}, Channel: channel})
}

func (d Deps) hasRPMs(c *Call, b query.Row) (bool, error) {
	id := b["build_id"].(int64)
	n, err := rpm.List(c.Context(), d.DB, rpm.Filter{Build: &id}, nil, query.Opts{CountOnly: true})
	return n != int64(0), err
}

// currentTarget is a build target that there is now, in getBuildTarget's shape.
func (d Deps) currentTarget(c *Call, info any) (query.Row, error) {
	id, name, err := nameOrID(info)
	if err != nil {
		return nil, err
	}
	t, err := tag.Target(c.Context(), d.DB, tag.Spec{ID: id, Name: name}, nil)
	if err == nil && t == nil {
		err = fault.New(fault.Generic, "No such build target: %s", clip(pyRepr(info)))
	}
	return t, err
}

func (d Deps) winBuild(c *Call, a Args) (any, error) {
	if d.NoWin {
		return nil, errNoWin
	}
	vm, err := a.String("vm")
	if err != nil {
		return nil, err
	}
	url, err := a.String("url")
	if err != nil {
		return nil, err
	}
	target, err := d.currentTarget(c, a.Get("target"))
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	if err := d.Service.AssertPolicy(c.Context(), actor, "vm", map[string]any{"vm_name": vm, "tag": target["dest_tag"]}, false); err != nil {
		return nil, err
	}
	return d.submit(c, a, "winbuild", vm, url, a.Get("target"))
}
