package cli

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func taggingCommands() []spec { return []spec{tagBuild(), moveBuild(), untagBuild()} }

// waitOptions are --wait and --nowait; without either, it is waited for in the foreground.
type waitOptions struct{ wait, noWait bool }

func (o *waitOptions) register(f *pflag.FlagSet) {
	f.BoolVar(&o.wait, "wait", false, "wait for the end, also in the background")
	f.BoolVar(&o.noWait, "nowait", false, "do not wait")
}

func (v *invocation) waits(o *waitOptions) bool { return o.wait || !o.noWait && v.Foreground }

func tagBuild() spec {
	var force bool
	var wait waitOptions
	return spec{
		use: "tag-build TAG BUILD…", short: "Tag builds", group: groupTag, aliases: []string{"tag-pkg", "tag"}, login: true, min: 2, max: -1, json: true,
		complete: []string{"tag", "build"}, example: "  moromi tag-build f42 foo-1.0-1.fc42",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&force, "force", false, "override policy and locks, if you may")
			wait.register(f)
		},
		run: func(v *invocation) error {
			var tasks []int64
			for _, build := range v.args[1:] {
				task, err := v.number("tagBuild", v.args[0], build, kw{"force": force})
				if err != nil {
					return err
				}
				tasks = append(tasks, task)
				if !v.json {
					v.printf("Created task %d\n", task)
				}
			}
			return v.finish(tasks, &wait, v.global.quiet)
		},
	}
}

// finish waits for tasks if that is wanted, and ends the command with their success.
func (v *invocation) finish(tasks []int64, wait *waitOptions, quiet bool) error {
	if v.json {
		if err := v.printJSON(row{"tasks": tasks}); err != nil {
			return err
		}
		quiet = true
	}
	if !v.waits(wait) || len(tasks) == 0 {
		return nil
	}
	if err := v.watchClient(); err != nil {
		return err
	}
	return v.watch(tasks, quiet)
}

func moveBuild() spec {
	var force, all bool
	var wait waitOptions
	return spec{
		use: "move-build FROM_TAG TO_TAG BUILD…", short: "Move builds from a tag to another", group: groupTag, aliases: []string{"move-pkg", "move"}, login: true, min: 3, max: -1, json: true,
		complete: []string{"tag", "tag", "build"}, example: "  moromi move-build f42-candidate f42 foo-1.0-1.fc42",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&force, "force", false, "override policy and locks, if you may")
			f.BoolVar(&all, "all", false, "all builds; the arguments name packages")
			wait.register(f)
		},
		run: func(v *invocation) error {
			var tasks []int64
			var moved []int64
			for _, name := range v.args[2:] {
				if all {
					created, err := v.moveAll(name, force)
					if err != nil {
						return err
					}
					tasks = append(tasks, created...)
					continue
				}
				build, err := v.one("getBuild", name)
				if err != nil {
					return err
				}
				if build == nil {
					v.warnf("No such build: %s, skipping.", name)
					continue
				}
				if slices.Contains(moved, id(build)) {
					continue
				}
				moved = append(moved, id(build))
				task, err := v.number("moveBuild", v.args[0], v.args[1], build["id"], force)
				if err != nil {
					return err
				}
				tasks = append(tasks, task)
				if !v.json {
					v.printf("Created task %d, moving %s\n", task, buildLabel(build))
				}
			}
			return v.finish(tasks, &wait, v.global.quiet)
		},
	}
}

func (v *invocation) moveAll(pkg string, force bool) ([]int64, error) {
	known, err := v.one("getPackage", pkg)
	if err != nil {
		return nil, err
	}
	if known == nil {
		v.warnf("No such package: %s, skipping.", pkg)
		return nil, nil
	}
	answer, err := v.call("moveAllBuilds", v.args[0], v.args[1], pkg, force)
	return hubclient.Ints(answer), err
}

func untagBuild() spec {
	var all, nonLatest, test, verbose, force bool
	return spec{
		use: "untag-build TAG BUILD…", short: "Untag builds", group: groupTag, aliases: []string{"untag-pkg", "untag"}, login: true, min: 1, max: -1,
		complete: []string{"tag", "build"}, example: "  moromi untag-build f42 foo-1.0-1.fc42\n  moromi untag-build --non-latest --test f42 foo",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&all, "all", false, "all builds of packages; the arguments name packages")
			f.BoolVar(&nonLatest, "non-latest", false, "all builds of packages but the latest (with --force and no package: of all packages)")
			f.BoolVarP(&test, "test", "n", false, "only say what would be done")
			f.BoolVarP(&verbose, "verbose", "v", false, "say what is done")
			f.BoolVar(&force, "force", false, "override policy and locks, if you may; skip what is not in the tag")
		},
		run: func(v *invocation) error {
			if len(v.args) < 2 && !(nonLatest && force) {
				return usagef("untag-build needs a tag and builds, or packages with --all or --non-latest")
			}
			tag, err := v.need("tag", "getTag", v.args[0])
			if err != nil {
				return err
			}
			var builds []row
			switch {
			case all:
				builds, err = v.inTag(v.args[0], v.args[1:])
			case nonLatest:
				builds, err = v.olderBuilds(v.args[0], v.args[1:], verbose)
			default:
				builds, err = v.namedBuilds(tag, v.args[1:], force)
			}
			if err != nil {
				return err
			}
			slices.Reverse(builds)
			var calls []hubclient.Call
			for _, b := range builds {
				if test {
					v.printf("would have untagged %s\n", nvr(b))
					continue
				}
				if verbose {
					v.printf("untagging %s\n", nvr(b))
				}
				calls = append(calls, method("untagBuild", tag["name"], nvr(b), kw{"force": force}))
			}
			_, err = v.changeAll(calls)
			return err
		},
	}
}

// inTag are the builds of packages that are in a tag itself, from its history; no packages means all.
func (v *invocation) inTag(tag string, packages []string) ([]row, error) {
	if len(packages) == 0 {
		answer, err := v.one("queryHistory", kw{"tag": tag, "active": true})
		return hubclient.Structs(answer["tag_listing"]), err
	}
	var calls []hubclient.Call
	for _, pkg := range packages {
		calls = append(calls, method("queryHistory", kw{"tag": tag, "package": pkg, "active": true}))
	}
	answers, err := v.multi(calls)
	var builds []row
	for _, a := range answers {
		builds = append(builds, hubclient.Structs(hubclient.Struct(a)["tag_listing"])...)
	}
	return builds, err
}

// olderBuilds are the builds in a tag that are not the latest of their package; the one tagged last is the latest.
func (v *invocation) olderBuilds(tag string, packages []string, verbose bool) ([]row, error) {
	builds, err := v.inTag(tag, packages)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(builds, func(a, b row) int { return compare(b["create_event"], a["create_event"]) })
	seen := map[string]bool{}
	var older []row
	for _, b := range builds {
		name := text(b, "name")
		if seen[name] {
			older = append(older, b)
		} else if verbose {
			v.printf("Leaving latest build for package %s: %s\n", name, nvr(b))
		}
		seen[name] = true
	}
	return older, nil
}

// namedBuilds finds builds in the tag by their NVR.
func (v *invocation) namedBuilds(tag row, nvrs []string, force bool) ([]row, error) {
	var packages []string
	for _, n := range nvrs {
		parsed, err := koji.ParseNVR(n)
		if err != nil {
			return nil, usagef("%q is not a build's name-version-release", n)
		}
		if !slices.Contains(packages, parsed.Name) {
			packages = append(packages, parsed.Name)
		}
	}
	tagged, err := v.inTag(text(tag, "name"), packages)
	if err != nil {
		return nil, err
	}
	var builds []row
	for _, n := range nvrs {
		i := slices.IndexFunc(tagged, func(b row) bool { return nvr(b) == n })
		if i >= 0 {
			builds = append(builds, tagged[i])
			continue
		}
		build, err := v.one("getBuild", n)
		if err != nil {
			return nil, err
		}
		problem := fmt.Sprintf("build %s is not in tag %s", n, str(tag, "name"))
		if build == nil {
			problem = "no such build: " + n
		}
		if !force {
			return nil, errors.New(problem)
		}
		v.warnf("%s", problem)
	}
	return builds, nil
}
