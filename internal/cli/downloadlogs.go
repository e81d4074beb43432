package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/fault"
	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

// failLog is where download-logs says why a task failed.
const failLog = "task_failed.log"

// logDownload is a run of download-logs.
type logDownload struct {
	*invocation
	root                 *os.Root // the directory for the logs
	dir                  string   // its name, for messages
	match                []string
	recurse, byNVR, more bool
}

func downloadLogs() spec {
	d := &logDownload{}
	return spec{
		use: "download-logs TASK…", short: "Download the logs of tasks", group: groupDownload, min: 1, max: -1, complete: []string{"task"},
		example: "  moromi download-logs -r 1234\n  moromi download-logs --nvr foo-1.0-1.fc42",
		flags: func(f *pflag.FlagSet) {
			f.BoolVarP(&d.recurse, "recurse", "r", false, "of the tasks that they started, too")
			f.BoolVar(&d.byNVR, "nvr", false, "the arguments are builds")
			f.StringArrayVarP(&d.match, "match", "m", nil, "only logs that match this `PATTERN` (repeatable)")
			f.BoolVarP(&d.more, "continue", "c", false, "go on where an earlier download ended")
			f.StringVarP(&d.dir, "dir", "d", "kojilogs", "write into this directory")
		},
		run: func(v *invocation) error {
			d.invocation = v
			d.recurse = d.recurse || d.byNVR
			place := d.dir
			if !filepath.IsAbs(place) {
				place = filepath.Join(v.Dir, place)
			}
			if err := os.MkdirAll(place, 0o755); err != nil {
				return fmt.Errorf("download logs: %w", err)
			}
			root, err := os.OpenRoot(place)
			if err != nil {
				return fmt.Errorf("download logs: %w", err)
			}
			defer root.Close()
			d.root = root
			for _, arg := range v.args {
				if err := d.argument(arg); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (d *logDownload) argument(arg string) error {
	if !d.byNVR {
		ids, err := d.taskIDs([]string{arg})
		if err != nil {
			return err
		}
		return d.task(ids[0], ".")
	}
	build, err := d.need("build", "getBuild", arg)
	if err != nil {
		return err
	}
	state := koji.BuildState(hubclient.Int(build["state"]))
	switch {
	case state == koji.BuildComplete:
		return d.build(build)
	case build["task_id"] != nil:
		d.printf("Build %s is %s\nUsing task ID: %s\n", arg, state, str(build, "task_id"))
		return d.task(hubclient.Int(build["task_id"]), ".")
	}
	return fmt.Errorf("build %s is %s and has no task, so there are no logs", arg, state)
}

// build downloads the logs that were kept with a build.
func (d *logDownload) build(build row) error {
	logs, err := d.list("getBuildLogs", build["id"])
	if err != nil {
		return err
	}
	d.printf("Using build ID: %d\n", id(build))
	hub, err := d.connection()
	if err != nil {
		return err
	}
	for _, l := range logs {
		name := text(l, "name")
		if !strings.HasSuffix(name, ".log") || !d.wanted(name) {
			continue
		}
		err := d.write(path.Join(buildLabel(build), text(l, "dir"), name), func(w io.Writer, _ int64) error {
			_, err := hub.DownloadURL(d.ctx, d.cfg.topURL+"/"+escapePath(path.Clean(text(l, "path"))), w, nil)
			return err
		}, false)
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *logDownload) wanted(name string) bool { return len(d.match) == 0 || matches(name, d.match) }

// task downloads the logs of a task into a directory of its own, and those of its children below it.
func (d *logDownload) task(task int64, parent string) error {
	info, err := d.one("getTaskInfo", task)
	if err != nil {
		return err
	}
	if info == nil {
		return fmt.Errorf("no such task: %d", task)
	}
	output, err := d.taskOutput(task)
	if err != nil {
		return err
	}
	dir := path.Join(parent, fmt.Sprintf("%s-%d", str(info, "arch"), task))
	count := 0
	state := koji.TaskState(hubclient.Int(info["state"]))
	if state == koji.TaskFailed && d.wanted(failLog) {
		if err := d.failure(task, dir); err != nil {
			return err
		}
		count++
	} else if !state.Finished() {
		d.warnf("Task %d is %s", task, state)
	}
	for _, f := range output {
		if !strings.HasSuffix(f.name, ".log") || !d.wanted(f.name) {
			continue
		}
		if err := d.log(task, f, dir); err != nil {
			return err
		}
		count++
	}
	if count == 0 && !d.recurse {
		d.warnf("No logs found for task %d. Perhaps try --recurse?", task)
	}
	if !d.recurse {
		return nil
	}
	children, err := d.list("getTaskChildren", task)
	if err != nil {
		return err
	}
	for _, c := range children {
		if err := d.task(id(c), dir); err != nil {
			return err
		}
	}
	return nil
}

func (d *logDownload) failure(task int64, dir string) error {
	result, err := d.call("getTaskResult", task)
	text := pprint(result)
	if f := fault.Of(err); f != nil {
		text = faultClass(f.Code) + ": " + f.Message + "\n"
	} else if err != nil {
		return err
	}
	return d.write(path.Join(dir, failLog), func(w io.Writer, _ int64) error {
		_, err := io.WriteString(w, text)
		return err
	}, false)
}

func (d *logDownload) log(task int64, f taskFile, dir string) error {
	if f.volume != "DEFAULT" {
		dir = path.Join(dir, f.volume)
	}
	return d.write(path.Join(dir, f.name), func(w io.Writer, offset int64) error {
		for {
			data, err := d.taskPiece(task, f, offset, logPiece)
			if err != nil || len(data) == 0 {
				return err
			}
			offset += int64(len(data))
			if _, err := w.Write(data); err != nil {
				return err
			}
		}
	}, d.more)
}

// write makes a file in the directory for logs, or goes on with one.
func (d *logDownload) write(name string, fill func(w io.Writer, offset int64) error, more bool) (err error) {
	if err := d.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return fmt.Errorf("download logs: %w", err)
	}
	mode, verb := os.O_CREATE|os.O_WRONLY|os.O_TRUNC, "Downloading"
	var offset int64
	if info, statErr := d.root.Stat(name); more && statErr == nil {
		mode, verb, offset = os.O_WRONLY|os.O_APPEND, "Continuing", info.Size()
	}
	d.printf("%s: %s\n", verb, filepath.Join(d.dir, name))
	f, err := d.root.OpenFile(name, mode, 0o644)
	if err != nil {
		return fmt.Errorf("download logs: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	d.done = append(d.done, row{"file": filepath.Join(d.dir, name)})
	return fill(f, offset)
}
