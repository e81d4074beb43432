package cli

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/xmlrpc"
)

func tagCommands() []spec {
	return []spec{addTag(), editTag(), removeTag(), cloneTag(), lockTag(), unlockTag(), listTags(), tagInfo()}
}

func addTag() spec {
	var parent, archList string
	var maven, includeAll bool
	var extra []string
	return spec{
		use: "add-tag NAME", short: "Create a tag", group: groupTag, login: true, min: 1, max: 1,
		example: "  moromi add-tag f42 --arches \"x86_64 aarch64\"\n  moromi add-tag f42-build --parent f42 --arches x86_64 -x mock.package_manager=dnf",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&parent, "parent", "", "inherit from this `TAG` with priority 0")
			f.StringVar(&archList, "arches", "", "architectures to build for")
			f.BoolVar(&maven, "maven-support", false, "make Maven repositories of the tag")
			f.BoolVar(&includeAll, "include-all", false, "put all versions into Maven repositories")
			f.StringArrayVarP(&extra, "extra", "x", nil, "set a tag option `KEY=VALUE` (repeatable)")
		},
		run: func(v *invocation) error {
			opts := kw{}
			if parent != "" {
				opts["parent"] = parent
			}
			if archList != "" {
				a, err := arches(archList)
				if err != nil {
					return err
				}
				opts["arches"] = a
			}
			if maven {
				opts["maven_support"] = true
			}
			if includeAll {
				opts["maven_include_all"] = true
			}
			if len(extra) > 0 {
				x, err := extraOptions(extra, false)
				if err != nil {
					return err
				}
				opts["extra"] = x
			}
			_, err := v.change("createTag", v.args[0], opts)
			return err
		},
	}
}

// extraOptions reads KEY=VALUE options; values are numbers, None, True, False, JSON (if wanted) or text.
func extraOptions(list []string, parseJSON bool) (row, error) {
	extra := row{}
	for _, o := range list {
		key, value, ok := strings.Cut(o, "=")
		if !ok {
			return nil, usagef("--extra %q: write KEY=VALUE", o)
		}
		if _, twice := extra[key]; twice {
			return nil, usagef("--extra %s is given twice", key)
		}
		extra[key] = argument(value, parseJSON)
	}
	return extra, nil
}

// argument reads a value from the command line as Koji does.
func argument(s string, parseJSON bool) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !strings.ContainsAny(s, "xXpP") {
		return f
	}
	switch s {
	case "None":
		return nil
	case "True":
		return true
	case "False":
		return false
	}
	if parseJSON {
		if v, err := xmlrpc.FromJSON(s); err == nil {
			return v
		}
	}
	return s
}

func editTag() spec {
	var archList, perm, rename string
	var noPerm, lock, unlock, maven, noMaven, all, noAll bool
	var extra, remove, block []string
	return spec{
		use: "edit-tag NAME", short: "Change a tag", group: groupTag, login: true, min: 1, max: 1, complete: []string{"tag"},
		example: "  moromi edit-tag f42-build -x rpm.macro.dist=.fc42\n  moromi edit-tag f41 --lock",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&archList, "arches", "", "architectures to build for")
			f.StringVar(&perm, "perm", "", "permission needed to change the tag")
			f.BoolVar(&noPerm, "no-perm", false, "no permission needed")
			f.BoolVar(&lock, "lock", false, "lock the tag")
			f.BoolVar(&unlock, "unlock", false, "unlock the tag")
			f.StringVar(&rename, "rename", "", "new name")
			f.BoolVar(&maven, "maven-support", false, "make Maven repositories of the tag")
			f.BoolVar(&noMaven, "no-maven-support", false, "make no Maven repositories")
			f.BoolVar(&all, "include-all", false, "put all versions into Maven repositories")
			f.BoolVar(&noAll, "no-include-all", false, "put only the latest versions into Maven repositories")
			f.StringArrayVarP(&extra, "extra", "x", nil, "set a tag option `KEY=VALUE`, a JSON or simple value (repeatable)")
			f.StringArrayVarP(&remove, "remove-extra", "r", nil, "remove the tag option `KEY` (repeatable)")
			f.StringArrayVarP(&block, "block-extra", "b", nil, "block the inherited tag option `KEY` (repeatable)")
		},
		run: func(v *invocation) error {
			opts := kw{"remove_extra": remove, "block_extra": block}
			if archList != "" {
				a, err := arches(archList)
				if err != nil {
					return err
				}
				opts["arches"] = a
			}
			if noPerm {
				opts["perm"] = nil
			} else if perm != "" {
				opts["perm"] = perm
			}
			onOff(opts, "locked", lock, unlock)
			onOff(opts, "maven_support", maven, noMaven)
			onOff(opts, "maven_include_all", all, noAll)
			if rename != "" {
				opts["name"] = rename
			}
			if len(extra) > 0 {
				x, err := extraOptions(extra, true)
				if err != nil {
					return err
				}
				opts["extra"] = x
			}
			_, err := v.change("editTag2", v.args[0], opts)
			return err
		},
	}
}

func onOff(opts kw, key string, on, off bool) {
	if on || off {
		opts[key] = on
	}
}

func removeTag() spec {
	return spec{
		use: "remove-tag NAME", short: "Remove a tag", group: groupTag, login: true, min: 1, max: 1, complete: []string{"tag"},
		run: func(v *invocation) error {
			tag, err := v.need("tag", "getTag", v.args[0])
			if err != nil {
				return err
			}
			_, err = v.change("deleteTag", tag["id"])
			return err
		},
	}
}

func cloneTag() spec {
	var config, groups, pkgs, builds, all, latest, inherit, noDelete, force, notify, test, verbose bool
	var batch int64
	var when eventOptions
	return spec{
		use: "clone-tag SOURCE DESTINATION", short: "Copy a tag onto another, which is created if need be", past: true, group: groupTag, login: true,
		min: 2, max: 2, complete: []string{"tag"}, example: "  moromi clone-tag --all --latest-only f42 f42-snapshot",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&config, "config", false, "copy the configuration")
			f.BoolVar(&groups, "groups", false, "copy the groups")
			f.BoolVar(&pkgs, "pkgs", false, "copy the package list")
			f.BoolVar(&builds, "builds", false, "tag the builds")
			f.BoolVar(&all, "all", false, "all of these")
			f.BoolVar(&latest, "latest-only", false, "only the latest build of each package")
			f.BoolVar(&inherit, "inherit-builds", false, "inherited builds too")
			f.BoolVar(&noDelete, "no-delete", false, "leave what the destination has and the source has not")
			f.BoolVar(&notify, "notify", false, "accepted as Koji accepts it; the hub decides about notifications")
			f.BoolVarP(&force, "force", "f", false, "even if a tag is locked")
			f.BoolVarP(&test, "test", "n", false, "not supported: the hub clones")
			f.BoolVarP(&verbose, "verbose", "v", false, "accepted as Koji accepts it")
			f.Int64Var(&batch, "batch", 0, "accepted as Koji accepts it")
			for _, old := range []string{"test", "verbose", "batch"} {
				f.Lookup(old).Hidden = true
			}
			when.register(f)
		},
		run: func(v *invocation) error {
			if v.args[0] == v.args[1] {
				return usagef("source and destination must be different tags")
			}
			if all {
				config, groups, pkgs, builds = true, true, true, true
			}
			if builds && !pkgs {
				return usagef("--builds needs --pkgs")
			}
			if test {
				return usagef("the hub clones a tag; it cannot say beforehand what it would do")
			}
			event, err := v.moment(&when)
			if err != nil {
				return err
			}
			v.showMoment(event, "Cloning")
			source, err := v.one("getBuildConfig", v.args[0], withEvent(kw{}, event))
			if err != nil {
				return err
			}
			dest, err := v.one("getTag", v.args[1])
			if err != nil {
				return err
			}
			if !force && (hubclient.Bool(source["locked"]) || hubclient.Bool(dest["locked"])) {
				return usagef("one of the tags is locked; --force clones it nevertheless")
			}
			opts := withEvent(kw{
				"config": config, "pkgs": pkgs, "builds": builds, "groups": groups,
				"latest_only": latest, "inherit_builds": inherit, "force": force,
			}, event)
			name := "snapshotTag"
			if dest != nil {
				name = "snapshotTagModify"
				opts["remove"] = !noDelete
			}
			_, err = v.change(name, source["id"], v.args[1], opts)
			return err
		},
	}
}

// selectTags gives the tags named, or those that match patterns.
func (v *invocation) selectTags(glob bool) ([]row, error) {
	var tags []row
	if !glob {
		for _, name := range v.args {
			tag, err := v.need("tag", "getTag", name)
			if err != nil {
				return nil, err
			}
			tags = append(tags, tag)
		}
		return tags, nil
	}
	all, err := v.list("listTags")
	if err != nil {
		return nil, err
	}
	for _, tag := range all {
		if matches(text(tag, "name"), v.args) {
			tags = append(tags, tag)
		}
	}
	if len(tags) == 0 {
		v.println("No tags matched")
	}
	return tags, nil
}

// matches tells whether a name matches one of the patterns. A malformed pattern matches nothing.
func matches(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return err == nil && ok
	})
}

func lockTag() spec {
	var perm string
	var glob, master, test bool
	return spec{
		use: "lock-tag TAG…", short: "Require a permission for changes of tags, or lock them", group: groupTag, login: true, min: 1, max: -1, complete: []string{"tag"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&perm, "perm", "admin", "permission to require")
			f.BoolVar(&glob, "glob", false, "the arguments are patterns")
			f.BoolVar(&master, "master", false, "lock for everyone")
			f.BoolVarP(&test, "test", "n", false, "only say what would be done")
		},
		run: func(v *invocation) error {
			perms, err := v.list("getAllPerms")
			if err != nil {
				return err
			}
			i := slices.IndexFunc(perms, func(p row) bool { return text(p, "name") == perm })
			if i < 0 {
				return usagef("no such permission: %s", perm)
			}
			tags, err := v.selectTags(glob)
			if err != nil {
				return err
			}
			for _, tag := range tags {
				name := str(tag, "name")
				switch {
				case master && hubclient.Bool(tag["locked"]):
					v.printf("Tag %s: master lock already set\n", name)
				case master && test:
					v.printf("Would have set master lock for: %s\n", name)
				case master:
					_, err = v.change("editTag2", tag["id"], kw{"locked": true})
				case tag["perm_id"] == perms[i]["id"]:
					v.printf("Tag %s: %s permission already required\n", name, perm)
				case test:
					v.printf("Would have set permission requirement %s for tag %s\n", perm, name)
				default:
					_, err = v.change("editTag2", tag["id"], kw{"perm_id": perms[i]["id"]})
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func unlockTag() spec {
	var glob, test bool
	return spec{
		use: "unlock-tag TAG…", short: "Unlock tags", group: groupTag, login: true, min: 1, max: -1, complete: []string{"tag"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&glob, "glob", false, "the arguments are patterns")
			f.BoolVarP(&test, "test", "n", false, "only say what would be done")
		},
		run: func(v *invocation) error {
			tags, err := v.selectTags(glob)
			if err != nil {
				return err
			}
			for _, tag := range tags {
				opts := kw{}
				if hubclient.Bool(tag["locked"]) {
					opts["locked"] = false
				}
				if tag["perm_id"] != nil {
					opts["perm"] = nil
				}
				switch {
				case len(opts) == 0:
					v.printf("Tag %s: not locked\n", str(tag, "name"))
				case test:
					v.printf("Tag %s: skipping changes: %s\n", str(tag, "name"), pyRepr(maps.Clone(row(opts))))
				default:
					if _, err := v.change("editTag2", tag["id"], opts); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
}

func listTags() spec {
	var showID, verbose, unlocked bool
	var build, pkg string
	return spec{
		use: "list-tags [PATTERN…]", short: "List tags", group: groupInfo, max: -1, json: true, example: "  moromi list-tags 'f4*'\n  moromi list-tags --build foo-1.0-1",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&showID, "show-id", false, "show ids")
			f.BoolVar(&verbose, "verbose", false, "show locks and permissions")
			f.BoolVar(&unlocked, "unlocked", false, "only tags without lock and permission")
			f.StringVar(&build, "build", "", "only tags of this build")
			f.StringVar(&pkg, "package", "", "only tags with this package")
		},
		run: func(v *invocation) error {
			opts := kw{"build": nil, "package": nil}
			if pkg != "" {
				p, err := v.need("package", "getPackage", pkg)
				if err != nil {
					return err
				}
				opts["package"] = p["id"]
			}
			if build != "" {
				b, err := v.need("build", "getBuild", build)
				if err != nil {
					return err
				}
				opts["build"] = b["id"]
			}
			patterns := v.args
			if len(patterns) == 0 {
				patterns = []string{""}
			}
			var tags []row
			for _, pattern := range patterns {
				if pattern != "" {
					opts["pattern"] = pattern
				}
				found, err := v.list("listTags", opts)
				if err != nil {
					return err
				}
				tags = append(tags, found...)
			}
			if unlocked {
				tags = slices.DeleteFunc(tags, func(t row) bool { return hubclient.Bool(t["locked"]) || t["perm"] != nil })
			}
			sortBy(tags, "name")
			if v.json {
				return v.printJSON(tags)
			}
			for _, tag := range tags {
				line := str(tag, "name")
				if showID {
					line += fmt.Sprintf(" [%d]", id(tag))
				}
				if verbose && hubclient.Bool(tag["locked"]) {
					line += " [LOCKED]"
				}
				if verbose && tag["perm"] != nil {
					line += fmt.Sprintf(" [%s perm required]", str(tag, "perm"))
				}
				v.println(line)
			}
			return nil
		},
	}
}
