package task

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"moromi/builder/buildroot"
	"moromi/builder/scm"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// sourceRoot makes the root in which a source package is made.
func (j *Job) sourceRoot(ctx context.Context, network bool) (*taskRoot, error) {
	repoID := asInt(j.Args.opts()["repo_id"])
	if repoID == 0 {
		return nil, fault.New(fault.Build, "A repo id must be provided")
	}
	arch, err := j.buildRootArch(ctx, "noarch", repoID)
	if err != nil {
		return nil, err
	}
	return j.newRoot(ctx, rootOptions{tag: j.Args["build_tag"], arch: arch, repoID: repoID, group: "srpm-build", network: network})
}

// runRebuildSRPM makes an uploaded source package anew in the build tag's root, so that it has the right dist tag and macros.
func runRebuildSRPM(ctx context.Context, j *Job) (any, error) {
	local, _, err := j.fetchSRPM(ctx, asString(j.Args["srpm"]))
	if err != nil {
		return nil, err
	}
	r, err := j.sourceRoot(ctx, false)
	if err != nil {
		return nil, err
	}
	defer r.close(ctx)
	if err := r.setBuilding(ctx); err != nil {
		return nil, err
	}
	if err := r.RebuildSRPM(ctx, local); err != nil {
		return nil, r.explain(ctx, err, fault.Build, "error building srpm")
	}
	return r.sourceResult(ctx, func(name string) map[string]any { return map[string]any{"source": name, "url": name} })
}

// runBuildSRPMFromSCM checks sources out and makes a source package of them.
func runBuildSRPMFromSCM(ctx context.Context, j *Job) (any, error) {
	address := asString(j.Args["url"])
	u, err := scm.Parse(address, j.Settings.SCMPasswords)
	if err != nil {
		return nil, err
	}
	opts, err := j.allowSCM(ctx, u)
	if err != nil {
		return nil, err
	}
	r, err := j.sourceRoot(ctx, true)
	if err != nil {
		return nil, err
	}
	defer r.close(ctx)
	tree, source, err := r.checkout(ctx, u, opts)
	if err != nil {
		return nil, err
	}
	if err := r.setBuilding(ctx); err != nil {
		return nil, err
	}
	if err := r.BuildSRPM(ctx, tree); err != nil {
		return nil, r.explain(ctx, err, fault.Build, "error building srpm")
	}
	return r.sourceResult(ctx, func(string) map[string]any { return map[string]any{"url": address, "source": source} })
}

// allowSCM decides by the builder's rules and, if so configured, by the hub's policy.
func (j *Job) allowSCM(ctx context.Context, u scm.URL) (scm.Options, error) {
	opts := scm.DefaultOptions()
	var err error
	if j.Settings.SCMByRules {
		if opts, err = scm.Allow(j.Settings.SCMRules, u); err != nil {
			return opts, err
		}
	}
	if !j.Settings.SCMByPolicy {
		return opts, nil
	}
	res, err := j.Hub.Call(ctx, "getTaskInfo", j.ID)
	if err != nil {
		return opts, err
	}
	info := asMap(res)
	channel, err := j.Hub.Call(ctx, "getChannel", info["channel_id"], xmlrpc.Kwargs{"strict": true})
	if err != nil {
		return opts, err
	}
	data := map[string]any{"user_id": info["owner"], "channel": asMap(channel)["name"], "scratch": j.Args.opts()["scratch"]}
	addSCMInfo(data, u)
	answer, err := j.Hub.Call(ctx, "host.evalPolicy", "build_from_scm", data)
	if err != nil {
		return opts, err
	}
	return scm.ApplyPolicy(asString(answer), u, opts)
}

// addSCMInfo adds the parts of an address. Koji prefixes each name with scm_ once: scmtype is scm_type.
func addSCMInfo(data map[string]any, u scm.URL) {
	for k, v := range u.Info() {
		data["scm_"+strings.TrimPrefix(k, "scm")] = v
	}
}

// assertSCM asks the hub's policy scm about what was checked out, the branches that have it among others (Koji's plugin scmpolicy).
func (j *Job) assertSCM(ctx context.Context, c scm.Checkout) error {
	if !j.Settings.SCMCheckoutPolicy {
		return nil
	}
	branches, err := c.Branches(ctx)
	if err != nil {
		return err
	}
	list := make([]any, len(branches))
	for i, b := range branches {
		list[i] = b
	}
	res, err := j.Hub.Call(ctx, "getTaskInfo", j.ID)
	if err != nil {
		return err
	}
	data := map[string]any{"build_tag": j.Args["build_tag"], "method": j.Method, "scratch": j.Args.opts()["scratch"], "branches": list, "user_id": asMap(res)["owner"]}
	addSCMInfo(data, c.URL)
	_, err = j.Hub.Call(ctx, "host.assertPolicy", "scm", data)
	return err
}

// checkout gets the sources into the root's checkout directory, with checkout.log.
func (r *taskRoot) checkout(ctx context.Context, u scm.URL, opts scm.Options) (tree buildroot.SourceTree, source string, err error) {
	dir, err := r.CheckoutDir()
	if err != nil {
		return tree, "", err
	}
	logPath := filepath.Join(r.j.Dir, "checkout.log")
	log, err := os.Create(logPath)
	if err != nil {
		return tree, "", fmt.Errorf("open checkout.log: %w", err)
	}
	defer log.Close()
	r.stream.Watch(logPath)
	co := scm.Checkout{URL: u, Dir: dir, UseCommon: opts.UseCommon, Log: log}
	t, err := co.Run(ctx)
	if err != nil {
		return tree, "", err
	}
	if err := r.j.assertSCM(ctx, co); err != nil {
		return tree, "", logged(log, err)
	}
	if pattern := r.j.Settings.Lookaside; pattern != "" {
		l := scm.Lookaside{Pattern: pattern, HTTP: r.j.Settings.HTTP, Log: log}
		if err := l.Fetch(ctx, dir, t.Dir, u.Name()); err != nil {
			return tree, "", logged(log, err)
		}
		if opts.DefaultCommand {
			opts.Command = nil // nobody asked for "make sources", and what it would do is done
		}
	}
	spec, err := scm.FindSpec(dir, t.Dir, r.j.Settings.SourceLayout)
	if err != nil {
		return tree, "", logged(log, err)
	}
	if err := scm.CheckSpec(dir, spec); err != nil {
		return tree, "", logged(log, err)
	}
	tree = buildroot.SourceTree{Spec: spec, Sources: t.Dir, WorkDir: t.Dir, Command: opts.Command}
	if r.j.Settings.SourceLayout {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return tree, "", fmt.Errorf("open the checkout: %w", err)
		}
		defer root.Close()
		alt := filepath.Join(t.Dir, "SOURCES")
		if st, err := root.Stat(alt); err == nil && st.IsDir() {
			tree.Sources = alt
		}
	}
	return tree, t.Source, nil
}

// logged writes an error to a log, too, where people look for it.
func logged(w io.Writer, err error) error {
	fmt.Fprintln(w, err)
	return err
}

// sourceResult uploads the one source package that was made and gives the task's result.
func (r *taskRoot) sourceResult(ctx context.Context, source func(name string) map[string]any) (any, error) {
	_, srpms, err := r.results()
	if err != nil {
		return nil, err
	}
	switch len(srpms) {
	case 1:
	case 0:
		return nil, fault.New(fault.Build, "No srpms found in the result directory")
	default:
		return nil, fault.New(fault.Build, "Multiple srpms found in the result directory: %s", strings.Join(srpms, ", "))
	}
	path := filepath.Join(r.ResultDir(), srpms[0])
	h, err := readHeader(path)
	if err != nil {
		return nil, err
	}
	if !h.IsSource() {
		return nil, fault.New(fault.Build, "%s is not a source package", srpms[0])
	}
	if want := h.NEVRA().NVR() + ".src.rpm"; want != srpms[0] {
		return nil, fault.New(fault.Build, "srpm name mismatch: %s != %s", want, srpms[0])
	}
	if err := r.j.upload(ctx, path); err != nil {
		return nil, err
	}
	logs, err := r.finish(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{"srpm": r.j.uploaded(srpms[0]), "logs": logs, "brootid": r.id, "source": source(srpms[0])}, nil
}
