package hub

import (
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/projections/tag"
)

// snapshot reads what snapshotTag and snapshotTagModify share.
func (d Deps) snapshot(c *Call, a Args) (commands.Snapshot, commands.Actor, error) {
	in := commands.Snapshot{Config: a.Bool("config"), Packages: a.Bool("pkgs"), Builds: a.Bool("builds"), Groups: a.Bool("groups"),
		LatestOnly: a.Bool("latest_only"), InheritBuilds: a.Bool("inherit_builds"), Force: a.Bool("force")}
	if in.Builds && !in.Packages {
		return in, commands.Actor{}, fault.New(fault.Parameter, "%s: builds cannot be copied without the package list (pkgs)", c.Method())
	}
	var err error
	if in.Event, err = a.Reject(fault.Generic).IntOrNil("event"); err != nil {
		return in, commands.Actor{}, err
	}
	actor, err := d.actor(c)
	return in, actor, err
}

func (d Deps) snapshotTag(c *Call, a Args) (any, error) {
	in, actor, err := d.snapshot(c, a)
	if err != nil {
		return nil, err
	}
	there, err := d.findTag(c, a.Get("dst"), nil)
	if err != nil {
		return nil, err
	}
	if there != nil {
		return nil, fault.New(fault.Generic, "Target tag already exists")
	}
	name, err := a.Reject(fault.Generic).String("dst")
	if err != nil {
		return nil, err
	}
	if in.From, err = d.theTag(c, a.Get("src"), in.Event); err != nil {
		return nil, err
	}
	return nil, d.Service.SnapshotTag(c.Context(), actor, name, in)
}

func (d Deps) snapshotTagModify(c *Call, a Args) (any, error) {
	in, actor, err := d.snapshot(c, a)
	if err != nil {
		return nil, err
	}
	in.Remove = a.Bool("remove")
	if in.From, err = d.theTag(c, a.Get("src"), in.Event); err != nil {
		return nil, err
	}
	to, err := d.theTag(c, a.Get("dst"), nil)
	if err != nil {
		return nil, err
	}
	spec := tag.Spec{ID: to["id"].(int64)}
	return nil, d.Service.UpdateSnapshot(c.Context(), actor, spec, in)
}
