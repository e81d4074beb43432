package hub

import (
	"moromi/internal/fault"
	"moromi/projections/query"
)

// archiveMethods are what clients ask on their way about builds that are not rpms. The hub imports none, so there are none to tell of: the calls
// that would import them do not exist.
func archiveMethods(d Deps) []Method {
	return []Method{
		{Name: "mavenEnabled", Params: "", Auth: Anonymous, Help: "Whether Maven builds are supported: they are not.", Func: func(*Call, Args) (any, error) { return false, nil }},
		{Name: "winEnabled", Params: "", Auth: Anonymous, Help: "Whether Windows builds are supported: they are not.", Func: func(*Call, Args) (any, error) { return false, nil }},
		{Name: "getMavenBuild", Params: "buildInfo, strict=False", Auth: Anonymous, Help: "What Maven knows of a build: no build has that.", Func: d.typedBuild("maven")},
		{Name: "getWinBuild", Params: "buildInfo, strict=False", Auth: Anonymous, Help: "What a Windows build has beside the usual: no build has that.", Func: d.typedBuild("win")},
		{Name: "getImageBuild", Params: "buildInfo, strict=False", Auth: Anonymous, Help: "What an image build has beside the usual: no build has that.", Func: d.typedBuild("image")},
		{Name: "getArchiveTypes", Params: "", Auth: Anonymous, Help: "The types of archives and their extensions.", Func: d.getArchiveTypes},
		{Name: "listArchives", Params: "buildID=None, buildrootID=None, componentBuildrootID=None, hostID=None, type=None, filename=None, size=None, checksum=None, checksum_type=None, typeInfo=None, queryOpts=None, imageID=None, archiveID=None, strict=False",
			Auth: Anonymous, Help: "Archives of builds: the hub has none.", Func: d.listArchives},
	}
}

func (d Deps) typedBuild(kind string) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		find := d.findBuild
		if a.Bool("strict") {
			find = d.theBuild
		}
		b, err := find(c, a.Get("buildInfo"))
		if err == nil && b != nil && a.Bool("strict") {
			err = fault.New(fault.Generic, "no such %s build: %v", kind, b["nvr"])
		}
		return nil, err
	}
}

func (d Deps) getArchiveTypes(c *Call, _ Args) (any, error) {
	cols := []query.Col{{Name: "id", Expr: "id"}, {Name: "name", Expr: "name"}, {Name: "description", Expr: "description"}, {Name: "extensions", Expr: "extensions"},
		{Name: "compression_type", Expr: "compression_type"}}
	return query.New(cols, "archivetypes").OrderBy("id").All(c.Context(), d.DB)
}

func (d Deps) listArchives(c *Call, a Args) (any, error) {
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	if a.Bool("strict") && !a.IsNil("buildID") {
		if _, err := d.theBuild(c, a.Get("buildID")); err != nil {
			return nil, err
		}
	}
	return applyOpts([]query.Row{}, o), nil
}
