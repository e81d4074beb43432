package hub

import (
	"context"
	"strings"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/build"
	"moromi/projections/query"
)

// archivePart gives what one build type keeps of an archive.
type archivePart func(ctx context.Context, db query.DB, id int64, event *int64) (query.Row, error)

// archiveImportMethods bring builds that are not rpms into the hub.
func archiveImportMethods(d Deps) []Method {
	return []Method{
		{Name: "createMavenBuild", Params: "build_info, maven_info", Auth: Perm("maven-import"), Write: true, Help: "Make a build a Maven build, after making it if it is not there and its name, version, release and epoch are given.", Func: d.createMavenBuild},
		{Name: "createWinBuild", Params: "build_info, win_info", Auth: Perm("win-import"), Write: true, Help: "Make a build a Windows build, in the same way.", Func: d.createWinBuild},
		{Name: "createImageBuild", Params: "build_info", Auth: Perm("image-import"), Write: true, Help: "Make a build an image build, in the same way.", Func: d.createImageBuild},
		{Name: "importArchive", Params: "filepath, buildinfo, type, typeInfo", Auth: Custom("the permission to import archives of the type: maven-import, win-import or image-import"), Write: true,
			Help: "Import an uploaded file to a build. filepath is below the work directory; type is maven, win or image.", Func: d.importArchive},
		{Name: "addArchiveType", Params: "name, description, extensions, compression_type=None", Auth: Admin, Write: true,
			Help: "Make a type of archives with its extensions, separated by blanks; compression_type zip or tar lets their files be listed.", Func: d.addArchiveType},
	}
}

var (
	errNoMaven = fault.New(fault.Generic, "Maven support not enabled")
	errNoWin   = fault.New(fault.Generic, "Windows support not enabled")
)

// buildToType gives the build that a create…Build call names, made if it is not there and all of its name is given.
func (d Deps) buildToType(c *Call, a Args) (int64, commands.Actor, error) {
	info := a.Get("build_info")
	b, err := d.findBuild(c, info)
	if err != nil {
		return 0, commands.Actor{}, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return 0, actor, err
	}
	if b != nil {
		return b["build_id"].(int64), actor, nil
	}
	m, ok := info.(map[string]any)
	if !ok {
		return 0, actor, fault.New(fault.Generic, "Invalid type for build_info: %s; a build that is not there is made of a struct", pyType(info))
	}
	if xmlrpc.Truthy(m["draft"]) {
		return 0, actor, fault.New(fault.Generic, "Draft build not supported")
	}
	in := commands.NewBuild{State: koji.BuildComplete}
	for _, f := range []struct {
		key string
		to  *string
	}{{"name", &in.Name}, {"version", &in.Version}, {"release", &in.Release}} {
		s, ok := m[f.key].(string)
		if !ok || s == "" {
			return 0, actor, fault.New(fault.Generic, "Build info doesn't have mandatory %s key, or it is no text", f.key)
		}
		*f.to = s
	}
	epoch, there := m["epoch"]
	if !there {
		return 0, actor, fault.New(fault.Generic, "Build info doesn't have mandatory epoch key")
	}
	if epoch != nil {
		n, ok := epoch.(int64)
		if !ok {
			return 0, actor, fault.New(fault.Parameter, "Invalid type for epoch: %s", pyType(epoch))
		}
		in.Epoch = &n
	}
	id, err := d.Service.CreateBuild(c.Context(), actor, in)
	return id, actor, err
}

func (d Deps) createMavenBuild(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	m, err := mavenInfoOf(a.Get("maven_info"))
	if err != nil {
		return nil, err
	}
	id, actor, err := d.buildToType(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetMavenBuild(c.Context(), actor, id, *m)
}

// platformOf reads win_info.
func platformOf(v any) (string, error) {
	info, ok := v.(map[string]any)
	switch {
	case !ok:
		return "", fault.New(fault.Generic, "Invalid type for win_info: %s", pyType(v))
	case len(info) == 0:
		return "", fault.New(fault.Generic, "Windows info is empty")
	}
	platform, ok := info["platform"].(string)
	if !ok {
		return "", fault.New(fault.Generic, "Windows info doesn't have mandatory platform key, or it is no text")
	}
	return platform, nil
}

func (d Deps) createWinBuild(c *Call, a Args) (any, error) {
	if d.NoWin {
		return nil, errNoWin
	}
	platform, err := platformOf(a.Get("win_info"))
	if err != nil {
		return nil, err
	}
	id, actor, err := d.buildToType(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetWinBuild(c.Context(), actor, id, platform)
}

func (d Deps) createImageBuild(c *Call, a Args) (any, error) {
	id, actor, err := d.buildToType(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetImageBuild(c.Context(), actor, id)
}

func (d Deps) importArchive(c *Call, a Args) (any, error) {
	kind, _ := a.Get("type").(string)
	switch kind {
	case "maven", "win", "image":
	default:
		return nil, fault.New(fault.Generic, "unsupported archive type: %s", clip(pyRepr(a.Get("type"))))
	}
	switch {
	case kind == "maven" && d.NoMaven:
		return nil, errNoMaven
	case kind == "win" && d.NoWin:
		return nil, errNoWin
	}
	if err := c.RequirePerm(kind + "-import"); err != nil {
		return nil, err
	}
	return d.putArchive(c, a, kind, "")
}

// putArchive imports the file that a call names to the build that it names. Paths are below the work directory; they may begin with root, which is the
// same place.
func (d Deps) putArchive(c *Call, a Args, kind, root string) (any, error) {
	b, err := d.theBuild(c, a.Get("buildinfo"))
	if err != nil {
		return nil, err
	}
	path, err := a.String("filepath")
	if err != nil {
		return nil, err
	}
	info, err := a.Map("typeInfo")
	if err != nil {
		return nil, err
	}
	in, err := newArchive(strings.TrimPrefix(path, root), kind, info)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	_, err = d.Service.ImportArchive(c.Context(), actor, b, in)
	return nil, err
}

func (d Deps) addArchiveType(c *Call, a Args) (any, error) {
	var in commands.NewArchiveType
	var err error
	if in.Name, err = a.Reject(fault.Generic).String("name"); err != nil {
		return nil, err
	}
	if in.Description, err = a.String("description"); err != nil {
		return nil, err
	}
	if in.Extensions, err = a.String("extensions"); err != nil {
		return nil, err
	}
	if in.Compression, err = a.StringOrNil("compression_type"); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.AddArchiveType(c.Context(), actor, in)
}

// buildType looks a build type up by name or id; nil if there is none.
func (d Deps) buildType(c *Call, key any) (query.Row, error) {
	return build.Type(c.Context(), d.DB, key)
}

// mavenBuilds reads listBuilds' typeInfo of Maven builds.
func mavenBuilds(info map[string]any) (*build.MavenFilter, error) {
	f := &build.MavenFilter{}
	return f, texts(info, map[string]**string{"group_id": &f.GroupID, "artifact_id": &f.ArtifactID, "version": &f.Version})
}

// winBuilds reads listBuilds' typeInfo of Windows builds.
func winBuilds(info map[string]any) (*build.WinFilter, error) {
	f := &build.WinFilter{}
	if len(info) == 0 {
		return f, nil
	}
	if err := texts(info, map[string]**string{"platform": &f.Platform}); err != nil {
		return nil, err
	}
	if f.Platform == nil {
		return nil, fault.New(fault.Parameter, "typeInfo of Windows builds must have platform")
	}
	return f, nil
}
