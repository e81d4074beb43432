package task

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"moromi/builder/logstream"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

// reposDir is where the hub's repositories are mounted. Without them the task is another builder's.
func (j *Job) reposDir() (string, error) {
	dir := filepath.Join(j.Settings.TopDir, "repos")
	if st, err := os.Stat(dir); j.Settings.TopDir == "" || err != nil || !st.IsDir() {
		return "", &Refusal{"No access to repos dir " + dir}
	}
	return dir, nil
}

// runNewRepo generates a repository the way Koji's builders do, one createrepo task an architecture. Moromi's hub
// makes its repositories itself and gives out no such tasks; a Koji hub does.
func runNewRepo(ctx context.Context, j *Job) (any, error) {
	event := j.Args["event"]
	res, err := j.Hub.Call(ctx, "getTag", j.Args["tag"], xmlrpc.Kwargs{"strict": true, "event": event})
	if err != nil {
		return nil, err
	}
	tag := asMap(res)
	opts, err := repoOpts(j.Args)
	if err != nil {
		return nil, err
	}
	repos, err := j.reposDir()
	if err != nil {
		return nil, err
	}
	kw := xmlrpc.Kwargs{"opts": opts, "task_id": j.ID}
	if event != nil {
		kw["event"] = event
	}
	if res, err = j.Hub.Call(ctx, "host.repoInit", tag["id"], kw); err != nil {
		return nil, err
	}
	made := asList(res)
	if len(made) != 2 {
		return nil, fault.New(fault.Generic, "host.repoInit answered %v", res)
	}
	repoID := asInt(made[0])
	root, err := os.OpenRoot(repos)
	if err != nil {
		return nil, fmt.Errorf("open the repositories: %w", err)
	}
	defer root.Close()
	lists, err := fs.Glob(root.FS(), fmt.Sprintf("%s/%d/*/pkglist", asString(tag["name"]), repoID))
	if err != nil {
		return nil, fmt.Errorf("list the repository's arches: %w", err)
	}
	old, err := j.Hub.Call(ctx, "getRepo", tag["id"])
	if err != nil {
		return nil, err
	}
	data := map[string]any{}
	tasks := map[string]int64{}
	var ids []int64
	for _, l := range lists {
		arch := filepath.Base(filepath.Dir(l))
		if arch == "groups" {
			continue
		}
		id, err := j.subtask(ctx, "createrepo", []any{repoID, arch, old}, xmlrpc.Kwargs{"label": arch, "arch": "noarch"})
		if err != nil {
			return nil, err
		}
		tasks[arch] = id
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		results, err := j.wait(ctx, true, ids...)
		if err != nil {
			return nil, err
		}
		for arch, id := range tasks {
			data[arch] = results[id]
		}
	}
	if _, err := j.Hub.Call(ctx, "host.repoDone", repoID, data); err != nil {
		return nil, err
	}
	return []any{repoID, made[1]}, nil
}

// repoOpts are the request's options; the three old parameters are another way to write them.
func repoOpts(args Args) (any, error) {
	old := map[string]any{}
	for _, name := range []string{"src", "debuginfo", "separate_src"} {
		if v := args[name]; v != nil {
			old[name] = asBool(v)
		}
	}
	if len(old) == 0 {
		return args["opts"], nil
	}
	if args["opts"] != nil {
		return nil, fault.New(fault.Parameter, "opts parameter cannot be combined with legacy options")
	}
	return old, nil
}

// runCreateRepo makes the metadata of one architecture with createrepo_c and, for tags with external repositories, mergerepo_c.
func runCreateRepo(ctx context.Context, j *Job) (any, error) {
	res, err := j.Hub.Call(ctx, "repoInfo", j.Args["repo_id"], xmlrpc.Kwargs{"strict": true})
	if err != nil {
		return nil, err
	}
	info := asMap(res)
	if s := koji.RepoState(asInt(info["state"])); s != koji.RepoInit {
		return nil, fault.New(fault.Generic, "Repo %d not in INIT state (got %s)", asInt(info["id"]), s)
	}
	repos, err := j.reposDir()
	if err != nil {
		return nil, err
	}
	arch := asString(j.Args["arch"])
	if !fs.ValidPath(arch) || strings.Contains(arch, "/") {
		return nil, fault.New(fault.Parameter, "%q is not an arch", arch)
	}
	c := createRepo{j: j, arch: arch, repoID: asInt(info["id"]),
		dir: filepath.Join(repos, asString(info["tag_name"]), fmt.Sprint(asInt(info["id"])), arch), out: filepath.Join(j.Dir, "repo")}
	c.comps = filepath.Join(filepath.Dir(c.dir), "groups", "comps.xml")
	pkglist, err := os.Stat(filepath.Join(c.dir, "pkglist"))
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "Repo directory missing: %s", c.dir)
	}
	stream := logstream.Start(context.WithoutCancel(ctx), j.Hub, logstream.Options{Dir: j.UploadDir(), Log: j.Log}, filepath.Join(j.Dir, "*.log"))
	defer func() {
		ctx, cancel := detached(ctx)
		defer cancel()
		if err := stream.Close(ctx); err != nil {
			j.Log.Warn("logs not sent", "err", err)
		}
	}()
	if err := c.local(ctx, pkglist.Size() == 0); err != nil {
		return nil, err
	}
	externals, err := j.Hub.Call(ctx, "getExternalRepoList", info["tag_id"], xmlrpc.Kwargs{"event": info["create_event"]})
	if err != nil {
		return nil, err
	}
	switch list := asList(externals); {
	case len(list) > 0:
		err = c.merge(ctx, list)
	case pkglist.Size() == 0:
		err = os.WriteFile(filepath.Join(c.out, "repodata", "EMPTY_REPO"),
			[]byte("This repo is empty because its tag has no content for this arch\n"), 0o644)
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(c.out, "repodata"))
	if err != nil {
		return nil, fmt.Errorf("read the metadata: %w", err)
	}
	files := []any{}
	for _, e := range entries {
		if err := j.upload(ctx, filepath.Join(c.out, "repodata", e.Name())); err != nil {
			return nil, err
		}
		files = append(files, e.Name())
	}
	return []any{j.UploadDir(), files}, nil
}

// createRepo is one architecture of a repository.
type createRepo struct {
	j                     *Job
	repoID                int64
	arch, dir, out, comps string
}

// local runs createrepo_c over the packages that pkglist names.
func (c createRepo) local(ctx context.Context, empty bool) error {
	if err := os.MkdirAll(c.out, 0o755); err != nil {
		return fmt.Errorf("make the output directory: %w", err)
	}
	argv := []string{"/usr/bin/createrepo_c", "--error-exit-val", "-vd", "-o", c.out}
	if st, err := os.Stat(c.comps); err == nil && st.Mode().IsRegular() {
		argv = append(argv, "-g", c.comps)
	}
	if empty {
		return c.run(ctx, "createrepo.log", append(argv, c.out)...)
	}
	return c.run(ctx, "createrepo.log", append(argv, "-i", filepath.Join(c.dir, "pkglist"), c.dir)...)
}

// merge puts the external repositories in, by the one merge mode that they must share.
func (c createRepo) merge(ctx context.Context, externals []any) error {
	local := filepath.Join(c.j.Dir, fmt.Sprintf("repo_%d_premerge", c.repoID))
	if err := os.Rename(c.out, local); err != nil {
		return fmt.Errorf("set the local repository aside: %w", err)
	}
	if err := os.Mkdir(c.out, 0o755); err != nil {
		return fmt.Errorf("make the output directory: %w", err)
	}
	mode := ""
	repos := []string{"-r", "file://" + local + "/"}
	for _, v := range externals {
		m := asMap(v)
		own := asString(m["merge_mode"])
		if own == "" {
			own = "koji"
		}
		if mode != "" && own != mode {
			return fault.New(fault.Generic, "Found multiple merge modes for external repos: %s, %s", mode, own)
		}
		mode = own
		if arches := asString(m["arches"]); arches != "" && !slices.Contains(strings.Fields(arches), c.arch) {
			continue
		}
		repos = append(repos, "-r", strings.ReplaceAll(asString(m["url"]), "$arch", c.arch))
	}
	argv := []string{"/usr/bin/mergerepo_c"}
	switch mode {
	case "simple":
		argv = append(argv, "--koji", "--simple")
	case "bare":
		argv = append(argv, "--pkgorigins", "--all")
	default:
		argv = append(argv, "--koji")
	}
	if mode != "bare" {
		argv = append(argv, "-b", filepath.Join(c.dir, "blocklist"))
	}
	argv = append(argv, "-a", c.arch, "-o", c.out, "--arch-expand")
	if st, err := os.Stat(c.comps); err == nil && st.Mode().IsRegular() {
		argv = append(argv, "-g", c.comps)
	}
	return c.run(ctx, "mergerepos.log", append(argv, repos...)...)
}

func (c createRepo) run(ctx context.Context, logName string, argv ...string) error {
	log, err := os.Create(filepath.Join(c.j.Dir, logName))
	if err != nil {
		return fmt.Errorf("open %s: %w", logName, err)
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "TMPDIR="+c.j.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrNotExist):
		return &Refusal{argv[0] + " is not installed"}
	}
	return fault.Wrap(err, fault.Generic, "%s failed: %s; see %s for more information", filepath.Base(argv[0]), err, logName)
}
