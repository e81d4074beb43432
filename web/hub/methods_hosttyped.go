package hub

import (
	"maps"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/storage"
)

// hostTypedMethods are what a builder calls for builds of other types than rpm: Maven, Windows and image builds.
func hostTypedMethods(d Deps) []Method {
	return []Method{
		{Name: "host.initMavenBuild", Params: "task_id, build_info, maven_info", Auth: Host, Write: true, Help: "Begin the Maven build of a task, with the next release; answers the build.", Func: d.hostInitMavenBuild},
		{Name: "host.createMavenBuild", Params: "build_info, maven_info", Auth: Host, Write: true, Help: "Say what a build is to Maven.", Func: d.hostCreateMavenBuild},
		{Name: "host.completeMavenBuild", Params: "task_id, build_id, maven_results, rpm_results", Auth: Host, Write: true, Help: "Import what Maven built, and the rpms that wrap it, and complete the build.", Func: d.hostCompleteMavenBuild},
		{Name: "host.initWinBuild", Params: "task_id, build_info, win_info", Auth: Host, Write: true, Help: "Begin the Windows build of a task; answers the build.", Func: d.hostInitWinBuild},
		{Name: "host.completeWinBuild", Params: "task_id, build_id, results, rpm_results", Auth: Host, Write: true, Help: "Import what a Windows build made, and the rpms that wrap it, and complete the build.", Func: d.hostCompleteWinBuild},
		{Name: "host.initImageBuild", Params: "task_id, build_info", Auth: Host, Write: true, Help: "Begin the image build of a task, with the next release if it has none; answers the build.", Func: d.hostInitImageBuild},
		{Name: "host.completeImageBuild", Params: "task_id, build_id, results", Auth: Host, Write: true, Help: "Import the images of a build and complete it.", Func: d.hostCompleteImageBuild},
		{Name: "host.importImage", Params: "task_id, build_info, results", Auth: Host, Write: true, Help: "Import images of a build that is under way.", Func: d.hostImportImage},
		{Name: "host.importArchive", Params: "filepath, buildinfo, type, typeInfo", Auth: Host, Write: true, Help: "Import a file of a Maven or Windows build. filepath is below the work directory, or the whole path of such a file.", Func: d.hostImportArchive},
		{Name: "host.importWrapperRPMs", Params: "task_id, build_id, rpm_results", Auth: Host, Write: true, Help: "Import rpms that wrap what a complete build made.", Func: d.hostImportWrapperRPMs},
		{Name: "host.moveMavenBuildToScratch", Params: "task_id, results, rpm_results", Auth: Host, Write: true, Help: "Put the files of a scratch Maven build in their place.", Func: d.hostMoveMavenToScratch},
		{Name: "host.moveWinBuildToScratch", Params: "task_id, results, rpm_results", Auth: Host, Write: true, Help: "Put the files of a scratch Windows build in their place.", Func: d.hostMoveWinToScratch},
		{Name: "host.moveImageBuildToScratch", Params: "task_id, results", Auth: Custom("hosts, after a look at the form of the results, as in Koji"), Write: true, Help: "Put the files of scratch images in their place.", Func: d.hostMoveImagesToScratch},
		{Name: "host.updateBuildrootArchives", Params: "brootid, task_id, archives, project=False", Auth: Host, Write: true, Help: "Which archives were in a buildroot; project tells that the build asked for them.", Func: d.hostListRootArchives},
		{Name: "host.updateMavenBuildRootList", Params: "brootid, task_id, mavenlist, ignore=None, project=False, ignore_unknown=False, extra_deps=None", Auth: Host, Write: true,
			Help: "What was in the Maven repository of a buildroot. Files that nobody knows are refused, but for those to ignore.", Func: d.hostListMavenRoot},
	}
}

// typedInit is what the init… calls have in common: the build that a task begins.
func (d Deps) typedInit(c *Call, a Args) (host int64, actor commands.Actor, in commands.TypedBuild, data map[string]any, err error) {
	host, actor, task, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return 0, actor, in, nil, err
	}
	info, err := a.Map("build_info")
	if err != nil {
		return 0, actor, in, nil, err
	}
	data = maps.Clone(info)
	if data == nil {
		data = map[string]any{}
	}
	data["task_id"] = task
	return host, actor, in, data, nil
}

// begin makes the build and answers data with what is decided here.
func (d Deps) begin(c *Call, host int64, actor commands.Actor, in commands.TypedBuild, data map[string]any) (any, error) {
	next := data["release"] == nil
	given := data
	if next {
		given = maps.Clone(data)
		given["release"] = ""
	}
	var err error
	if in.NewBuild, err = newBuild(given); err != nil {
		return nil, err
	}
	b, err := d.Service.InitTypedBuild(c.Context(), actor, host, in)
	if err != nil {
		return nil, err
	}
	data["owner"], data["state"], data["completion_time"], data["id"] = b["owner_id"], b["state"], nil, b["build_id"]
	if next {
		data["release"] = b["release"]
	}
	return data, nil
}

func (d Deps) hostInitMavenBuild(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	host, actor, in, data, err := d.typedInit(c, a)
	if err != nil {
		return nil, err
	}
	if in.Maven, err = mavenInfoOf(a.Get("maven_info")); err != nil {
		return nil, err
	}
	data["release"] = nil // it is always the next one
	return d.begin(c, host, actor, in, data)
}

// mavenInfoOf reads maven_info.
func mavenInfoOf(v any) (*events.MavenInfo, error) {
	info, ok := v.(map[string]any)
	switch {
	case !ok:
		return nil, fault.New(fault.Generic, "Invalid type for maven_info: %s", pyType(v))
	case len(info) == 0:
		return nil, fault.New(fault.Generic, "Maven info is empty")
	}
	return commands.ReadMavenInfo(info)
}

func (d Deps) hostCreateMavenBuild(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	info, err := mavenInfoOf(a.Get("maven_info"))
	if err != nil {
		return nil, err
	}
	id, actor, err := d.buildAndActor(c, a.Get("build_info"))
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetMavenBuild(c.Context(), actor, id, *info)
}

func (d Deps) hostInitWinBuild(c *Call, a Args) (any, error) {
	if d.NoWin {
		return nil, errNoWin
	}
	host, actor, in, data, err := d.typedInit(c, a)
	if err != nil {
		return nil, err
	}
	platform, err := platformOf(a.Get("win_info"))
	if err != nil {
		return nil, err
	}
	if _, ok := data["release"].(string); !ok {
		return nil, fault.New(fault.Generic, "No release value for build")
	}
	in.Platform = &platform
	return d.begin(c, host, actor, in, data)
}

func (d Deps) hostInitImageBuild(c *Call, a Args) (any, error) {
	host, actor, in, data, err := d.typedInit(c, a)
	if err != nil {
		return nil, err
	}
	in.Image = true
	return d.begin(c, host, actor, in, data)
}

// completion is what the complete… calls have in common.
type completion struct {
	host, task, build int64
	actor             commands.Actor
}

func (d Deps) completion(c *Call, a Args) (completion, error) {
	host, actor, task, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return completion{}, err
	}
	build, err := a.Int("build_id")
	return completion{host, task, build, actor}, err
}

func (d Deps) hostCompleteMavenBuild(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	in, err := d.completion(c, a)
	if err != nil {
		return nil, err
	}
	r, err := mavenResults(a)
	if err != nil {
		return nil, err
	}
	wrapper, err := wrapperResults(a.Get("rpm_results"))
	if err != nil {
		return nil, err
	}
	return nil, d.Service.CompleteMaven(c.Context(), in.actor, in.host, in.task, in.build, r, wrapper)
}

func (d Deps) hostCompleteWinBuild(c *Call, a Args) (any, error) {
	if d.NoWin {
		return nil, errNoWin
	}
	in, err := d.completion(c, a)
	if err != nil {
		return nil, err
	}
	r, err := winResults(a)
	if err != nil {
		return nil, err
	}
	wrapper, err := wrapperResults(a.Get("rpm_results"))
	if err != nil {
		return nil, err
	}
	return nil, d.Service.CompleteWin(c.Context(), in.actor, in.host, in.task, in.build, r, wrapper)
}

func (d Deps) hostCompleteImageBuild(c *Call, a Args) (any, error) {
	in, err := d.completion(c, a)
	if err != nil {
		return nil, err
	}
	results, err := imageResults(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.ImportImages(c.Context(), in.actor, in.host, in.task, in.build, results, true)
}

func (d Deps) hostImportImage(c *Call, a Args) (any, error) {
	host, actor, task, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	b, err := d.theBuild(c, a.Get("build_info"))
	if err != nil {
		return nil, err
	}
	results, err := imageResults(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.ImportImages(c.Context(), actor, host, task, b["build_id"].(int64), results, false)
}

func (d Deps) hostImportArchive(c *Call, a Args) (any, error) {
	kind, _ := a.Get("type").(string)
	switch {
	case kind != "maven" && kind != "win":
		return nil, fault.New(fault.Generic, "unsupported archive type: %s", clip(pyRepr(a.Get("type"))))
	case kind == "maven" && d.NoMaven:
		return nil, errNoMaven
	case kind == "win" && d.NoWin:
		return nil, errNoWin
	}
	work, err := storage.WorkDir(storage.DefaultVolume)
	if err != nil {
		return nil, err
	}
	// Koji takes any path of the hub's own; those below the work directory are the ones that a builder can have put there.
	return d.putArchive(c, a, kind, d.Storage.Abs(work)+"/")
}

func (d Deps) hostImportWrapperRPMs(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	in, err := d.completion(c, a)
	if err != nil {
		return nil, err
	}
	wrapper, err := wrapperResults(a.Get("rpm_results"))
	if err != nil {
		return nil, err
	}
	if wrapper == nil {
		return nil, a.wrong("rpm_results", "dict")
	}
	return nil, d.Service.ImportWrapperRPMs(c.Context(), in.actor, in.host, in.task, in.build, *wrapper)
}
