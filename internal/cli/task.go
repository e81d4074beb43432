package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func taskCommands() []spec {
	return []spec{taskInfo(), listTasks(), cancel(), resubmit(), setTaskPriority()}
}

func taskInfo() spec {
	var recurse, verbose bool
	return spec{
		use: "taskinfo TASK…", short: "Show tasks", group: groupInfo, min: 1, max: -1, json: true, complete: []string{"task"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVarP(&recurse, "recurse", "r", false, "the tasks that they started, too")
			f.BoolVarP(&verbose, "verbose", "v", false, "show the request")
		},
		run: func(v *invocation) error {
			tasks, err := v.taskIDs(v.args)
			if err != nil {
				return err
			}
			if v.json {
				return v.tasksJSON(tasks, recurse)
			}
			for _, t := range tasks {
				if err := v.showTask(t, 0, recurse, verbose); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (v *invocation) tasksJSON(tasks []int64, recurse bool) error {
	list := []row{}
	for len(tasks) > 0 {
		info, err := v.one("getTaskInfo", tasks[0], kw{"request": true})
		if err != nil {
			return err
		}
		if info == nil {
			return fmt.Errorf("no such task: %d", tasks[0])
		}
		list = append(list, info)
		if recurse {
			children, err := v.list("getTaskChildren", tasks[0])
			if err != nil {
				return err
			}
			for _, c := range children {
				tasks = append(tasks, id(c))
			}
		}
		tasks = tasks[1:]
	}
	return v.printJSON(list)
}

// showTask prints a task, and those that it started.
func (v *invocation) showTask(task int64, level int, recurse, verbose bool) error {
	in := strings.Repeat("  ", level)
	info, err := v.one("getTaskInfo", task, kw{"request": true})
	if err != nil {
		return err
	}
	if info == nil {
		return fmt.Errorf("no such task: %d", task)
	}
	v.printf("%sTask: %d\n%sType: %s\n", in, task, in, str(info, "method"))
	if verbose {
		v.printf("%sRequest Parameters:\n", in)
		for _, line := range v.requestLines(info) {
			v.printf("%s  %s\n", in, line)
		}
	}
	owner, err := v.one("getUser", info["owner"])
	if err != nil {
		return err
	}
	v.printf("%sOwner: %s\n%sState: %s\n", in, str(owner, "name"), in, strings.ToLower(koji.TaskState(hubclient.Int(info["state"])).String()))
	for _, t := range []struct{ name, key string }{{"Created", "create_ts"}, {"Started", "start_ts"}, {"Finished", "completion_ts"}} {
		if info[t.key] != nil {
			v.printf("%s%s: %s\n", in, t.name, v.asctime(info[t.key]))
		}
	}
	if info["host_id"] != nil {
		host, err := v.one("getHost", info["host_id"])
		if err != nil {
			return err
		}
		v.printf("%sHost: %s\n", in, str(host, "name"))
	}
	if err := v.showTaskProducts(task, in); err != nil {
		return err
	}
	v.println()
	if !recurse {
		return nil
	}
	children, err := v.list("getTaskChildren", task, kw{"request": true})
	if err != nil {
		return err
	}
	sortBy(children, "id")
	for _, c := range children {
		if err := v.showTask(id(c), level+1, recurse, verbose); err != nil {
			return err
		}
	}
	return nil
}

// showTaskProducts prints the build, the buildroots and the files of a task.
func (v *invocation) showTaskProducts(task int64, in string) error {
	builds, err := v.list("listBuilds", kw{"taskID": task})
	if err != nil {
		return err
	}
	if len(builds) > 0 {
		v.printf("%sBuild: %s (%d)\n", in, str(builds[0], "nvr"), hubclient.Int(builds[0]["build_id"]))
	}
	roots, err := v.list("listBuildroots", kw{"taskID": task})
	if err != nil {
		return err
	}
	if len(roots) > 0 {
		v.printf("%sBuildroots:\n", in)
	}
	for _, r := range roots {
		v.printf("%s  /var/lib/mock/%s-%d-%d/\n", in, str(r, "tag_name"), id(r), hubclient.Int(r["repo_id"]))
	}
	files, err := v.taskOutput(task)
	if err != nil {
		return err
	}
	var logs, output []string
	for _, f := range files {
		place := taskDir(v.cfg.topDir, task, f.volume) + "/" + f.name
		if strings.HasSuffix(f.name, ".log") {
			logs = append(logs, place)
		} else {
			output = append(output, place)
		}
	}
	for _, kind := range []struct {
		name  string
		paths []string
	}{{"Log Files", logs}, {"Output", output}} {
		v.printf("%s%s:\n", in, kind.name)
		for _, p := range kind.paths {
			v.printf("%s  %s\n", in, p)
		}
		if len(kind.paths) == 0 {
			v.printf("%s  No outputs reported [1]\n", in)
		}
	}
	if len(logs) == 0 || len(output) == 0 {
		v.printf("%s[1] Some tasks leave no files, and files of tasks are deleted after a while.\n", in)
	}
	return nil
}

// requestLines says what a task was asked to do, a parameter a line.
func (v *invocation) requestLines(info row) []string {
	name := str(info, "method")
	p, ok := parseTask(name, info["request"])
	if !ok {
		return []string{"Unable to parse task parameters"}
	}
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	options := func(key string) {
		if o := hubclient.Struct(p[key]); len(o) > 0 {
			add("Options:")
			for _, k := range sortedKeys(o) {
				if k != "__starstar" {
					add("  %s: %s", k, pyStr(o[k]))
				}
			}
		}
	}
	switch name {
	case "build":
		add("Source: %s", pyStr(p["src"]))
		add("Build Target: %s", p.name("target"))
	case "buildSRPMFromSCM":
		add("SCM URL: %s", pyStr(p["url"]))
		return lines
	case "buildArch":
		add("SRPM: %s/work/%s", v.cfg.topDir, p.name("pkg"))
		add("Build Tag: %s", v.tagName(p["root"]))
		add("Build Arch: %s", pyStr(p["arch"]))
		add("SRPM Kept: %s", pyStr(p["keep_srpm"]))
	case "rebuildSRPM":
		add("SRPM: %s/work/%s", v.cfg.topDir, pyStr(p["srpm"]))
		add("Build Tag: %s", v.tagName(p["build_tag"]))
	case "tagBuild":
		add("Destination Tag: %s", v.tagName(p["tag_id"]))
		add("Build: %s", v.buildName(p["build_id"]))
		return lines
	case "buildNotification":
		add("Recipients: %s", strings.Join(hubclient.Strings(p["recipients"]), ", "))
		add("Build: %s", buildLabel(hubclient.Struct(p["build"])))
		add("Build Target: %s", p.name("target"))
		add("Web URL: %s", pyStr(p["weburl"]))
		return lines
	case "newRepo":
		add("Tag: %s", v.tagName(p["tag"]))
		return lines
	case "createrepo":
		add("Repo ID: %s", pyStr(p["repo_id"]))
		add("Arch: %s", pyStr(p["arch"]))
		return lines
	case "chainbuild":
		add("Build Groups:")
		for i, level := range hubclient.List(p["srcs"]) {
			add("  %d: %s", i+1, strings.Join(hubclient.Strings(level), ", "))
		}
		add("Build Target: %s", p.name("target"))
	case "waitrepo":
		add("Build Target: %s", p.name("tag"))
		if nvrs := hubclient.Strings(p["nvrs"]); len(nvrs) > 0 {
			add("NVRs: %s", strings.Join(nvrs, ", "))
		}
		return lines
	default:
		for i, arg := range hubclient.List(info["request"]) {
			add("%d: %s", i+1, pyStr(arg))
		}
		return lines
	}
	options("opts")
	return lines
}

// tagName is a tag's name, whichever way a request names it. One that cannot be looked up keeps what the request says.
func (v *invocation) tagName(ref any) string {
	if m := hubclient.Struct(ref); m != nil {
		return str(m, "name")
	}
	tag, err := v.one("getTag", ref)
	if err != nil || tag == nil {
		return pyStr(ref) + " (deleted)"
	}
	return str(tag, "name")
}

// buildName is a build's name, whichever way a request names it.
func (v *invocation) buildName(ref any) string {
	b, err := v.one("getBuild", ref)
	if err != nil || b == nil {
		return pyStr(ref) + " (deleted)"
	}
	return buildLabel(b)
}

// findTasks asks for tasks, with more named arguments for listTasks. They are the unfinished ones unless opts says otherwise.
func (v *invocation) findTasks(filter *taskFilter, opts kw) ([]row, error) {
	opts["decode"] = true
	if _, all := opts["state"]; !all {
		opts["state"] = []any{int(koji.TaskFree), int(koji.TaskOpen), int(koji.TaskAssigned)}
	} else if opts["state"] == nil {
		delete(opts, "state")
	}
	if filter.mine && filter.user != "" {
		return nil, usagef("--mine and --user exclude each other")
	}
	if filter.mine {
		user, err := v.one("getLoggedInUser")
		if err != nil {
			return nil, err
		}
		if user == nil {
			return nil, errors.New("--mine: you are not logged in; give --user and a password")
		}
		opts["owner"] = user["id"]
	}
	for _, lookup := range []struct{ value, what, method, key string }{
		{filter.user, "user", "getUser", "owner"}, {filter.channel, "channel", "getChannel", "channel_id"}, {filter.host, "host", "getHost", "host_id"},
	} {
		if lookup.value == "" {
			continue
		}
		found, err := v.need(lookup.what, lookup.method, lookup.value)
		if err != nil {
			return nil, err
		}
		opts[lookup.key] = found["id"]
	}
	if filter.arch != "" {
		a, err := arches(filter.arch)
		if err != nil {
			return nil, err
		}
		opts["arch"] = strings.Fields(a)
	}
	if filter.method != "" {
		opts["method"] = filter.method
	}
	return v.list("listTasks", map[string]any(opts), row{"order": "priority,create_time"})
}

func listTasks() spec {
	var filter taskFilter
	var before, after timeValue
	var all bool
	return spec{
		use: "list-tasks", short: "List tasks", group: groupInfo, login: true, json: true, example: "  moromi list-tasks --mine\n  moromi list-tasks --all --after 2026-01-31 --method build",
		flags: func(f *pflag.FlagSet) {
			filter.register(f)
			f.Var(&before, "before", "tasks that started before this time: "+timeHelp)
			f.Var(&after, "after", "tasks that started after this time")
			f.BoolVar(&all, "all", false, "finished ones too (needs --after)")
		},
		run: func(v *invocation) error {
			if all && !after.set() {
				return usagef("--all needs --after")
			}
			opts := kw{}
			if all {
				opts["state"] = nil
			}
			if before.set() {
				opts["startedBefore"] = before.ts
			}
			if after.set() {
				opts["startedAfter"] = after.ts
			}
			tasks, err := v.findTasks(&filter, opts)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(tasks)
			}
			if len(tasks) == 0 {
				v.println("(no tasks)")
				return nil
			}
			if !v.global.quiet {
				v.println("ID       Pri  Owner                State    Arch       Name")
			}
			v.printTaskTree(tasks)
			return nil
		},
	}
}

// printTaskTree prints tasks under those that started them.
func (v *invocation) printTaskTree(tasks []row) {
	listed := map[int64]bool{}
	for _, t := range tasks {
		listed[id(t)] = true
	}
	children := map[int64][]row{}
	var top []row
	for _, t := range tasks {
		if parent := hubclient.Int(t["parent"]); t["parent"] != nil && listed[parent] {
			children[parent] = append(children[parent], t)
		} else {
			top = append(top, t)
		}
	}
	var show func(t row, depth int)
	show = func(t row, depth int) {
		indent := ""
		if depth > 0 {
			indent = strings.Repeat("  ", depth-1) + " +"
		}
		v.printf("%-8d %-4s %-20s %-8s %-10s %s%s\n", id(t), str(t, "priority"), str(t, "owner_name"),
			koji.TaskState(hubclient.Int(t["state"])), str(t, "arch"), indent, taskLabel(t))
		for _, c := range children[id(t)] {
			show(c, depth+1)
		}
	}
	for _, t := range top {
		show(t, 0)
	}
}
