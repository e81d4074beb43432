package cli

import (
	"strings"

	"github.com/spf13/pflag"
)

func winCommands() []spec { return []spec{winBuild()} }

// winFlags are the options of win-build.
type winFlags struct {
	winspec, patches, specfile              string
	cpus, memory, repo                      int64
	staticMAC, scratch, skipTag, background bool
	wait                                    waitOptions
}

func (o *winFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.winspec, "winspec", "", "where the build's description is (`URL` in a source repository), if not among the sources")
	f.StringVar(&o.patches, "patches", "", "directory of patches to apply to the sources (`URL` in a source repository)")
	f.Int64Var(&o.cpus, "cpus", 0, "processors of the virtual machine (for administrators)")
	f.Int64Var(&o.memory, "mem", 0, "memory of the virtual machine in MB (for administrators)")
	f.BoolVar(&o.staticMAC, "static-mac", false, "keep the network address of the virtual machine when it is copied")
	f.StringVar(&o.specfile, "specfile", "", "spec file template for wrapper rpms (`URL` in a source repository)")
	f.BoolVar(&o.scratch, "scratch", false, "a scratch build: not recorded as a build, deleted after a while")
	f.Int64Var(&o.repo, "repo-id", 0, "build in this repository")
	f.BoolVar(&o.skipTag, "skip-tag", false, "do not tag the build")
	f.BoolVar(&o.background, "background", false, "with a lower priority")
	o.wait.register(f)
}

// options are the opts of the hub's winBuild.
func (o *winFlags) options(f *pflag.FlagSet) row {
	opts := row{}
	for name, value := range map[string]string{"winspec": o.winspec, "patches": o.patches, "specfile": o.specfile} {
		if value != "" {
			opts[name] = value
		}
	}
	for name, value := range map[string]int64{"cpus": o.cpus, "mem": o.memory, "repo-id": o.repo} {
		if f.Changed(name) {
			opts[strings.ReplaceAll(name, "-", "_")] = value
		}
	}
	for name, set := range map[string]bool{"static_mac": o.staticMAC, "scratch": o.scratch, "skip_tag": o.skipTag} {
		if set {
			opts[name] = true
		}
	}
	return opts
}

func winBuild() spec {
	var o winFlags
	return spec{
		use: "win-build TARGET URL VM", short: "Build in a Windows virtual machine", group: groupBuild, login: true, min: 3, max: 3, json: true, complete: []string{"target", ""},
		long: `Build from a source repository in a virtual machine with Windows: VM is its name at the builders. TARGET may be "none" if there is
--repo-id; then the build is not tagged.`,
		example: "  moromi win-build f42 git+https://git.example.com/foo#1a2b3c win10-x64",
		flags:   func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			opts := o.options(v.flags)
			var target any = v.args[0]
			if strings.EqualFold(v.args[0], "none") && o.repo != 0 {
				target, opts["skip_tag"] = nil, true
			} else if _, err := v.openTarget(v.args[0], o.scratch); err != nil {
				return err
			}
			task, err := v.number("winBuild", v.args[2], v.args[1], target, opts, kw{"priority": priority(o.background)})
			if err != nil {
				return err
			}
			return v.made(task, &o.wait)
		},
	}
}
