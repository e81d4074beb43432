package cli

import (
	"strings"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func sideTagCommands() []spec {
	return []spec{addSideTag(), removeSideTag(), listSideTags(), editSideTag()}
}

func addSideTag() spec {
	var waits, debuginfo bool
	var suffix string
	return spec{
		use: "add-sidetag BASETAG", short: "Make a tag of your own over a build tag, with a target", group: groupTag, login: true, min: 1, max: 1, json: true, complete: []string{"tag"},
		long:    "Make a side tag: a build tag of your own that inherits from BASETAG, and a build target of the same name. The hub's policy says over which tags, and how many.",
		example: "  moromi add-sidetag --wait f42-build\n  moromi build f42-build-side-17 foo.src.rpm",
		flags: func(f *pflag.FlagSet) {
			f.BoolVarP(&waits, "wait", "w", false, "wait until it has a repository")
			f.BoolVar(&debuginfo, "debuginfo", false, "its repositories have debuginfo packages")
			f.StringVar(&suffix, "suffix", "", "end of its name, one of those that the hub allows")
		},
		run: func(v *invocation) error {
			opts := kw{"debuginfo": debuginfo}
			if suffix != "" {
				opts["suffix"] = suffix
			}
			made, err := v.one("createSideTag", v.args[0], opts)
			if err != nil {
				return err
			}
			switch {
			case v.json:
				err = v.printJSON(made)
			case !v.global.quiet:
				v.println(str(made, "name"))
			}
			if err != nil || !waits {
				return err
			}
			return v.waitForNewTag(made)
		},
	}
}

// waitForNewTag waits for the first repository of a tag.
func (v *invocation) waitForNewTag(tag row) error {
	w := &repoWaiter{invocation: v, tag: tag, deadline: v.Now().Add(defaultRepoTimeout * time.Minute)}
	minEvent, err := v.call("tagLastChangeEvent", tag["id"])
	if err != nil {
		return err
	}
	repo, err := w.waitRepo(minEvent, false)
	if err == nil && !v.json {
		v.gotRepo(repo)
	}
	return err
}

func removeSideTag() spec {
	return spec{
		use: "remove-sidetag SIDETAG…", short: "Remove side tags and their targets", group: groupTag, login: true, min: 1, max: -1, complete: []string{"tag"},
		example: "  moromi remove-sidetag f42-build-side-17",
		run: func(v *invocation) error {
			var calls []hubclient.Call
			for _, tag := range v.args {
				calls = append(calls, method("removeSideTag", tag))
			}
			_, err := v.multi(calls)
			return err
		},
	}
}

func listSideTags() spec {
	var base, user string
	var mine bool
	return spec{
		use: "list-sidetags", short: "List side tags", group: groupInfo, json: true, example: "  moromi list-sidetags --mine\n  moromi list-sidetags --basetag f42-build",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&base, "basetag", "", "only those over this `TAG`")
			f.StringVar(&user, "user", "", "only those of this user")
			f.BoolVar(&mine, "mine", false, "only your own")
		},
		run: func(v *invocation) error {
			if mine && user != "" {
				return usagef("only one of --user and --mine")
			}
			opts := kw{"basetag": nil, "user": nil}
			if base != "" {
				opts["basetag"] = base
			}
			if user != "" {
				opts["user"] = user
			}
			if mine {
				if err := v.login(); err != nil {
					return err
				}
				me, err := v.one("getLoggedInUser")
				if err != nil {
					return err
				}
				opts["user"] = me["name"]
			}
			tags, err := v.list("listSideTags", opts)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(tags)
			}
			for _, t := range tags {
				v.println(str(t, "name"))
			}
			return nil
		},
	}
}

func editSideTag() spec {
	var on, off bool
	var macros, remove []string
	return spec{
		use: "edit-sidetag SIDETAG", short: "Change a side tag, as far as its base tag allows", group: groupTag, login: true, min: 1, max: 1, complete: []string{"tag"},
		example: "  moromi edit-sidetag --rpm-macro dist=.fc42_test f42-build-side-17",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&on, "debuginfo", false, "its repositories have debuginfo packages")
			f.BoolVar(&off, "no-debuginfo", false, "they have none")
			f.StringArrayVar(&macros, "rpm-macro", nil, "set an rpm macro (`NAME=VALUE`, repeatable)")
			f.StringArrayVar(&remove, "remove-rpm-macro", nil, "set a macro no more (`NAME`, repeatable)")
		},
		run: func(v *invocation) error {
			opts := kw{}
			if on && off {
				return usagef("only one of --debuginfo and --no-debuginfo")
			}
			onOff(opts, "debuginfo", on, off)
			if len(macros) > 0 {
				set := row{}
				for _, m := range macros {
					name, value, ok := strings.Cut(m, "=")
					if !ok {
						return usagef("--rpm-macro wants NAME=VALUE, not %q", m)
					}
					set[name] = argument(value, false)
				}
				opts["rpm_macros"] = set
			}
			if len(remove) > 0 {
				opts["remove_rpm_macros"] = remove
			}
			if len(opts) == 0 {
				return usagef("edit-sidetag needs at least one option")
			}
			_, err := v.call("editSideTag", v.args[0], opts)
			return err
		},
	}
}
