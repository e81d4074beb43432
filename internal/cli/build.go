package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/xmlrpc"
)

// backgroundPriority is added to a task's priority by --background.
const backgroundPriority = 5

func buildCommands() []spec {
	return []spec{build(), chainBuild(), distRepo(), distRepoRollback(), promoteBuild()}
}

// buildFlags are the options of build.
type buildFlags struct {
	skipTag, scratch, rebuild, noRebuild, waitRepo, failFast, noProgress, background, draft bool
	waitBuilds                                                                              []string
	arches, metadata                                                                        string
	repo                                                                                    int64
	wait                                                                                    waitOptions
}

func (o *buildFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&o.skipTag, "skip-tag", false, "do not tag the build")
	f.BoolVar(&o.scratch, "scratch", false, "a scratch build: not recorded as a build, deleted after a while")
	f.BoolVar(&o.rebuild, "rebuild-srpm", false, "make the source rpm anew (scratch builds)")
	f.BoolVar(&o.noRebuild, "no-rebuild-srpm", false, "build the source rpm as it is (scratch builds)")
	f.BoolVar(&o.waitRepo, "wait-repo", false, "wait for a current repository of the build tag")
	f.StringArrayVar(&o.waitBuilds, "wait-build", nil, "wait until this build (`NVR`) is in the repository (repeatable)")
	f.StringVar(&o.arches, "arch-override", "", "build for these architectures (scratch builds)")
	f.BoolVar(&o.failFast, "fail-fast", false, "end all when one architecture fails")
	f.Int64Var(&o.repo, "repo-id", 0, "build in this repository")
	f.BoolVar(&o.noProgress, "noprogress", false, "do not show the progress of the upload")
	f.BoolVar(&o.background, "background", false, "with a lower priority")
	f.StringVar(&o.metadata, "custom-user-metadata", "", "a `JSON` object to keep with the build")
	f.BoolVar(&o.draft, "draft", false, "a draft build, which can be promoted")
	o.wait.register(f)
}

// options are the opts of the hub's build call.
func (o *buildFlags) options(f *pflag.FlagSet) (row, error) {
	switch {
	case (o.rebuild || o.noRebuild) && !o.scratch:
		return nil, usagef("--rebuild-srpm and --no-rebuild-srpm are for --scratch builds")
	case o.arches != "" && !o.scratch:
		return nil, usagef("--arch-override is for --scratch builds")
	case o.scratch && o.draft:
		return nil, usagef("--scratch and --draft exclude each other")
	}
	opts := row{"wait_builds": o.waitBuilds, "custom_user_metadata": row{}}
	if o.metadata != "" {
		v, err := xmlrpc.FromJSON(o.metadata)
		object, ok := v.(map[string]any)
		if err != nil || !ok {
			return nil, usagef("--custom-user-metadata must be a JSON object")
		}
		opts["custom_user_metadata"] = object
	}
	if o.arches != "" {
		a, err := arches(o.arches)
		if err != nil {
			return nil, err
		}
		opts["arch_override"] = a
	}
	for name, set := range map[string]bool{"skip_tag": o.skipTag, "scratch": o.scratch, "fail_fast": o.failFast, "wait_repo": o.waitRepo, "draft": o.draft} {
		if set {
			opts[name] = true
		}
	}
	if o.rebuild || o.noRebuild {
		opts["rebuild_srpm"] = o.rebuild
	}
	if f.Changed("repo-id") {
		opts["repo_id"] = o.repo
	}
	return opts, nil
}

func build() spec {
	var o buildFlags
	return spec{
		use: "build TARGET SOURCE", short: "Build a package", group: groupBuild, login: true, min: 2, max: 2, json: true, complete: []string{"target", "file"},
		long: `Build a package from a source rpm, which is uploaded, or from the address of a source repository.

TARGET is a build target (see list-targets): it says from which tag to build and into which tag the build goes. The exit
status is 1 if the build fails.`,
		example: `  moromi build f42 git+https://git.example.com/rpms/foo#1a2b3c
  moromi build --scratch --arch-override x86_64 f42 foo-1.0-1.src.rpm
  moromi build --nowait f42 foo-1.0-1.src.rpm`,
		flags: func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			opts, err := o.options(v.flags)
			if err != nil {
				return err
			}
			var target any = v.args[0]
			if strings.EqualFold(v.args[0], "none") && o.repo != 0 {
				target, opts["skip_tag"] = nil, true
			} else if _, err := v.openTarget(v.args[0], o.scratch); err != nil {
				return err
			}
			quiet := v.global.quiet || v.json
			source := v.args[1]
			if !strings.Contains(source, "://") {
				if source, err = v.uploadSource(source, quiet, o.noProgress); err != nil {
					return err
				}
			}
			task, err := v.number("build", source, target, opts, kw{"priority": priority(o.background)})
			if err != nil {
				return err
			}
			v.announce(task, quiet)
			return v.finish([]int64{task}, &o.wait, quiet)
		},
	}
}

func priority(background bool) any {
	if background {
		return backgroundPriority
	}
	return nil
}

// announce says which task was made, and where to see it.
func (v *invocation) announce(task int64, quiet bool) {
	if !quiet {
		v.printf("Created task: %d\nTask info: %s/taskinfo?taskID=%d\n", task, v.cfg.webURL, task)
	}
}

// openTarget finds a target that can be built for.
func (v *invocation) openTarget(name string, scratch bool) (row, error) {
	target, err := v.need("build target", "getBuildTarget", name)
	if err != nil {
		return nil, err
	}
	dest, err := v.one("getTag", target["dest_tag"])
	switch {
	case err != nil:
		return nil, err
	case dest == nil:
		return nil, fmt.Errorf("no such destination tag: %s", str(target, "dest_tag_name"))
	case hubclient.Bool(dest["locked"]) && !scratch:
		return nil, fmt.Errorf("destination tag %s is locked; unlock it, or build with --scratch", str(dest, "name"))
	}
	return target, nil
}

// uploadSource sends a source rpm to the hub and gives its name there.
func (v *invocation) uploadSource(path string, quiet, noProgress bool) (string, error) {
	if !quiet {
		v.printf("Uploading srpm: %s\n", path)
	}
	dir, name := v.uniquePath("cli-build"), filepath.Base(path)
	if err := v.upload(path, dir, noProgress); err != nil {
		return "", err
	}
	if !quiet {
		v.println()
	}
	return dir + "/" + name, nil
}

// progress draws a bar that ends where an upload does, or nothing where nobody waits for it.
func (v *invocation) progress(unwanted bool) func(done, total int64) {
	if !v.Terminal || v.global.quiet || v.json || unwanted {
		return nil
	}
	start := v.Now()
	return func(done, total int64) {
		part := 0.0
		if total > 0 {
			part = float64(done) / float64(total)
		}
		elapsed := v.Now().Sub(start)
		speed := "- B/sec"
		if done > 0 && elapsed > 0 {
			speed = size(float64(done)/elapsed.Seconds()) + "/sec"
		}
		v.printf("[%-36s] %3.0f%% %s %10s %14s\r", strings.Repeat("=", int(part*36)), part*100, clock(elapsed), size(float64(done)), speed)
	}
}

func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

func chainBuild() spec {
	var background bool
	var wait waitOptions
	return spec{
		use: "chain-build TARGET SOURCE… : SOURCE…", short: "Build packages that need one another", group: groupBuild, login: true, min: 2, max: -1, json: true, complete: []string{"target"},
		long: `Build packages one after the other. Sources between two colons are built together; what comes after a colon is built
when a repository has what comes before it. A source is an address, or an existing build, which is only waited for.`,
		example: "  moromi chain-build f42 git+https://git.example.com/liba#v1 : git+https://git.example.com/appb#v2",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&background, "background", false, "with a lower priority")
			wait.register(f)
		},
		run: func(v *invocation) error {
			levels, err := buildLevels(v.args[1:])
			if err != nil {
				return err
			}
			target, err := v.openTarget(v.args[0], false)
			if err != nil {
				return err
			}
			if err := v.chainable(target); err != nil {
				return err
			}
			task, err := v.number("chainBuild", levels, v.args[0], kw{"priority": priority(background)})
			if err != nil {
				return err
			}
			quiet := v.global.quiet || v.json
			v.announce(task, quiet)
			return v.finish([]int64{task}, &wait, quiet)
		},
	}
}

// chainable checks that later builds can see earlier ones: the build tag must inherit from the destination.
func (v *invocation) chainable(target row) error {
	ancestors, err := v.list("getFullInheritance", target["build_tag"])
	if err != nil {
		return err
	}
	dest := target["dest_tag"]
	if dest != target["build_tag"] && !slices.ContainsFunc(ancestors, func(a row) bool { return a["parent_id"] == dest }) {
		return fmt.Errorf("target %s cannot be used for a chain build: build tag %s does not inherit from destination tag %s",
			str(target, "name"), str(target, "build_tag_name"), str(target, "dest_tag_name"))
	}
	return nil
}

// buildLevels splits sources at colons.
func buildLevels(sources []string) ([][]string, error) {
	var levels [][]string
	var level []string
	for _, s := range append(slices.Clone(sources), ":") {
		isBuild := !strings.Contains(s, "/") && !strings.HasSuffix(s, ".rpm") && strings.Count(s, "-") >= 2
		switch {
		case s == ":" && len(level) > 0:
			levels = append(levels, level)
			level = nil
		case s == ":":
		case strings.Contains(s, "://") || isBuild:
			level = append(level, s)
		default:
			return nil, usagef("%q is neither the address of a source nor a build", s)
		}
	}
	if len(levels) < 2 {
		return nil, usagef("put a colon between packages that need one another; if none does, use build")
	}
	return levels, nil
}
