package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

func mavenCommands() []spec { return []spec{mavenBuild(), wrapperRPM(), mavenChain()} }

// mavenFlags are the options of maven-build.
type mavenFlags struct {
	params                              mavenParams
	inis                                []string
	section                             string
	debug, skipTag, scratch, background bool
	wait                                waitOptions
}

func (o *mavenFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.params.patches, "patches", "", "directory of patches to apply to the sources (`URL` in a source repository)")
	f.StringArrayVarP(&o.params.goals, "goal", "G", nil, "another goal to run before deploy (repeatable)")
	f.StringArrayVarP(&o.params.profiles, "profile", "P", nil, "enable this profile of Maven (repeatable)")
	f.StringArrayVarP(&o.params.properties, "property", "D", nil, "system property for Maven, as `NAME=VALUE` (repeatable)")
	f.StringArrayVarP(&o.params.envs, "env", "E", nil, "environment variable, as `NAME=VALUE` (repeatable)")
	f.StringArrayVarP(&o.params.packages, "package", "p", nil, "install this package too (repeatable)")
	f.StringArrayVarP(&o.params.jvmOptions, "jvm-option", "J", nil, "option for the Java machine (repeatable)")
	f.StringArrayVarP(&o.params.mavenOpts, "maven-option", "M", nil, "option for Maven (repeatable)")
	registerINI(f, &o.inis, &o.section)
	f.BoolVar(&o.debug, "debug", false, "run Maven with --debug")
	f.StringVar(&o.params.specfile, "specfile", "", "spec file template for wrapper rpms (`URL` in a source repository)")
	f.BoolVar(&o.skipTag, "skip-tag", false, "do not tag the build")
	f.BoolVar(&o.scratch, "scratch", false, "a scratch build: not recorded as a build, deleted after a while")
	f.BoolVar(&o.background, "background", false, "with a lower priority")
	o.wait.register(f)
}

func registerINI(f *pflag.FlagSet, files *[]string, section *string) {
	f.StringArrayVar(files, "ini", nil, "take the parameters from this `FILE` (repeatable)")
	f.StringVarP(section, "section", "s", "", "section of the file to take")
}

func mavenBuild() spec {
	var o mavenFlags
	return spec{
		use: "maven-build TARGET URL", short: "Build with Maven from a source repository", group: groupBuild, login: true, min: 1, max: 2, json: true, complete: []string{"target"},
		long: `Build with Maven from a source repository. With --ini the address of the source and the parameters are in a file, and only
TARGET is named: a section for the build, with scmurl, and patches, specfile, goals, profiles, packages, jvm_options,
maven_options, properties and envs as far as needed (the last two a NAME=VALUE a line).`,
		example: `  moromi maven-build f42 git+https://git.example.com/foo#1a2b3c
  moromi maven-build -P release -D skipTests=true f42 git+https://git.example.com/foo#1a2b3c
  moromi maven-build --ini foo.ini --section foo f42`,
		flags: func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			if err := v.targetAnd(1, o.inis, "the URL of a source"); err != nil {
				return err
			}
			if _, err := v.openTarget(v.args[0], o.scratch); err != nil {
				return err
			}
			source, opts, err := o.request(v.args[1:])
			if err != nil {
				return err
			}
			task, err := v.number("mavenBuild", source, v.args[0], opts, kw{"priority": priority(o.background)})
			if err != nil {
				return err
			}
			return v.made(task, &o.wait)
		},
	}
}

// targetAnd checks that a target is named with n arguments more, or alone if files have the parameters.
func (v *invocation) targetAnd(n int, inis []string, what string) error {
	switch {
	case len(inis) > 0 && len(v.args) != 1:
		return usagef("with --ini, give a build target and nothing else")
	case len(inis) == 0 && len(v.args) != n+1:
		return usagef("give a build target and %s", what)
	}
	return nil
}

// made says which task was made and waits for it if that is wanted.
func (v *invocation) made(task int64, wait *waitOptions) error {
	quiet := v.global.quiet || v.json
	v.announce(task, quiet)
	return v.finish([]int64{task}, wait, quiet)
}

// request is the source and the opts of the hub's mavenBuild.
func (o *mavenFlags) request(args []string) (source string, opts row, err error) {
	if len(o.inis) > 0 {
		var section string
		if section, opts, err = oneMavenBuild(o.inis, o.section, o.scratch); err != nil {
			return "", nil, err
		}
		if opts["type"] != nil {
			return "", nil, usagef("section %s does not contain a maven-build config", section)
		}
		source, _ = opts["scmurl"].(string)
		delete(opts, "scmurl")
	} else {
		source = args[0]
		if opts, err = o.params.options(); err != nil {
			return "", nil, err
		}
		if o.scratch {
			opts["scratch"] = true
		}
	}
	if !strings.Contains(source, "://") {
		return "", nil, usagef("no such SCM URL: %s", source)
	}
	if o.debug {
		given, _ := opts["maven_options"].([]string)
		opts["maven_options"] = append(given, "--debug")
	}
	if o.skipTag {
		opts["skip_tag"] = true
	}
	return source, opts, nil
}

// wrapperFlags are the options of wrapper-rpm.
type wrapperFlags struct {
	createBuild, createDraft, skipTag, scratch, waitRepo, background bool
	waitBuilds, inis                                                 []string
	section                                                          string
	wait                                                             waitOptions
}

func (o *wrapperFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&o.createBuild, "create-build", false, "make a build of their own for the rpms")
	f.BoolVar(&o.createDraft, "create-draft", false, "make a draft build for them")
	registerINI(f, &o.inis, &o.section)
	f.BoolVar(&o.skipTag, "skip-tag", false, "do not tag the build that is made")
	f.BoolVar(&o.scratch, "scratch", false, "a scratch build: nothing is imported")
	f.BoolVar(&o.background, "background", false, "with a lower priority")
	f.BoolVar(&o.waitRepo, "wait-repo", false, "wait for a current repository of the build tag")
	f.StringArrayVar(&o.waitBuilds, "wait-build", nil, "wait until this build (`NVR`) is in the repository (repeatable)")
	o.wait.register(f)
}

func wrapperRPM() spec {
	var o wrapperFlags
	return spec{
		use: "wrapper-rpm TARGET BUILD URL", short: "Wrap what a build made in rpms", group: groupBuild, login: true, min: 1, max: 3, json: true, complete: []string{"target", "build", ""},
		long: `Wrap the files that a Maven, Windows or image build made in rpms, by the template of a spec file at URL in a source repository.
BUILD is an id or a name. With --ini, a section with "type = wrapper" has scmurl and, as buildrequires, the package whose latest
build in the target's destination tag is wrapped.`,
		example: `  moromi wrapper-rpm f42 foo-1.0-1 git+https://git.example.com/foo-rpm#1a2b3c
  moromi wrapper-rpm --create-build --ini foo.ini f42`,
		flags: func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			if err := v.targetAnd(2, o.inis, "a build and the URL of a spec file template"); err != nil {
				return err
			}
			if o.createDraft && o.scratch {
				return usagef("--scratch and --create-draft exclude each other")
			}
			if o.createDraft && !v.json {
				v.println("Will create a draft build instead")
			}
			build, url, err := o.subject(v)
			if err != nil {
				return err
			}
			opts := row{"wait_builds": o.waitBuilds}
			for name, set := range map[string]bool{"create_build": o.createBuild || o.createDraft, "draft": o.createDraft, "skip_tag": o.skipTag, "scratch": o.scratch, "wait_repo": o.waitRepo} {
				if set {
					opts[name] = true
				}
			}
			task, err := v.number("wrapperRPM", build, url, v.args[0], priority(o.background), kw{"opts": opts})
			if err != nil {
				return err
			}
			return v.made(task, &o.wait)
		},
	}
}

// subject is the build to wrap and where the template is.
func (o *wrapperFlags) subject(v *invocation) (build any, url string, err error) {
	if len(o.inis) == 0 {
		return reference(v.args[1]), v.args[2], nil
	}
	section, params, err := oneMavenBuild(o.inis, o.section, o.scratch)
	if err != nil {
		return nil, "", err
	}
	requires, _ := params["buildrequires"].([]string)
	if params["type"] == nil || len(requires) == 0 {
		return nil, "", usagef("section %s does not contain a wrapper-rpm config", section)
	}
	target, err := v.need("build target", "getBuildTarget", v.args[0])
	if err != nil {
		return nil, "", err
	}
	latest, err := v.list("getLatestBuilds", target["dest_tag"], kw{"package": requires[0]})
	if err != nil {
		return nil, "", err
	}
	if len(latest) == 0 {
		return nil, "", fmt.Errorf("no build of %s in %s", requires[0], str(target, "dest_tag_name"))
	}
	url, _ = params["scmurl"].(string)
	return latest[0]["nvr"], url, nil
}

func mavenChain() spec {
	var skipTag, scratch, debug, force, background bool
	var wait waitOptions
	return spec{
		use: "maven-chain TARGET FILE…", short: "Build with Maven what needs one another", group: groupBuild, login: true, min: 2, max: -1, json: true, complete: []string{"target", "file"},
		long: `Build with Maven several packages in the order in which they need one another. The files have a section for each package, as for
maven-build --ini, with the packages that it needs as buildrequires; a section with "type = wrapper" wraps the one that it needs in rpms.`,
		example: "  moromi maven-chain f42 chain.ini",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&skipTag, "skip-tag", false, "do not tag the builds")
			f.BoolVar(&scratch, "scratch", false, "scratch builds: not recorded as builds, deleted after a while")
			f.BoolVar(&debug, "debug", false, "run Maven with --debug")
			f.BoolVar(&force, "force", false, "build packages again whose build is there")
			f.BoolVar(&background, "background", false, "with a lower priority")
			wait.register(f)
		},
		run: func(v *invocation) error {
			if _, err := v.openTarget(v.args[0], scratch); err != nil {
				return err
			}
			opts := row{}
			for name, set := range map[string]bool{"skip_tag": skipTag, "scratch": scratch, "debug": debug, "force": force} {
				if set {
					opts[name] = true
				}
			}
			builds, err := mavenBuilds(v.args[1:], true, scratch)
			if err != nil {
				return err
			}
			if !orderable(builds) {
				return usagef("no possible build order: dependencies are missing or circular")
			}
			task, err := v.number("chainMaven", builds, v.args[0], opts, kw{"priority": priority(background)})
			if err != nil {
				return err
			}
			return v.made(task, &wait)
		},
	}
}
