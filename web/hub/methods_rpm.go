package hub

import (
	"encoding/base64"
	"strings"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/projections/query"
	"moromi/projections/rpm"
)

// rpmMethods are rpms as the read models know them, their import and their signatures; what stands in their files is in rpmFileMethods.
func rpmMethods(d Deps) []Method {
	return []Method{
		{Name: "getRPM", Params: "rpminfo, strict=False, multi=False", Auth: Anonymous, Help: "An rpm by id, N-V-R.A[@location] or struct; multi gives all that fit.", Func: d.getRPM},
		{Name: "listRPMs", Params: "buildID=None, buildrootID=None, imageID=None, componentBuildrootID=None, hostID=None, arches=None, queryOpts=None, draft=None", Auth: Anonymous, Help: "Rpms that match all that is given.", Func: d.listRPMs},
		{Name: "listBuildRPMs", Params: "build", Auth: Anonymous, Help: "The rpms of a build.", Func: d.listBuildRPMs},
		{Name: "queryRPMSigs", Params: "rpm_id=None, sigkey=None, queryOpts=None", Auth: Anonymous, Help: "Signature headers that are kept: of an rpm, of a key, or all.", Func: d.queryRPMSigs},
		{Name: "importRPM", Params: "path, basename", Auth: Admin, Write: true, Help: "Import an uploaded rpm to its build, which a source rpm makes.", Func: d.importRPM},
		{Name: "mergeScratch", Params: "task_id", Auth: Admin, Write: true,
			Help: "Import a scratch build's rpms into the build of the same source that lacks their architectures; answers the build's id.", Func: d.mergeScratch},
		{Name: "addExternalRPM", Params: "rpminfo, external_repo, strict=True", Auth: Admin, Write: true, Help: "Make an rpm of an external repository known.", Func: d.addExternalRPM},
		{Name: "addRPMSig", Params: "an_rpm, data", Auth: Perm("sign"), Write: true, Help: "Keep a signature header (base64) for an rpm.", Func: d.addRPMSig},
		{Name: "deleteRPMSig", Params: "rpminfo, sigkey=None, all_sigs=False", Auth: Admin, Write: true, Help: "Forget an rpm's signature by a key, or all.", Func: d.deleteRPMSig},
		{Name: "writeSignedRPM", Params: "an_rpm, sigkey, force=False", Auth: Perm("sign"), Write: true, Help: "Write the copy of an rpm with a key's signature.", Func: d.writeSignedRPM},
		{Name: "host.writeSignedRPM", Params: "an_rpm, sigkey, force=False", Auth: Host, Write: true, First: signable, Help: "Write the copy of an rpm with a key's signature.", Func: d.writeSignedRPM},
		{Name: "getRPMChecksums", Params: "rpm_id, checksum_types=None, cacheonly=False", Auth: Anonymous, Help: "Checksums of an rpm's copies by signature key.", Func: d.getRPMChecksums},
	}
}

func (d Deps) findRPM(c *Call, info any) (query.Row, error) {
	s, err := rpm.ParseSpec(info)
	if err != nil {
		return nil, err
	}
	return rpm.Get(c.Context(), d.DB, s, nil)
}

func (d Deps) theRPM(c *Call, info any) (query.Row, error) {
	r, err := d.findRPM(c, info)
	if err == nil && r == nil {
		err = fault.New(fault.Generic, "No such rpm: %s", clip(pyRepr(info)))
	}
	return r, err
}

func (d Deps) getRPM(c *Call, a Args) (any, error) {
	info := a.Get("rpminfo")
	switch {
	case a.Bool("multi"):
		s, err := rpm.ParseSpec(info)
		if err != nil {
			return nil, err
		}
		return rpm.All(c.Context(), d.DB, s, nil)
	case a.Bool("strict"):
		return orNil(d.theRPM(c, info))
	}
	return orNil(d.findRPM(c, info))
}

func (d Deps) listRPMs(c *Call, a Args) (any, error) {
	var f rpm.Filter
	for name, to := range map[string]**int64{"buildID": &f.Build, "buildrootID": &f.Buildroot, "componentBuildrootID": &f.Component, "hostID": &f.Host, "imageID": &f.Archive} {
		if a.IsNil(name) {
			continue
		}
		id, err := a.Int(name)
		if err != nil {
			return nil, err
		}
		*to = &id
	}
	switch v := a.Get("arches").(type) {
	case nil:
	case string:
		f.Arches = []string{v}
	default:
		arches, err := a.Reject(fault.Generic).Strings("arches")
		if err != nil {
			return nil, err
		}
		f.Arches = arches
	}
	if !a.IsNil("draft") {
		b := a.Bool("draft")
		f.Draft = &b
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return rpm.List(c.Context(), d.DB, f, nil, o)
}

func (d Deps) listBuildRPMs(c *Call, a Args) (any, error) {
	id, ok := a.Get("build").(int64)
	if !ok {
		b, err := d.theBuild(c, a.Get("build"))
		if err != nil {
			return nil, err
		}
		id = b["build_id"].(int64)
	}
	return rpm.List(c.Context(), d.DB, rpm.Filter{Build: &id}, nil, query.Opts{})
}

func (d Deps) queryRPMSigs(c *Call, a Args) (any, error) {
	key, err := a.StringOrNil("sigkey")
	if err != nil {
		return nil, err
	}
	if key != nil {
		low := strings.ToLower(*key)
		key = &low
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	var id *int64
	switch v := a.Get("rpm_id").(type) {
	case nil:
	case int64:
		id = &v
	default:
		r, err := d.findRPM(c, v)
		if err != nil || r == nil {
			return []query.Row{}, err
		}
		n := r["id"].(int64)
		id = &n
	}
	return rpm.Signatures(c.Context(), d.DB, id, key, nil, o)
}

func (d Deps) importRPM(c *Call, a Args) (any, error) {
	dir, err := a.Reject(fault.Generic).String("path")
	if err != nil {
		return nil, err
	}
	name, err := a.Reject(fault.Generic).String("basename")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return orNil(d.Service.ImportRPM(c.Context(), actor, dir, name))
}

func (d Deps) mergeScratch(c *Call, a Args) (any, error) {
	task, err := a.Reject(fault.Import).Int("task_id")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.MergeScratch(c.Context(), actor, task)
}

func (d Deps) addExternalRPM(c *Call, a Args) (any, error) {
	m, ok := a.Get("rpminfo").(map[string]any)
	if !ok {
		return nil, fault.New(fault.Generic, "name field missing: %s", clip(pyRepr(a.Get("rpminfo"))))
	}
	x, err := externalRPM(m)
	if err != nil {
		return nil, err
	}
	repo, byID := a.Get("external_repo").(int64)
	var name string
	if byID {
		name, err = rpm.ExternalRepoName(c.Context(), d.DB, repo)
	} else if name, err = a.Reject(fault.Generic).String("external_repo"); err == nil {
		repo, err = rpm.ExternalRepoID(c.Context(), d.DB, name)
	}
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	_, err = d.Service.AddExternalRPMs(c.Context(), actor, repo, name, []events.ExternalRPM{x}, a.Bool("strict"))
	return nil, err
}

func (d Deps) addRPMSig(c *Call, a Args) (any, error) {
	s, err := rpm.ParseSpec(a.Get("an_rpm"))
	if err != nil {
		return nil, err
	}
	var header []byte
	switch v := a.Get("data").(type) {
	case []byte:
		header = v
	case string:
		// Python's decoder passes over line ends and whatever else is not base64
		clean := strings.Map(func(r rune) rune {
			if r == '\n' || r == '\r' || r == ' ' {
				return -1
			}
			return r
		}, v)
		if header, err = base64.StdEncoding.DecodeString(clean); err != nil {
			return nil, fault.Wrap(err, fault.Generic, "the signature header is not base64")
		}
	default:
		return nil, fault.New(fault.Parameter, "Invalid type for data: %s", pyType(v))
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.AddRPMSig(c.Context(), actor, s, header)
}

func (d Deps) deleteRPMSig(c *Call, a Args) (any, error) {
	s, err := rpm.ParseSpec(a.Get("rpminfo"))
	if err != nil {
		return nil, err
	}
	var key *string
	if !a.Bool("all_sigs") {
		if !a.Bool("sigkey") {
			return nil, fault.New(fault.Generic, "No signature specified")
		}
		k, err := a.String("sigkey")
		if err != nil {
			return nil, err
		}
		key = &k
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.DeleteRPMSig(c.Context(), actor, s, key)
}

// signable refuses what is no key and what is no name of an rpm, as Koji does before it asks for a host.
func signable(_ *Call, a Args) error {
	if _, err := a.String("sigkey"); err != nil {
		return err
	}
	_, err := rpm.ParseSpec(a.Get("an_rpm"))
	return err
}

func (d Deps) writeSignedRPM(c *Call, a Args) (any, error) {
	s, err := rpm.ParseSpec(a.Get("an_rpm"))
	if err != nil {
		return nil, err
	}
	key, err := a.String("sigkey")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.WriteSignedRPM(c.Context(), actor, s, key, a.Bool("force"))
}

func (d Deps) getRPMChecksums(c *Call, a Args) (any, error) {
	id, err := a.Reject(fault.Generic).ID("rpm_id")
	if err != nil {
		return nil, err
	}
	types := commands.DefaultChecksums()
	if a.Bool("checksum_types") {
		if types, err = a.Reject(fault.Generic).Strings("checksum_types"); err != nil {
			return nil, err
		}
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return orNil(d.Service.RPMChecksums(c.Context(), actor, id, types, a.Bool("cacheonly")))
}
