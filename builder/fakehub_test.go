package builder_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"moromi/builder"
	"moromi/builder/buildroot/roottest"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/rpm"
	"moromi/internal/xmlrpc"
)

// hostID is the fake hub's only host.
const hostID int64 = 3

// hubTask is a task of the fake hub.
type hubTask struct {
	id, parent int64
	method     string
	args       []any
	label      string
	arch       string
	state      koji.TaskState
	waiting    bool
	awaited    bool
	weight     float64
	result     any
	err        error
}

// root is a buildroot of the fake hub.
type hubRoot struct {
	id, task int64
	states   []string
	list     []any
	update   []any
}

// fakeHub is a hub in memory: the task model of Koji, one host, one tag, one target, one repository. Uploads go to a directory
// that is served over HTTP, as a hub's topdir is.
type fakeHub struct {
	tb     testing.TB
	top    string
	topURL string

	mu      sync.Mutex
	changed *sync.Cond
	tasks   map[int64]*hubTask
	roots   map[int64]*hubRoot
	nextID  int64
	notices chan builder.Notice
	calls   []string
	freed   []int64
	refused map[int64]string
	host    struct {
		load  float64
		ready bool
		data  map[string]any
	}
	extra     map[string]any // of the build tag
	initBuild map[string]any
	complete  []any
	failed    []int64
	tagged    []any
	loggedOut bool
	children  int
	asked     [][]any // of policies
	// scmVerdict is what the policy scm says.
	scmVerdict error
	rootHost   int64 // the host whose the buildroots are
	noRepo     bool  // the tag has none now
	// repoReady is how many times repo.checkRequest says "not yet" before there is a repository; negative: there is one at once.
	repoPending int
}

func newHub(tb testing.TB) *fakeHub {
	tb.Helper()
	h := &fakeHub{tb: tb, top: tb.TempDir(), tasks: map[int64]*hubTask{}, roots: map[int64]*hubRoot{}, refused: map[int64]string{},
		notices: make(chan builder.Notice, 1000), extra: map[string]any{"rpm.macro.dist": ".t1"}, repoPending: -1, rootHost: hostID}
	h.changed = sync.NewCond(&h.mu)
	srv := httptest.NewServer(http.FileServer(http.Dir(h.top)))
	tb.Cleanup(srv.Close)
	h.topURL = srv.URL
	return h
}

// addRepo lays the test repository out as repository 1 of the build tag, with the list of its rpms.
func (h *fakeHub) addRepo() {
	h.tb.Helper()
	from := roottest.Dir(h.tb)
	to := filepath.Join(h.top, "repos/test-build/1/x86_64")
	if err := os.MkdirAll(to, 0o755); err != nil {
		h.tb.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		h.tb.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			h.tb.Fatal(err)
		}
	}
	list, err := os.Create(filepath.Join(to, "rpmlist.jsonl"))
	if err != nil {
		h.tb.Fatal(err)
	}
	defer list.Close()
	files, _ := filepath.Glob(filepath.Join(from, "*", "*.rpm"))
	for i, name := range files {
		f, err := os.Open(name)
		if err != nil {
			h.tb.Fatal(err)
		}
		hdr, err := rpm.ReadHeader(f)
		f.Close()
		if err != nil {
			h.tb.Fatal(err)
		}
		n := hdr.NEVRA()
		json.NewEncoder(list).Encode(map[string]any{"id": 100 + i, "name": n.Name, "version": n.Version, "release": n.Release, "arch": n.Arch, "payloadhash": hdr.SigMD5()})
	}
}

// submit adds a task, assigned to the host.
func (h *fakeHub) submit(method string, args ...any) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.add(&hubTask{method: method, args: args, arch: "noarch"})
}

func (h *fakeHub) add(t *hubTask) int64 {
	h.nextID++
	t.id, t.state, t.weight = h.nextID, koji.TaskAssigned, 1
	h.tasks[t.id] = t
	h.notices <- builder.Notice{Reason: "assigned", Task: t.id}
	return t.id
}

// wait blocks until the task is in a final state and gives it.
func (h *fakeHub) wait(ctx context.Context, id int64) *hubTask {
	h.tb.Helper()
	stop := context.AfterFunc(ctx, func() { h.mu.Lock(); h.changed.Broadcast(); h.mu.Unlock() })
	defer stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	for !h.tasks[id].state.Finished() {
		if ctx.Err() != nil {
			h.tb.Fatalf("task %d did not finish: %s", id, h.tasks[id].state)
		}
		h.changed.Wait()
	}
	return h.tasks[id]
}

// until waits for a condition on the hub's state.
func (h *fakeHub) until(ctx context.Context, what string, cond func() bool) {
	h.tb.Helper()
	stop := context.AfterFunc(ctx, func() { h.mu.Lock(); h.changed.Broadcast(); h.mu.Unlock() })
	defer stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	for !cond() {
		if ctx.Err() != nil {
			h.tb.Fatalf("waited in vain: %s", what)
		}
		h.changed.Wait()
	}
}

// cancel cancels a task and its children.
func (h *fakeHub) cancel(id int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cancelLocked(id)
}

func (h *fakeHub) cancelLocked(id int64) {
	if t := h.tasks[id]; !t.state.Finished() {
		h.finish(t, koji.TaskCanceled, nil, fault.New(fault.Generic, "Task %d is canceled", id))
		h.notices <- builder.Notice{Reason: "canceled", Task: id}
	}
	for _, t := range h.tasks {
		if t.parent == id {
			h.cancelLocked(t.id)
		}
	}
}

func (h *fakeHub) finish(t *hubTask, s koji.TaskState, result any, err error) {
	t.state, t.result, t.err = s, result, err
	if p := h.tasks[t.parent]; p != nil && p.waiting && t.awaited {
		h.notices <- builder.Notice{Reason: "awaited", Task: p.id}
	}
}

func (h *fakeHub) answer(method string, pos []any, kw map[string]any) (any, error) {
	switch {
	case strings.HasPrefix(method, "host.task") || slices.Contains([]string{"host.getHostTasks", "host.getTasks", "getTaskInfo", "host.openTask", "host.setTaskWeight",
		"host.refuseTask", "host.freeTasks", "host.closeTask", "host.failTask", "host.subtask", "getTaskResult", "cancelTaskChildren"}, method):
		return h.taskCall(method, pos, kw)
	case method == "getBuildroot":
		if r := h.roots[pos[0].(int64)]; r != nil {
			return map[string]any{"id": r.id, "host_id": h.rootHost, "task_id": r.task}, nil
		}
		return nil, nil
	case strings.Contains(strings.ToLower(method), "buildroot"):
		return h.rootCall(method, pos, kw)
	}
	switch method {
	case "host.getID":
		return hostID, nil
	case "host.getHost":
		return map[string]any{"id": hostID, "name": "builder1", "enabled": true, "capacity": 10.0, "arches": "x86_64"}, nil
	case "host.updateHost":
		h.host.load, h.host.ready, h.host.data = pos[0].(float64), pos[1].(bool), kw["data"].(map[string]any)
		return nil, nil
	case "getBuildTarget":
		if pos[0] != "test" {
			return nil, nil
		}
		return map[string]any{"name": "test", "dest_tag": int64(2), "dest_tag_name": "test-dest", "build_tag": int64(1), "build_tag_name": "test-build"}, nil
	case "getTag":
		return map[string]any{"id": int64(1), "name": "test-build"}, nil
	case "getBuildConfig":
		return map[string]any{"id": int64(1), "name": "test-build", "arches": "x86_64", "extra": maps.Clone(h.extra)}, nil
	case "getPackageConfig":
		if pos[1] == "unlisted" {
			return nil, nil
		}
		return map[string]any{"package_name": pos[1], "blocked": false, "extra_arches": nil}, nil
	case "getRepo":
		if h.noRepo {
			return nil, nil
		}
		return h.repo(), nil
	case "repoInfo":
		return h.repo(), nil
	case "repo.request":
		if h.repoPending < 0 {
			return map[string]any{"repo": h.repo(), "request": nil, "duplicate": false}, nil
		}
		return map[string]any{"repo": nil, "request": h.request(), "duplicate": false}, nil
	case "repo.checkRequest":
		if h.repoPending > 0 {
			h.repoPending--
			return map[string]any{"repo": nil, "request": h.request()}, nil
		}
		return map[string]any{"repo": h.repo(), "request": h.request()}, nil
	case "getLastEvent":
		return map[string]any{"id": int64(50)}, nil
	case "getAverageBuildDuration":
		return nil, nil
	case "getExternalRepoList":
		return []any{}, nil
	case "host.assertPolicy":
		h.asked = append(h.asked, pos)
		if pos[0] == "scm" {
			return nil, h.scmVerdict
		}
		return nil, nil
	case "host.tagNotification":
		return nil, nil
	case "getBuild":
		return map[string]any{"id": pos[0]}, nil
	case "host.initBuild":
		h.initBuild = pos[0].(map[string]any)
		return int64(77), nil
	case "host.completeBuild":
		h.complete = append(pos, kw["logs"])
		return map[string]any{}, nil
	case "host.failBuild":
		h.failed = append(h.failed, pos[1].(int64))
		return nil, nil
	case "host.tagBuild":
		h.tagged = pos
		return nil, nil
	}
	return nil, fault.New(fault.Generic, "Invalid method: %s", method)
}

func (h *fakeHub) repo() map[string]any {
	return map[string]any{"id": int64(1), "tag_id": int64(1), "tag_name": "test-build", "state": int64(koji.RepoReady), "create_event": int64(40)}
}

func (h *fakeHub) request() map[string]any {
	return map[string]any{"id": int64(9), "min_event": int64(40), "active": true, "task_id": nil, "task_state": nil}
}

func (h *fakeHub) rootCall(method string, pos []any, kw map[string]any) (any, error) {
	if method == "host.newBuildRoot" {
		id := int64(len(h.roots) + 1)
		h.roots[id] = &hubRoot{id: id, task: kw["task_id"].(int64)}
		return id, nil
	}
	if method == "listBuildroots" {
		return []any{}, nil
	}
	r := h.roots[pos[0].(int64)]
	switch method {
	case "host.setBuildRootState":
		r.states = append(r.states, pos[1].(string))
	case "host.setBuildRootList":
		r.list = pos[1].([]any)
	case "host.updateBuildRootList":
		r.update = pos[1].([]any)
	default:
		return nil, fault.New(fault.Generic, "Invalid method: %s", method)
	}
	return nil, nil
}

// own gives a task that is open on the host, or Koji's refusal.
func (h *fakeHub) own(id any) (*hubTask, error) {
	t := h.tasks[id.(int64)]
	if t == nil || t.state != koji.TaskOpen {
		return nil, fault.New(fault.ActionNotAllowed, "host %d does not own task %v", hostID, id)
	}
	return t, nil
}

func (h *fakeHub) taskCall(method string, pos []any, kw map[string]any) (any, error) {
	switch method {
	case "host.getHostTasks":
		list := []any{}
		for _, t := range h.tasks {
			if t.state == koji.TaskOpen {
				_, done := h.awaited(t)
				m := map[string]any{"id": t.id, "waiting": t.waiting, "weight": t.weight}
				if t.waiting && len(done) > 0 {
					m["alert"] = true
				}
				list = append(list, m)
			}
		}
		return list, nil
	case "host.getTasks":
		list := []any{}
		for _, id := range slices.Sorted(maps.Keys(h.tasks)) {
			if t := h.tasks[id]; t.state == koji.TaskAssigned {
				list = append(list, map[string]any{"id": t.id, "state": int64(t.state), "method": t.method, "arch": t.arch, "host_id": hostID, "channel_id": int64(1)})
			}
		}
		return list, nil
	case "getTaskInfo":
		t := h.tasks[pos[0].(int64)]
		return map[string]any{"id": t.id, "state": int64(t.state), "host_id": hostID, "owner": int64(1), "channel_id": int64(1), "arch": t.arch, "method": t.method, "request": t.args}, nil
	case "host.openTask":
		t := h.tasks[pos[0].(int64)]
		if t.state != koji.TaskAssigned {
			return nil, nil
		}
		t.state = koji.TaskOpen
		return map[string]any{"id": t.id}, nil
	case "host.refuseTask":
		id := pos[0].(int64)
		h.tasks[id].state = koji.TaskFree
		h.refused[id], _ = kw["msg"].(string)
		return nil, nil
	case "host.freeTasks":
		for _, id := range pos[0].([]any) {
			h.freed = append(h.freed, id.(int64))
			h.tasks[id.(int64)].state = koji.TaskFree
		}
		return nil, nil
	case "getTaskResult":
		t := h.tasks[pos[0].(int64)]
		return t.result, t.err
	case "host.subtask":
		parent := pos[2].(int64)
		label, _ := kw["label"].(string)
		for _, t := range h.tasks {
			if t.parent == parent && label != "" && t.label == label {
				return t.id, nil
			}
		}
		arch, _ := kw["arch"].(string)
		return h.add(&hubTask{method: pos[0].(string), args: pos[1].([]any), parent: parent, label: label, arch: arch}), nil
	}
	t, err := h.own(pos[0])
	if err != nil {
		return nil, err
	}
	switch method {
	case "host.setTaskWeight":
		t.weight = pos[1].(float64)
	case "cancelTaskChildren":
		for _, c := range h.tasks {
			if c.parent == t.id {
				h.cancelLocked(c.id)
			}
		}
	case "host.taskSetWait":
		t.waiting = true
		for _, id := range pos[1].([]any) {
			h.tasks[id.(int64)].awaited = true
		}
	case "host.taskWait":
		open, done := h.awaited(t)
		for _, id := range done {
			h.tasks[id.(int64)].awaited = false
		}
		return []any{done, open}, nil
	case "host.taskWaitResults":
		t.waiting = false
		results := []any{}
		for _, id := range pos[1].([]any) {
			c := h.tasks[id.(int64)]
			if c.err != nil {
				return nil, c.err
			}
			results = append(results, []any{id, c.result})
		}
		return results, nil
	case "host.closeTask", "host.failTask":
		result, err := xmlrpc.DecodeResponse(strings.NewReader(pos[1].(string)), xmlrpc.ResponseLimits())
		var f *xmlrpc.Fault
		if errors.As(err, &f) {
			h.finish(t, koji.TaskFailed, nil, fault.New(fault.Code(f.Code), "%s", f.String))
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		h.finish(t, koji.TaskClosed, result, nil)
	default:
		return nil, fault.New(fault.Generic, "Invalid method: %s", method)
	}
	return nil, nil
}

// awaited splits a task's awaited children.
func (h *fakeHub) awaited(t *hubTask) (open, done []any) {
	open, done = []any{}, []any{}
	for _, id := range slices.Sorted(maps.Keys(h.tasks)) {
		if c := h.tasks[id]; c.parent == t.id && c.awaited {
			if c.state.Finished() {
				done = append(done, id)
			} else {
				open = append(open, id)
			}
		}
	}
	return open, done
}

// read gives an uploaded file.
func (h *fakeHub) read(rel string) string {
	h.tb.Helper()
	data, err := os.ReadFile(filepath.Join(h.top, "work", rel))
	if err != nil {
		h.tb.Fatal(err)
	}
	return string(data)
}
