package task

import (
	"context"
	"fmt"

	"moromi/builder/scm"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// runChainBuild builds levels of sources one after the other, each with the former ones in its repository.
// An entry of a level is a source control address to build, or the NVR of a build to wait for.
func runChainBuild(ctx context.Context, j *Job) (any, error) {
	target, opts := j.Args["target"], j.Args.opts()
	if asBool(opts["scratch"]) {
		return nil, fault.New(fault.Build, "--scratch is not allowed with chain-builds")
	}
	res, err := j.Hub.Call(ctx, "getBuildTarget", target)
	if err != nil {
		return nil, err
	}
	info := asMap(res)
	if info == nil {
		return nil, fault.New(fault.Generic, "unknown build target: %v", target)
	}
	var nvrs []any // that the next level needs
	for level, entry := range asList(j.Args["srcs"]) {
		if len(nvrs) > 0 {
			id, err := j.subtask(ctx, "waitrepo", []any{info["build_tag_name"], nil, nvrs}, xmlrpc.Kwargs{"label": fmt.Sprintf("wait %d", level)})
			if err != nil {
				return nil, err
			}
			if _, err := j.wait(ctx, true, id); err != nil {
				return nil, err
			}
		}
		if nvrs, err = j.buildLevel(ctx, level, asStrings(entry), target, opts); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// buildLevel builds what one level names and gives the NVRs to wait for before the next.
func (j *Job) buildLevel(ctx context.Context, level int, srcs []string, target any, opts map[string]any) ([]any, error) {
	var tasks []int64
	var nvrs []any
	for n, src := range srcs {
		if !scm.IsURL(src) {
			nvrs = append(nvrs, src)
			continue
		}
		id, err := j.subtask(ctx, "build", []any{src, target, opts}, xmlrpc.Kwargs{"label": fmt.Sprintf("build %d,%d", level, n)})
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, id)
	}
	if len(tasks) == 0 {
		return nvrs, nil
	}
	if _, err := j.wait(ctx, true, tasks...); err != nil {
		return nil, err
	}
	for _, id := range tasks {
		builds, err := j.Hub.Call(ctx, "listBuilds", xmlrpc.Kwargs{"taskID": id})
		if err != nil {
			return nil, err
		}
		if list := asList(builds); len(list) > 0 {
			nvrs = append(nvrs, asMap(list[0])["nvr"])
		}
	}
	return nvrs, nil
}
