package cli

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func downloadCommands() []spec { return []spec{downloadBuild(), downloadLogs(), downloadTask()} }

// downloadFlags are the options of download-build.
type downloadFlags struct {
	arches                                          []string
	kind, latestFrom, key                           string
	debugInfo, taskID, oneRPM, fallback, noProgress bool
}

func downloadBuild() spec {
	var o downloadFlags
	return spec{
		use: "download-build BUILD", short: "Download the rpms or archives of a build", group: groupDownload, min: 1, max: 1, past: true, complete: []string{"build"},
		long:    "Download the rpms of a build into the current directory, or its archives. Each file is compared with what the hub has on record.",
		example: "  moromi download-build foo-1.0-1.fc42 --arch x86_64 --arch noarch\n  moromi download-build --latestfrom f42 foo",
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVarP(&o.arches, "arch", "a", nil, "only rpms for this architecture (repeatable)")
			f.StringVar(&o.kind, "type", "", "archives of this type instead of rpms: maven, win, image, remote-sources, …")
			f.StringVar(&o.latestFrom, "latestfrom", "", "the latest build in this tag; the argument names a package")
			f.BoolVar(&o.debugInfo, "debuginfo", false, "debuginfo rpms, too")
			f.BoolVar(&o.taskID, "task-id", false, "the argument is a task's number")
			f.BoolVar(&o.oneRPM, "rpm", false, "the argument is an rpm; only that is downloaded")
			f.StringVar(&o.key, "key", "", "rpms signed with this key")
			f.BoolVar(&o.fallback, "fallback-unsigned", false, "with --key: unsigned if there is no signed copy")
			f.BoolVar(&o.noProgress, "noprogress", false, "do not show progress")
		},
		run: func(v *invocation) error {
			build, only, err := v.findDownload(&o)
			if err != nil {
				return err
			}
			var files []fetch
			if o.kind != "" {
				files, err = v.archiveFiles(build, o.kind)
			} else {
				files, err = v.rpmFiles(build, only, &o)
			}
			if err != nil {
				return err
			}
			f, err := v.newFetcher(len(files), o.noProgress)
			if err != nil {
				return err
			}
			defer f.Close()
			for _, file := range files {
				if err := f.get(file); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// findDownload finds the build, and the rpm if only one is wanted.
func (v *invocation) findDownload(o *downloadFlags) (build, only row, err error) {
	name := v.args[0]
	event, err := v.asOf()
	switch {
	case err != nil:
		return nil, nil, err
	case event != nil && o.latestFrom == "":
		return nil, nil, usagef("--at needs --latestfrom: a build does not change")
	case o.latestFrom != "" && allDigits(name):
		return nil, nil, usagef("--latestfrom needs a package's name")
	case o.latestFrom != "":
		opts := kw{"latest": true, "package": name, "type": nil}
		if o.kind != "" {
			opts["type"] = o.kind
		}
		builds, err := v.list("listTagged", o.latestFrom, withEvent(opts, event))
		if err != nil {
			return nil, nil, err
		}
		if len(builds) == 0 {
			return nil, nil, fmt.Errorf("%s has no builds of %s", o.latestFrom, name)
		}
		return builds[0], nil, nil
	case o.taskID:
		builds, err := v.list("listBuilds", kw{"taskID": reference(name)})
		if err != nil {
			return nil, nil, err
		}
		if len(builds) == 0 {
			return nil, nil, fmt.Errorf("task %s has no build; for a scratch build, use download-task", name)
		}
		build, err = v.one("getBuild", builds[0]["build_id"])
		return build, nil, err
	case o.oneRPM:
		if only, err = v.one("getRPM", reference(name)); err == nil && only == nil {
			err = fmt.Errorf("no such rpm: %s", name)
		}
		if err != nil {
			return nil, nil, err
		}
		build, err = v.one("getBuild", only["build_id"])
		return build, only, err
	}
	if build, err = v.one("getBuild", reference(name)); build == nil && (err == nil || hubError(err)) && !allDigits(name) {
		// An rpm's name stands for its build.
		r, rpmErr := v.one("getRPM", name)
		if rpmErr == nil && r["build_id"] != nil {
			build, err = v.one("getBuild", r["build_id"])
		}
	}
	if err == nil && build == nil {
		err = fmt.Errorf("no such build: %s", name)
	}
	return build, nil, err
}

func (v *invocation) archiveFiles(build row, kind string) ([]fetch, error) {
	archives, err := v.list("listArchives", kw{"buildID": build["id"], "type": kind})
	if err != nil {
		return nil, err
	}
	if len(archives) == 0 {
		return nil, fmt.Errorf("%s has no archives of type %s", buildLabel(build), kind)
	}
	var files []fetch
	for _, a := range archives {
		name := archiveFile(a)
		files = append(files, fetch{
			url:  fileURL(v.cfg.topURL, archiveDir(v.cfg.topURL, build, text(a, "btype"))+"/"+name),
			path: name, size: hubclient.Int(a["size"]), kind: str(a, "checksum_type"), hash: text(a, "checksum"),
		})
	}
	return files, nil
}

func isDebugInfo(name string) bool {
	return strings.HasSuffix(name, "-debuginfo") || strings.HasSuffix(name, "-debugsource") || strings.Contains(name, "-debuginfo-")
}

func (v *invocation) rpmFiles(build, only row, o *downloadFlags) ([]fetch, error) {
	rpms := []row{only}
	if only == nil {
		opts := kw{"buildID": build["id"], "arches": nil}
		if len(o.arches) > 0 {
			opts["arches"] = o.arches
		}
		var err error
		if rpms, err = v.list("listRPMs", opts); err != nil {
			return nil, err
		}
	}
	if len(rpms) == 0 {
		return nil, fmt.Errorf("%s has no such rpms", buildLabel(build))
	}
	var files []fetch
	dir := buildDir(v.cfg.topURL, build)
	for _, r := range rpms {
		if isDebugInfo(text(r, "name")) && !o.debugInfo && only == nil {
			continue
		}
		file := fetch{url: fileURL(v.cfg.topURL, dir+"/"+rpmFile(r)), path: path.Base(rpmFile(r)), size: hubclient.Int(r["size"]), sigMD5: text(r, "payloadhash")}
		if o.key != "" {
			signed, err := v.signedCopy(r, o.key, dir)
			if err != nil {
				return nil, err
			}
			switch {
			case signed != "":
				file.url, file.size = signed, -1
			case o.fallback:
				v.warnf("No copy of %s signed with %s; taking the unsigned one", nvra(r), o.key)
			default:
				v.warnf("No copy of %s signed with %s", nvra(r), o.key)
				continue
			}
		}
		files = append(files, file)
	}
	return files, nil
}

// signedCopy is the address of an rpm's copy signed with a key, or empty. Copies may be deleted while their signatures are kept.
func (v *invocation) signedCopy(r row, key, dir string) (string, error) {
	signatures, err := v.list("queryRPMSigs", kw{"rpm_id": r["id"], "sigkey": key})
	if err != nil || len(signatures) == 0 {
		return "", err
	}
	address := fileURL(v.cfg.topURL, dir+"/"+signedFile(r, key))
	hub, err := v.connection()
	if err != nil {
		return "", err
	}
	found, err := hub.Exists(v.ctx, address)
	if err != nil || !found {
		return "", err
	}
	return address, nil
}

func downloadTask() spec {
	var archList, filter, skip []string
	var logs, noProgress, all, perTask, parentOnly bool
	var waits waitOptions
	return spec{
		use: "download-task TASK", short: "Download what a task made, for example a scratch build", group: groupDownload, min: 1, max: 1, complete: []string{"task"},
		long:    "Download the rpms that a build task made, into the current directory. A running task is waited for.",
		example: "  moromi download-task 1234 --arch x86_64 --logs",
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&archList, "arch", nil, "only rpms for these architectures (repeatable)")
			f.BoolVar(&logs, "logs", false, "logs, too")
			f.BoolVar(&noProgress, "noprogress", false, "do not show progress")
			f.BoolVar(&all, "all", false, "all files of all tasks, not just rpms of build tasks")
			f.BoolVar(&perTask, "dirpertask", false, "into a directory for each task")
			f.BoolVar(&parentOnly, "parentonly", false, "not those of the tasks that it started")
			f.StringArrayVar(&filter, "filter", nil, "only files that match this regular expression (repeatable: all must)")
			f.StringArrayVar(&skip, "skip", nil, "not the files that match this regular expression (repeatable)")
			waits.register(f)
		},
		run: func(v *invocation) error {
			if len(filter) > 0 && len(skip) > 0 {
				return usagef("--filter and --skip exclude each other")
			}
			choice, err := newFileChoice(filter, skip)
			if err != nil {
				return err
			}
			choice.arches = strings.FieldsFunc(strings.Join(archList, ","), func(r rune) bool { return r == ',' })
			choice.logs, choice.all, choice.perTask = logs, all, perTask
			ids, err := v.taskIDs(v.args)
			if err != nil {
				return err
			}
			tasks, err := v.finishedTasks(ids[0], &waits, parentOnly)
			if err != nil {
				return err
			}
			return v.downloadTasks(tasks, choice, noProgress)
		},
	}
}

// finishedTasks are a task and its children, all of which must have ended well.
func (v *invocation) finishedTasks(task int64, waits *waitOptions, parentOnly bool) ([]row, error) {
	base, err := v.one("getTaskInfo", task)
	if err != nil {
		return nil, err
	}
	if base == nil {
		return nil, fmt.Errorf("no such task: %d", task)
	}
	if !koji.TaskState(hubclient.Int(base["state"])).Finished() && v.waits(waits) {
		var status *statusError
		if err := v.watch([]int64{task}, v.global.quiet); err != nil && !errors.As(err, &status) {
			return nil, err
		}
		if base, err = v.one("getTaskInfo", task); err != nil {
			return nil, err
		}
	}
	tasks := []row{base}
	if !parentOnly {
		children, err := v.list("getTaskChildren", task)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, children...)
	}
	slices.SortFunc(tasks, func(a, b row) int { return compare(a["id"], b["id"]) })
	for _, t := range tasks {
		switch state := koji.TaskState(hubclient.Int(t["state"])); state {
		case koji.TaskClosed:
		case koji.TaskFailed:
			return nil, fmt.Errorf("task %d failed; its logs are had with download-logs", id(t))
		case koji.TaskCanceled:
			return nil, fmt.Errorf("task %d was canceled", id(t))
		default:
			return nil, fmt.Errorf("task %d has not finished yet; --wait waits for it", id(t))
		}
	}
	return tasks, nil
}

func (v *invocation) downloadTasks(tasks []row, choice *fileChoice, noProgress bool) error {
	var files []fetch
	seen := map[string]bool{}
	for _, t := range tasks {
		output, err := v.taskOutput(id(t))
		if err != nil {
			return err
		}
		for _, file := range output {
			local := choice.local(t, file)
			if local == "" {
				continue
			}
			if seen[local] {
				v.warnf("Another file is called %s, too; --dirpertask downloads both", local)
				continue
			}
			seen[local] = true
			files = append(files, fetch{url: fileURL(v.cfg.topURL, taskDir(v.cfg.topURL, id(t), file.volume)+"/"+file.name), path: local, size: -1})
		}
	}
	if len(files) == 0 {
		v.println("No files for download found.")
		return nil
	}
	f, err := v.newFetcher(len(files), noProgress)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, file := range files {
		if err := f.get(file); err != nil {
			return err
		}
	}
	return nil
}
