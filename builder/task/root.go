package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"moromi/builder/buildroot"
	"moromi/builder/diagnosis"
	"moromi/builder/logstream"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

// rootOptions say what root a task needs.
type rootOptions struct {
	tag    any
	arch   string
	repoID int64
	group  string
	// network lets the source command reach lookaside caches.
	network bool
	// internalDev is mock's internal_dev_setup.
	internalDev *bool
}

// taskRoot is a buildroot with what the hub knows about it.
type taskRoot struct {
	buildroot.Root
	j      *Job
	id     int64
	arch   string // canonical
	repo   map[string]any
	tag    string
	name   string // TAG-ID-REPOID
	stream *logstream.Stream

	made    bool // it is whole
	failed  bool // what was done in it failed
	expired bool
}

// newRoot announces a root to the hub, makes it and reports what is in it. When it fails, the logs are sent and the hub knows.
func (j *Job) newRoot(ctx context.Context, o rootOptions) (*taskRoot, error) {
	repo, config, err := j.rootRepo(ctx, o)
	if err != nil {
		return nil, err
	}
	arch := koji.CanonArch(o.arch)
	target := o.arch
	if target == "armhfp" {
		target = "armv7hl" // what autoconf knows
	}
	id, err := j.Hub.Call(ctx, "host.newBuildRoot", o.repoID, arch, xmlrpc.Kwargs{"task_id": j.ID})
	if err != nil {
		return nil, err
	}
	if asInt(id) == 0 {
		return nil, fault.New(fault.Buildroot, "failed to get a buildroot id")
	}
	r := &taskRoot{j: j, id: asInt(id), arch: arch, repo: repo, tag: asString(config["name"])}
	dir := filepath.Join(j.Dir, "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the root's directory: %w", err)
	}
	spec := j.rootSpec(o, config, r.id, arch, target, dir)
	r.name = spec.Name
	// The logs of the native backend are there before Create returns, those of mock below its own directory.
	r.stream = logstream.Start(context.WithoutCancel(ctx), j.Hub, logstream.Options{Dir: j.UploadDir(),
		Timestamps: j.Settings.LogTimestamps, Log: j.Log, Now: j.Settings.Now}, filepath.Join(dir, "result", "*.log"))
	root, err := j.Settings.Backend.Create(ctx, spec)
	r.Root = root
	if root != nil {
		r.stream.Watch(root.LogPatterns()...)
		if e := r.sendConfig(ctx, root.Config()); err == nil {
			err = e
		}
	}
	if err != nil {
		err = r.explain(ctx, err, fault.Buildroot, "could not init "+j.Settings.Backend.Name()+" buildroot")
		r.close(ctx)
		return nil, err
	}
	if err := r.report(ctx, "host.setBuildRootList"); err != nil {
		r.close(ctx)
		return nil, err
	}
	r.made = true
	return r, nil
}

// rootRepo checks that the repository is usable and belongs to the tag, and gives the tag's configuration of that time.
func (j *Job) rootRepo(ctx context.Context, o rootOptions) (repo, config map[string]any, err error) {
	res, err := j.Hub.Call(ctx, "repoInfo", o.repoID, xmlrpc.Kwargs{"strict": true})
	if err != nil {
		return nil, nil, err
	}
	repo = asMap(res)
	if res, err = j.Hub.Call(ctx, "getBuildConfig", o.tag, xmlrpc.Kwargs{"event": repo["create_event"]}); err != nil {
		return nil, nil, err
	}
	if config = asMap(res); config == nil {
		return nil, nil, fault.New(fault.Buildroot, "Could not get config info for tag: %v", o.tag)
	}
	if asInt(config["id"]) != asInt(repo["tag_id"]) {
		return nil, nil, fault.New(fault.Buildroot, "tag/repo mismatch: %s vs %s", asString(config["name"]), asString(repo["tag_name"]))
	}
	switch state := koji.RepoState(asInt(repo["state"])); state {
	case koji.RepoReady:
	case koji.RepoExpired:
		j.Log.Info("the repository is no longer current", "repo", o.repoID)
	default:
		return nil, nil, fault.New(fault.Buildroot, "Requested repo (%d) is %s", o.repoID, state)
	}
	return repo, config, nil
}

func (j *Job) rootSpec(o rootOptions, config map[string]any, id int64, arch, target, dir string) buildroot.Spec {
	s := j.Settings
	tag := asString(config["name"])
	spec := buildroot.Spec{
		ID: id, Name: fmt.Sprintf("%s-%d-%d", tag, id, o.repoID), Tag: tag, RepoID: o.repoID, Arch: target, Group: o.group,
		Network: o.network, InternalDevSetup: o.internalDev, Packager: s.Packager, Vendor: s.Vendor, Distribution: s.Distribution, HostVendor: s.HostVendor,
		Macros: map[string]string{}, Env: map[string]string{}, Extra: asMap(config["extra"]), Timeout: s.BuildTimeout, Dir: dir,
	}
	for _, top := range s.TopURLs {
		spec.Repos = append(spec.Repos, fmt.Sprintf("%s/repos/%s/%d/%s", top, tag, o.repoID, arch))
	}
	for key, v := range spec.Extra {
		if name, ok := strings.CutPrefix(key, "rpm.macro."); ok {
			spec.Macros[name] = pyText(v)
		} else if name, ok := strings.CutPrefix(key, "rpm.env."); ok {
			spec.Env[name] = pyText(v)
		}
	}
	return spec
}

// pyText is Python's str() of an extra value.
func pyText(v any) string {
	switch t := v.(type) {
	case nil:
		return "None"
	case bool:
		if t {
			return "True"
		}
		return "False"
	}
	return fmt.Sprint(v)
}

// sendConfig uploads mock_config.log.
func (r *taskRoot) sendConfig(ctx context.Context, text string) error {
	const name = "mock_config.log"
	path := filepath.Join(r.j.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("keep the root's configuration: %w", err)
	}
	if err := r.j.upload(ctx, path); err != nil {
		return err
	}
	r.stream.Add(name)
	return nil
}

// setBuilding tells the hub that the root is in use.
func (r *taskRoot) setBuilding(ctx context.Context) error {
	_, err := r.j.Hub.Call(ctx, "host.setBuildRootState", r.id, "BUILDING")
	return err
}

// report tells the hub the root's content by one of the two list methods.
func (r *taskRoot) report(ctx context.Context, method string) error {
	list, err := r.Packages(ctx)
	if err != nil {
		return fault.Wrap(err, fault.Buildroot, "the content of the buildroot cannot be read: %s", err)
	}
	if err := r.identify(ctx, list); err != nil {
		return err
	}
	wire := make([]any, len(list))
	for i, p := range list {
		wire[i] = p.Wire()
	}
	_, err = r.j.Hub.Call(ctx, method, r.id, wire)
	return err
}

// identify finds which rpms of the hub, or of external repositories, are installed.
func (r *taskRoot) identify(ctx context.Context, list []buildroot.Package) error {
	base := fmt.Sprintf("repos/%s/%d/%s", r.tag, asInt(r.repo["id"]), r.arch)
	externals, err := r.externals(ctx)
	if err != nil {
		return err
	}
	if len(externals) > 0 {
		if err := r.markExternal(ctx, list, base, externals); err != nil {
			return err
		}
	}
	address, err := r.j.Settings.fileURL(base + "/rpmlist.jsonl")
	if err != nil {
		return err
	}
	body, err := r.j.Settings.open(ctx, address)
	if errors.Is(err, errNotThere) {
		r.j.Log.Warn("repository without a list of its content; the hub must find the rpms by name", "repo", r.repo["id"])
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	return buildroot.MapInternal(list, body)
}

func (r *taskRoot) externals(ctx context.Context) ([]buildroot.ExternalRepo, error) {
	res, err := r.j.Hub.Call(ctx, "getExternalRepoList", r.repo["tag_id"], xmlrpc.Kwargs{"event": r.repo["create_event"]})
	if err != nil {
		return nil, err
	}
	var out []buildroot.ExternalRepo
	for _, v := range asList(res) {
		m := asMap(v)
		out = append(out, buildroot.ExternalRepo{ID: asInt(m["external_repo_id"]),
			URL: strings.ReplaceAll(asString(m["url"]), "$arch", r.arch), Raw: m})
	}
	return out, nil
}

func (r *taskRoot) markExternal(ctx context.Context, list []buildroot.Package, base string, externals []buildroot.ExternalRepo) error {
	s := r.j.Settings
	address, err := s.fileURL(base)
	if err != nil {
		return err
	}
	repomd, err := s.open(ctx, address+"/repodata/repomd.xml")
	if err != nil {
		return err
	}
	defer repomd.Close()
	href, err := buildroot.OriginsHref(repomd)
	if err != nil {
		return err
	}
	if href == "" {
		return fault.New(fault.Buildroot, "repo %d has external repositories but no origins", asInt(r.repo["id"]))
	}
	origins, err := s.open(ctx, address+"/"+href)
	if err != nil {
		return err
	}
	defer origins.Close()
	return buildroot.MarkExternal(list, origins, externals, asInt(r.repo["id"]))
}

// explain makes a step's failure a fault that says what to look at. what is the beginning, as Koji words it.
func (r *taskRoot) explain(ctx context.Context, err error, code fault.Code, what string) error {
	var pe *buildroot.PhaseError
	r.failed = r.made && !ended(ctx, err)
	if ended(ctx, err) || !errors.As(err, &pe) {
		if fault.Of(err) == nil && !ended(ctx, err) {
			return fault.Wrap(err, code, "%s: %s", what, err)
		}
		return err
	}
	cause := pe.Detail
	if cause == "" && r.Root != nil {
		// "build.log or root.log" is what mock's status 1 can mean; the first that says something is believed.
		for name := range strings.SplitSeq(pe.Log, " or ") {
			c, err := diagnosis.FindFile(filepath.Join(r.ResultDir(), name))
			if err != nil {
				continue
			}
			if cause = c.String(); cause != "" {
				break
			}
		}
	}
	msg := what + ", " + pe.Status()
	if pe.Tool != "mock" && pe.Tool != "rpmbuild" {
		msg = what + ", " + pe.Phase + ": " + pe.Status()
	}
	switch {
	case cause == "":
	case strings.HasPrefix(cause, "in %"):
		msg += " " + cause
	default:
		msg += ": " + cause
	}
	return fault.Wrap(err, code, "%s; see %s for more information", msg, pe.Log)
}

// results lists the packages in ResultDir: plain files only.
func (r *taskRoot) results() (rpms, srpms []string, err error) {
	entries, err := os.ReadDir(r.ResultDir())
	if err != nil {
		return nil, nil, fmt.Errorf("read the results: %w", err)
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case !e.Type().IsRegular() || !strings.HasSuffix(name, ".rpm"):
		case strings.HasSuffix(name, ".src.rpm"):
			srpms = append(srpms, name)
		default:
			rpms = append(rpms, name)
		}
	}
	sort.Strings(rpms)
	sort.Strings(srpms)
	return rpms, srpms, nil
}

// finish sends what is left of the logs and gives their paths for the result.
func (r *taskRoot) finish(ctx context.Context) ([]any, error) {
	if err := r.stream.Close(ctx); err != nil {
		return nil, fmt.Errorf("send the logs: %w", err)
	}
	var logs []any
	for _, n := range r.stream.Names() {
		logs = append(logs, r.j.uploaded(n))
	}
	r.stream = nil
	return logs, nil
}

// keep puts a root in which something failed on the shelf.
func (r *taskRoot) keep(root buildroot.Root) bool {
	j := r.j
	j.kept = j.Settings.Shelf.put(&keptRoot{id: r.id, name: r.name, root: root, remove: func() {
		if err := os.RemoveAll(j.Dir); err != nil {
			j.Log.Error("task's directory not removed", "dir", j.Dir, "err", err)
		}
	}})
	return j.kept
}

// close ends the root on every path: logs sent, hub told, files removed later. Errors here do not change what became of the task.
func (r *taskRoot) close(ctx context.Context) {
	ctx, cancel := detached(ctx)
	defer cancel()
	if r.stream != nil {
		if err := r.stream.Close(ctx); err != nil {
			r.j.Log.Warn("logs not sent", "err", err)
		}
		r.stream = nil
	}
	if !r.expired {
		r.expired = true
		if _, err := r.j.Hub.Call(ctx, "host.setBuildRootState", r.id, "EXPIRED"); err != nil {
			r.j.Log.Warn("buildroot not marked expired", "buildroot", r.id, "err", err)
		}
	}
	if root := r.Root; root != nil {
		r.Root = nil
		if r.failed && r.keep(root) {
			return
		}
		r.j.Later(func() {
			if err := root.Destroy(); err != nil {
				r.j.Log.Error("buildroot not removed", "buildroot", r.id, "err", err)
			}
		})
	}
}
