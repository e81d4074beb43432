package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/internal/fault"
	"moromi/internal/rpm"
	"moromi/internal/xmlrpc"
)

func TestBind(t *testing.T) {
	t.Parallel()
	const sig = "src, target, opts=None, force=False"
	star := func(m map[string]any) map[string]any { m["__starstar"] = true; return m }
	tests := []struct {
		name   string
		params []any
		want   Args
		fail   string
	}{
		{"positional", []any{"a", "b", map[string]any{"x": int64(1)}}, Args{"src": "a", "target": "b", "opts": map[string]any{"x": int64(1)}, "force": false}, ""},
		{"named", []any{"a", star(map[string]any{"target": "b", "force": true})}, Args{"src": "a", "target": "b", "opts": nil, "force": true}, ""},
		{"new style", []any{map[string]any{"__method__": "m", "src": "a", "target": "b"}}, Args{"src": "a", "target": "b", "opts": nil, "force": false}, ""},
		{"struct argument", []any{"a", map[string]any{"k": "v"}}, Args{"src": "a", "target": map[string]any{"k": "v"}, "opts": nil, "force": false}, ""},
		{"too few", []any{"a"}, nil, "m() missing required argument: 'target'"},
		{"too many", []any{"a", "b", nil, nil, nil}, nil, "m() takes at most 4 arguments (5 given)"},
		{"unknown", []any{"a", "b", star(map[string]any{"z": int64(1)})}, nil, "m() got an unexpected keyword argument 'z'"},
		{"twice", []any{"a", "b", star(map[string]any{"src": "c"})}, nil, "m() got multiple values for argument 'src'"},
	}
	for _, tt := range tests {
		got, err := Bind("m", sig, tt.params)
		if tt.fail != "" {
			if !fault.Is(err, fault.Parameter) || err.Error() != tt.fail {
				t.Errorf("%s: %v", tt.name, err)
			}
		} else if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}

// sourceRPM makes a source package with extra lines in its preamble and reads its header.
func sourceRPM(t *testing.T, lines string) *rpm.Header {
	t.Helper()
	if _, err := exec.LookPath("rpmbuild"); err != nil {
		t.Skip("needs rpmbuild")
	}
	dir := t.TempDir()
	spec := filepath.Join(dir, "x.spec")
	text := "Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n" + lines + "\n%description\nx\n"
	if err := os.WriteFile(spec, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("rpmbuild", "-bs", "--define", "_topdir "+dir, "--define", "_dbpath "+dir+"/db", spec)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h, err := readHeader(filepath.Join(dir, "SRPMS", "x-1-1.src.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestArches(t *testing.T) {
	t.Parallel()
	tag := map[string]any{"id": int64(1), "name": "b", "arches": "x86_64 i686 aarch64"}
	tests := []struct {
		lines, extra, override string
		want                   string // of archList, "!" for an error
		task                   string // of a noarch task; "a|b" for one of them, "!" for an error
	}{
		{"", "", "", "x86_64 i686 aarch64", "noarch"},
		{"", "s390x i586", "", "x86_64 i686 aarch64 i586", "noarch"},
		{"BuildArch: noarch", "", "", "noarch", "noarch"},
		{"ExclusiveArch: x86_64 ppc64le", "", "", "x86_64", "x86_64"},
		{"ExcludeArch: x86_64", "", "", "i686 aarch64", "i386|aarch64"},
		{"ExclusiveArch: noarch x86_64", "", "", "x86_64 noarch", "x86_64"},
		{"BuildArch: noarch\nExclusiveArch: aarch64 noarch", "", "", "noarch", "aarch64"},
		{"ExclusiveArch: s390x", "", "", "!", "!"},
		{"", "", "i686 s390x", "i686", "noarch"},
		{"", "", "s390x", "!", "noarch"},
	}
	for _, tt := range tests {
		h := sourceRPM(t, tt.lines)
		list, err := archList(tag, h, tt.extra, tt.override)
		if got := strings.Join(list, " "); tt.want == "!" && !fault.Is(err, fault.Build) || tt.want != "!" && (err != nil || got != tt.want) {
			t.Errorf("%q %q %q: %q, %v; want %q", tt.lines, tt.extra, tt.override, got, err, tt.want)
		}
		got, err := taskArch("noarch", "", tag, h)
		if tt.task == "!" && !fault.Is(err, fault.Build) || tt.task != "!" && (err != nil || !slices.Contains(strings.Split(tt.task, "|"), got)) {
			t.Errorf("%q: task arch %q, %v; want %q", tt.lines, got, err, tt.task)
		}
	}
	if _, err := archList(map[string]any{"name": "b", "id": int64(1)}, sourceRPM(t, ""), "", ""); !fault.Is(err, fault.Build) || err.Error() != "No arches for tag b [1]" {
		t.Error(err)
	}
	tag["extra"] = map[string]any{"noarch_arches": "aarch64 s390x"}
	for arch, want := range map[string]string{"noarch": "aarch64", "i686": "i386", "x86_64": "x86_64"} {
		if got, err := taskArch(arch, "", tag, nil); err != nil || got != want {
			t.Errorf("%s: %s, %v", arch, got, err)
		}
	}
	if got, err := taskArch("i686", "i?86", tag, nil); err != nil || got != "i686" {
		t.Errorf("literal: %s, %v", got, err)
	}
}

func TestRootArch(t *testing.T) {
	t.Parallel()
	host, tag := map[string]any{"name": "h", "arches": "x86_64 i686"}, map[string]any{"name": "b", "arches": "x86_64 aarch64 i686"}
	for arch, want := range map[string]string{"x86_64": "x86_64", "aarch64": "aarch64"} {
		if got, err := rootArch(arch, host, tag, ""); err != nil || got != want {
			t.Errorf("%s: %s, %v", arch, got, err)
		}
	}
	if got, err := rootArch("noarch", host, tag, "i386"); err != nil || got != "i386" {
		t.Errorf("preferred: %s, %v", got, err)
	}
	if got, err := rootArch("noarch", host, tag, "aarch64"); err != nil || got != "i386" && got != "x86_64" {
		t.Errorf("any: %s, %v", got, err)
	}
	for _, bad := range [][2]map[string]any{{{}, tag}, {host, {}}, {{"name": "h", "arches": "s390x"}, tag}} {
		if _, err := rootArch("noarch", bad[0], bad[1], ""); !fault.Is(err, fault.Build) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	for arches, want := range map[string]bool{"x86_64": true, "s390x": false, "i386": true} {
		if HostFits(arches, tag) != want {
			t.Errorf("HostFits(%s) is not %t", arches, want)
		}
	}
	if !HostFits("s390x", nil) {
		t.Error("a tag without arches is held against the host")
	}
}

// scriptHub answers calls from a function and notes them.
type scriptHub struct {
	calls  []string
	answer func(method string, pos []any, kw map[string]any) (any, error)
}

func (h *scriptHub) Call(ctx context.Context, method string, args ...any) (any, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var doc bytes.Buffer
	if err := xmlrpc.EncodeCall(&doc, method, args); err != nil {
		return nil, err
	}
	_, params, err := xmlrpc.DecodeCall(&doc, xmlrpc.DefaultLimits())
	if err != nil {
		return nil, err
	}
	pos, kw := xmlrpc.SplitKwargs(params)
	h.calls = append(h.calls, method)
	return h.answer(method, pos, kw)
}
func (h *scriptHub) UploadFile(context.Context, string, string, string, func(done, total int64)) error {
	return nil
}
func (h *scriptHub) UploadChunk(context.Context, string, string, int64, []byte, bool) error {
	return nil
}

func newJob(t *testing.T, h *scriptHub, args Args) *Job {
	t.Helper()
	return &Job{ID: 420066, Args: args, Hub: h, Dir: t.TempDir(), Wake: make(chan struct{}), Log: slog.New(slog.DiscardHandler),
		Settings: &Settings{RepoPoll: time.Millisecond, Now: time.Now, HTTP: http.DefaultClient}}
}

func TestWaitRepo(t *testing.T) {
	t.Parallel()
	ready := map[string]any{"id": int64(5), "tag_id": int64(1), "create_event": int64(60)}
	old := map[string]any{"id": int64(4), "tag_id": int64(1), "create_event": int64(10)}
	tag := map[string]any{"id": int64(1), "name": "f42-build"}
	t.Run("builds are tagged later, the first repo is too old", func(t *testing.T) {
		t.Parallel()
		checks, tagged := 0, 0
		h := &scriptHub{}
		h.answer = func(method string, pos []any, kw map[string]any) (any, error) {
			switch method {
			case "getTag":
				return tag, nil
			case "listTagged":
				if kw["package"] != "bash" {
					t.Errorf("listTagged %v", kw)
				}
				if tagged++; tagged < 3 || kw["event"] == int64(10) {
					return []any{map[string]any{"version": "5", "release": "0"}}, nil
				}
				return []any{map[string]any{"version": "5", "release": "1"}}, nil
			case "tagLastChangeEvent":
				return int64(50), nil
			case "repo.request":
				if kw["min_event"] != int64(50) {
					t.Errorf("repo.request %v", kw)
				}
				return map[string]any{"repo": nil, "request": map[string]any{"id": int64(9), "min_event": int64(50)}}, nil
			case "repo.checkRequest":
				checks++
				req := map[string]any{"active": true, "task_id": nil}
				switch {
				case checks == 2:
					return map[string]any{"repo": old, "request": req}, nil
				case checks > 3:
					return map[string]any{"repo": ready, "request": req}, nil
				}
				return map[string]any{"repo": nil, "request": req}, nil
			}
			return nil, fmt.Errorf("unexpected %s", method)
		}
		got, err := runWaitRepo(t.Context(), newJob(t, h, Args{"tag": "f42-build", "nvrs": []any{"bash-5-1"}}))
		if err != nil || asInt(asMap(got)["id"]) != 5 {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("newRepo fails", func(t *testing.T) {
		t.Parallel()
		h := &scriptHub{answer: func(method string, pos []any, kw map[string]any) (any, error) {
			switch method {
			case "getTag":
				return tag, nil
			case "repo.request":
				return map[string]any{"repo": nil, "request": map[string]any{"id": int64(9)}}, nil
			}
			return map[string]any{"repo": nil, "request": map[string]any{"active": false, "task_id": int64(77), "task_state": int64(5)}}, nil
		}}
		_, err := runWaitRepo(t.Context(), newJob(t, h, Args{"tag": "f42-build"}))
		if err == nil || err.Error() != "Repo request no longer active: newRepo task 77 is FAILED" {
			t.Error(err)
		}
	})
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		h := &scriptHub{answer: func(method string, pos []any, kw map[string]any) (any, error) {
			switch method {
			case "getTag":
				return tag, nil
			case "tagFirstChangeEvent":
				return nil, nil
			case "getLastEvent":
				if kw["before"] != 1.5 {
					t.Errorf("getLastEvent %v", kw)
				}
				return map[string]any{"id": int64(3)}, nil
			case "tagLastChangeEvent":
				return int64(50), nil
			case "repo.request":
				return map[string]any{"repo": old, "request": map[string]any{"id": int64(9)}}, nil
			}
			return map[string]any{"repo": nil, "request": map[string]any{"active": true}}, nil
		}}
		j := newJob(t, h, Args{"tag": "f42-build", "newer_than": 1.5})
		now := time.Unix(0, 0)
		j.Settings.Now = func() time.Time { now = now.Add(50 * time.Minute); return now }
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		// A repository that is too old is asked for again, until someone stops it.
		if _, err := runWaitRepo(ctx, j); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		h.answer = func(prev func(string, []any, map[string]any) (any, error)) func(string, []any, map[string]any) (any, error) {
			return func(m string, pos []any, kw map[string]any) (any, error) {
				if m == "repo.request" {
					return map[string]any{"repo": nil, "request": map[string]any{"id": int64(9)}}, nil
				}
				return prev(m, pos, kw)
			}
		}(h.answer)
		_, err := runWaitRepo(t.Context(), j)
		if err == nil || !strings.HasPrefix(err.Error(), "Unsuccessfully waited ") || !strings.HasSuffix(err.Error(), " for a new f42-build repo") {
			t.Error(err)
		}
	})
	for _, bad := range []Args{{"tag": "x", "newer_than": "then"}, {"tag": "x", "newer_than": int64(1), "min_event": int64(2)}, {"tag": "x", "newer_than": []any{}}} {
		h := &scriptHub{answer: func(string, []any, map[string]any) (any, error) { return nil, errors.New("called") }}
		if _, err := runWaitRepo(t.Context(), newJob(t, h, bad)); !fault.Is(err, fault.Generic) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestTagBuild(t *testing.T) {
	t.Parallel()
	var note []any
	fail := false
	h := &scriptHub{answer: func(method string, pos []any, kw map[string]any) (any, error) {
		switch method {
		case "getTaskInfo":
			return map[string]any{"owner": int64(8)}, nil
		case "host.tagBuild":
			if fmt.Sprint(pos, kw) != fmt.Sprint([]any{420066, 2, 1}, map[string]any{"force": true, "fromtag": nil}) {
				t.Errorf("tagBuild %v %v", pos, kw)
			}
			if fail {
				return nil, fault.New(fault.Tag, "build already tagged")
			}
		case "host.tagNotification":
			note = pos
		}
		return map[string]any{}, nil
	}}
	j := newJob(t, h, Args{"tag_id": int64(2), "build_id": int64(1), "force": true, "fromtag": nil, "ignore_success": true})
	if _, err := runTagBuild(t.Context(), j); err != nil || fmt.Sprint(note) != "[true 2 <nil> 1 8 true]" {
		t.Errorf("%v %v", err, note)
	}
	fail = true
	if _, err := runTagBuild(t.Context(), j); !fault.Is(err, fault.Tag) || fmt.Sprint(note) != "[false 2 <nil> 1 8 true 1003: build already tagged]" {
		t.Errorf("%v %v", err, note)
	}
}

func TestChainBuild(t *testing.T) {
	t.Parallel()
	var subtasks []string
	h := &scriptHub{answer: func(method string, pos []any, kw map[string]any) (any, error) {
		switch method {
		case "getBuildTarget":
			if pos[0] != "f42" {
				return nil, nil
			}
			return map[string]any{"build_tag_name": "f42-build"}, nil
		case "host.subtask":
			subtasks = append(subtasks, fmt.Sprint(pos[0], " ", kw["label"], " ", pos[1].([]any)[0], " ", pos[1].([]any)[2]))
			return int64(len(subtasks)), nil
		case "host.taskWait":
			return []any{[]any{}, []any{}}, nil
		case "host.taskWaitResults":
			var out []any
			for _, id := range pos[1].([]any) {
				out = append(out, []any{id, nil})
			}
			return out, nil
		case "listBuilds":
			return []any{map[string]any{"nvr": fmt.Sprintf("b%d-1-1", kw["taskID"])}}, nil
		}
		return nil, nil
	}}
	levels := []any{[]any{"git://h/a#1", "git://h/b#1"}, []any{"c-1-1"}, []any{"git://h/d#1"}}
	if _, err := runChainBuild(t.Context(), newJob(t, h, Args{"srcs": levels, "target": "f42", "opts": nil})); err != nil {
		t.Fatal(err)
	}
	want := "build build 0,0 git://h/a#1 map[], build build 0,1 git://h/b#1 map[], waitrepo wait 1 f42-build [b1-1-1 b2-1-1], waitrepo wait 2 f42-build [c-1-1], build build 2,0 git://h/d#1 map[]"
	if got := strings.Join(subtasks, ", "); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	for _, bad := range []Args{{"target": "f42", "opts": map[string]any{"scratch": true}}, {"target": "nope", "opts": nil}} {
		if _, err := runChainBuild(t.Context(), newJob(t, h, bad)); fault.Of(err) == nil {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	tries := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/work/flaky":
			if tries++; tries == 1 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			fmt.Fprint(w, "content")
		case "/work/a b%#?.src.rpm":
			fmt.Fprint(w, "odd")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	s := &Settings{TopURL: srv.URL, HTTP: srv.Client()}
	to := filepath.Join(t.TempDir(), "x")
	for rel, want := range map[string]string{"work/flaky": "content", "work/a b%#?.src.rpm": "odd"} {
		if err := s.download(t.Context(), rel, to); err != nil {
			t.Errorf("%s: %v", rel, err)
		} else if data, _ := os.ReadFile(to); string(data) != want {
			t.Errorf("%s: %q", rel, data)
		}
	}
	if err := s.download(t.Context(), "work/none", to); !errors.Is(err, errNotThere) {
		t.Error(err)
	}
	for _, bad := range []string{"work/../etc/passwd", "/work/x", "work//x", "", "work/\\x", "work/x\x00"} {
		if err := s.download(t.Context(), bad, to); !fault.Is(err, fault.Build) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzBind(f *testing.F) {
	f.Add("a", "b", true)
	f.Fuzz(func(t *testing.T, key, value string, star bool) {
		m := map[string]any{key: value}
		if star {
			m["__starstar"] = true
		}
		if args, err := Bind("m", "src, target=None", []any{value, m}); err == nil && args["src"] != value {
			t.Errorf("%v", args)
		} else if err != nil && fault.Of(err) == nil {
			t.Errorf("%v is no fault", err)
		}
	})
}
