package task

import (
	"context"
	"encoding/json"

	"moromi/builder/scm"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/rpm"
	"moromi/internal/xmlrpc"
)

// build is the state of a build task.
type build struct {
	j      *Job
	src    string
	target any
	opts   map[string]any
	// event is as of when the hub is asked: the repository's, or the last one when the repository was found.
	event any
	repo  map[string]any // nil until one is found
	// targetInfo is nil if only a repository was named.
	targetInfo        map[string]any
	buildTag, destTag any
	source            map[string]any // what the source task says about its origin, or nil
}

// runBuild makes a build: source package, one buildArch for each architecture, import, tagging.
func runBuild(ctx context.Context, j *Job) (any, error) {
	src, ok := j.Args["src"].(string)
	if !ok {
		return nil, fault.New(fault.Build, "Invalid source specification: %v", j.Args["src"])
	}
	b := &build{j: j, src: src, target: j.Args["target"], opts: j.Args.opts()}
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	srpm, err := b.sourcePackage(ctx)
	if err != nil {
		return nil, err
	}
	header, err := j.sourceHeader(ctx, srpm)
	if err != nil {
		return nil, err
	}
	arches, err := b.arches(ctx, header)
	if err != nil {
		return nil, err
	}
	id, err := b.announce(ctx, header)
	if err != nil {
		return nil, err
	}
	if err := b.buildAndImport(ctx, srpm, header, arches, id); err != nil {
		return nil, err
	}
	if b.scratch() || asBool(b.opts["skip_tag"]) {
		return nil, nil
	}
	task, err := j.subtask(ctx, "tagBuild", []any{b.destTag, id, false, nil, true}, xmlrpc.Kwargs{"label": "tag", "arch": "noarch"})
	if err != nil {
		return nil, err
	}
	_, err = j.wait(ctx, false, task)
	return nil, err
}

func (b *build) scratch() bool { return asBool(b.opts["scratch"]) }

// prepare checks the options, the target and the policies, and finds a repository.
func (b *build) prepare(ctx context.Context) error {
	if asBool(b.opts["arch_override"]) && !b.scratch() {
		return fault.New(fault.Build, "arch_override is only allowed for scratch builds")
	}
	if err := b.namedRepo(ctx); err != nil {
		return err
	}
	if meta := b.opts["custom_user_metadata"]; asBool(meta) {
		if asMap(meta) == nil {
			return fault.New(fault.Build, "custom_user_metadata must be serializable to a JSON object")
		}
		if _, err := json.Marshal(meta); err != nil {
			return fault.New(fault.Build, "custom_user_metadata is not JSON serializable")
		}
	}
	info, err := b.j.Hub.Call(ctx, "getTaskInfo", b.j.ID)
	if err != nil {
		return err
	}
	if err := b.findTags(ctx); err != nil {
		return err
	}
	if err := b.assertPolicies(ctx, asMap(info)["owner"]); err != nil {
		return err
	}
	if b.repo != nil {
		return nil
	}
	if b.repo, err = b.j.getRepo(ctx, b.buildTag, asStrings(b.opts["wait_builds"]), asBool(b.opts["wait_repo"])); err != nil {
		return err
	}
	last, err := b.j.Hub.Call(ctx, "getLastEvent")
	if err != nil {
		return err
	}
	b.event = asMap(last)["id"]
	return nil
}

// namedRepo looks at the repository that the user asked for, if any.
func (b *build) namedRepo(ctx context.Context) error {
	id := b.opts["repo_id"]
	if id == nil {
		return nil
	}
	res, err := b.j.Hub.Call(ctx, "repoInfo", id)
	if err != nil {
		return err
	}
	if b.repo = asMap(res); b.repo == nil {
		return fault.New(fault.Build, "No such repo: %v", id)
	}
	if s := koji.RepoState(asInt(b.repo["state"])); s != koji.RepoReady && s != koji.RepoExpired {
		return fault.New(fault.Build, "Bad repo: %d (%s)", asInt(b.repo["id"]), s)
	}
	b.event = b.repo["create_event"]
	return nil
}

// findTags resolves the target. With a repository named, the target may be a plain tag, or missing.
func (b *build) findTags(ctx context.Context) error {
	if asBool(b.target) {
		res, err := b.j.Hub.Call(ctx, "getBuildTarget", b.target, xmlrpc.Kwargs{"event": b.event})
		if err != nil {
			return err
		}
		b.targetInfo = asMap(res)
	}
	switch {
	case b.targetInfo != nil:
		b.destTag, b.buildTag = b.targetInfo["dest_tag"], b.targetInfo["build_tag"]
		if b.repo != nil && asInt(b.repo["tag_id"]) != asInt(b.buildTag) {
			return fault.New(fault.Build, "Repo/Target mismatch: %s/%s", asString(b.repo["tag_name"]), asString(b.targetInfo["build_tag_name"]))
		}
	case b.repo == nil:
		return fault.New(fault.Generic, "unknown build target: %v", pyText(b.target))
	case b.target == nil:
		b.opts["skip_tag"] = true
		b.buildTag, b.destTag = b.repo["tag_id"], b.repo["tag_id"]
	default:
		b.buildTag = b.repo["tag_id"]
		res, err := b.j.Hub.Call(ctx, "getTag", b.target, xmlrpc.Kwargs{"event": b.event})
		if err != nil {
			return err
		}
		tag := asMap(res)
		if tag == nil {
			return fault.New(fault.Generic, "neither tag nor target: %v", b.target)
		}
		b.destTag = tag["id"]
	}
	return nil
}

// assertPolicies asks the hub whether the owner may do this.
func (b *build) assertPolicies(ctx context.Context, owner any) error {
	skip := asBool(b.opts["skip_tag"])
	data := map[string]any{
		"user_id": owner, "source": b.src, "task_id": b.j.ID, "build_tag": b.buildTag, "skip_tag": skip,
		"scratch": b.opts["scratch"], "draft": b.opts["draft"], "from_scm": scm.IsURL(b.src), "repo_id": b.opts["repo_id"],
	}
	if b.targetInfo != nil {
		data["target"] = b.targetInfo["name"]
	}
	if !skip {
		data["tag"] = b.destTag
	}
	var policies []string
	if !scm.IsURL(b.src) && !b.scratch() {
		policies = append(policies, "build_from_srpm")
	}
	if b.opts["repo_id"] != nil {
		policies = append(policies, "build_from_repo_id")
	}
	for _, p := range append(policies, "build_rpm") {
		if _, err := b.j.Hub.Call(ctx, "host.assertPolicy", p, data); err != nil {
			return err
		}
	}
	return nil
}

// tagConfig is the build tag's configuration as of the build's event.
func (b *build) tagConfig(ctx context.Context) (map[string]any, error) {
	res, err := b.j.Hub.Call(ctx, "getBuildConfig", b.buildTag, xmlrpc.Kwargs{"event": b.event})
	if err != nil {
		return nil, err
	}
	if m := asMap(res); m != nil {
		return m, nil
	}
	return nil, fault.New(fault.Build, "Could not get config info for tag: %v", b.buildTag)
}

// sourcePackage gives the path of the source package to build: made from source control, made anew, or as it was uploaded.
func (b *build) sourcePackage(ctx context.Context) (string, error) {
	tag, err := b.tagConfig(ctx)
	if err != nil {
		return "", err
	}
	method := "buildSRPMFromSCM"
	if !scm.IsURL(b.src) {
		method = "rebuildSRPM"
		rebuild := true
		if v, set := asMap(tag["extra"])["rebuild_srpm"]; set {
			rebuild = asBool(v)
		}
		if v := b.opts["rebuild_srpm"]; b.scratch() && v != nil {
			rebuild = asBool(v)
		}
		if !rebuild {
			return b.src, nil
		}
	}
	arch, err := taskArch("noarch", b.j.Settings.LiteralTaskArches, tag, nil)
	if err != nil {
		return "", err
	}
	args := []any{b.src, b.buildTag, map[string]any{"repo_id": b.repo["id"], "scratch": b.opts["scratch"]}}
	id, err := b.j.subtask(ctx, method, args, xmlrpc.Kwargs{"label": "srpm", "arch": arch})
	if err != nil {
		return "", err
	}
	res, err := b.j.wait(ctx, false, id)
	if err != nil {
		return "", err
	}
	result := asMap(res[id])
	b.source = asMap(result["source"])
	if srpm := asString(result["srpm"]); srpm != "" {
		return srpm, nil
	}
	return "", fault.New(fault.Build, "task %d gave no source package", id)
}

// arches checks that the package is wanted in the destination tag and gives the architectures to build.
func (b *build) arches(ctx context.Context, h *rpm.Header) ([]string, error) {
	res, err := b.j.Hub.Call(ctx, "getPackageConfig", b.destTag, h.Name(), xmlrpc.Kwargs{"event": b.event})
	if err != nil {
		return nil, err
	}
	pkg := asMap(res)
	if !asBool(b.opts["skip_tag"]) && !b.scratch() {
		tag := asString(b.targetInfo["dest_tag_name"])
		if tag == "" {
			tag = pyText(b.target)
		}
		if pkg == nil {
			return nil, fault.New(fault.Build, "package %s not in list for tag %s", h.Name(), tag)
		}
		if asBool(pkg["blocked"]) {
			return nil, fault.New(fault.Build, "package %s is blocked for tag %s", h.Name(), tag)
		}
	}
	config, err := b.tagConfig(ctx)
	if err != nil {
		return nil, err
	}
	override := ""
	if b.scratch() {
		override = asString(b.opts["arch_override"])
	}
	return archList(config, h, asString(pkg["extra_arches"]), override)
}

// announce tells the hub of the build, which refuses a duplicate. Scratch builds have no id.
func (b *build) announce(ctx context.Context, h *rpm.Header) (int64, error) {
	if b.scratch() {
		return 0, nil
	}
	n := h.NEVRA()
	data := map[string]any{"name": n.Name, "version": n.Version, "release": n.Release, "epoch": nil, "task_id": b.j.ID}
	if e := h.Epoch(); e != nil {
		data["epoch"] = *e
	}
	extra := map[string]any{}
	if b.source != nil {
		data["source"] = b.source["source"]
		extra["source"] = map[string]any{"original_url": b.source["url"]}
	}
	if meta := b.opts["custom_user_metadata"]; asBool(meta) {
		extra["custom_user_metadata"] = meta
	}
	if len(extra) > 0 {
		data["extra"] = extra
	}
	if d := b.opts["draft"]; asBool(d) {
		data["draft"] = d
	}
	id, err := b.j.Hub.Call(ctx, "host.initBuild", data)
	if err != nil {
		return 0, err
	}
	return asInt(id), nil
}

// buildAndImport runs the builds and hands their results to the hub. Whatever goes wrong, the hub learns that the build failed;
// only a task that was ended from outside leaves that to the hub.
func (b *build) buildAndImport(ctx context.Context, srpm string, h *rpm.Header, arches []string, id int64) error {
	err := func() error {
		results, err := b.buildArches(ctx, srpm, h, arches)
		if err != nil {
			return err
		}
		if b.scratch() {
			_, err = b.j.Hub.Call(ctx, "host.moveBuildToScratch", b.j.ID, results.srpm, results.rpms, xmlrpc.Kwargs{"logs": results.logs})
		} else {
			_, err = b.j.Hub.Call(ctx, "host.completeBuild", b.j.ID, id, results.srpm, results.rpms, results.roots, xmlrpc.Kwargs{"logs": results.logs})
		}
		return err
	}()
	if err == nil || ctx.Err() != nil || b.scratch() {
		return err
	}
	if _, failErr := b.j.Hub.Call(ctx, "host.failBuild", b.j.ID, id); failErr != nil {
		b.j.Log.Error("build not marked failed", "build", id, "err", failErr)
	}
	return err
}

// archResults are what the architectures made.
type archResults struct {
	srpm  string
	rpms  []any
	roots map[string]any // buildroot id by path
	logs  map[string]any // paths by architecture
}

func (b *build) buildArches(ctx context.Context, srpm string, h *rpm.Header, arches []string) (archResults, error) {
	out := archResults{rpms: []any{}, roots: map[string]any{}, logs: map[string]any{}}
	tag, err := b.tagConfig(ctx)
	if err != nil {
		return out, err
	}
	ids := make([]int64, len(arches))
	for i, arch := range arches {
		on, err := taskArch(arch, b.j.Settings.LiteralTaskArches, tag, h)
		if err != nil {
			return out, err
		}
		// One of them keeps the source package that it made: any will do, they are all from the same spec.
		args := []any{srpm, b.buildTag, arch, i == 0, map[string]any{"repo_id": b.repo["id"]}}
		if ids[i], err = b.j.subtask(ctx, "buildArch", args, xmlrpc.Kwargs{"label": arch, "arch": on}); err != nil {
			return out, err
		}
	}
	failAny := asBool(b.opts["fail_fast"]) || !b.j.Settings.ArchCanFail
	results, err := b.j.wait(ctx, failAny, ids...)
	if err != nil {
		return out, err
	}
	for i, arch := range arches {
		result := asMap(results[ids[i]])
		for _, name := range asList(result["rpms"]) {
			out.rpms = append(out.rpms, name)
			out.roots[asString(name)] = result["brootid"]
		}
		if logs := asList(result["logs"]); len(logs) > 0 {
			out.logs[arch] = logs
		}
		for _, name := range asList(result["srpms"]) {
			if out.srpm != "" {
				return out, fault.New(fault.Build, "multiple builds returned a srpm.  task %d", b.j.ID)
			}
			out.srpm = asString(name)
			out.roots[out.srpm] = result["brootid"]
		}
	}
	if out.srpm == "" {
		return out, fault.New(fault.Build, "could not find a built srpm")
	}
	return out, nil
}
