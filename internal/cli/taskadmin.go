package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func taskAdminCommands() []spec { return []spec{assignTask(), freeTask(), makeTask(), restartHosts()} }

func assignTask() spec {
	var force bool
	return spec{
		use: "assign-task TASK HOST", short: "Give a task to a host", group: groupAdmin, login: true, min: 2, max: 2, complete: []string{"task", "host"},
		flags: func(f *pflag.FlagSet) { f.BoolVarP(&force, "force", "f", false, "even if the task is not free") },
		run: func(v *invocation) error {
			tasks, err := v.taskIDs(v.args[:1])
			if err != nil {
				return err
			}
			info, err := v.one("getTaskInfo", tasks[0], kw{"request": false})
			if err != nil {
				return err
			}
			if info == nil {
				return fmt.Errorf("no such task: %d", tasks[0])
			}
			if _, err := v.need("host", "getHost", v.args[1]); err != nil {
				return err
			}
			done, err := v.change("assignTask", tasks[0], v.args[1], force)
			if err != nil {
				return err
			}
			if !hubclient.Bool(done) {
				v.printf("failed to assign task %d to host %s\n", tasks[0], v.args[1])
				return &statusError{statusFailed}
			}
			v.printf("assigned task %d to host %s\n", tasks[0], v.args[1])
			return nil
		},
	}
}

func freeTask() spec {
	return spec{
		use: "free-task TASK…", short: "Take tasks from their hosts, so that they start anew", group: groupAdmin, login: true, min: 1, max: -1, complete: []string{"task"},
		run: func(v *invocation) error {
			tasks, err := v.taskIDs(v.args)
			if err != nil {
				return err
			}
			for _, t := range tasks {
				if _, err := v.change("freeTask", t); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func makeTask() spec {
	var channel, priority, arch string
	var watch bool
	return spec{
		use: "make-task METHOD [ARGUMENT]…", short: "Make a task of any kind", group: groupAdmin, login: true, min: 1, max: -1, json: true,
		long:    "Make a task of any kind. Arguments are numbers, None, True, False or text, and those of the form NAME=VALUE are text, too.",
		example: "  moromi make-task sleep 5\n  moromi make-task --channel createrepo newRepo f42-build",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&channel, "channel", "", "channel of the task")
			f.StringVar(&priority, "priority", "", "its priority; lower comes first, 20 is usual")
			f.BoolVar(&watch, "watch", false, "wait for its end")
			f.StringVar(&arch, "arch", "", "its architecture")
		},
		run: func(v *invocation) error {
			arguments := []any{}
			for _, a := range v.args[1:] {
				arguments = append(arguments, argument(a, false))
			}
			opts := kw{"method": v.args[0], "arglist": arguments}
			for key, value := range map[string]string{"channel": channel, "arch": arch} {
				if value != "" {
					opts[key] = value
				}
			}
			if priority != "" {
				n, ok := argument(priority, false).(int64)
				if !ok {
					return usagef("--priority must be a whole number, not %q", priority)
				}
				opts["priority"] = n
			}
			task, err := v.number("makeTask", opts)
			if err != nil {
				return err
			}
			v.printf("Created task id %d\n", task)
			return v.finish([]int64{task}, &waitOptions{noWait: !watch || !v.Foreground}, v.global.quiet || v.json)
		},
	}
}

// restartFlags are the options of restart-hosts.
type restartFlags struct {
	force, quiet bool
	channel      string
	arches       []string
	timeout      int64
	wait         waitOptions
}

func (o *restartFlags) register(f *pflag.FlagSet) {
	o.wait.register(f)
	f.BoolVar(&o.quiet, "quiet", false, "do not show the task")
	f.BoolVar(&o.force, "force", false, "even if hosts are being restarted already")
	f.StringVar(&o.channel, "channel", "", "only hosts in this channel")
	f.StringArrayVarP(&o.arches, "arch", "a", nil, "only hosts for this architecture (repeatable)")
	f.Int64Var(&o.timeout, "timeout", 0, "give up after so many `SECONDS`")
}

func restartHosts() spec {
	var o restartFlags
	return spec{
		use: "restart-hosts", short: "Restart the daemons of enabled hosts when they are done with their tasks", group: groupAdmin, login: true, json: true,
		flags: func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			if !o.force {
				others, err := v.list("listTasks", row{"method": "restartHosts", "state": []any{int(koji.TaskFree), int(koji.TaskOpen), int(koji.TaskAssigned)}})
				if err != nil {
					return err
				}
				for _, t := range others {
					v.warnf("Hosts are being restarted already by task %d", id(t))
				}
				if len(others) > 0 {
					return errors.New("hosts are being restarted already; --force does it anyway")
				}
			}
			opts := row{}
			if o.channel != "" {
				opts["channel"] = o.channel
			}
			if len(o.arches) > 0 {
				opts["arches"] = o.arches
			}
			if o.timeout != 0 {
				opts["timeout"] = o.timeout
			}
			var args []any
			if len(opts) > 0 {
				args = append(args, kw{"options": opts})
			}
			task, err := v.number("restartHosts", args...)
			if err != nil {
				return err
			}
			return v.finish([]int64{task}, &o.wait, o.quiet || v.global.quiet || v.json)
		},
	}
}
