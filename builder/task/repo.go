package task

import (
	"context"
	"fmt"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

const (
	// repoTimeout is Koji's limit for waitrepo.
	repoTimeout = 120 * time.Minute
	// DefaultRepoPoll is the pause of waitrepo; Koji's is a minute, since its repositories take minutes.
	DefaultRepoPoll = 500 * time.Millisecond
)

// repoWatch finds a repository of a tag, or waits for one (Koji's RepoWatcher).
type repoWatch struct {
	j       *Job
	tagID   int64
	tagName string
	nvrs    []string
	builds  []koji.NVR
	// minEvent is nil for the hub's choice.
	minEvent any
	request  map[string]any
	start    time.Time
}

// watchRepo prepares a watch. minEvent is nil, an event id, or "last" for the tag's last change.
func (j *Job) watchRepo(ctx context.Context, tag any, nvrs []string, minEvent any) (*repoWatch, error) {
	info, err := j.Hub.Call(ctx, "getTag", tag, xmlrpc.Kwargs{"strict": true})
	if err != nil {
		return nil, err
	}
	w := &repoWatch{j: j, tagID: asInt(asMap(info)["id"]), tagName: asString(asMap(info)["name"]), nvrs: nvrs, start: j.Settings.Now()}
	for _, text := range nvrs {
		nvr, err := koji.ParseNVR(text)
		if err != nil {
			return nil, err
		}
		w.builds = append(w.builds, nvr)
	}
	switch {
	case minEvent == nil:
	case asString(minEvent) == "last":
		if w.minEvent, err = w.lastChange(ctx); err != nil {
			return nil, err
		}
	default:
		w.minEvent = asInt(minEvent)
	}
	return w, nil
}

func (w *repoWatch) lastChange(ctx context.Context) (any, error) {
	return w.j.Hub.Call(ctx, "tagLastChangeEvent", w.tagID)
}

// now gives a repository that is there already, nil if none is.
func (w *repoWatch) now(ctx context.Context) (map[string]any, error) {
	if ok, err := w.tagged(ctx, nil); err != nil || !ok {
		return nil, err // no use asking for a repository of builds that are not tagged
	}
	check, err := w.ask(ctx, w.minEvent)
	if err != nil {
		return nil, err
	}
	if repo := asMap(check["repo"]); repo != nil {
		if ok, err := w.fits(ctx, repo); err != nil || ok {
			return repo, err
		}
	}
	w.request = asMap(check["request"])
	return nil, nil
}

// waitArgs are the parameters of a waitrepo task that goes on where now left off.
func (w *repoWatch) waitArgs() []any {
	minEvent := w.minEvent
	if minEvent == nil && w.request != nil {
		minEvent = w.request["min_event"]
	}
	nvrs := make([]any, len(w.nvrs))
	for i, n := range w.nvrs {
		nvrs[i] = n
	}
	return []any{w.tagName, nil, nvrs, minEvent}
}

func (w *repoWatch) ask(ctx context.Context, minEvent any) (map[string]any, error) {
	res, err := w.j.Hub.Call(ctx, "repo.request", w.tagID, xmlrpc.Kwargs{"min_event": minEvent, "at_event": nil, "opts": nil})
	if err != nil {
		return nil, err
	}
	if m := asMap(res); m != nil {
		return m, nil
	}
	return nil, fault.New(fault.Generic, "repo.request answered %v", res)
}

// wait waits until there is a repository that fits.
func (w *repoWatch) wait(ctx context.Context) (map[string]any, error) {
	minEvent := w.minEvent
	var req map[string]any
	for {
		if req != nil {
			repo, err := w.waitRequest(ctx, req)
			if err != nil {
				return nil, err
			}
			if ok, err := w.fits(ctx, repo); err != nil || ok {
				return repo, err
			}
			// Something was tagged or untagged in between.
			w.j.Log.Warn("the requested repository does not fit", "repo", repo["id"])
			if minEvent, err = w.lastChange(ctx); err != nil {
				return nil, err
			}
			req = nil
		}
		if len(w.builds) > 0 {
			if err := w.waitBuilds(ctx); err != nil {
				return nil, err
			}
			var err error
			if minEvent, err = w.lastChange(ctx); err != nil {
				return nil, err
			}
		}
		check, err := w.ask(ctx, minEvent)
		if err != nil {
			return nil, err
		}
		if repo := asMap(check["repo"]); repo != nil {
			if ok, err := w.fits(ctx, repo); err != nil || ok {
				return repo, err
			}
		} else if req = asMap(check["request"]); req == nil {
			return nil, fault.New(fault.Generic, "repo.request gave neither a repo nor a request for %s", w.tagName)
		}
		if err := w.pause(ctx); err != nil {
			return nil, err
		}
	}
}

func (w *repoWatch) waitRequest(ctx context.Context, req map[string]any) (map[string]any, error) {
	for {
		res, err := w.j.Hub.Call(ctx, "repo.checkRequest", req["id"])
		if err != nil {
			return nil, err
		}
		check := asMap(res)
		if repo := asMap(check["repo"]); repo != nil {
			return repo, nil
		}
		now := asMap(check["request"])
		if w.late() {
			return nil, fault.New(fault.Generic, "Unsuccessfully waited %s for a new %s repo", w.waited(), w.tagName)
		}
		if !asBool(now["active"]) {
			if id := asInt(now["task_id"]); id != 0 {
				return nil, fault.New(fault.Generic, "Repo request no longer active: newRepo task %d is %s",
					id, koji.TaskState(asInt(now["task_state"])))
			}
			return nil, fault.New(fault.Generic, "Repo request no longer active")
		}
		if err := w.pause(ctx); err != nil {
			return nil, err
		}
	}
}

func (w *repoWatch) waitBuilds(ctx context.Context) error {
	for {
		ok, err := w.tagged(ctx, nil)
		if err != nil || ok {
			return err
		}
		if w.late() {
			return fault.New(fault.Generic, "Unsuccessfully waited %s for %s to appear in the %s repo", w.waited(), strings.Join(w.nvrs, ", "), w.tagName)
		}
		if err := w.pause(ctx); err != nil {
			return err
		}
	}
}

// tagged tells whether all builds are in the tag, as of an event if it is not nil.
func (w *repoWatch) tagged(ctx context.Context, event any) (bool, error) {
	for _, b := range w.builds {
		res, err := w.j.Hub.Call(ctx, "listTagged", w.tagID, xmlrpc.Kwargs{"event": event, "package": b.Name, "inherit": true})
		if err != nil {
			return false, err
		}
		found := false
		for _, t := range asList(res) {
			m := asMap(t)
			found = found || asString(m["version"]) == b.Version && asString(m["release"]) == b.Release
		}
		if !found {
			return false, nil
		}
	}
	return true, nil
}

// fits tells whether a repository is what was asked for.
func (w *repoWatch) fits(ctx context.Context, repo map[string]any) (bool, error) {
	if asInt(repo["tag_id"]) != w.tagID {
		return false, nil
	}
	if w.minEvent != nil && asInt(repo["create_event"]) < asInt(w.minEvent) {
		return false, nil
	}
	return w.tagged(ctx, repo["create_event"])
}

func (w *repoWatch) pause(ctx context.Context) error { return w.j.pause(ctx, w.j.Settings.RepoPoll) }

func (w *repoWatch) late() bool { return w.j.Settings.Now().Sub(w.start) > repoTimeout }

func (w *repoWatch) waited() string {
	d := w.j.Settings.Now().Sub(w.start)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// getRepo gives a repository for a build: at once if there is one, else by a waitrepo sub-task, so that people see the wait.
func (j *Job) getRepo(ctx context.Context, tag any, builds []string, current bool) (map[string]any, error) {
	var minEvent any
	if current {
		minEvent = "last"
	}
	w, err := j.watchRepo(ctx, tag, builds, minEvent)
	if err != nil {
		return nil, err
	}
	if repo, err := w.now(ctx); err != nil || repo != nil {
		return repo, err
	}
	id, err := j.subtask(ctx, "waitrepo", w.waitArgs(), nil)
	if err != nil {
		return nil, err
	}
	res, err := j.wait(ctx, false, id)
	if err != nil {
		return nil, err
	}
	if repo := asMap(res[id]); repo != nil {
		return repo, nil
	}
	return nil, fault.New(fault.Generic, "task %d gave no repo", id)
}

// runWaitRepo is the task waitrepo.
func runWaitRepo(ctx context.Context, j *Job) (any, error) {
	minEvent := j.Args["min_event"]
	if newer := j.Args["newer_than"]; newer != nil {
		if minEvent != nil {
			return nil, fault.New(fault.Generic, "newer_than and min_event args conflict")
		}
		switch t := newer.(type) {
		case string:
			if !strings.EqualFold(t, "now") {
				return nil, fault.New(fault.Generic, "Invalid value for newer_than: %s", t)
			}
			minEvent = "last"
		case int64, float64:
			// The first change after that time, or the last one if there was none since.
			base, err := j.Hub.Call(ctx, "getLastEvent", xmlrpc.Kwargs{"before": t, "strict": false})
			if err != nil {
				return nil, err
			}
			var after any
			if m := asMap(base); m != nil {
				after = m["id"]
			}
			if minEvent, err = j.Hub.Call(ctx, "tagFirstChangeEvent", j.Args["tag"], xmlrpc.Kwargs{"after": after}); err != nil {
				return nil, err
			}
			if !asBool(minEvent) {
				minEvent = "last"
			}
		default:
			return nil, fault.New(fault.Generic, "Invalid value for newer_than: %v", newer)
		}
	}
	w, err := j.watchRepo(ctx, j.Args["tag"], asStrings(j.Args["nvrs"]), minEvent)
	if err != nil {
		return nil, err
	}
	repo, err := w.wait(ctx)
	if err != nil {
		return nil, err
	}
	return repo, nil
}
