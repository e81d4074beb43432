package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func buildInfoCommands() []spec { return []spec{buildInfo(), listBuilds()} }

func buildInfo() spec {
	var changelog bool
	return spec{
		use: "buildinfo BUILD…", short: "Show builds, by name-version-release or id", group: groupInfo, min: 1, max: -1, json: true, complete: []string{"build"},
		example: "  moromi buildinfo --changelog foo-1.0-1.fc42",
		flags:   func(f *pflag.FlagSet) { f.BoolVar(&changelog, "changelog", false, "show the changelog") },
		run: func(v *invocation) error {
			return v.each("build", v.buildWithContent, func(b row) error { return v.showBuild(b, changelog) })
		},
	}
}

// buildWithContent looks up a build; for --json, with its rpms and tags.
func (v *invocation) buildWithContent(name string) (row, error) {
	b, err := v.one("getBuild", reference(name))
	if err != nil || b == nil || !v.json {
		return b, err
	}
	if b["rpms"], err = v.call("listRPMs", kw{"buildID": b["id"]}); err != nil {
		return nil, err
	}
	b["tags"], err = v.call("listTags", b["id"])
	return b, err
}

// buildTask is the task of a build: its own, or the one that a content generator names.
func buildTask(b row) any {
	if b["task_id"] != nil {
		return b["task_id"]
	}
	extra := hubclient.Struct(b["extra"])
	if extra["container_koji_task_id"] != nil {
		return extra["container_koji_task_id"]
	}
	return hubclient.Struct(extra["image"])["build_task_id"]
}

func (v *invocation) showBuild(b row, changelog bool) error {
	var task row
	if n := buildTask(b); n != nil {
		var err error
		if task, err = v.one("getTaskInfo", n, kw{"request": true}); err != nil {
			return err
		}
	}
	tags, err := v.list("listTags", b["id"])
	if err != nil {
		return err
	}
	var names []string
	for _, t := range tags {
		names = append(names, str(t, "name"))
	}
	state := koji.BuildState(hubclient.Int(b["state"]))
	v.printf("BUILD: %s [%d]\n", nvr(b), id(b))
	if hubclient.Bool(b["draft"]) {
		v.println("Draft: YES")
	}
	v.printf("State: %s\n", state)
	if state == koji.BuildBuilding {
		v.printf("Reserved by: %s\n", str(b, "cg_name"))
	}
	v.printf("Built by: %s\n", str(b, "owner_name"))
	if b["source"] != nil {
		v.printf("Source: %s\n", str(b, "source"))
	}
	if _, ok := b["volume_name"]; ok {
		v.printf("Volume: %s\n", str(b, "volume_name"))
	}
	if task != nil {
		v.printf("Task: %d %s\n", id(task), taskLabel(task))
	} else {
		v.println("Task: none")
	}
	v.printf("Finished: %s\n", v.longTime(b["completion_ts"]))
	if b["promotion_ts"] != nil {
		v.printf("Promoted by: %s\nPromoted at: %s\n", str(b, "promoter_name"), v.longTime(b["promotion_ts"]))
	}
	if err := v.showBuildTypes(b); err != nil {
		return err
	}
	v.printf("Tags: %s\n", strings.Join(names, " "))
	if extra, ok := b["extra"].(row); ok && len(extra) > 0 {
		v.printf("Extra: %s\n", pyRepr(extra))
	}
	if err := v.showArchives(b); err != nil {
		return err
	}
	if err := v.showBuildRPMs(b); err != nil {
		return err
	}
	if changelog {
		return v.showChangelog(b)
	}
	return nil
}

func (v *invocation) showBuildTypes(b row) error {
	answer, err := v.optional("getMavenBuild", b["id"])
	if err != nil {
		return err
	}
	if maven := hubclient.Struct(answer); maven != nil {
		v.printf("Maven groupId: %s\nMaven artifactId: %s\nMaven version: %s\n", str(maven, "group_id"), str(maven, "artifact_id"), str(maven, "version"))
	}
	if answer, err = v.optional("getWinBuild", b["id"]); err != nil {
		return err
	}
	if win := hubclient.Struct(answer); win != nil {
		v.printf("Windows build platform: %s\n", str(win, "platform"))
	}
	return nil
}

// showArchives lists files that are not rpms, by type: the old types first, as Koji does.
func (v *invocation) showArchives(b row) error {
	archives, err := v.list("listArchives", kw{"buildID": b["id"]})
	if err != nil {
		return err
	}
	types := []string{"maven", "win", "image"}
	for _, a := range archives {
		if t := text(a, "btype"); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	for _, t := range types {
		first := true
		for _, a := range archives {
			if text(a, "btype") != t {
				continue
			}
			if first {
				v.println(archiveTitle(t))
				first = false
			}
			v.println(archiveDir(v.cfg.topDir, b, t) + "/" + archiveFile(a))
		}
	}
	return nil
}

func archiveTitle(btype string) string {
	switch btype {
	case "maven":
		return "Maven archives:"
	case "win":
		return "Windows archives:"
	case "image":
		return "Image archives:"
	case "":
		return "Archives:"
	}
	return strings.ToUpper(btype[:1]) + strings.ToLower(btype[1:]) + " Archives:"
}

// archiveFile is an archive's place in the directory of its type.
func archiveFile(a row) string {
	switch {
	case text(a, "btype") == "maven" && text(a, "group_id") != "":
		return fmt.Sprintf("%s/%s/%s/%s", strings.ReplaceAll(text(a, "group_id"), ".", "/"), str(a, "artifact_id"), str(a, "version"), str(a, "filename"))
	case text(a, "btype") == "win" && text(a, "relpath") != "":
		return text(a, "relpath") + "/" + str(a, "filename")
	}
	return str(a, "filename")
}

func (v *invocation) showBuildRPMs(b row) error {
	rpms, err := v.list("listRPMs", kw{"buildID": b["id"]})
	if err != nil || len(rpms) == 0 {
		return err
	}
	var calls []hubclient.Call
	for _, r := range rpms {
		calls = append(calls, method("queryRPMSigs", r["id"]))
	}
	signatures, err := v.multi(calls)
	if err != nil {
		return err
	}
	v.println("RPMs:")
	for i, r := range rpms {
		line := buildDir(v.cfg.topDir, b) + "/" + rpmFile(r)
		var keys []string
		for _, s := range hubclient.Structs(signatures[i]) {
			if k := text(s, "sigkey"); k != "" {
				keys = append(keys, k)
			}
		}
		if slices.Sort(keys); len(keys) > 0 {
			line += "\tSignatures: " + strings.Join(keys, ", ")
		}
		v.println(line)
	}
	return nil
}

func (v *invocation) showChangelog(b row) error {
	entries, err := v.list("getChangelogEntries", b["id"])
	if err != nil || len(entries) == 0 {
		return err
	}
	v.println("Changelog:")
	for _, e := range entries {
		day := time.Unix(hubclient.Int(e["date_ts"]), 0).UTC().Format("Mon Jan 02 2006")
		v.printf("* %s %s\n%s\n\n", day, str(e, "author"), str(e, "text"))
	}
	v.println()
	return nil
}

// listBuildsFlags are the options of list-builds.
type listBuildsFlags struct {
	pkg, build, state, task, kind, prefix, pattern, cg, source, owner, volume string
	before, after                                                             timeValue
	draftOnly, noDraft, reverse                                               bool
	sortKeys                                                                  []string
}

func (o *listBuildsFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.pkg, "package", "", "builds of this package")
	f.StringVar(&o.build, "buildid", "", "this build, by id or name-version-release")
	f.Var(&o.before, "before", "builds that ended before this time: "+timeHelp)
	f.Var(&o.after, "after", "builds that ended after this time")
	f.StringVar(&o.state, "state", "", "builds in this state: BUILDING, COMPLETE, DELETED, FAILED, CANCELED, or its number")
	f.StringVar(&o.task, "task", "", "builds of this task")
	f.StringVar(&o.kind, "type", "", "builds of this type")
	f.StringVar(&o.prefix, "prefix", "", "builds whose names start with this")
	f.StringVar(&o.pattern, "pattern", "", "builds that match this `GLOB`")
	f.StringVar(&o.cg, "cg", "", "builds of this content generator")
	f.StringVar(&o.source, "source", "", "builds from a source that matches this `GLOB`")
	f.StringVar(&o.owner, "owner", "", "builds of this user")
	f.StringVar(&o.volume, "volume", "", "builds on this volume")
	f.BoolVar(&o.draftOnly, "draft-only", false, "only draft builds")
	f.BoolVar(&o.noDraft, "no-draft", false, "no draft builds")
	f.StringArrayVarP(&o.sortKeys, "sort-key", "k", nil, "sort by build_id, owner_name or state (repeatable)")
	f.BoolVarP(&o.reverse, "reverse", "r", false, "the other way round")
}

func listBuilds() spec {
	var o listBuildsFlags
	return spec{
		use: "list-builds", short: "List builds", group: groupInfo, json: true, example: "  moromi list-builds --package foo --state COMPLETE\n  moromi list-builds --owner alice --after 2026-01-01",
		flags: func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			builds, err := v.findBuilds(&o)
			if err != nil {
				return err
			}
			keys := o.sortKeys
			for _, k := range keys {
				if !slices.Contains([]string{"build_id", "owner_name", "state"}, k) {
					return usagef("--sort-key: %q is none of build_id, owner_name and state", k)
				}
			}
			if len(keys) == 0 {
				keys = []string{"build_id"}
			}
			order := byKeys(keys)
			if o.reverse {
				order = func(a, b row) int { return byKeys(keys)(b, a) }
			}
			slices.SortStableFunc(builds, order)
			if v.json {
				return v.printJSON(builds)
			}
			if !v.global.quiet {
				v.printf("%-55s  %-16s  %s\n%s\n", "Build", "Built by", "State", strings.ReplaceAll(dashes(55, 16, 16), " ", "  "))
			}
			for _, b := range builds {
				v.printf("%-55s  %-16s  %s\n", str(b, "nvr"), str(b, "owner_name"), koji.BuildState(hubclient.Int(b["state"])))
			}
			return nil
		},
	}
}

func (v *invocation) findBuilds(o *listBuildsFlags) ([]row, error) {
	if o.build != "" {
		b, err := v.one("getBuild", reference(o.build))
		if err == nil && b == nil {
			err = fmt.Errorf("no such build: %s", o.build)
		}
		return []row{b}, err
	}
	opts := kw{}
	for key, value := range map[string]string{"type": o.kind, "prefix": o.prefix, "pattern": o.pattern, "cgID": o.cg, "source": o.source} {
		if value != "" {
			opts[key] = value
		}
	}
	if o.draftOnly && o.noDraft {
		return nil, usagef("--draft-only and --no-draft exclude each other")
	} else if o.draftOnly || o.noDraft {
		opts["draft"] = o.draftOnly
	}
	if err := v.lookupBuildFilters(o, opts); err != nil {
		return nil, err
	}
	if o.state != "" {
		state, err := buildState(o.state)
		if err != nil {
			return nil, err
		}
		opts["state"] = state
	}
	if o.before.set() {
		opts["completeBefore"] = o.before.ts
	}
	if o.after.set() {
		opts["completeAfter"] = o.after.ts
	}
	if o.task != "" {
		n, err := strconv.ParseInt(o.task, 10, 64)
		if err != nil {
			return nil, usagef("--task: a task is named by its number, not %q", o.task)
		}
		opts["taskID"] = n
	}
	if len(opts) == 0 {
		return nil, usagef("say which builds, by --package, --owner, --after or another option")
	}
	return v.list("listBuilds", opts)
}

// lookupBuildFilters turns names of packages, owners and volumes into ids.
func (v *invocation) lookupBuildFilters(o *listBuildsFlags, opts kw) error {
	if o.pkg != "" {
		opts["packageID"] = reference(o.pkg)
		if !allDigits(o.pkg) {
			n, err := v.call("getPackageID", o.pkg)
			if err != nil {
				return err
			}
			if n == nil {
				return fmt.Errorf("no such package: %s", o.pkg)
			}
			opts["packageID"] = n
		}
	}
	if o.owner != "" {
		opts["userID"] = reference(o.owner)
		if !allDigits(o.owner) {
			user, err := v.need("user", "getUser", o.owner)
			if err != nil {
				return err
			}
			opts["userID"] = user["id"]
		}
	}
	if o.volume == "" {
		return nil
	}
	opts["volumeID"] = reference(o.volume)
	if allDigits(o.volume) {
		return nil
	}
	volumes, err := v.list("listVolumes")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(volumes, func(r row) bool { return text(r, "name") == o.volume })
	if i < 0 {
		return fmt.Errorf("no such volume: %s", o.volume)
	}
	opts["volumeID"] = volumes[i]["id"]
	return nil
}

// buildState reads a state's name or number.
func buildState(s string) (int64, error) {
	for n := koji.BuildBuilding; n <= koji.BuildCanceled; n++ {
		if s == n.String() || s == strconv.Itoa(int(n)) {
			return int64(n), nil
		}
	}
	return 0, usagef("--state: no such state: %s", s)
}
