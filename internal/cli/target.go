package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

func targetCommands() []spec { return []spec{addTarget(), editTarget(), removeTarget(), listTargets()} }

// buildTag checks that a tag can be built from.
func (v *invocation) buildTag(name string) error {
	tag, err := v.need("tag", "getTag", name)
	if err == nil && text(tag, "arches") == "" {
		err = fmt.Errorf("build tag %s has no arches; set them with edit-tag --arches", name)
	}
	return err
}

func addTarget() spec {
	return spec{
		use: "add-target NAME BUILD_TAG [DESTINATION_TAG]", short: "Create a build target", group: groupTag, login: true, min: 2, max: 3, complete: []string{"", "tag"},
		long:    "Create a build target: what is built for it is built from BUILD_TAG and tagged into DESTINATION_TAG (which is NAME if not given).",
		example: "  moromi add-target f42 f42-build f42-candidate",
		run: func(v *invocation) error {
			dest := v.args[0]
			if len(v.args) > 2 {
				dest = v.args[2]
			}
			if err := v.buildTag(v.args[1]); err != nil {
				return err
			}
			if _, err := v.need("destination tag", "getTag", dest); err != nil {
				return err
			}
			_, err := v.change("createBuildTarget", v.args[0], v.args[1], dest)
			return err
		},
	}
}

func editTarget() spec {
	var rename, build, dest string
	return spec{
		use: "edit-target NAME", short: "Change a build target", group: groupTag, login: true, min: 1, max: 1, complete: []string{"target"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&rename, "rename", "", "new name")
			f.StringVar(&build, "build-tag", "", "`TAG` to build from")
			f.StringVar(&dest, "dest-tag", "", "`TAG` for what is built")
		},
		run: func(v *invocation) error {
			target, err := v.need("build target", "getBuildTarget", v.args[0])
			if err != nil {
				return err
			}
			if build != "" {
				if err := v.buildTag(build); err != nil {
					return err
				}
			}
			if dest != "" {
				if _, err := v.need("destination tag", "getTag", dest); err != nil {
					return err
				}
			}
			_, err = v.change("editBuildTarget", target["name"], first(rename, text(target, "name")),
				first(build, text(target, "build_tag_name")), first(dest, text(target, "dest_tag_name")))
			return err
		},
	}
}

func removeTarget() spec {
	return spec{
		use: "remove-target NAME", short: "Remove a build target", group: groupTag, login: true, min: 1, max: 1, complete: []string{"target"},
		run: func(v *invocation) error {
			target, err := v.need("build target", "getBuildTarget", v.args[0])
			if err != nil {
				return err
			}
			_, err = v.change("deleteBuildTarget", target["id"])
			return err
		},
	}
}

func listTargets() spec {
	var name string
	return spec{
		use: "list-targets", short: "List build targets", group: groupInfo, json: true, past: true,
		flags: func(f *pflag.FlagSet) { f.StringVar(&name, "name", "", "only this target") },
		run: func(v *invocation) error {
			var which any
			if name != "" {
				which = name
			}
			event, err := v.asOf()
			if err != nil {
				return err
			}
			v.showMoment(event, "Querying")
			targets, err := v.list("getBuildTargets", which, withEvent(kw{}, event))
			if err != nil {
				return err
			}
			if len(targets) == 0 {
				if name != "" {
					return usagef("no such build target: %s", name)
				}
				return errors.New("no targets were found; add-target makes one")
			}
			sortBy(targets, "name")
			if v.json {
				return v.printJSON(targets)
			}
			const format = "%-30s %-30s %-30s\n"
			if !v.global.quiet {
				v.printf(format, "Name", "Buildroot", "Destination")
				v.println(dashes(93))
			}
			for _, t := range targets {
				v.printf(format, str(t, "name"), str(t, "build_tag_name"), str(t, "dest_tag_name"))
			}
			return nil
		},
	}
}
