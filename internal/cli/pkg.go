package cli

import (
	"errors"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func packageCommands() []spec {
	return []spec{addPackage(), blockPackage(), unblockPackage(), removePackage(), setPackageOwner(), setPackageOwnerGlobal(), setPackageArches(), listPackages()}
}

// listed is the set of packages of a tag's list.
func (v *invocation) listed(tag row, inherited bool) (map[string]bool, error) {
	args := kw{"tagID": tag["id"], "with_owners": false}
	if inherited {
		args["inherited"] = true
	}
	list, err := v.list("listPackages", args)
	names := map[string]bool{}
	for _, p := range list {
		names[text(p, "package_name")] = true
	}
	return names, err
}

// eachPackage makes the same call for every package named.
func (v *invocation) eachPackage(packages []string, call func(name string) hubclient.Call) error {
	var calls []hubclient.Call
	for _, name := range packages {
		calls = append(calls, call(name))
	}
	_, err := v.changeAll(calls)
	return err
}

func addPackage() spec {
	var owner, extra string
	var force bool
	return spec{
		use: "add-pkg TAG PACKAGE…", short: "Add packages to a tag's list", group: groupTag, login: true, min: 2, max: -1, complete: []string{"tag", "package"},
		example: "  moromi add-pkg --owner alice f42 foo bar",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&owner, "owner", "", "owner of the packages (needed)")
			f.StringVar(&extra, "extra-arches", "", "architectures to build for besides the tag's")
			f.BoolVar(&force, "force", false, "even if the package is blocked")
		},
		run: func(v *invocation) error {
			if owner == "" {
				return usagef("add-pkg needs --owner")
			}
			if _, err := v.need("user", "getUser", owner); err != nil {
				return err
			}
			tag, err := v.need("tag", "getTag", v.args[0])
			if err != nil {
				return err
			}
			listed, err := v.listed(tag, false)
			if err != nil {
				return err
			}
			opts := kw{"force": force, "block": false}
			if extra != "" {
				if opts["extra_arches"], err = arches(extra); err != nil {
					return err
				}
			}
			var missing []string
			for _, name := range v.args[1:] {
				if listed[name] {
					v.printf("Package %s already exists in tag %s\n", name, v.args[0])
				} else {
					missing = append(missing, name)
				}
			}
			v.printf("Adding %d packages to tag %s\n", len(missing), str(tag, "name"))
			return v.eachPackage(missing, func(name string) hubclient.Call { return method("packageListAdd", v.args[0], name, owner, opts) })
		},
	}
}

// changeListed is block-pkg and remove-pkg: the packages must be in the list.
func changeListed(use, short, call string, inherited bool) spec {
	var force bool
	return spec{
		use: use, short: short, group: groupTag, login: true, min: 2, max: -1, complete: []string{"tag", "package"},
		flags: func(f *pflag.FlagSet) { f.BoolVar(&force, "force", false, "override blocks and policy, if you may") },
		run: func(v *invocation) error {
			tag, err := v.need("tag", "getTag", v.args[0])
			if err != nil {
				return err
			}
			listed, err := v.listed(tag, inherited)
			if err != nil {
				return err
			}
			missing := false
			for _, name := range v.args[1:] {
				if !listed[name] {
					v.warnf("Package %s is not in tag %s", name, v.args[0])
					missing = true
				}
			}
			if missing {
				return &statusError{statusFailed}
			}
			opts := kw{}
			if force {
				opts["force"] = true
			}
			return v.eachPackage(v.args[1:], func(name string) hubclient.Call { return method(call, v.args[0], name, opts) })
		},
	}
}

func blockPackage() spec {
	return changeListed("block-pkg TAG PACKAGE…", "Block packages in a tag and in those that inherit from it", "packageListBlock", true)
}

func removePackage() spec {
	return changeListed("remove-pkg TAG PACKAGE…", "Remove packages from a tag's list", "packageListRemove", false)
}

func unblockPackage() spec {
	return spec{
		use: "unblock-pkg TAG PACKAGE…", short: "End the block of packages in a tag", group: groupTag, login: true, min: 2, max: -1, complete: []string{"tag", "package"},
		run: func(v *invocation) error {
			return v.eachPackage(v.args[1:], func(name string) hubclient.Call { return method("packageListUnblock", v.args[0], name) })
		},
	}
}

func setPackageOwner() spec {
	var force bool
	return spec{
		use: "set-pkg-owner OWNER TAG PACKAGE…", short: "Give packages in a tag another owner", group: groupTag, login: true, min: 3, max: -1, complete: []string{"user", "tag", "package"},
		flags: func(f *pflag.FlagSet) { f.BoolVar(&force, "force", false, "override policy, if you may") },
		run: func(v *invocation) error {
			return v.eachPackage(v.args[2:], func(name string) hubclient.Call {
				return method("packageListSetOwner", v.args[1], name, v.args[0], kw{"force": force})
			})
		},
	}
}

func setPackageArches() spec {
	var force bool
	return spec{
		use: "set-pkg-arches ARCHES TAG PACKAGE…", short: "Set for which further architectures packages are built", group: groupTag, login: true, min: 3, max: -1,
		complete: []string{"", "tag", "package"}, flags: func(f *pflag.FlagSet) { f.BoolVar(&force, "force", false, "override policy, if you may") },
		run: func(v *invocation) error {
			extra, err := arches(v.args[0])
			if err != nil {
				return err
			}
			return v.eachPackage(v.args[2:], func(name string) hubclient.Call {
				return method("packageListSetArches", v.args[1], name, extra, kw{"force": force})
			})
		},
	}
}

func listPackages() spec {
	var owner, tag, pkg string
	var noInherit, blocked, dups bool
	var when eventOptions
	return spec{
		use: "list-pkgs", short: "List packages, of a tag or of an owner", past: true, group: groupInfo, json: true, example: "  moromi list-pkgs --tag f42\n  moromi list-pkgs --owner alice",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&owner, "owner", "", "only packages of this user")
			f.StringVar(&tag, "tag", "", "only packages of this tag")
			f.StringVar(&pkg, "package", "", "only this package")
			f.BoolVar(&noInherit, "noinherit", false, "without inherited ones")
			f.BoolVar(&blocked, "show-blocked", false, "blocked ones too")
			f.BoolVar(&dups, "show-dups", false, "entries that others override too")
			when.register(f)
		},
		run: func(v *invocation) error {
			opts := kw{"inherited": !noInherit, "with_dups": tag == "" || dups}
			if owner != "" {
				u, err := v.need("user", "getUser", owner)
				if err != nil {
					return err
				}
				opts["userID"] = u["id"]
			}
			if tag != "" {
				t, err := v.need("tag", "getTag", tag)
				if err != nil {
					return err
				}
				opts["tagID"] = t["id"]
			}
			if pkg != "" {
				opts["pkgID"] = pkg
			}
			all := owner == "" && tag == "" && pkg == ""
			event, err := v.moment(&when)
			if err != nil {
				return err
			}
			if all && (event != nil || blocked) {
				return usagef("a moment of the past and --show-blocked need --tag, --owner or --package")
			}
			if blocked {
				opts["with_blocked"] = true
			}
			v.showMoment(event, "Querying")
			list, err := v.list("listPackages", withEvent(opts, event))
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(list)
			}
			if len(list) == 0 {
				return errors.New("no matching packages")
			}
			v.showPackages(list, all, blocked)
			return nil
		},
	}
}

func (v *invocation) showPackages(list []row, all, blocked bool) {
	const format = "%-23s %-23s %-16s %-15s"
	if !v.global.quiet && all {
		v.printf("Package\n%s\n", dashes(23))
	} else if !v.global.quiet {
		v.printf(format+"\n%s\n", "Package", "Tag", "Extra Arches", "Owner", dashes(23, 23, 16, 15))
	}
	for _, p := range list {
		isBlocked := hubclient.Bool(p["blocked"])
		_, tagged := p["tag_id"]
		switch {
		case all || !tagged:
			v.println(str(p, "package_name"))
		case isBlocked && !blocked:
		default:
			v.printf(format, str(p, "package_name"), str(p, "tag_name"), text(p, "extra_arches"), str(p, "owner_name"))
			if isBlocked {
				v.printf(" [BLOCKED]")
			}
			v.println()
		}
	}
}
