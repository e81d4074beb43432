package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func tagInfo() spec {
	var when eventOptions
	return spec{
		use: "taginfo TAG…", short: "Show tags", past: true, group: groupInfo, min: 1, max: -1, json: true, complete: []string{"tag"},
		example: "  moromi taginfo f42-build\n  moromi taginfo --before 2026-01-01 f42-build",
		flags:   func(f *pflag.FlagSet) { when.register(f) },
		run: func(v *invocation) error {
			event, err := v.moment(&when)
			if err != nil {
				return err
			}
			v.showMoment(event, "Querying")
			var tags []row
			for _, name := range v.args {
				tag, err := v.buildConfig(name, event)
				if err != nil {
					return err
				}
				tags = append(tags, tag)
			}
			if v.json {
				return v.printJSON(tags)
			}
			perms, err := v.list("getAllPerms")
			if err != nil {
				return err
			}
			for i, tag := range tags {
				if i > 0 {
					v.println()
				}
				if err := v.showTag(tag, event, perms); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// buildConfig finds a tag with what it inherits, by name or id.
func (v *invocation) buildConfig(name string, event row) (row, error) {
	tag, err := v.one("getBuildConfig", name, withEvent(kw{}, event))
	if (tag == nil || hubError(err)) && allDigits(name) {
		n, numErr := strconv.ParseInt(name, 10, 64)
		if numErr == nil {
			tag, err = v.one("getBuildConfig", n, withEvent(kw{}, event))
		}
	}
	if err == nil && tag == nil {
		err = fmt.Errorf("no such tag: %s", name)
	}
	return tag, err
}

func (v *invocation) showTag(tag, event row, perms []row) error {
	v.printf("Tag: %s [%d]\nArches: %s\n", str(tag, "name"), id(tag), str(tag, "arches"))
	groups, err := v.list("getTagGroups", tag["id"], withEvent(kw{}, event))
	if err != nil {
		return err
	}
	var names []string
	for _, g := range groups {
		names = append(names, text(g, "name"))
	}
	slices.Sort(names)
	v.printf("Groups: %s\n", strings.Join(names, ", "))
	if hubclient.Bool(tag["locked"]) {
		v.println("LOCKED")
	}
	if tag["perm_id"] != nil {
		perm := tag["perm_id"]
		for _, p := range perms {
			if p["id"] == perm {
				perm = p["name"]
				break
			}
		}
		v.printf("Required permission: %s\n", pyRepr(perm))
	}
	maven, err := v.optional("mavenEnabled")
	if err != nil {
		return err
	}
	if hubclient.Bool(maven) {
		v.printf("Maven support?: %s\nInclude all Maven archives?: %s\n", yesNo(tag["maven_support"]), yesNo(tag["maven_include_all"]))
	}
	v.showTagOptions(tag)
	if err := v.showTagTargets(tag, event); err != nil {
		return err
	}
	if err := v.showTagExternalRepos(tag, event); err != nil {
		return err
	}
	return v.showParents(tag, event)
}

func (v *invocation) showTagOptions(tag row) {
	extra, ok := tag["extra"].(row)
	if !ok {
		return
	}
	inherited := hubclient.Struct(hubclient.Struct(tag["config_inheritance"])["extra"])
	v.println("Tag options:")
	for _, key := range sortedKeys(extra) {
		line := fmt.Sprintf("  %s : %s", key, pprint(extra[key]))
		if from, ok := inherited[key].(row); ok {
			line = fmt.Sprintf("%-30s [%s]", line, str(from, "name"))
		}
		v.println(line)
	}
}

// showTagTargets shows which targets build from the tag and into it, and the repositories of now.
func (v *invocation) showTagTargets(tag, event row) error {
	into, err := v.list("getBuildTargets", withEvent(kw{"destTagID": tag["id"]}, event))
	if err != nil {
		return err
	}
	from, err := v.list("getBuildTargets", withEvent(kw{"buildTagID": tag["id"]}, event))
	if err != nil {
		return err
	}
	repos := map[int64]string{}
	if event == nil {
		tags := []int64{id(tag)}
		for _, t := range slices.Concat(into, from) {
			tags = append(tags, hubclient.Int(t["build_tag"]))
		}
		for _, t := range tags {
			if repos[t] != "" {
				continue
			}
			repo, err := v.one("getRepo", t)
			if err != nil {
				return err
			}
			repos[t] = "no active repo"
			if repo != nil {
				repos[t] = fmt.Sprintf("repo#%d: %s", id(repo), str(repo, "creation_time"))
			}
		}
	}
	if len(into) > 0 {
		v.println("Targets that build into this tag:")
		for _, t := range into {
			if event != nil {
				v.printf("  %s (%s)\n", str(t, "name"), str(t, "build_tag_name"))
			} else {
				v.printf("  %s (%s, %s)\n", str(t, "name"), str(t, "build_tag_name"), repos[hubclient.Int(t["build_tag"])])
			}
		}
	}
	if len(from) > 0 {
		v.println("This tag is a buildroot for one or more targets")
		if event == nil {
			v.printf("Current repo: %s\n", repos[id(tag)])
		}
		v.println("Targets that build from this tag:")
		for _, t := range from {
			v.printf("  %s\n", str(t, "name"))
		}
	} else if event == nil {
		v.printf("Current repo: %s\n", repos[id(tag)])
	}
	return nil
}

func (v *invocation) showTagExternalRepos(tag, event row) error {
	external, err := v.list("getTagExternalRepos", withEvent(kw{"tag_info": tag["id"]}, event))
	if err != nil {
		return err
	}
	if len(external) > 0 {
		v.println("External repos:")
	}
	for _, r := range external {
		archList := text(r, "arches")
		if archList == "" {
			archList = "inherited from tag"
		}
		v.printf("  %3d %s (%s, merge mode: %s), arches: %s\n",
			hubclient.Int(r["priority"]), str(r, "external_repo_name"), str(r, "url"), str(r, "merge_mode"), archList)
	}
	return nil
}

func (v *invocation) showParents(tag, event row) error {
	parents, err := v.list("getInheritanceData", tag["id"], withEvent(kw{}, event))
	if err != nil {
		return err
	}
	v.println("Inheritance:")
	for _, p := range parents {
		v.printf("  %-4d %s %s [%s]\n", hubclient.Int(p["priority"]), inheritanceFlags(p), str(p, "name"), str(p, "parent_id"))
		if p["maxdepth"] != nil {
			v.printf("    maxdepth: %s\n", str(p, "maxdepth"))
		}
		if text(p, "pkg_filter") != "" {
			v.printf("    package filter: %s\n", text(p, "pkg_filter"))
		}
	}
	return nil
}

// inheritanceFlags shows the limits of a link: max depth, filter, intransitive, noconfig.
func inheritanceFlags(p row) string {
	flags := []byte("....")
	for i, set := range []bool{p["maxdepth"] != nil, text(p, "pkg_filter") != "", hubclient.Bool(p["intransitive"]), hubclient.Bool(p["noconfig"])} {
		if set {
			flags[i] = "MFIN"[i]
		}
	}
	return string(flags)
}
