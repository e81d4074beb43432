package hub

import (
	"slices"

	"moromi/commands"
	"moromi/internal/fault"
)

// imageTaskMethods make the tasks of image builds.
func imageTaskMethods(d Deps) []Method {
	return []Method{
		{Name: "buildImage", Params: "name, version, arch, target, ksfile, img_type, opts=None, priority=None", Auth: Custom("the permission is named as the type of image: livecd, livemedia or appliance"), Write: true,
			Help: "Build a live CD, live media or an appliance from a kickstart file; answers the task's id.", Func: d.buildImage},
		{Name: "buildImageIndirection", Params: "opts=None, priority=None", Auth: Perm("image"), Write: true,
			Help: "Build an image by a template out of two others; answers the task's id.", Func: d.buildImageIndirection},
		{Name: "buildImageOz", Params: "name, version, arches, target, inst_tree, opts=None, priority=None", Auth: Perm("image"), Write: true, First: imageTexts,
			Help: "Build disk images out of an installation tree; answers the task's id.", Func: d.buildImageOz},
	}
}

func (d Deps) buildImage(c *Call, a Args) (any, error) {
	kind, err := a.Reject(fault.Generic).String("img_type")
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"livecd", "appliance", "livemedia"}, kind) {
		return nil, fault.New(fault.Generic, "Unrecognized image type: %s", clip(kind))
	}
	for _, param := range []string{"name", "ksfile", "version"} {
		if _, err := a.String(param); err != nil {
			return nil, err
		}
	}
	if err := c.RequirePerm(kind); err != nil {
		return nil, err
	}
	in := commands.MakeTask{Method: kind, Channel: kind, Params: []any{a.Get("name"), a.Get("version"), a.Get("arch"), a.Get("target"), a.Get("ksfile"), a.Get("opts")}}
	if kind != "livemedia" { // whose tasks for each arch are its children
		arch, err := a.String("arch")
		if err != nil {
			return nil, err
		}
		in.Arch = arch
	}
	return d.enqueue(c, a, in)
}

func (d Deps) buildImageIndirection(c *Call, a Args) (any, error) {
	opts, _ := a.Get("opts").(map[string]any)
	_, scratch := opts["scratch"]
	if _, template := opts["indirection_template_url"]; !scratch && !template {
		return nil, fault.New(fault.ActionNotAllowed, "Non-scratch builds must provide url for the indirection template")
	}
	in := commands.MakeTask{Method: "indirectionimage", Channel: "image", Params: []any{opts}}
	if v, given := opts["arch"]; given {
		arch, ok := v.(string)
		if !ok {
			return nil, fault.New(fault.Parameter, "Invalid type for arch: %s", pyType(v))
		}
		in.Arch = arch
	}
	return d.enqueue(c, a, in)
}

// imageTexts refuses an image whose name, version or tree is no text, as Koji does before it asks for the permission.
func imageTexts(_ *Call, a Args) error {
	for _, param := range []string{"name", "inst_tree", "version"} {
		if _, err := a.String(param); err != nil {
			return err
		}
	}
	return nil
}

func (d Deps) buildImageOz(c *Call, a Args) (any, error) {
	return d.enqueue(c, a, commands.MakeTask{Method: "image", Channel: "image",
		Params: []any{a.Get("name"), a.Get("version"), a.Get("arches"), a.Get("target"), a.Get("inst_tree"), a.Get("opts")}})
}
