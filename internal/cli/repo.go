package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func repoCommands() []spec {
	return []spec{regenRepo(), requestRepo(), waitRepo(), waitRepoRequest(), repoInfo(), mockConfig()}
}

// defaultRepoTimeout is how many minutes a repository is waited for, as in Koji.
const defaultRepoTimeout = 120

// repoFlags are the options of the commands that ask for a repository.
type repoFlags struct {
	target, debugInfo, source, separate, verbose, makeTask bool
	timeout                                                int64
	wait                                                   waitOptions
}

func (o *repoFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&o.target, "target", false, "the argument is a build target; its build tag is meant")
	f.BoolVar(&o.debugInfo, "debuginfo", false, "with debuginfo rpms")
	f.BoolVar(&o.source, "source", false, "with source rpms in every architecture (also --src)")
	f.BoolVar(&o.source, "src", false, "the same as --source")
	f.BoolVar(&o.separate, "separate-source", false, "with source rpms in a repository of their own (also --separate-src)")
	f.BoolVar(&o.separate, "separate-src", false, "the same as --separate-source")
	f.Int64Var(&o.timeout, "timeout", defaultRepoTimeout, "give up after so many `MINUTES`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say what is waited for")
	f.Lookup("src").Hidden, f.Lookup("separate-src").Hidden = true, true
	o.wait.register(f)
}

func (o *repoFlags) options() row {
	opts := row{}
	for name, set := range map[string]bool{"debuginfo": o.debugInfo, "src": o.source, "separate_src": o.separate} {
		if set {
			opts[name] = true
		}
	}
	return opts
}

// repoTag finds the tag whose repository is meant.
func (v *invocation) repoTag(name string, target bool) (row, error) {
	if !target {
		return v.need("tag", "getTag", name)
	}
	t, err := v.need("build target", "getBuildTarget", name)
	if err != nil {
		return nil, err
	}
	return v.one("getTag", t["build_tag"], kw{"strict": true})
}

func regenRepo() spec {
	var o repoFlags
	return spec{
		use: "regen-repo TAG", short: "Make a current repository of a tag, if there is none", group: groupBuild, login: true, min: 1, max: 1, json: true, complete: []string{"tag"},
		flags: func(f *pflag.FlagSet) {
			o.register(f)
			f.BoolVar(&o.makeTask, "make-task", false, "make a task directly, whatever there is (needs the permission repo)")
		},
		run: func(v *invocation) error {
			if !o.makeTask {
				return v.askForRepo(&o, kw{"min_event": "last"})
			}
			tag, err := v.repoTag(v.args[0], o.target)
			if err != nil {
				return err
			}
			opts := kw{}
			for k, value := range o.options() {
				opts[k] = value
			}
			task, err := v.number("newRepo", tag["name"], opts)
			if err != nil {
				return err
			}
			quiet := v.global.quiet || v.json
			if !quiet {
				v.printf("Regenerating repo for tag: %s\n", str(tag, "name"))
			}
			v.announce(task, quiet)
			return v.finish([]int64{task}, &o.wait, quiet)
		},
	}
}

func requestRepo() spec {
	var o repoFlags
	var minEvent, atEvent int64
	var current bool
	return spec{
		use: "request-repo TAG", short: "Ask for a repository of a tag", past: true, group: groupBuild, login: true, min: 1, max: 1, json: true, complete: []string{"tag"},
		example: "  moromi request-repo --current --wait f42-build",
		flags: func(f *pflag.FlagSet) {
			o.register(f)
			f.Int64Var(&minEvent, "min-event", 0, "as of this `EVENT` or later")
			f.Int64Var(&atEvent, "at-event", 0, "as of exactly this `EVENT`")
			f.BoolVar(&current, "current", false, "with everything that is in the tag now (also --last)")
			f.BoolVar(&current, "last", false, "the same as --current")
			f.Lookup("last").Hidden = true
		},
		run: func(v *invocation) error {
			opts := kw{}
			chosen := 0
			event, err := v.asOf()
			if err != nil {
				return err
			}
			if event != nil {
				opts["at_event"] = event["id"]
				chosen++
			}
			if atEvent != 0 {
				opts["at_event"] = atEvent
				chosen++
			}
			if minEvent != 0 {
				opts["min_event"] = minEvent
				chosen++
			}
			if current {
				opts["min_event"] = "last"
				chosen++
			}
			if chosen > 1 {
				return usagef("only one of --at, --at-event, --min-event and --current")
			}
			return v.askForRepo(&o, opts)
		},
	}
}

// askForRepo requests a repository and, if wanted, waits for it.
func (v *invocation) askForRepo(o *repoFlags, opts kw) error {
	tag, err := v.repoTag(v.args[0], o.target)
	if err != nil {
		return err
	}
	if text(tag, "arches") == "" {
		v.warnf("Tag %s has an empty arch list", str(tag, "name"))
	}
	if extra := o.options(); len(extra) > 0 {
		opts["opts"] = extra
	}
	w := &repoWaiter{invocation: v, tag: tag, verbose: o.verbose, deadline: v.Now().Add(time.Duration(o.timeout) * time.Minute)}
	check, err := w.request(opts)
	if err != nil {
		return err
	}
	repo := hubclient.Struct(check["repo"])
	if repo == nil && o.wait.wait {
		if repo, err = w.waitRequest(hubclient.Struct(check["request"])); err != nil {
			return err
		}
		check["repo"] = repo
	}
	if v.json {
		return v.printJSON(check)
	}
	if repo != nil {
		v.gotRepo(repo)
		return nil
	}
	request := hubclient.Struct(check["request"])
	v.printf("Got request: %d\n", id(request))
	if request["task_id"] != nil {
		v.printf("Got task: %s\nTask info: %s/taskinfo?taskID=%s\n", str(request, "task_id"), v.cfg.webURL, str(request, "task_id"))
	}
	return nil
}

func (v *invocation) gotRepo(repo row) {
	if !v.global.quiet {
		v.printf("Got repo %d\nRepo info: %s/repoinfo?repoID=%d\n", id(repo), v.cfg.webURL, id(repo))
	}
}

// repoWaiter waits for a repository of a tag, with builds in it if some are named.
type repoWaiter struct {
	*invocation
	tag      row
	builds   []koji.NVR
	verbose  bool
	deadline time.Time
}

func (w *repoWaiter) request(opts kw) (row, error) {
	if opts["min_event"] == "last" {
		last, err := w.call("tagLastChangeEvent", w.tag["id"])
		if err != nil {
			return nil, err
		}
		opts["min_event"] = last
	}
	return w.one("repo.request", w.tag["id"], opts)
}

// waitRequest waits until a request has its repository.
func (w *repoWaiter) waitRequest(request row) (row, error) {
	shown := ""
	for {
		check, err := w.one("repo.checkRequest", request["id"])
		if err != nil {
			return nil, err
		}
		if repo := hubclient.Struct(check["repo"]); repo != nil {
			return repo, nil
		}
		now := hubclient.Struct(check["request"])
		state := "no task yet"
		if now["task_id"] != nil {
			state = fmt.Sprintf("task %s is %s", str(now, "task_id"), koji.TaskState(hubclient.Int(now["task_state"])))
		}
		if !hubclient.Bool(now["active"]) {
			return nil, fmt.Errorf("the request for a repository of %s has failed: %s", str(w.tag, "name"), state)
		}
		if w.verbose && state != shown {
			w.warnf("Request %s: %s", str(request, "id"), state)
			shown = state
		}
		if err := w.pause(); err != nil {
			return nil, err
		}
	}
}

func (w *repoWaiter) pause() error {
	if w.Now().After(w.deadline) {
		return fmt.Errorf("no repository of %s in time; --timeout allows more", str(w.tag, "name"))
	}
	return wait(w.ctx, w.cfg.poll)
}

// present tells whether the builds are the latest of their packages in the tag, as of an event or now.
func (w *repoWaiter) present(event any) (bool, error) {
	for _, b := range w.builds {
		opts := kw{"package": b.Name}
		if event != nil {
			opts["event"] = event
		}
		latest, err := w.list("getLatestBuilds", w.tag["id"], opts)
		if err != nil {
			return false, err
		}
		if !slices.ContainsFunc(latest, func(l row) bool { return nvr(l) == b.String() }) {
			return false, nil
		}
	}
	return true, nil
}

// waitBuilds waits until the builds are in the tag.
func (w *repoWaiter) waitBuilds() error {
	for {
		ok, err := w.present(nil)
		if err != nil || ok {
			return err
		}
		if err := w.pause(); err != nil {
			return err
		}
	}
}

// waitRepo waits for a repository from minEvent on (nil: any) that has the builds. With ask, it requests one.
func (w *repoWaiter) waitRepo(minEvent any, ask bool) (row, error) {
	for {
		var repo row
		var err error
		if !ask {
			if repo, err = w.one("repo.get", w.tag["id"], kw{"min_event": minEvent}); err != nil {
				return nil, err
			}
		}
		if ok, err := w.satisfied(repo); ok || err != nil {
			return repo, err
		}
		if len(w.builds) > 0 {
			if err := w.waitBuilds(); err != nil {
				return nil, err
			}
			if minEvent, err = w.call("tagLastChangeEvent", w.tag["id"]); err != nil {
				return nil, err
			}
		}
		if ask {
			check, err := w.request(kw{"min_event": minEvent})
			if err != nil {
				return nil, err
			}
			if repo = hubclient.Struct(check["repo"]); repo == nil {
				if repo, err = w.waitRequest(hubclient.Struct(check["request"])); err != nil {
					return nil, err
				}
			}
			if ok, err := w.satisfied(repo); ok || err != nil {
				return repo, err
			}
		}
		if err := w.pause(); err != nil {
			return nil, err
		}
	}
}

func (w *repoWaiter) satisfied(repo row) (bool, error) {
	if repo == nil {
		return false, nil
	}
	return w.present(repo["create_event"])
}

func waitRepo() spec {
	var builds []string
	var target, ask, noAsk, verbose bool
	var timeout int64
	return spec{
		use: "wait-repo TAG", short: "Wait for a current repository of a tag, or for one that has builds", group: groupMonitor, min: 1, max: 1, json: true, complete: []string{"tag"},
		example: "  moromi wait-repo f42-build --build foo-1.0-1.fc42 --request",
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&builds, "build", nil, "wait for a repository with this build (`NVR`, repeatable)")
			f.BoolVar(&target, "target", false, "the argument is a build target; its build tag is meant")
			f.BoolVar(&ask, "request", false, "ask for the repository, too (needs a login)")
			f.BoolVar(&noAsk, "no-request", false, "only wait (the default)")
			f.Int64Var(&timeout, "timeout", defaultRepoTimeout, "give up after so many `MINUTES`")
			f.BoolVarP(&verbose, "verbose", "v", false, "say what is waited for")
		},
		run: func(v *invocation) error {
			w := &repoWaiter{invocation: v, verbose: verbose, deadline: v.Now().Add(time.Duration(timeout) * time.Minute)}
			for _, b := range builds {
				parsed, err := koji.ParseNVR(b)
				if err != nil {
					return usagef("--build: %q is not a build's name-version-release", b)
				}
				w.builds = append(w.builds, parsed)
			}
			if ask {
				if err := v.login(); err != nil {
					return err
				}
			}
			var err error
			if w.tag, err = v.repoTag(v.args[0], target); err != nil {
				return err
			}
			if !target {
				if err := w.adviseTag(); err != nil {
					return err
				}
			}
			var minEvent any
			if len(w.builds) == 0 {
				if minEvent, err = v.call("tagLastChangeEvent", w.tag["id"]); err != nil {
					return err
				}
			}
			repo, err := w.waitRepo(minEvent, ask)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(repo)
			}
			v.gotRepo(repo)
			return nil
		},
	}
}

// adviseTag warns if nothing is built from the tag, and names the tags that may be meant.
func (w *repoWaiter) adviseTag() error {
	from, err := w.list("getBuildTargets", kw{"buildTagID": w.tag["id"]})
	if err != nil || len(from) > 0 {
		return err
	}
	w.warnf("%s is not a build tag for any target", str(w.tag, "name"))
	into, err := w.list("getBuildTargets", kw{"destTagID": w.tag["id"]})
	var names []string
	for _, t := range into {
		if n := text(t, "build_tag_name"); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if slices.Sort(names); len(names) > 0 {
		w.warnf("Suggested tags: %s", strings.Join(names, ", "))
	}
	return err
}
