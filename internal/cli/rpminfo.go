package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func rpmCommands() []spec { return []spec{rpmInfo(), listBuildroot()} }

func rpmInfo() spec {
	var buildroots bool
	return spec{
		use: "rpminfo RPM…", short: "Show rpms, by name-version-release.arch or id", group: groupInfo, min: 1, max: -1, json: true,
		example: "  moromi rpminfo foo-1.0-1.fc42.x86_64",
		flags:   func(f *pflag.FlagSet) { f.BoolVar(&buildroots, "buildroots", false, "show the buildroots it was in") },
		run: func(v *invocation) error {
			return v.each("rpm", func(arg string) (row, error) { return v.one("getRPM", reference(arg)) },
				func(r row) error { return v.showRPM(r, buildroots) })
		},
	}
}

// epochNVR is an rpm's name with its epoch before it, if it has one.
func epochNVR(r row) string {
	if r["epoch"] == nil {
		return nvr(r)
	}
	return str(r, "epoch") + ":" + nvr(r)
}

func (v *invocation) showRPM(r row, buildroots bool) error {
	external := hubclient.Int(r["external_repo_id"]) != 0
	v.printf("RPM: %s.%s [%d]\n", epochNVR(r), str(r, "arch"), id(r))
	if hubclient.Bool(r["draft"]) {
		v.println("Draft: YES")
	}
	if external {
		repo, err := v.one("getExternalRepo", r["external_repo_id"])
		if err != nil {
			return err
		}
		v.printf("External Repository: %s [%d]\nExternal Repository url: %s\n", str(repo, "name"), id(repo), str(repo, "url"))
	} else if err := v.showRPMBuild(r); err != nil {
		return err
	}
	v.printf("SIGMD5: %s\nSize: %s\n", str(r, "payloadhash"), str(r, "size"))
	if !external {
		headers, err := v.one("getRPMHeaders", kw{"rpmID": r["id"], "headers": []string{"license"}})
		if err != nil {
			return err
		}
		if license, ok := headers["license"]; ok {
			v.printf("License: %s\n", pyStr(license))
		}
		v.printf("Build ID: %s\n", str(r, "build_id"))
	}
	if err := v.showRPMBuildroot(r); err != nil {
		return err
	}
	if extra, ok := r["extra"].(row); ok && len(extra) > 0 {
		v.printf("Extra: %s\n", pyRepr(extra))
	}
	if buildroots {
		return v.showUses(r)
	}
	return nil
}

func (v *invocation) showRPMBuild(r row) error {
	b, err := v.one("getBuild", r["build_id"])
	if err != nil {
		return err
	}
	if b == nil {
		return fmt.Errorf("build %s of rpm %s is gone", str(r, "build_id"), nvra(r))
	}
	srpm := r
	if text(r, "arch") != "src" {
		srpms, err := v.list("listRPMs", kw{"buildID": r["build_id"], "arches": "src"})
		if err != nil {
			return err
		}
		srpm = nil
		if len(srpms) > 0 {
			srpm = srpms[0]
		}
	}
	dir := buildDir(v.cfg.topDir, b)
	name, place := "(none)", "(none)"
	if srpm != nil {
		name, place = fmt.Sprintf("%s [%d]", epochNVR(srpm), id(srpm)), dir+"/"+rpmFile(srpm)
	}
	v.printf("Build: %s [%d]\nRPM Path: %s\nSRPM: %s\nSRPM Path: %s\nBuilt: %s\n", str(b, "nvr"), id(b), dir+"/"+rpmFile(r), name, place, v.longTime(r["buildtime"]))
	return nil
}

func (v *invocation) showRPMBuildroot(r row) error {
	if r["buildroot_id"] == nil {
		v.println("No buildroot data available")
		return nil
	}
	br, err := v.one("getBuildroot", r["buildroot_id"])
	if err != nil {
		return err
	}
	if hubclient.Int(br["br_type"]) == 0 { // a buildroot of the build system, not of a content generator
		v.printf("Buildroot: %d (tag %s, arch %s, repo %d)\nBuild Host: %s\nBuild Task: %s\n",
			id(br), str(br, "tag_name"), str(br, "arch"), hubclient.Int(br["repo_id"]), str(br, "host_name"), str(br, "task_id"))
		return nil
	}
	v.printf("Content generator: %s\nBuildroot: %d\nBuild Host OS: %s (%s)\n", str(br, "cg_name"), id(br), str(br, "host_os"), str(br, "host_arch"))
	return nil
}

func (v *invocation) showUses(r row) error {
	roots, err := v.list("listBuildroots", kw{"rpmID": r["id"], "queryOpts": row{"order": "buildroot.id"}})
	if err != nil {
		return err
	}
	v.printf("Used in %d buildroots:\n", len(roots))
	if len(roots) > 0 {
		v.printf("  %8s %-28s %-8s %-29s\n  %s\n", "id", "build tag", "arch", "build host", dashes(8, 28, 8, 29))
	}
	for _, b := range roots {
		v.printf("  %8d %-28s %-8s %-29s\n", id(b), str(b, "tag_name"), str(b, "arch"), str(b, "host_name"))
	}
	return nil
}

func listBuildroot() spec {
	var built, verbose bool
	return spec{
		use: "list-buildroot BUILDROOT", short: "List what a buildroot consisted of, or what was built in it", group: groupInfo, min: 1, max: 1, json: true,
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&built, "built", false, "what was built in it")
			f.BoolVarP(&verbose, "verbose", "v", false, "say which came in for the build, and drafts")
		},
		run: func(v *invocation) error {
			n, ok := reference(v.args[0]).(int64)
			if !ok {
				return usagef("a buildroot is named by its number, not %q", v.args[0])
			}
			opts, title := kw{"componentBuildrootID": n}, "Component"
			if built {
				opts, title = kw{"buildrootID": n}, "Built"
			}
			rpms, err := v.list("listRPMs", opts)
			if err != nil {
				return err
			}
			archives, err := v.list("listArchives", opts)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(row{"rpms": rpms, "archives": archives})
			}
			var lines []string
			for _, r := range rpms {
				line := str(r, "nvr") + "." + str(r, "arch")
				if verbose && hubclient.Bool(r["draft"]) {
					line += fmt.Sprintf(" (,draft_%s)", str(r, "build_id"))
				}
				if verbose && hubclient.Bool(r["is_update"]) {
					line += " [update]"
				}
				lines = append(lines, line)
			}
			if len(lines) > 0 {
				v.println(title + " RPMs:")
				v.printSorted(lines)
			}
			if len(archives) == 0 {
				return nil
			}
			if len(lines) > 0 {
				v.println()
			}
			v.println(title + " Archives:")
			var names []string
			for _, a := range archives {
				names = append(names, str(a, "filename"))
			}
			slices.Sort(names)
			v.println(strings.Join(names, "\n"))
			return nil
		},
	}
}
