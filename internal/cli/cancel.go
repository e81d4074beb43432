package cli

import (
	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func cancel() spec {
	var justOne, full, force bool
	return spec{
		use: "cancel TASK_OR_BUILD…", short: "Cancel tasks and builds", group: groupBuild, aliases: []string{"cancel-task", "cxl"}, login: true, min: 1, max: -1,
		complete: []string{"task"}, example: "  moromi cancel 1234\n  moromi cancel foo-1.0-1.fc42",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&justOne, "justone", false, "not the tasks that they started")
			f.BoolVar(&full, "full", false, "the whole tree, from its root (administrators)")
			f.BoolVar(&force, "force", false, "with --full: also from within the tree")
		},
		run: func(v *invocation) error {
			var calls []hubclient.Call
			for _, arg := range v.args {
				task, isTask := reference(arg).(int64)
				if !isTask {
					if _, err := koji.ParseNVR(arg); err != nil {
						return usagef("%q is neither a task's number nor a build's name-version-release", arg)
					}
					calls = append(calls, method("cancelBuild", arg, kw{"strict": true}))
					continue
				}
				switch {
				case justOne:
					calls = append(calls, method("cancelTask", task, kw{"recurse": false}))
				case full && force:
					calls = append(calls, method("cancelTaskFull", task, kw{"strict": false}))
				case full:
					calls = append(calls, method("cancelTaskFull", task))
				default:
					calls = append(calls, method("cancelTask", task))
				}
			}
			results, err := v.multiAll(calls)
			if err != nil {
				return err
			}
			failed := false
			for i, r := range results {
				if r.Err != nil {
					v.warnf("%s: %s", v.args[i], explain(r.Err, v.global.debug))
					failed = true
					continue
				}
				v.changed(calls[i], r.Value)
			}
			if failed {
				return &statusError{statusFailed}
			}
			return nil
		},
	}
}

func resubmit() spec {
	var wait waitOptions
	return spec{
		use: "resubmit TASK", short: "Do a canceled or failed task once more, with the same parameters", group: groupBuild, login: true, min: 1, max: 1, json: true, complete: []string{"task"},
		flags: func(f *pflag.FlagSet) {
			wait.register(f)
			f.BoolVar(&wait.noWait, "nowatch", false, "the same as --nowait")
		},
		run: func(v *invocation) error {
			tasks, err := v.taskIDs(v.args)
			if err != nil {
				return err
			}
			quiet := v.global.quiet || v.json
			if !quiet {
				v.println("Resubmitting the following task:")
				if err := v.showTask(tasks[0], 0, false, true); err != nil {
					return err
				}
			}
			task, err := v.number("resubmitTask", tasks[0])
			if err != nil {
				return err
			}
			if !quiet {
				v.printf("Resubmitted task %d as new task %d\n", tasks[0], task)
			}
			return v.finish([]int64{task}, &wait, quiet)
		},
	}
}

func setTaskPriority() spec {
	var priority int64
	var recurse bool
	return spec{
		use: "set-task-priority TASK…", short: "Change how urgent tasks are", group: groupAdmin, login: true, min: 1, max: -1, complete: []string{"task"},
		flags: func(f *pflag.FlagSet) {
			f.Int64Var(&priority, "priority", 0, "new priority; lower comes first, 20 is usual (needed)")
			f.BoolVar(&recurse, "recurse", false, "the tasks that they started, too")
		},
		run: func(v *invocation) error {
			if !v.flags.Changed("priority") {
				return usagef("set-task-priority needs --priority")
			}
			tasks, err := v.taskIDs(v.args)
			if err != nil {
				return err
			}
			for _, t := range tasks {
				if _, err := v.change("setTaskPriority", t, priority, recurse); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
