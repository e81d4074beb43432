package hub

import (
	"moromi/internal/fault"
	"moromi/projections/buildroot"
	"moromi/projections/rpm"
)

// buildrootMethods are buildroots as people ask about them.
func buildrootMethods(d Deps) []Method {
	return []Method{
		{Name: "getBuildroot", Params: "buildrootID, strict=False", Auth: Anonymous, Help: "A buildroot by id.", Func: d.getBuildroot},
		{Name: "listBuildroots", Params: "hostID=None, tagID=None, state=None, rpmID=None, archiveID=None, taskID=None, buildrootID=None, repoID=None, queryOpts=None", Auth: Anonymous, Help: "Buildroots that match all that is given.", Func: d.listBuildroots},
		{Name: "getBuildrootListing", Params: "id", Auth: Anonymous, Help: "The rpms in a buildroot.", Func: d.getBuildrootListing},
	}
}

func (d Deps) getBuildroot(c *Call, a Args) (any, error) {
	id, err := a.Int("buildrootID")
	if err != nil {
		return nil, err
	}
	r, err := buildroot.Get(c.Context(), d.DB, id, nil)
	if err == nil && r == nil && a.Bool("strict") {
		err = fault.New(fault.Generic, "No such buildroot: %d", id)
	}
	return orNil(r, err)
}

// idList is one id or a list of ids, nil for None.
func idList(a Args, name string) ([]int64, error) {
	if id, ok := a.Get(name).(int64); ok {
		return []int64{id}, nil
	}
	return a.IDs(name)
}

func (d Deps) listBuildroots(c *Call, a Args) (any, error) {
	var f buildroot.Filter
	var err error
	for name, to := range map[string]**int64{"hostID": &f.Host, "tagID": &f.Tag, "rpmID": &f.RPM, "archiveID": &f.Archive, "taskID": &f.Task, "repoID": &f.Repo} {
		if a.IsNil(name) {
			continue
		}
		id, err := a.Int(name) // koji-web passes on what stands in a page's address: text
		if err != nil {
			return nil, err
		}
		*to = &id
	}
	if f.Repo != nil && *f.Repo == 0 {
		f.Repo = nil // as Koji has it
	}
	if f.IDs, err = idList(a, "buildrootID"); err != nil {
		return nil, err
	}
	if f.States, err = idList(a, "state"); err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return buildroot.List(c.Context(), d.DB, f, nil, o)
}

func (d Deps) getBuildrootListing(c *Call, a Args) (any, error) {
	if a.IsNil("id") {
		return nil, fault.New(fault.Generic, "buildroot not specified")
	}
	id, err := a.Int("id")
	if err != nil {
		return nil, err
	}
	r, err := buildroot.Get(c.Context(), d.DB, id, nil)
	if err == nil && r == nil {
		err = fault.New(fault.Generic, "no buildroot with ID: %d", id)
	}
	if err != nil {
		return nil, err
	}
	return rpm.OfBuildroot(c.Context(), d.DB, id, nil)
}
