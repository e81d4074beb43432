package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/fault"
	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func watchCommands() []spec { return []spec{watchTask(), watchLogs()} }

// taskFilter are the options that choose tasks.
type taskFilter struct {
	mine                              bool
	user, arch, method, channel, host string
}

func (o *taskFilter) register(f *pflag.FlagSet) {
	f.BoolVar(&o.mine, "mine", false, "your own tasks")
	f.StringVar(&o.user, "user", "", "tasks of this user")
	f.StringVar(&o.arch, "arch", "", "tasks for this architecture")
	f.StringVar(&o.method, "method", "", "tasks of this kind")
	f.StringVar(&o.channel, "channel", "", "tasks in this channel")
	f.StringVar(&o.host, "host", "", "tasks on this host")
}

func (o *taskFilter) set() bool {
	return o.mine || first(o.user, o.arch, o.method, o.channel, o.host) != ""
}

func watchTask() spec {
	var filter taskFilter
	return spec{
		use: "watch-task TASK…", short: "Show the progress of tasks until they end", group: groupMonitor, aliases: []string{"watch-tasks"}, max: -1, json: true,
		long:    "Show the progress of tasks and of those that they start, until all have ended. The exit status is 1 if one of the tasks named failed or was canceled.",
		example: "  moromi watch-task 1234\n  moromi watch-task --mine", complete: []string{"task"},
		flags: func(f *pflag.FlagSet) { filter.register(f) },
		run: func(v *invocation) error {
			tasks, err := v.chosenTasks(&filter)
			if err != nil || len(tasks) == 0 {
				return err
			}
			if !filter.mine {
				if err := v.watchClient(); err != nil {
					return err
				}
			}
			err = v.watch(tasks, v.global.quiet || v.json)
			if v.json && v.ctx.Err() == nil {
				err = errors.Join(v.tasksJSON(tasks, false), err)
			}
			return err
		},
	}
}

// chosenTasks are the tasks that arguments name or options choose. None chosen is said, and no error.
func (v *invocation) chosenTasks(filter *taskFilter) ([]int64, error) {
	if filter.set() && len(v.args) > 0 {
		return nil, usagef("name tasks, or choose them by options, not both")
	}
	if !filter.set() {
		return v.taskIDs(v.args)
	}
	if filter.mine {
		if err := v.login(); err != nil {
			return nil, err
		}
	}
	list, err := v.findTasks(filter, kw{})
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, t := range list {
		ids = append(ids, id(t))
	}
	if len(ids) == 0 {
		v.println("(no tasks)")
	}
	return ids, nil
}

func (v *invocation) taskIDs(args []string) ([]int64, error) {
	if len(args) == 0 {
		return nil, usagef("name at least one task")
	}
	var ids []int64
	for _, a := range args {
		n, ok := reference(a).(int64)
		if !ok {
			return nil, usagef("a task is named by its number, not %q", a)
		}
		ids = append(ids, n)
	}
	return ids, nil
}

// watcher follows tasks and their children.
type watcher struct {
	*invocation
	quiet bool
	order []int64
	tasks map[int64]*watchedTask
}

type watchedTask struct {
	id    int64
	level int
	info  row
	shown string // how its state was shown last
}

func (t *watchedTask) state() koji.TaskState { return koji.TaskState(hubclient.Int(t.info["state"])) }
func (t *watchedTask) done() bool            { return t.info != nil && t.state().Finished() }

func (t *watchedTask) label() string {
	return fmt.Sprintf("%s%d %s", strings.Repeat("  ", t.level), t.id, taskLabel(t.info))
}

// watch shows tasks until all have ended. If one of those named did not succeed, the command's status is 1.
func (v *invocation) watch(tasks []int64, quiet bool) error {
	w := &watcher{invocation: v, quiet: quiet, tasks: map[int64]*watchedTask{}}
	w.say("Watching tasks (this may be safely interrupted)...\n")
	for _, t := range tasks {
		w.add(t, 0)
	}
	for {
		again, err := w.round()
		if v.ctx.Err() != nil {
			w.interrupted()
			return &statusError{statusFailed}
		}
		if err != nil {
			return err
		}
		if !again {
			break
		}
		if wait(v.ctx, v.cfg.poll) != nil {
			w.interrupted()
			return &statusError{statusFailed}
		}
	}
	return w.results()
}

func (w *watcher) say(format string, args ...any) {
	if !w.quiet {
		w.printf(format, args...)
	}
}

func (w *watcher) add(task int64, level int) *watchedTask {
	t := &watchedTask{id: task, level: level}
	w.tasks[task] = t
	w.order = append(w.order, task)
	return t
}

// round looks at every task once. again tells whether something is still to come.
func (w *watcher) round() (again bool, err error) {
	for _, n := range slices.Clone(w.order) {
		t := w.tasks[n]
		wasDone := t.done()
		changed, err := w.update(t)
		if err != nil {
			return false, err
		}
		if !t.done() {
			again = true
		} else if changed {
			w.summary()
		}
		if wasDone {
			continue // its children were seen when it had ended
		}
		children, err := w.list("getTaskChildren", n)
		if err != nil {
			return false, err
		}
		for _, c := range children {
			if w.tasks[id(c)] == nil {
				if _, err := w.update(w.add(id(c), t.level+1)); err != nil {
					return false, err
				}
				again = true // it may have children, too
			}
		}
	}
	return again, nil
}

// update asks for a task and shows its state if it is new.
func (w *watcher) update(t *watchedTask) (changed bool, err error) {
	if t.done() {
		return false, nil
	}
	info, err := w.one("getTaskInfo", t.id, kw{"request": true})
	if err != nil {
		return false, err
	}
	if info == nil {
		return false, fmt.Errorf("no such task: %d", t.id)
	}
	last := t.info
	t.info = info
	if last != nil && hubclient.Int(last["state"]) == hubclient.Int(info["state"]) {
		return false, nil
	}
	before := t.shown
	if w.quiet {
		return last != nil, nil
	}
	if t.shown, err = w.stateText(t); err != nil {
		return false, err
	}
	if last == nil {
		w.say("%s: %s\n", t.label(), t.shown)
		return false, nil
	}
	w.say("%s: %s -> %s\n", t.label(), before, t.shown)
	return true, nil
}

// stateText says how a task is: where it runs, why it failed.
func (w *watcher) stateText(t *watchedTask) (string, error) {
	state := strings.ToLower(t.state().String())
	switch t.state() {
	case koji.TaskOpen, koji.TaskAssigned:
		if t.info["host_id"] == nil {
			return state, nil
		}
		host, err := w.one("getHost", t.info["host_id"])
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s (%s)", state, str(host, "name")), nil
	case koji.TaskFailed:
		return w.failure(t)
	}
	return state, nil
}

func (w *watcher) failure(t *watchedTask) (string, error) {
	text := "FAILED: "
	_, err := w.call("getTaskResult", t.id)
	if f := fault.Of(err); f != nil {
		text += faultClass(f.Code) + ": " + strings.TrimSpace(f.Message)
	} else if err != nil {
		return "", err
	}
	output, err := w.taskOutput(t.id)
	if err != nil {
		return "", err
	}
	indent := strings.Repeat("  ", t.level+1)
	var logs []string
	for _, f := range output {
		if strings.HasSuffix(f.name, "log") {
			logs = append(logs, "\n"+indent+taskDir(w.cfg.topURL, t.id, f.volume)+"/"+f.name)
		}
	}
	if len(logs) > 0 {
		text += "\n" + indent + "Relevant logs:" + strings.Join(logs, "")
	}
	return text, nil
}

// taskFile is a file that a task left.
type taskFile struct{ name, volume string }

// taskOutput are the files of a task, by name.
func (v *invocation) taskOutput(task int64) ([]taskFile, error) {
	answer, err := v.one("listTaskOutput", task, kw{"all_volumes": true})
	if err != nil {
		return nil, err
	}
	var files []taskFile
	for _, name := range sortedKeys(answer) {
		for _, volume := range hubclient.Strings(answer[name]) {
			files = append(files, taskFile{name, volume})
		}
	}
	return files, nil
}

// summary counts the tasks by state.
func (w *watcher) summary() {
	var free, open, done, failed int
	for _, t := range w.tasks {
		switch t.state() {
		case koji.TaskFailed:
			failed++
		case koji.TaskClosed, koji.TaskCanceled:
			done++
		case koji.TaskOpen, koji.TaskAssigned:
			open++
		case koji.TaskFree:
			free++
		}
	}
	w.say("  %d free  %d open  %d done  %d failed\n", free, open, done, failed)
}

// results says how the tasks named ended.
func (w *watcher) results() error {
	w.say("\n")
	failed := false
	for _, n := range w.order {
		t := w.tasks[n]
		if t.level > 0 {
			continue
		}
		switch t.state() {
		case koji.TaskClosed:
			w.say("%s completed successfully\n", t.label())
			continue
		case koji.TaskCanceled:
			w.say("%s was canceled\n", t.label())
		default:
			w.say("%s failed\n", t.label())
		}
		failed = true
	}
	if failed {
		return &statusError{statusFailed}
	}
	return nil
}

func (w *watcher) interrupted() {
	w.say("Tasks still running. You can continue to watch with the 'moromi watch-task' command.\nRunning Tasks:\n")
	for _, n := range w.order {
		if t := w.tasks[n]; t.info != nil && !t.done() {
			w.say("%s: %s\n", t.label(), t.shown)
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// faultClass is Koji's name for a fault code.
func faultClass(c fault.Code) string {
	switch c {
	case fault.Generic:
		return "GenericError"
	case fault.Lock:
		return "LockError"
	case fault.Auth:
		return "AuthError"
	case fault.Tag:
		return "TagError"
	case fault.ActionNotAllowed:
		return "ActionNotAllowed"
	case fault.Build:
		return "BuildError"
	case fault.AuthLock:
		return "AuthLockError"
	case fault.AuthExpired:
		return "AuthExpired"
	case fault.Sequence:
		return "SequenceError"
	case fault.Retry:
		return "RetryError"
	case fault.PreBuild:
		return "PreBuildError"
	case fault.PostBuild:
		return "PostBuildError"
	case fault.Buildroot:
		return "BuildrootError"
	case fault.Deprecated:
		return "FunctionDeprecated"
	case fault.ServerOffline:
		return "ServerOffline"
	case fault.LiveCD:
		return "LiveCDError"
	case fault.Plugin:
		return "PluginError"
	case fault.Callback:
		return "CallbackError"
	case fault.Appliance:
		return "ApplianceError"
	case fault.Parameter:
		return "ParameterError"
	case fault.Import:
		return "ImportError"
	case fault.Configuration:
		return "ConfigurationError"
	case fault.LiveMedia:
		return "LiveMediaError"
	case fault.GSSAPIAuth:
		return "GSSAPIAuthError"
	case fault.NameValidation:
		return "NameValidationError"
	}
	return "Fault"
}
