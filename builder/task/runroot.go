package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"moromi/builder/buildroot"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

// minRunRootWeight is the least that a caller can make a runroot task weigh.
const minRunRootWeight = 0.5

// maxUploadLog bounds a file that a runroot task uploads beside its log, as logs of builds are bounded.
const maxUploadLog = 1 << 30

// runRunRoot makes a buildroot and runs a command in it, as root (Koji's plugin runroot). The command's output is runroot.log.
func runRunRoot(ctx context.Context, j *Job) (any, error) {
	command, name, err := runRootCommand(j.Args)
	if err != nil {
		return nil, err
	}
	if command.Mounts, err = j.Settings.RunRoot.mounts(asStrings(j.Args["mounts"])); err != nil {
		return nil, err
	}
	if w := j.Args["weight"]; w != nil {
		if _, err := j.Hub.Call(ctx, "host.setTaskWeight", j.ID, max(asFloat(w), minRunRootWeight)); err != nil {
			return nil, err
		}
	}
	arch, err := j.runRootArch(ctx)
	if err != nil {
		return nil, err
	}
	repo, err := j.runRootRepo(ctx)
	if err != nil {
		return nil, err
	}
	r, err := j.newRoot(ctx, rootOptions{tag: j.Args["root"], arch: arch, repoID: repo, group: "build", network: j.Settings.RunRoot.Network,
		internalDev: j.Settings.RunRoot.InternalDevSetup})
	if err != nil {
		return nil, err
	}
	defer r.close(ctx)
	if err := r.setBuilding(ctx); err != nil {
		return nil, err
	}
	if err := r.installPackages(ctx, asStrings(j.Args["packages"])); err != nil {
		return nil, err
	}
	runErr := r.Run(ctx, command)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	logErr := r.uploadLogs(ctx, asStrings(j.Args["upload_logs"]))
	if runErr != nil {
		return nil, r.commandFault(runErr, name)
	}
	if logErr != nil {
		return nil, logErr
	}
	if _, err := r.finish(ctx); err != nil {
		return nil, err
	}
	return name + " completed successfully", nil
}

// runRootCommand reads the command, and finds the name by which messages call it: its first word without an equals sign.
func runRootCommand(a Args) (c buildroot.Command, name string, err error) {
	var words []string
	switch v := a["command"].(type) {
	case string:
		c.Shell, words = v, strings.Fields(v)
	case []any:
		for _, w := range v {
			s, ok := w.(string)
			if !ok {
				return c, "", fault.New(fault.Generic, "the command is text or a list of texts; one of the list is %v", w)
			}
			c.Argv = append(c.Argv, s)
		}
		words = c.Argv
	}
	if len(words) == 0 {
		return c, "", fault.New(fault.Generic, "there is no command to run")
	}
	if on, ok := a["new_chroot"].(bool); ok {
		c.NewChroot = &on
	}
	if asBool(a["skip_setarch"]) {
		c.Arch = machineArch()
	}
	name = "(none)"
	if i := slices.IndexFunc(words, func(w string) bool { return !strings.Contains(w, "=") }); i >= 0 {
		name = path.Base(words[i])
	}
	return c, name, nil
}

// machineArch is rpm's name of this machine's arch.
func machineArch() string {
	names := map[string]string{"amd64": "x86_64", "386": "i686", "arm64": "aarch64"}
	if n := names[runtime.GOARCH]; n != "" {
		return n
	}
	return runtime.GOARCH
}

// runRootArch is the arch of the root: for noarch, the first of the tag's that this host has.
func (j *Job) runRootArch(ctx context.Context) (string, error) {
	arch := asString(j.Args["arch"])
	if arch != "noarch" {
		return arch, nil
	}
	res, err := j.Hub.Call(ctx, "host.getHost")
	if err != nil {
		return "", err
	}
	host := canonArches(asString(asMap(res)["arches"]))
	if len(host) == 0 {
		return "", fault.New(fault.Build, "No arch list for this host")
	}
	if res, err = j.Hub.Call(ctx, "getBuildConfig", j.Args["root"]); err != nil {
		return "", err
	}
	tag := asString(asMap(res)["arches"])
	if tag == "" {
		return "", fault.New(fault.Build, "No arch list for tag: %s", asString(j.Args["root"]))
	}
	for _, a := range canonArches(tag) {
		if slices.Contains(host, a) {
			return a, nil
		}
	}
	return "", fault.New(fault.Build, "host does not match tag arches: %s (%s)", asString(j.Args["root"]), tag)
}

// runRootRepo is the repository to use: the one that was asked for, the tag's current one, or the next one.
func (j *Job) runRootRepo(ctx context.Context) (int64, error) {
	tag := j.Args["root"]
	if id := asInt(j.Args["repo_id"]); id != 0 {
		res, err := j.Hub.Call(ctx, "repoInfo", id, xmlrpc.Kwargs{"strict": true})
		if err != nil {
			return 0, err
		}
		repo := asMap(res)
		if n, isID := tag.(int64); isID && n != asInt(repo["tag_id"]) || !isID && asString(tag) != asString(repo["tag_name"]) {
			return 0, fault.New(fault.Build, "build tag (%s) does not match repo tag (%s)", asString(tag), asString(repo["tag_name"]))
		}
		if state := koji.RepoState(asInt(repo["state"])); state != koji.RepoReady && state != koji.RepoExpired {
			return 0, fault.New(fault.Build, "repos in the %s state may not be used by runroot", state)
		}
		return id, nil
	}
	res, err := j.Hub.Call(ctx, "getRepo", tag)
	if err != nil {
		return 0, err
	}
	repo := asMap(res)
	if repo == nil {
		id, err := j.subtask(ctx, "waitrepo", []any{tag, nil, nil}, xmlrpc.Kwargs{})
		if err != nil {
			return 0, err
		}
		results, err := j.wait(ctx, false, id)
		if err != nil {
			return 0, err
		}
		repo = asMap(results[id])
	}
	return asInt(repo["id"]), nil
}

// installPackages installs what the caller wants in the root, and tells the hub what is there then.
func (r *taskRoot) installPackages(ctx context.Context, packages []string) error {
	if len(packages) == 0 {
		return nil
	}
	err := r.Install(ctx, packages)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	listErr := r.report(ctx, "host.updateBuildRootList")
	if err != nil {
		return r.explain(ctx, err, fault.Buildroot, "could not install packages")
	}
	return listErr
}

// commandFault is the fault of a command that failed.
func (r *taskRoot) commandFault(err error, name string) error {
	r.failed = true
	var pe *buildroot.PhaseError
	if !errors.As(err, &pe) {
		return fault.Wrap(err, fault.Buildroot, "%s: %s", name, err)
	}
	of := *pe
	of.Tool = name
	return fault.Wrap(err, fault.Buildroot, "%s", of.Status())
}

// uploadLogs uploads files of the root, named by their paths in it.
func (r *taskRoot) uploadLogs(ctx context.Context, names []string) error {
	var errs []error
	for _, n := range names {
		errs = append(errs, r.uploadLog(ctx, n))
	}
	return errors.Join(errs...)
}

func (r *taskRoot) uploadLog(ctx context.Context, name string) error {
	base := path.Base(path.Clean("/" + name))
	if base == "/" || strings.HasPrefix(base, ".") || slices.Contains(r.stream.Names(), base) || base == buildroot.RunLog {
		return fault.New(fault.Generic, "%q cannot be uploaded: its name is hidden, or that of a log of the task's own", name)
	}
	file := filepath.Join(r.j.Dir, base)
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("upload %s: %w", name, err)
	}
	w := &buildroot.LimitWriter{W: f, Left: maxUploadLog}
	err = r.CopyOut(ctx, w, name)
	switch {
	case w.Full:
		err = fault.New(fault.Generic, "%s is larger than %d MiB", name, maxUploadLog>>20)
	case errors.Is(err, buildroot.ErrNotThere):
		err = fault.New(fault.Generic, "%s is no file of the root", name)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return r.j.upload(ctx, file)
}
