package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/rpm"
	"moromi/internal/xmlrpc"
)

// Weight of buildArch: a base, plus one for each 4800 seconds that builds of the package take, up to a day's worth.
const (
	buildArchWeight       = 1.5
	weightSeconds         = 4800
	maxExtraWeight        = 18
	averageDurationMonths = 6
)

// runBuildArch builds a source package for one architecture.
func runBuildArch(ctx context.Context, j *Job) (any, error) {
	pkg, arch, keepSRPM := asString(j.Args["pkg"]), asString(j.Args["arch"]), asBool(j.Args["keep_srpm"])
	repoID := asInt(j.Args.opts()["repo_id"])
	if repoID == 0 {
		return nil, fault.New(fault.Build, "A repo id must be provided")
	}
	srpm, header, err := j.fetchSRPM(ctx, pkg)
	if err != nil {
		return nil, err
	}
	if err := j.adjustWeight(ctx, header.Name()); err != nil {
		return nil, err
	}
	brArch, err := j.buildRootArch(ctx, arch, repoID)
	if err != nil {
		return nil, err
	}
	r, err := j.newRoot(ctx, rootOptions{tag: j.Args["root"], arch: brArch, repoID: repoID, group: "build"})
	if err != nil {
		return nil, err
	}
	defer r.close(ctx)
	if err := r.setBuilding(ctx); err != nil {
		return nil, err
	}
	buildErr := r.Build(ctx, srpm, arch)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// The content is reported for failed builds, too: it tells why the same source built yesterday.
	listErr := r.report(ctx, "host.updateBuildRootList")
	if buildErr != nil {
		return nil, r.explain(ctx, buildErr, fault.Build, "error building package (arch "+arch+")")
	}
	if listErr != nil {
		return nil, listErr
	}
	return r.archResult(ctx, keepSRPM)
}

// adjustWeight gives the task a weight by how long the package usually takes.
func (j *Job) adjustWeight(ctx context.Context, name string) error {
	avg, err := j.Hub.Call(ctx, "getAverageBuildDuration", name, xmlrpc.Kwargs{"age": averageDurationMonths})
	if fault.Is(err, fault.Parameter) { // hubs before 1.23
		avg, err = j.Hub.Call(ctx, "getAverageBuildDuration", name)
	}
	if err != nil {
		return err
	}
	seconds, ok := avg.(float64)
	if !ok {
		seconds = float64(asInt(avg))
	}
	if seconds <= 0 {
		return nil
	}
	_, err = j.Hub.Call(ctx, "host.setTaskWeight", j.ID, buildArchWeight+min(maxExtraWeight, seconds/weightSeconds))
	return err
}

// buildRootArch chooses the root's architecture. A noarch task may have been given one, to honour the spec's ExclusiveArch.
func (j *Job) buildRootArch(ctx context.Context, arch string, repoID int64) (string, error) {
	if arch != "noarch" {
		return arch, nil
	}
	preferred := ""
	if j.Method == "buildArch" {
		info, err := j.Hub.Call(ctx, "getTaskInfo", j.ID)
		if err != nil {
			return "", err
		}
		preferred = asString(asMap(info)["arch"])
	}
	host, err := j.Hub.Call(ctx, "host.getHost")
	if err != nil {
		return "", err
	}
	tag := j.Args["build_tag"]
	if j.Method == "buildArch" {
		tag = j.Args["root"]
	}
	repo, err := j.Hub.Call(ctx, "repoInfo", repoID, xmlrpc.Kwargs{"strict": true})
	if err != nil {
		return "", err
	}
	config, err := j.Hub.Call(ctx, "getBuildConfig", tag, xmlrpc.Kwargs{"event": asMap(repo)["create_event"]})
	if err != nil {
		return "", err
	}
	return rootArch(arch, asMap(host), asMap(config), preferred)
}

// archResult uploads the packages and makes the task's result.
func (r *taskRoot) archResult(ctx context.Context, keepSRPM bool) (any, error) {
	rpms, srpms, err := r.results()
	if err != nil {
		return nil, err
	}
	result := map[string]any{"rpms": []any{}, "srpms": []any{}, "brootid": r.id}
	if result["rpms"], err = r.uploadAll(ctx, rpms); err != nil {
		return nil, err
	}
	if keepSRPM {
		switch len(srpms) {
		case 1:
		case 0:
			return nil, fault.New(fault.Build, "no srpm files found for task %d", r.j.ID)
		default:
			return nil, fault.New(fault.Build, "multiple srpm files found for task %d: %s", r.j.ID, strings.Join(srpms, ", "))
		}
		if err := checkIdentity(filepath.Join(r.ResultDir(), srpms[0])); err != nil {
			return nil, err
		}
		if result["srpms"], err = r.uploadAll(ctx, srpms); err != nil {
			return nil, err
		}
	}
	logs, err := r.finish(ctx)
	if err != nil {
		return nil, err
	}
	result["logs"] = logs
	return result, nil
}

func (r *taskRoot) uploadAll(ctx context.Context, names []string) ([]any, error) {
	list := []any{}
	for _, n := range names {
		if err := r.j.upload(ctx, filepath.Join(r.ResultDir(), n)); err != nil {
			return nil, err
		}
		list = append(list, r.j.uploaded(n))
	}
	return list, nil
}

// checkIdentity makes sure that the build system's marks are in a source package.
func checkIdentity(path string) error {
	h, err := readHeader(path)
	if err != nil {
		return err
	}
	for _, t := range []struct {
		tag  rpm.Tag
		name string
	}{{rpm.TagPackager, "packager"}, {rpm.TagVendor, "vendor"}, {rpm.TagDistribution, "distribution"}} {
		if h.String(t.tag) == "" {
			return fault.New(fault.Build, "The build system failed to set the %s tag", t.name)
		}
	}
	return nil
}

func readHeader(path string) (*rpm.Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open a package: %w", err)
	}
	defer f.Close()
	h, err := rpm.ReadHeader(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), errors.Join(err, f.Close()))
	}
	return h, nil
}
