package cli

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

// logPiece is how much of a log is asked for at once.
const logPiece = 64 << 10

func watchLogs() spec {
	var name string
	var mine, follow bool
	return spec{
		use: "watch-logs TASK…", short: "Show the logs of tasks as they are written", group: groupMonitor, max: -1, json: true, complete: []string{"task"},
		long:    "Show the logs of tasks as they are written. With --json, each piece of a log is an object of its own: task, volume, log, offset and text.",
		example: "  moromi watch-logs -f 1234\n  moromi watch-logs --log build.log 1235",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&name, "log", "", "only this log")
			f.BoolVar(&mine, "mine", false, "the logs of your own tasks")
			f.BoolVarP(&follow, "follow", "f", false, "the logs of the tasks that they start, too")
		},
		run: func(v *invocation) error {
			tasks, err := v.chosenTasks(&taskFilter{mine: mine})
			if err != nil || len(tasks) == 0 {
				return err
			}
			if !mine {
				if err := v.watchClient(); err != nil {
					return err
				}
			}
			v.println("Watching logs (this may be safely interrupted)...")
			w := &logWatcher{invocation: v, name: name, follow: follow, seen: map[int64]bool{}, offsets: map[logKey]int64{}}
			for _, t := range tasks {
				w.add(t)
			}
			for len(w.tasks) > 0 {
				if err := w.round(); err != nil {
					return err
				}
				if len(w.tasks) > 0 {
					if err := wait(v.ctx, v.cfg.poll); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
}

// logWatcher copies logs to the output as they grow.
type logWatcher struct {
	*invocation
	name    string
	follow  bool
	tasks   []int64 // whose logs may still grow
	seen    map[int64]bool
	offsets map[logKey]int64
	last    logKey // whose text was written last
	any     bool
}

type logKey struct {
	task int64
	file taskFile
}

func (w *logWatcher) add(task int64) {
	if !w.seen[task] {
		w.seen[task] = true
		w.tasks = append(w.tasks, task)
	}
}

// round writes what is new of every task's logs. A task that has ended is looked at once more, and then dropped.
func (w *logWatcher) round() error {
	for _, task := range slices.Clone(w.tasks) {
		info, err := w.one("getTaskInfo", task)
		if err != nil {
			return err
		}
		if info == nil {
			return fmt.Errorf("no such task: %d", task)
		}
		if koji.TaskState(hubclient.Int(info["state"])).Finished() {
			w.tasks = slices.DeleteFunc(w.tasks, func(t int64) bool { return t == task })
		}
		output, err := w.taskOutput(task)
		if err != nil {
			return err
		}
		for _, f := range output {
			if w.name == "" && strings.HasSuffix(f.name, "log") || w.name != "" && f.name == w.name {
				if err := w.copy(logKey{task, f}); err != nil {
					return err
				}
			}
		}
		if !w.follow {
			continue
		}
		children, err := w.list("getTaskChildren", task)
		if err != nil {
			return err
		}
		for _, c := range children {
			w.add(id(c))
		}
	}
	return nil
}

// copy writes a log from where it was left to its end, under its name if another was before it.
func (w *logWatcher) copy(key logKey) error {
	for {
		data, err := w.taskPiece(key.task, key.file, w.offsets[key], logPiece)
		if err != nil || len(data) == 0 {
			return err
		}
		offset := w.offsets[key]
		w.offsets[key] += int64(len(data))
		if w.json {
			if err := w.printJSON(row{"task": key.task, "volume": key.file.volume, "log": key.file.name, "offset": offset, "text": string(data)}); err != nil {
				return err
			}
			continue
		}
		if !w.any || key != w.last {
			if w.any {
				w.println()
			}
			w.printf("==> %d:%s:%s: <==\n", key.task, key.file.volume, key.file.name)
			w.any, w.last = true, key
		}
		if _, err := w.Out.Write(data); err != nil {
			return err
		}
	}
}

// taskPiece reads a piece of a task's file. The hub sends it as base64 in a string.
func (v *invocation) taskPiece(task int64, f taskFile, offset int64, size int) ([]byte, error) {
	answer, err := v.call("downloadTaskOutput", task, f.name, kw{"offset": offset, "size": size, "volume": f.volume})
	if err != nil {
		return nil, err
	}
	switch a := answer.(type) {
	case []byte:
		return a, nil
	case string:
		data, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "").Replace(a))
		if err != nil {
			return nil, fmt.Errorf("%s of task %d: the hub's answer is not base64: %w", f.name, task, err)
		}
		return data, nil
	}
	return nil, fmt.Errorf("%s of task %d: the hub answered a %T", f.name, task, answer)
}
