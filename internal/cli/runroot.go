package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func runRootCommands() []spec { return []spec{runRoot(), saveFailedTree()} }

// runRootLog is the output of a runroot task's command.
const runRootLog = "runroot.log"

// runRootFlags are the options of runroot.
type runRootFlags struct {
	packages, mounts                                                   []string
	skipSetarch, taskID, useShell, newChroot, oldChroot, noWait, watch bool
	weight, repo                                                       int64
	channel                                                            string
}

func (o *runRootFlags) register(f *pflag.FlagSet) {
	f.SetInterspersed(false) // what follows the tag is the command's
	f.StringArrayVarP(&o.packages, "package", "p", nil, "have this package in the root (repeatable)")
	f.StringArrayVarP(&o.mounts, "mount", "m", nil, "mount this directory so that the command can write to it (repeatable)")
	f.BoolVar(&o.skipSetarch, "skip-setarch", false, "run as the builder's arch")
	f.Int64VarP(&o.weight, "weight", "w", 0, "weight of the task")
	f.StringVar(&o.channel, "channel-override", "", "another `CHANNEL` than runroot")
	f.BoolVar(&o.taskID, "task-id", false, "print the task's number")
	f.BoolVar(&o.useShell, "use-shell", false, "the command is text for a shell")
	f.BoolVar(&o.newChroot, "new-chroot", false, "mock enters the root with systemd-nspawn")
	f.BoolVar(&o.oldChroot, "old-chroot", false, "mock enters the root without it")
	f.Int64Var(&o.repo, "repo-id", 0, "use this repository")
	f.BoolVar(&o.noWait, "nowait", false, "do not wait")
	f.BoolVar(&o.watch, "watch", false, "show the task's progress, not the command's output")
}

// options are the call's. Those that have Koji's default are named all the same, as its client does.
func (o *runRootFlags) options(flags *pflag.FlagSet) kw {
	opts := kw{"channel": nil, "packages": orNone(o.packages), "mounts": orNone(o.mounts), "repo_id": nil, "skip_setarch": o.skipSetarch, "weight": nil}
	if o.channel != "" {
		opts["channel"] = o.channel
	}
	if flags.Changed("repo-id") {
		opts["repo_id"] = o.repo
	}
	if flags.Changed("weight") {
		opts["weight"] = o.weight
	}
	onOff(opts, "new_chroot", o.newChroot, o.oldChroot)
	return opts
}

func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func runRoot() spec {
	var o runRootFlags
	return spec{
		use: "runroot TAG ARCH COMMAND…", short: "Run a command in a buildroot", group: groupBuild, login: true, min: 3, max: -1, json: true, complete: []string{"tag", "", ""},
		long: "Run a command in a fresh buildroot of TAG on a builder, as root, and print its output when it has ended. It needs the permission runroot. " +
			"Options go before TAG.",
		example: "  moromi runroot -p lorax f42-build x86_64 lorax --version\n  moromi runroot --use-shell f42-build noarch 'rpm -qa | sort'",
		flags:   o.register,
		run: func(v *invocation) error {
			if o.newChroot && o.oldChroot {
				return usagef("only one of --new-chroot and --old-chroot")
			}
			var command any = v.args[2:]
			if o.useShell {
				command = strings.Join(v.args[2:], " ")
			}
			task, err := v.number("runroot", v.args[0], v.args[1], command, o.options(v.flags))
			if err != nil {
				return err
			}
			if v.json && (o.noWait || !o.watch) { // who watches prints it at the end
				if err := v.printJSON(row{"tasks": []int64{task}}); err != nil {
					return err
				}
			} else if o.taskID {
				v.println(task)
			}
			switch {
			case o.noWait:
				return nil
			case o.watch:
				return v.finish([]int64{task}, &waitOptions{wait: true}, v.global.quiet || v.json)
			}
			return v.runRootOutput(task)
		},
	}
}

// runRootOutput waits for the task and prints the command's output. Who interrupts the wait wants no command: the task is canceled.
func (v *invocation) runRootOutput(task int64) error {
	info, err := v.ended(task)
	if v.ctx.Err() != nil {
		v.warnf("User interrupt: canceling runroot task")
		ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), cancelTime)
		defer cancel()
		if _, err := v.hub.Call(ctx, "cancelTask", task); err != nil {
			return err
		}
		return v.ctx.Err()
	}
	if err != nil {
		return err
	}
	if !v.global.quiet && !v.json {
		if err := v.printOutput(task, runRootLog); err != nil {
			return err
		}
	}
	if state := koji.TaskState(hubclient.Int(info["state"])); state != koji.TaskClosed {
		return fmt.Errorf("task %d is %s; watch-task %d says why", task, state, task)
	}
	return nil
}

// cancelTime bounds the last call of an interrupted command.
const cancelTime = 10 * time.Second

// ended waits until a task has ended.
func (v *invocation) ended(task int64) (row, error) {
	for {
		info, err := v.one("getTaskInfo", task)
		if err != nil {
			return nil, err
		}
		if info == nil {
			return nil, fmt.Errorf("no such task: %d", task)
		}
		if koji.TaskState(hubclient.Int(info["state"])).Finished() {
			return info, nil
		}
		if err := wait(v.ctx, v.cfg.poll); err != nil {
			return nil, err
		}
	}
}

// printOutput prints a file of a task's, of each volume that has it.
func (v *invocation) printOutput(task int64, name string) error {
	files, err := v.taskOutput(task)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.name != name {
			continue
		}
		for offset := int64(0); ; {
			data, err := v.taskPiece(task, f, offset, logPiece)
			if err != nil {
				return err
			}
			if len(data) == 0 {
				break
			}
			if _, err := v.Out.Write(data); err != nil {
				return err
			}
			offset += int64(len(data))
		}
	}
	return nil
}

func saveFailedTree() spec {
	var full, byTask, byRoot, noWait bool
	return spec{
		use: "save-failed-tree ID", short: "Upload the buildroot of a failed task", group: groupBuild, login: true, min: 1, max: 1, json: true, complete: []string{"task"},
		long: "Pack the build directory of a failed task's buildroot, or with --full the whole buildroot, and upload it as the output of a new task. " +
			"Builders keep the buildroots of failed tasks for some hours only.",
		example: "  moromi save-failed-tree 1234\n  moromi download-task --all 1240",
		flags: func(f *pflag.FlagSet) {
			f.BoolVarP(&full, "full", "f", false, "the whole buildroot")
			f.BoolVarP(&byTask, "task", "t", false, "ID is a task's (the default)")
			f.BoolVarP(&byRoot, "buildroot", "r", false, "ID is a buildroot's")
			f.BoolVar(&noWait, "nowait", false, "do not wait")
		},
		run: func(v *invocation) error {
			root, ok := reference(v.args[0]).(int64)
			if !ok {
				return usagef("the ID is a number, not %q", v.args[0])
			}
			if byTask && byRoot {
				return usagef("only one of --task and --buildroot")
			}
			var err error
			if !byRoot {
				if root, err = v.lastRoot(root); err != nil {
					return err
				}
			}
			task, err := v.number("saveFailedTree", root, full)
			if err != nil {
				return err
			}
			quiet := v.global.quiet || v.json
			if !quiet {
				v.printf("Created task %d for buildroot %d\nTask info: %s/taskinfo?taskID=%d\n", task, root, v.cfg.webURL, task)
			}
			return v.finish([]int64{task}, &waitOptions{wait: !noWait, noWait: noWait}, quiet)
		},
	}
}

// lastRoot is the last buildroot of a task.
func (v *invocation) lastRoot(task int64) (int64, error) {
	roots, err := v.list("listBuildroots", kw{"taskID": task})
	if err != nil {
		return 0, err
	}
	if len(roots) == 0 {
		return 0, fmt.Errorf("task %d has no buildroots; a task's sub-tasks have their own", task)
	}
	last := id(slices.MaxFunc(roots, func(a, b row) int { return compare(a["id"], b["id"]) }))
	if len(roots) > 1 && !v.json {
		v.printf("Multiple buildroots for task. Choosing last one (%d)\n", last)
	}
	return last, nil
}
