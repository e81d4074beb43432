package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moromi/internal/fault"
)

// keepingHub keeps what is uploaded.
type keepingHub struct {
	scriptHub
	files []string
	bytes map[string]string
}

func (h *keepingHub) UploadFile(_ context.Context, local, dir, name string, _ func(done, total int64)) error {
	data, err := os.ReadFile(local)
	h.files, h.bytes[name] = append(h.files, dir+"/"+name), string(data)
	return err
}

func TestCreateRepo(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"/usr/bin/createrepo_c", "/usr/bin/mergerepo_c"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	top := t.TempDir()
	dir := filepath.Join(top, "repos/f42-build/5/x86_64")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pkglist", "blocklist"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// An external repository without packages.
	ext := t.TempDir()
	if out, err := exec.Command("/usr/bin/createrepo_c", "-q", ext).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	var externals []any
	state := int64(0)
	h := &keepingHub{bytes: map[string]string{}}
	h.answer = func(method string, pos []any, kw map[string]any) (any, error) {
		switch method {
		case "repoInfo":
			return map[string]any{"id": int64(5), "tag_id": int64(1), "tag_name": "f42-build", "state": state, "create_event": int64(9)}, nil
		case "getExternalRepoList":
			return externals, nil
		}
		return nil, fmt.Errorf("unexpected %s", method)
	}
	run := func(topdir string) (any, error) {
		j := newJob(t, &h.scriptHub, Args{"repo_id": int64(5), "arch": "x86_64", "oldrepo": nil})
		j.Hub, j.Settings.TopDir = h, topdir
		return runCreateRepo(t.Context(), j)
	}
	res, err := run(top)
	if err != nil {
		t.Fatal(err)
	}
	if pair := asList(res); pair[0] != "tasks/66/420066" || !slices.Contains(asStrings(pair[1]), "repomd.xml") || !slices.Contains(asStrings(pair[1]), "EMPTY_REPO") {
		t.Errorf("%v", res)
	}
	externals = []any{map[string]any{"url": "file://" + ext + "/", "arches": nil}, map[string]any{"url": "http://nowhere.invalid/$arch", "arches": "s390x"}}
	if res, err = run(top); err != nil || slices.Contains(asStrings(asList(res)[1]), "EMPTY_REPO") || !strings.Contains(h.bytes["repomd.xml"], `type="origin"`) {
		t.Errorf("%v %v", res, err)
	}
	externals = append(externals, map[string]any{"url": "file://" + ext, "merge_mode": "bare"})
	if _, err = run(top); !fault.Is(err, fault.Generic) || !strings.Contains(err.Error(), "multiple merge modes") {
		t.Error(err)
	}
	var refusal *Refusal
	if _, err = run(""); !errors.As(err, &refusal) {
		t.Error(err)
	}
	state = 1
	if _, err = run(top); !fault.Is(err, fault.Generic) || err.Error() != "Repo 5 not in INIT state (got READY)" {
		t.Error(err)
	}
}

func TestNewRepo(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	for _, arch := range []string{"x86_64", "src", "groups"} {
		dir := filepath.Join(top, "repos/f42-build/5", arch)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "pkglist"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var subtasks []string
	var done []any
	h := &scriptHub{answer: func(method string, pos []any, kw map[string]any) (any, error) {
		switch method {
		case "getTag":
			return map[string]any{"id": int64(1), "name": "f42-build", "extra": map[string]any{}}, nil
		case "host.repoInit":
			if fmt.Sprint(pos, kw) != "[1] map[opts:map[src:true] task_id:420066]" {
				t.Errorf("repoInit %v %v", pos, kw)
			}
			return []any{int64(5), int64(99)}, nil
		case "host.subtask":
			subtasks = append(subtasks, fmt.Sprint(pos[0], pos[1], kw))
			return int64(len(subtasks)), nil
		case "host.taskWait":
			return []any{[]any{}, []any{}}, nil
		case "host.taskWaitResults":
			return []any{[]any{int64(1), "one"}, []any{int64(2), "two"}}, nil
		case "host.repoDone":
			done = pos
		}
		return nil, nil
	}}
	args, err := Bind("newRepo", Handlers()["newRepo"].Signature, []any{"f42-build", nil, true})
	if err != nil {
		t.Fatal(err)
	}
	j := newJob(t, h, args)
	j.Settings.TopDir = top
	res, err := runNewRepo(t.Context(), j)
	if err != nil || fmt.Sprint(res) != "[5 99]" || fmt.Sprint(done) != "[5 map[src:one x86_64:two]]" {
		t.Errorf("%v %v %v", res, err, done)
	}
	if got := strings.Join(subtasks, " "); got != "createrepo[5 src <nil>] map[arch:noarch label:src] createrepo[5 x86_64 <nil>] map[arch:noarch label:x86_64]" {
		t.Errorf("%s", got)
	}
	args["opts"] = map[string]any{}
	if _, err := runNewRepo(t.Context(), j); !fault.Is(err, fault.Parameter) {
		t.Error(err)
	}
}
