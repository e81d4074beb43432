package cli

import (
	"fmt"

	"github.com/spf13/pflag"
)

func setPackageOwnerGlobal() spec {
	var verbose, test bool
	var from string
	return spec{
		use: "set-pkg-owner-global OWNER [PACKAGE]…", short: "Give packages another owner in all tags", group: groupTag, login: true, min: 1, max: -1, complete: []string{"user", "package"},
		example: "  moromi set-pkg-owner-global alice bash zsh\n  moromi set-pkg-owner-global --old-user bob alice",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&verbose, "verbose", false, "say what is changed")
			f.BoolVar(&test, "test", false, "only say what would be done")
			f.StringVar(&from, "old-user", "", "only packages of this user; all of them unless packages are named (also --from)")
			f.StringVar(&from, "from", "", "the same as --old-user")
			f.Lookup("from").Hidden = true
		},
		run: func(v *invocation) error {
			packages := v.args[1:]
			if len(packages) == 0 && from == "" {
				return usagef("set-pkg-owner-global needs packages, or --old-user")
			}
			owner, err := v.need("user", "getUser", v.args[0])
			if err != nil {
				return err
			}
			entries, err := v.ownedEntries(packages, from)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if e["owner_id"] == owner["id"] {
					if verbose {
						v.printf("Preserving owner=%s for package %s in tag %s\n", str(owner, "name"), str(e, "package_name"), str(e, "tag_name"))
					}
					continue
				}
				change := fmt.Sprintf("owner for %s in tag %s: %s -> %s", str(e, "package_name"), str(e, "tag_name"), str(e, "owner_name"), str(owner, "name"))
				if test {
					v.println("Would have changed " + change)
					continue
				}
				if verbose {
					v.println("Changing " + change)
				}
				if _, err := v.change("packageListSetOwner", e["tag_id"], e["package_name"], owner["id"]); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// ownedEntries are the entries of packages in all tags' lists; with from, only those of that user, and all of them if no package is named.
func (v *invocation) ownedEntries(packages []string, from string) ([]row, error) {
	opts := kw{"with_dups": true}
	if from != "" {
		u, err := v.need("user", "getUser", from)
		if err != nil {
			return nil, err
		}
		opts["userID"] = u["id"]
	}
	if len(packages) == 0 {
		entries, err := v.list("listPackages", opts)
		if err == nil && len(entries) == 0 {
			err = fmt.Errorf("no data for user %s", from)
		}
		return entries, err
	}
	var all []row
	for _, p := range packages {
		opts["pkgID"] = p
		entries, err := v.list("listPackages", opts)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 {
			v.printf("No data for package %s\n", p)
		}
		all = append(all, entries...)
	}
	return all, nil
}
