package hub

import (
	"moromi/internal/fault"
	"moromi/projections/build"
	"moromi/projections/query"
)

// volumeMethods are the storage volumes and which builds are on them.
func volumeMethods(d Deps) []Method {
	return []Method{
		{Name: "listVolumes", Params: "", Auth: Anonymous, Help: "All storage volumes.", Func: d.listVolumes},
		{Name: "getVolume", Params: "volume, strict=False", Auth: Anonymous, Help: "A storage volume by id or name.", Func: d.getVolume},
		{Name: "addVolume", Params: "name, strict=True", Auth: Admin, Write: true, Help: "Make a volume known whose directory is there.", Func: d.addVolume},
		{Name: "removeVolume", Params: "volume", Auth: Admin, Write: true, Help: "Forget a volume that no build is on.", Func: d.removeVolume},
		{Name: "changeBuildVolume", Params: "build, volume, strict=True", Auth: Admin, Write: true, Help: "Move a build's files to another volume.", Func: d.changeBuildVolume},
		{Name: "applyVolumePolicy", Params: "build, strict=False", Auth: Admin, Write: true, Help: "Move a build to where the volume policy says.", Func: d.applyVolumePolicy},
	}
}

func (d Deps) listVolumes(c *Call, _ Args) (any, error) {
	return build.Volumes(c.Context(), d.DB)
}

func (d Deps) getVolume(c *Call, a Args) (any, error) {
	v, err := build.Volume(c.Context(), d.DB, a.Get("volume"))
	if err == nil && v == nil && a.Bool("strict") {
		err = fault.New(fault.Generic, "No such volume: %s", clip(pyRepr(a.Get("volume"))))
	}
	return orNil(v, err)
}

func (d Deps) addVolume(c *Call, a Args) (any, error) {
	name, err := a.Reject(fault.Generic).String("name")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	id, err := d.Service.AddVolume(c.Context(), actor, name, a.Bool("strict"))
	if err != nil {
		return nil, err
	}
	return query.Row{"id": id, "name": name}, nil
}

func (d Deps) removeVolume(c *Call, a Args) (any, error) {
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RemoveVolume(c.Context(), actor, a.Get("volume"))
}

func (d Deps) changeBuildVolume(c *Call, a Args) (any, error) {
	if v, err := build.Volume(c.Context(), d.DB, a.Get("volume")); err != nil {
		return nil, err
	} else if v == nil {
		return nil, fault.New(fault.Generic, "No such entry in table volume: %s", clip(pyRepr(a.Get("volume"))))
	}
	id, actor, err := d.buildAndActor(c, a.Get("build"))
	if err != nil {
		return nil, err
	}
	return nil, d.Service.ChangeBuildVolume(c.Context(), actor, id, a.Get("volume"), a.Bool("strict"))
}

func (d Deps) applyVolumePolicy(c *Call, a Args) (any, error) {
	id, actor, err := d.buildAndActor(c, a.Get("build"))
	if err != nil {
		return nil, err
	}
	return nil, d.Service.ApplyVolumePolicy(c.Context(), actor, id, a.Bool("strict"))
}
