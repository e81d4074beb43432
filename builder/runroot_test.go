package builder_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moromi/builder"
	"moromi/builder/buildroot"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

func TestRunRoot(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	share := t.TempDir()
	for _, d := range []string{"work", "archive"} {
		if err := os.Mkdir(filepath.Join(share, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(t.TempDir(), "runroot.conf")
	text := fmt.Sprintf("[paths]\ndefault_mounts = /mnt/archive\nsafe_roots = /mnt/work/tmp\n[path0]\nmountpoint = /mnt/archive\npath = %s/archive\nfstype = bind\noptions = ro,bind\n"+
		"[path1]\nmountpoint = /mnt/work\npath = %s/work\nfstype = bind\noptions = bind,ro\n", share, share)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(share, "work/tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, _ := startBuilder(t, h, func(c *builder.Config) { c.RunRootConfig = conf })
	kw := func(m map[string]any) xmlrpc.Kwargs { return xmlrpc.Kwargs(m) }
	for _, c := range []struct {
		what    string
		arch    string
		command any
		opts    xmlrpc.Kwargs
		result  string // or
		code    fault.Code
		message string
		log     string
	}{
		{"a list", "x86_64", []any{"bash", "-c", `echo "$1" $2`, "x", "a b", "$HOME"}, nil, "bash completed successfully", 0, "", "a b $HOME\n"},
		{"a shell's text", "noarch", "X=1 echo a b; id -u; echo $HOME # end", kw(map[string]any{"weight": 0.1}), "echo completed successfully", 0, "", "a b\n0\n/root\n"},
		{"a failure", "x86_64", "/usr/bin/bash -c 'echo no >&2; exit 7'", nil, "", fault.Buildroot, "bash exited with status 7", "no\n"},
		{"a signal", "x86_64", []any{"bash", "-c", "kill -9 $$"}, nil, "", fault.Buildroot, "bash was killed by signal SIGKILL", ""},
		{"mounts", "x86_64", "echo here > /mnt/work/tmp/made; echo no > /mnt/archive/x; cat /proc/self/mounts | grep -c /mnt", kw(map[string]any{"mounts": []any{"/mnt/work/tmp"}}),
			"echo completed successfully", 0, "", "read-only|Read-only|2\n"},
		{"a mount that is not safe", "x86_64", "true", kw(map[string]any{"mounts": []any{"/mnt/work/tmp/../x"}}), "", fault.Generic, "read-write mount point is not safe: /mnt/work/x", ""},
		{"a package that is not there", "x86_64", "true", kw(map[string]any{"packages": []any{"no-such"}}), "", fault.Buildroot, "No matching package to install: 'no-such'", ""},
		{"a package that is an option", "x86_64", "true", kw(map[string]any{"packages": []any{"--installroot=/"}}), "", fault.Buildroot, "No matching package", ""},
		{"a file of the root", "x86_64", "echo one > /var/tmp/one.log; ln -s /etc/shadow /var/tmp/two.log; mkdir -p /builddir/x; echo three > /builddir/x/three.log",
			kw(map[string]any{"upload_logs": []any{"/var/tmp/one.log", "builddir/x/three.log"}}), "echo completed successfully", 0, "", ""},
		{"a file that is not there", "x86_64", "true", kw(map[string]any{"upload_logs": []any{"/var/tmp/none.log"}}), "", fault.Generic, "is no file of the root", ""},
		{"a file with the log's name", "x86_64", "true", kw(map[string]any{"upload_logs": []any{"/tmp/runroot.log"}}), "", fault.Generic, "cannot be uploaded", ""},
		{"a repository that is named", "x86_64", "true", kw(map[string]any{"repo_id": int64(1), "keep": false}), "true completed successfully", 0, "", ""},
		{"no command", "x86_64", []any{}, nil, "", fault.Generic, "there is no command", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			args := []any{"test-build", c.arch, c.command}
			if c.opts != nil {
				named := map[string]any{"__starstar": true}
				for k, v := range c.opts {
					named[k] = v
				}
				args = append(args, named)
			}
			task := h.wait(ctx, h.submit("runroot", args...))
			f := fault.Of(task.err)
			switch {
			case c.result != "" && (task.state != koji.TaskClosed || task.result != c.result):
				t.Fatalf("%s: %s %v %v, want %s", c.what, task.state, task.result, task.err, c.result)
			case c.code != 0 && (f == nil || f.Code != c.code || !strings.Contains(f.Message, c.message)):
				t.Fatalf("%s: %s %v, want %d %s", c.what, task.state, task.err, c.code, c.message)
			}
			dir := fmt.Sprintf("tasks/%d/%d/", task.id%10000, task.id)
			if c.log != "" {
				log := h.read(dir + buildroot.RunLog)
				if !slices.ContainsFunc(strings.Split(c.log, "|"), func(part string) bool { return strings.HasSuffix(log, part) }) {
					t.Errorf("%s: the log is %q, want %q", c.what, log, c.log)
				}
			}
			if c.opts["weight"] != nil && task.weight != 0.5 {
				t.Errorf("%s: the task weighs %v, less than the least", c.what, task.weight)
			}
			if c.what == "a file of the root" && (h.read(dir+"one.log") != "one\n" || h.read(dir+"three.log") != "three\n") {
				t.Error("other files were uploaded")
			}
		})
	}
	other := h.wait(ctx, h.submit("runroot", "other-build", "x86_64", "true", map[string]any{"repo_id": int64(1), "__starstar": true}))
	if f := fault.Of(other.err); f == nil || f.Code != fault.Build || f.Message != "build tag (other-build) does not match repo tag (test-build)" {
		t.Errorf("another tag's repository: %v", other.err)
	}
	if data, err := os.ReadFile(filepath.Join(share, "work/tmp/made")); err != nil || string(data) != "here\n" {
		t.Errorf("written through the mount: %q %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(share, "archive/x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("written through a mount that is read-only: %v", err)
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), share) {
		t.Error("a mount is left on the host")
	}
}

// TestRunRootWaitsForARepo lets the tag have no repository at first.
func TestRunRootWaitsForARepo(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	h.noRepo = true
	ctx, _ := startBuilder(t, h, nil)
	task := h.wait(ctx, h.submit("runroot", "test-build", "x86_64", "true"))
	if task.state != koji.TaskClosed || task.result != "true completed successfully" {
		t.Fatalf("%s %v %v", task.state, task.result, task.err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if sub := h.tasks[2]; sub == nil || sub.method != "waitrepo" || sub.parent != task.id {
		t.Errorf("the sub-task is %+v", sub)
	}
}

// names lists an uploaded tar.gz: each name, with what a link points to or what a file holds.
func (h *fakeHub) names(rel string) map[string]string {
	h.tb.Helper()
	z, err := gzip.NewReader(strings.NewReader(h.read(rel)))
	if err != nil {
		h.tb.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(z); ; {
		hdr, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			h.tb.Fatal(err)
		}
		data, err := io.ReadAll(io.LimitReader(r, 1000))
		if err != nil {
			h.tb.Fatal(err)
		}
		out[hdr.Name] = string(data)
		if hdr.Linkname != "" {
			out[hdr.Name] = "-> " + hdr.Linkname
		}
	}
}

func TestSaveFailedTree(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	var dir string
	ctx, _ := startBuilder(t, h, func(c *builder.Config) { c.FailedRoots, dir = 1, c.WorkDir })
	save := func(root int64, full bool) *hubTask { return h.wait(ctx, h.submit("saveFailedTree", root, full)) }
	failing := func() {
		t.Helper()
		if build := h.wait(ctx, h.submit("build", shellPackage(t, "echo half > half; ln -s /etc/shadow stolen; mkfifo pipe || true; mkdir tmp; touch tmp/krb5cc tmp/other; touch /var/tmp/rest; exit 1"), "test")); build.state != koji.TaskFailed {
			t.Fatalf("the build is %s", build.state)
		}
	}
	failing()
	task := save(2, false)
	if task.state != koji.TaskClosed || task.result != nil {
		t.Fatalf("%s %v %v", task.state, task.result, task.err)
	}
	names := h.names(fmt.Sprintf("tasks/%d/%d/broot-2.tar.gz", task.id%10000, task.id))
	found := map[string]string{}
	for n, text := range names {
		if !strings.HasPrefix(n, "test-build-2-1/builddir/") {
			t.Errorf("packed: %s", n)
		}
		found[filepath.Base(n)] = text
	}
	if found["half"] != "half\n" || found["stolen"] != "-> /etc/shadow" || found["hello.spec"] == "" || !slices.Contains(slices.Collect(maps.Keys(found)), "other") {
		t.Errorf("packed: %v", names)
	}
	for _, n := range []string{"pipe", "krb5cc"} {
		if _, packed := found[n]; packed {
			t.Errorf("%s was packed", n)
		}
	}
	if task = save(2, true); task.state != koji.TaskClosed {
		t.Fatalf("the whole root: %v", task.err)
	}
	names = h.names(fmt.Sprintf("tasks/%d/%d/broot-2.tar.gz", task.id%10000, task.id))
	for _, n := range []string{"usr/bin/bash", "var/tmp/rest"} {
		if _, packed := names["test-build-2-1/"+n]; !packed {
			t.Errorf("%s is not in the whole root", n)
		}
	}
	for n := range names {
		if strings.HasPrefix(n, "test-build-2-1/proc/") && n != "test-build-2-1/proc/" || strings.HasPrefix(n, "test-build-2-1/dev/") && n != "test-build-2-1/dev/" {
			t.Errorf("packed: %s", n)
		}
	}

	for _, c := range []struct {
		root int64
		want string
	}{{1, "Buildroot directory is missing"}, {99, "Nonexistent buildroot: 99"}} {
		if task := save(c.root, false); fault.Of(task.err) == nil || !strings.Contains(fault.Of(task.err).Message, c.want) {
			t.Errorf("root %d: %v", c.root, task.err)
		}
	}
	failing() // there is room for one root only
	if task := save(2, false); task.state != koji.TaskFailed {
		t.Error("the older root is still there")
	}
	if task := save(4, false); task.state != koji.TaskClosed {
		t.Errorf("the newer root: %v", task.err)
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "tasks", "*", "root")); err != nil || len(kept) != 1 {
		t.Errorf("kept on the disk: %v %v", kept, err)
	}
	h.mu.Lock()
	h.rootHost++
	h.mu.Unlock()
	if task := save(4, false); task.err == nil || fault.Of(task.err).Message != "Task is run on wrong builder" {
		t.Errorf("another host's root: %v", task.err)
	}
}

func TestFailedTreeLimit(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	ctx, _ := startBuilder(t, h, func(c *builder.Config) { c.FailedTreeSize = 1 })
	h.wait(ctx, h.submit("build", shellPackage(t, "head -c 3000000 /dev/urandom > noise; exit 1"), "test"))
	task := h.wait(ctx, h.submit("saveFailedTree", int64(2)))
	if f := fault.Of(task.err); f == nil || !strings.Contains(f.Message, "larger than 1 MiB") {
		t.Errorf("%s %v", task.state, task.err)
	}
}
