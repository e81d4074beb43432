package hub

import (
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/projections/archive"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// archiveMethods tell of builds that are not rpms, and of their files; see also archiveImportMethods.
func archiveMethods(d Deps) []Method {
	return []Method{
		{Name: "mavenEnabled", Params: "", Auth: Anonymous, Help: "Whether Maven builds are supported.", Func: func(*Call, Args) (any, error) { return !d.NoMaven, nil }},
		{Name: "winEnabled", Params: "", Auth: Anonymous, Help: "Whether Windows builds are supported.", Func: func(*Call, Args) (any, error) { return !d.NoWin, nil }},
		{Name: "getMavenBuild", Params: "buildInfo, strict=False", Auth: Anonymous, Help: "What a build is to Maven: group, artifact, version.", Func: d.getMavenBuild},
		{Name: "getWinBuild", Params: "buildInfo, strict=False", Auth: Anonymous, Help: "What platform a Windows build was made on.", Func: d.getWinBuild},
		{Name: "getImageBuild", Params: "buildInfo, strict=False", Auth: Anonymous, Help: "The id of a build that is an image build.", Func: d.getImageBuild},
		{Name: "getArchiveTypes", Params: "", Auth: Anonymous, Help: "The types of archives and their extensions.", Func: func(c *Call, _ Args) (any, error) { return archive.Types(c.Context(), d.DB) }},
		{Name: "getArchiveType", Params: "filename=None, type_name=None, type_id=None, strict=False", Auth: Anonymous, Help: "A type of archives by id, by name, or by the extension of a file's name.", Func: d.getArchiveType},
		{Name: "listArchives", Params: "buildID=None, buildrootID=None, componentBuildrootID=None, hostID=None, type=None, filename=None, size=None, checksum=None, checksum_type=None, typeInfo=None, queryOpts=None, imageID=None, archiveID=None, strict=False",
			Auth: Anonymous, Help: "Archives that match all that is given; imageID names an archive that they are part of.", Func: d.listArchives},
		{Name: "getArchive", Params: "archive_id, strict=False", Auth: Anonymous, Help: "An archive by id, with what its build type keeps of it.", Func: d.getArchive},
		{Name: "getMavenArchive", Params: "archive_id, strict=False", Auth: Anonymous, Help: "What Maven knows of an archive.", Func: d.archivePart(archive.Maven)},
		{Name: "getWinArchive", Params: "archive_id, strict=False", Auth: Anonymous, Help: "What is kept of a file of a Windows build.", Func: d.archivePart(archive.Win)},
		{Name: "getImageArchive", Params: "archive_id, strict=False", Auth: Anonymous, Help: "What is kept of an image.", Func: d.archivePart(archive.Image)},
		{Name: "listArchiveFiles", Params: "archive_id, queryOpts=None, strict=False", Auth: Anonymous, Help: "The files in a zip or tar archive, read from the archive.", Func: d.listArchiveFiles},
		{Name: "getArchiveFile", Params: "archive_id, filename, strict=False", Auth: Anonymous, Help: "One of the files in a zip or tar archive.", Func: d.getArchiveFile},
		{Name: "listTaggedArchives", Params: "tag, event=None, inherit=False, latest=False, package=None, type=None, strict=True, extra=True", Auth: Anonymous,
			Help: "The archives of the builds in a tag, and the builds; type is maven or win.", Func: d.listTaggedArchives},
		{Name: "getLatestMavenArchives", Params: "tag, event=None, inherit=True", Auth: Anonymous, Help: "The Maven archives that a tag offers: the version of each artifact that was tagged last.", Func: d.getLatestMavenArchives},
	}
}

// typedBuild looks up a build for a call about what its type keeps of it; ok is false if there is none and the call is not strict.
func (d Deps) typedBuild(c *Call, a Args) (id int64, ok bool, err error) {
	find := d.findBuild
	if a.Bool("strict") {
		find = d.theBuild
	}
	b, err := find(c, a.Get("buildInfo"))
	if err != nil || b == nil {
		return 0, false, err
	}
	return b["build_id"].(int64), true, nil
}

// present is a row for a call's answer, or for a strict call the refusal that there is none.
func present(a Args, row query.Row, err error, refusal string, args ...any) (any, error) {
	if err == nil && row == nil && a.Bool("strict") {
		err = fault.New(fault.Generic, refusal, args...)
	}
	return orNil(row, err)
}

func (d Deps) getMavenBuild(c *Call, a Args) (any, error) {
	id, ok, err := d.typedBuild(c, a)
	if err != nil || !ok {
		return nil, err
	}
	row, err := archive.MavenBuild(c.Context(), d.DB, id, nil)
	return present(a, row, err, "no such maven build: %s", clip(pyRepr(a.Get("buildInfo"))))
}

func (d Deps) getWinBuild(c *Call, a Args) (any, error) {
	id, ok, err := d.typedBuild(c, a)
	if err != nil || !ok {
		return nil, err
	}
	row, err := archive.WinBuild(c.Context(), d.DB, id, nil)
	return present(a, row, err, "no such Windows build: %s", clip(pyRepr(a.Get("buildInfo"))))
}

func (d Deps) getImageBuild(c *Call, a Args) (any, error) {
	id, ok, err := d.typedBuild(c, a)
	if err != nil || !ok {
		return nil, err
	}
	row, err := archive.ImageBuild(c.Context(), d.DB, id)
	return present(a, row, err, "no such image build: %s", clip(pyRepr(a.Get("buildInfo"))))
}

func (d Deps) getArchiveType(c *Call, a Args) (any, error) {
	ctx := c.Context()
	switch {
	case a.Bool("type_id"):
		id, err := a.Int("type_id")
		if err != nil {
			return nil, err
		}
		row, err := archive.TypeByID(ctx, d.DB, id)
		return present(a, row, err, "No such archive type: %d", id)
	case a.Bool("type_name"):
		name, err := a.String("type_name")
		if err != nil {
			return nil, err
		}
		row, err := archive.TypeByName(ctx, d.DB, name)
		return present(a, row, err, "No such archive type: %s", name)
	case a.Bool("filename"):
		name, err := a.String("filename")
		if err != nil {
			return nil, err
		}
		row, err := archive.TypeByFilename(ctx, d.DB, name)
		return present(a, row, err, "unsupported file extension: %s", name)
	}
	return nil, fault.New(fault.Generic, "one of filename, type_name, or type_id must be specified")
}

func (d Deps) listArchives(c *Call, a Args) (any, error) {
	f, err := d.archiveFilter(c, a)
	if err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	res, err := archive.List(c.Context(), d.DB, f, nil, o)
	if err != nil {
		return nil, err
	}
	none := res == int64(0)
	switch rows := res.(type) {
	case []query.Row:
		none = len(rows) == 0
	case []any:
		none = len(rows) == 0
	}
	if none && a.Bool("strict") {
		return nil, fault.New(fault.Generic, "No archives found.")
	}
	return res, nil
}

// archiveFilter reads listArchives' parameters.
func (d Deps) archiveFilter(c *Call, a Args) (f archive.Filter, err error) {
	for name, to := range map[string]**int64{"buildID": &f.Build, "buildrootID": &f.Buildroot, "componentBuildrootID": &f.Component, "hostID": &f.Host, "size": &f.Size,
		"checksum_type": &f.ChecksumType, "imageID": &f.Image, "archiveID": &f.ID} {
		if *to, err = a.IntOrNil(name); err != nil {
			return f, err
		}
	}
	for name, to := range map[string]**string{"filename": &f.Filename, "checksum": &f.Checksum} {
		if *to, err = a.StringOrNil(name); err != nil {
			return f, err
		}
	}
	kind, err := a.Reject(fault.Generic).StringOrNil("type")
	if err != nil || kind == nil {
		return f, err
	}
	info, given := a.Get("typeInfo").(map[string]any)
	switch *kind {
	case "maven":
		f.Maven = &archive.MavenFilter{}
		return f, texts(info, map[string]**string{"group_id": &f.Maven.GroupID, "artifact_id": &f.Maven.ArtifactID, "version": &f.Maven.Version})
	case "win":
		f.Win = &archive.WinFilter{}
		if err := texts(info, map[string]**string{"relpath": &f.Win.RelPath}); err != nil {
			return f, err
		}
		if f.Win.Platforms, err = words(info, "platforms"); err != nil {
			return f, err
		}
		f.Win.Flags, err = words(info, "flags")
		return f, err
	case "image":
		f.Images = true
		if a.Bool("typeInfo") && !given {
			return f, fault.New(fault.Parameter, "typeInfo must be a struct")
		}
		if info["arch"] == "" {
			return f, nil
		}
		return f, texts(info, map[string]**string{"arch": &f.Arch})
	}
	t, err := d.buildType(c, *kind)
	if err != nil {
		return f, err
	}
	if t == nil {
		return f, fault.New(fault.Generic, "unsupported archive type: %s", clip(*kind))
	}
	if a.Bool("typeInfo") {
		return f, fault.New(fault.Generic, "typeInfo queries not supported for type %s", t["name"])
	}
	id := t["id"].(int64)
	f.BType = &id
	return f, nil
}

// texts reads those of the keys that a struct has.
func texts(info map[string]any, to map[string]**string) error {
	for key, dst := range to {
		v, there := info[key]
		if !there || v == nil {
			continue
		}
		s, ok := v.(string)
		if !ok {
			return fault.New(fault.Parameter, "Invalid type for %s: %s, it must be text", key, pyType(v))
		}
		*dst = &s
	}
	return nil
}

// words reads a text or a list of texts.
func words(info map[string]any, key string) ([]string, error) {
	v, there := info[key]
	if !there {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]string, len(list))
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, fault.New(fault.Parameter, "Invalid type in %s: %s, it must be text", key, pyType(e))
		}
		out[i] = s
	}
	return out, nil
}

// archiveID is the id in a call about one archive. Koji's database takes it as text, too.
func archiveID(a Args) (int64, error) { return a.Lookup("archive_id") }

func (d Deps) getArchive(c *Call, a Args) (any, error) {
	id, err := archiveID(a)
	if err != nil {
		return nil, err
	}
	row, err := archive.Get(c.Context(), d.DB, id, nil)
	return present(a, row, err, "No such archive: %d", id)
}

func (d Deps) archivePart(get archivePart) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		id, err := archiveID(a)
		if err != nil {
			return nil, err
		}
		row, err := get(c.Context(), d.DB, id, nil)
		return present(a, row, err, "archive %d is none of this type", id)
	}
}

func (d Deps) archiveFiles(c *Call, a Args) (int64, []query.Row, error) {
	id, err := archiveID(a)
	if err != nil || a.IsNil("archive_id") {
		return 0, []query.Row{}, err
	}
	files, err := d.Service.ArchiveFiles(c.Context(), id, a.Bool("strict"))
	return id, files, err
}

func (d Deps) listArchiveFiles(c *Call, a Args) (any, error) {
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	_, files, err := d.archiveFiles(c, a)
	if err != nil {
		return nil, err
	}
	return applyOpts(files, o, nil)
}

func (d Deps) getArchiveFile(c *Call, a Args) (any, error) {
	id, files, err := d.archiveFiles(c, a)
	if err != nil {
		return nil, err
	}
	name := a.Get("filename")
	for _, f := range files {
		if f["name"] == name {
			return f, nil
		}
	}
	if a.Bool("strict") {
		return nil, fault.New(fault.Generic, "No such file: %s in archive#%d", clip(pyRepr(name)), id)
	}
	return nil, nil
}

func (d Deps) listTaggedArchives(c *Call, a Args) (any, error) {
	t, event, err := d.taggedIn(c, a, a.Bool("strict"))
	if err != nil || t == nil {
		return []any{}, err
	}
	f := tag.ArchiveFilter{NoExtra: !a.Bool("extra")}
	if f.Package, err = a.StringOr("package", ""); err != nil {
		return nil, err
	}
	if f.Type, err = a.StringOr("type", ""); err != nil {
		return nil, err
	}
	f.Inherited, f.Latest = a.Bool("inherit"), latest(a.Get("latest"))
	archives, builds, err := tag.Archives(c.Context(), d.DB, t["id"].(int64), f, event)
	return []any{archives, builds}, err
}

func (d Deps) getLatestMavenArchives(c *Call, a Args) (any, error) {
	id, event, err := d.latestIn(c, a)
	if err != nil {
		return nil, err
	}
	if _, err := d.theTag(c, id, event); err != nil { // unlike with builds, Koji wants the tag to be there
		return nil, err
	}
	return tag.MavenArchives(c.Context(), d.DB, id, a.Bool("inherit"), event)
}

// newArchive reads importArchive's typeInfo.
func newArchive(path, kind string, info map[string]any) (commands.NewArchive, error) {
	in := commands.NewArchive{Path: path, Type: kind}
	var err error
	switch kind {
	case "maven":
		in.Maven, err = commands.ReadMavenInfo(info)
	case "win":
		in.Win, err = commands.ReadWinInfo(info)
	case "image":
		arch, ok := info["arch"].(string)
		if !ok {
			return in, fault.New(fault.Parameter, "typeInfo of an image must have arch")
		}
		in.ImageArch = &arch
	}
	return in, err
}
