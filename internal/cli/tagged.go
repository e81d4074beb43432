package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func taggedCommands() []spec { return []spec{listTagged(), latestBuild(), listUntagged()} }

// buildTable prints builds of a tag: NVR or path, tag and owner.
func (v *invocation) buildTable(builds []row, paths, maven, header bool) {
	columns := []string{"Build", "Tag", "Built by"}
	widths := []int{40, 20, 16}
	if maven {
		columns = []string{"Build", "Tag", "Group Id", "Artifact Id", "Built by"}
		widths = []int{40, 20, 20, 20, 16}
	}
	line := func(cells []string) string {
		padded := make([]string, len(cells))
		for i, c := range cells {
			padded[i] = fmt.Sprintf("%-*s", widths[i], c)
		}
		padded[len(cells)-1] = cells[len(cells)-1]
		return strings.Join(padded, "  ")
	}
	if header {
		v.println(line(columns))
		v.println(strings.ReplaceAll(dashes(widths...), " ", "  "))
	}
	var lines []string
	for _, b := range builds {
		name := str(b, "nvr")
		if paths && maven {
			name = archiveDir(v.cfg.topDir, b, "maven")
		} else if paths {
			name = buildDir(v.cfg.topDir, b)
		}
		cells := []string{name, str(b, "tag_name"), str(b, "owner_name")}
		if maven {
			cells = []string{name, str(b, "tag_name"), str(b, "maven_group_id"), str(b, "maven_artifact_id"), str(b, "owner_name")}
		}
		lines = append(lines, line(cells))
	}
	v.printSorted(lines)
}

func listTagged() spec {
	var archList []string
	var rpms, inherit, latest, paths, sigs, draftOnly, noDraft bool
	var latestN int64
	var kind string
	var when eventOptions
	return spec{
		use: "list-tagged TAG [PACKAGE]", short: "List the builds or rpms in a tag, now or at a moment of the past", past: true, group: groupInfo, min: 1, max: 2, json: true,
		complete: []string{"tag", "package"},
		example:  "  moromi list-tagged --latest --inherit f42\n  moromi list-tagged --rpms --arch x86_64 f42 foo\n  moromi list-tagged --before \"2026-01-31 12:00\" f42",
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&archList, "arch", nil, "list rpms of this architecture (repeatable)")
			f.BoolVar(&rpms, "rpms", false, "list rpms instead of builds")
			f.BoolVar(&inherit, "inherit", false, "inherited ones too")
			f.BoolVar(&latest, "latest", false, "only the latest of each package")
			f.Int64Var(&latestN, "latest-n", 0, "only the latest `N` of each package")
			f.BoolVar(&paths, "paths", false, "show where the files are")
			f.BoolVar(&sigs, "sigs", false, "list rpms with the keys they are signed with")
			f.StringVar(&kind, "type", "", "only builds of this type: maven, win, image, …")
			f.BoolVar(&draftOnly, "draft-only", false, "only draft builds")
			f.BoolVar(&noDraft, "no-draft", false, "no draft builds")
			when.register(f)
		},
		run: func(v *invocation) error {
			if draftOnly && noDraft {
				return usagef("--draft-only and --no-draft exclude each other")
			}
			opts := kw{"latest": latest, "inherit": inherit}
			if v.flags.Changed("latest-n") {
				opts["latest"] = latestN
			}
			if len(v.args) > 1 {
				opts["package"] = v.args[1]
			}
			if len(archList) > 0 {
				rpms = true
				opts["arch"] = archList
			}
			if sigs {
				rpms = true
				opts["rpmsigs"] = true
			}
			switch {
			case kind != "":
				opts["type"] = kind
			case noDraft, draftOnly:
				opts["draft"] = draftOnly
			}
			event, err := v.moment(&when)
			if err != nil {
				return err
			}
			v.showMoment(event, "Querying")
			if _, err := v.need("tag", "getTag", v.args[0], withEvent(kw{}, event)); err != nil {
				return err
			}
			withEvent(opts, event)
			if rpms {
				return v.taggedRPMs(opts, paths, sigs)
			}
			builds, err := v.list("listTagged", v.args[0], opts)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(builds)
			}
			v.buildTable(builds, paths, kind == "maven", !v.global.quiet)
			return nil
		},
	}
}

func (v *invocation) taggedRPMs(opts kw, paths, sigs bool) error {
	answer, err := v.call("listTaggedRPMS", v.args[0], opts)
	if err != nil {
		return err
	}
	pair := hubclient.List(answer)
	if len(pair) != 2 {
		return fmt.Errorf("listTaggedRPMS: the hub answered %d lists, not two", len(pair))
	}
	if v.json {
		return v.printJSON(row{"rpms": pair[0], "builds": pair[1]})
	}
	dirs := map[int64]string{}
	for _, b := range hubclient.Structs(pair[1]) {
		dirs[id(b)] = buildDir(v.cfg.topDir, b)
	}
	var lines []string
	for _, r := range hubclient.Structs(pair[0]) {
		line := nvra(r)
		switch {
		case paths && sigs && text(r, "sigkey") != "":
			line = dirs[hubclient.Int(r["build_id"])] + "/" + signedFile(r, text(r, "sigkey"))
		case paths:
			line = dirs[hubclient.Int(r["build_id"])] + "/" + rpmFile(r)
		default:
			if hubclient.Bool(r["draft"]) {
				line += fmt.Sprintf(" (,draft_%d)", hubclient.Int(r["build_id"]))
			}
			if sigs {
				line = text(r, "sigkey") + " " + line
			}
		}
		lines = append(lines, line)
	}
	v.printSorted(lines)
	return nil
}

func latestBuild() spec {
	var arch, kind string
	var all, paths bool
	return spec{
		use: "latest-build TAG PACKAGE…", short: "Show the latest builds of packages in a tag", group: groupInfo, aliases: []string{"latest-pkg"}, min: 1, max: -1, json: true, past: true,
		complete: []string{"tag", "package"}, example: "  moromi latest-build f42-build foo\n  moromi latest-build --all f42",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&arch, "arch", "", "the latest rpms of this architecture")
			f.BoolVar(&all, "all", false, "of all packages")
			f.BoolVar(&paths, "paths", false, "show where the files are")
			f.StringVar(&kind, "type", "", "only builds of this type")
		},
		run: func(v *invocation) error {
			var packages []any
			for _, p := range v.args[1:] {
				packages = append(packages, p)
			}
			switch {
			case all && len(packages) > 0:
				return usagef("--all does not go with a package")
			case all:
				packages = []any{nil}
			case len(packages) == 0:
				return usagef("latest-build needs a tag and a package, or --all")
			}
			event, err := v.asOf()
			if err != nil {
				return err
			}
			v.showMoment(event, "Querying")
			var answers []any
			for i, pkg := range packages {
				answer, err := v.latest(v.args[0], withEvent(kw{"package": pkg}, event), arch, kind)
				if err != nil {
					return err
				}
				switch {
				case v.json:
					answers = append(answers, answer)
				case arch != "":
					v.printSorted(v.rpmLines(answer, paths))
				default:
					v.buildTable(hubclient.Structs(answer), paths, kind == "maven", i == 0 && !v.global.quiet)
				}
			}
			if v.json {
				return v.printJSON(answers)
			}
			return nil
		},
	}
}

// latest asks for the latest builds in a tag, or for their rpms of an architecture.
func (v *invocation) latest(tag string, opts kw, arch, kind string) (any, error) {
	if arch != "" {
		opts["arch"] = arch
		return v.call("getLatestRPMS", tag, opts)
	}
	if kind != "" {
		opts["type"] = kind
	}
	return v.call("getLatestBuilds", tag, opts)
}

// rpmLines names the rpms of an answer of [rpms, builds].
func (v *invocation) rpmLines(answer any, paths bool) []string {
	pair := hubclient.List(answer)
	if len(pair) != 2 {
		return nil
	}
	dirs := map[int64]string{}
	for _, b := range hubclient.Structs(pair[1]) {
		dirs[hubclient.Int(b["build_id"])] = buildDir(v.cfg.topDir, b)
	}
	var lines []string
	for _, r := range hubclient.Structs(pair[0]) {
		if paths {
			lines = append(lines, dirs[hubclient.Int(r["build_id"])]+"/"+rpmFile(r))
		} else {
			lines = append(lines, nvra(r))
		}
	}
	return lines
}

func listUntagged() spec {
	var paths, references bool
	return spec{
		use: "list-untagged [PACKAGE]", short: "List builds without a tag", group: groupInfo, max: 1, json: true, complete: []string{"package"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&paths, "paths", false, "show where the files are")
			f.BoolVar(&references, "show-references", false, "show what still uses them")
		},
		run: func(v *invocation) error {
			opts := kw{}
			if len(v.args) > 0 {
				known, err := v.call("getPackageID", v.args[0])
				if err != nil {
					return err
				}
				if known == nil {
					return fmt.Errorf("no such package: %s", v.args[0])
				}
				opts["name"] = v.args[0]
			}
			builds, err := v.list("untaggedBuilds", opts)
			if err != nil {
				return err
			}
			if references {
				if err := v.addReferences(builds); err != nil {
					return err
				}
			}
			if v.json {
				return v.printJSON(builds)
			}
			if references {
				v.println("(Showing build references)")
			}
			var lines []string
			for _, b := range builds {
				line := nvr(b)
				if paths {
					line = buildDir(v.cfg.topDir, b)
				}
				if references {
					line += " " + text(b, "refs")
				}
				lines = append(lines, line)
			}
			v.printSorted(lines)
			return nil
		},
	}
}

// addReferences asks what uses builds and says it in the member refs.
func (v *invocation) addReferences(builds []row) error {
	var calls []hubclient.Call
	for _, b := range builds {
		calls = append(calls, method("buildReferences", b["id"]))
	}
	answers, err := v.multi(calls)
	if err != nil {
		return err
	}
	for i, a := range answers {
		var parts []string
		for _, kind := range []struct{ key, what string }{{"rpms", "rpms"}, {"component_of", "images/archives"}, {"archives", "archives buildroots"}} {
			if used := hubclient.List(hubclient.Struct(a)[kind.key]); len(used) > 0 {
				parts = append(parts, kind.what+": "+pyRepr(used))
			}
		}
		builds[i]["refs"] = strings.Join(parts, ", ")
	}
	return nil
}
