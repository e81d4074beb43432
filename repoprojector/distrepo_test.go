package repoprojector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sassoftware/go-rpmutils"

	"moromi/commands"
	"moromi/internal/koji"
	"moromi/internal/rpm"
	"moromi/internal/rpm/rpmtest"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
	rpmmodel "moromi/projections/rpm"
	tagmodel "moromi/projections/tag"
	taskmodel "moromi/projections/task"
	"moromi/repoprojector/repodata"
)

// signer is a key that signs rpms.
type signer struct {
	*openpgp.Entity
	id string // as Koji names it
}

func newSigner(s *site) signer {
	s.tb.Helper()
	e, err := openpgp.NewEntity("tester", "", "tester@example.com", &packet.Config{RSABits: 2048})
	s.check(err)
	return signer{e, fmt.Sprintf("%08x", uint32(e.PrimaryKey.KeyId))}
}

// sign adds the key's signature to an rpm that was imported.
func (s *site) sign(key signer, spec rpmtest.Spec) {
	s.tb.Helper()
	raw := spec.Bytes()
	h, err := rpmutils.SignRpmStream(bytes.NewReader(raw), key.PrivateKey, nil)
	s.check(err)
	head, err := h.DumpSignatureHeader(false)
	s.check(err)
	plain, err := rpm.ReadHeader(bytes.NewReader(raw))
	s.check(err)
	signed, err := rpm.ReadHeader(bytes.NewReader(append(head, raw[plain.Start:]...)))
	s.check(err)
	nvra, err := rpmmodel.ParseSpec(strings.TrimSuffix(spec.NEVRA().FileName(), ".rpm"))
	s.check(err)
	s.check(s.AddRPMSig(s.ctx(), s.admin, nvra, signed.Sig.Raw()))
}

// distRepo asks for a dist repository as the call distRepo does, and answers its task and its id.
func (s *site) distRepo(tagName string, keys []any, opts map[string]any) (task, repo int64) {
	s.tb.Helper()
	row, err := tagmodel.Get(s.ctx(), s.DB, tagmodel.Spec{Name: tagName}, nil, false)
	s.check(err)
	started, err := s.StartRepo(s.ctx(), s.admin, commands.StartRepo{TagID: row["id"].(int64), Dist: true})
	s.check(err)
	arches, _ := opts["arch"].([]any)
	for _, a := range arches {
		s.check(os.MkdirAll(filepath.Join(s.distDir(tagName, started.ID), koji.CanonArch(a.(string))), 0o755))
	}
	if opts["event"] == nil {
		opts["event"] = started.Event
	}
	task, err = s.DistRepoTask(s.ctx(), s.admin, tagName, row, started.ID, keys, opts)
	s.check(err)
	return task, started.ID
}

func (s *site) distDir(tagName string, id int64) string {
	return filepath.Join(s.top, "repos-dist", tagName, fmt.Sprint(id))
}

// ended waits for a task and answers its row and its result document.
func (s *site) ended(task int64) (row query.Row, doc string) {
	s.tb.Helper()
	s.until(fmt.Sprintf("task %d", task), func() bool {
		var err error
		row, err = taskmodel.ByID(s.ctx(), s.DB, task, false, nil)
		s.check(err)
		return koji.TaskState(row["state"].(int64)).Finished()
	})
	_, doc, err := taskmodel.Documents(s.ctx(), s.DB, task)
	s.check(err)
	return row, doc
}

// succeeded waits for a task that must end well.
func (s *site) succeeded(task int64) string {
	s.tb.Helper()
	row, doc := s.ended(task)
	if st := koji.TaskState(row["state"].(int64)); st != koji.TaskClosed {
		s.tb.Fatalf("task %d is %s: %s\n%s", task, st, doc, s.log.String())
	}
	return doc
}

// failed waits for a task that must fail for a reason.
func (s *site) failed(task int64, why string) {
	s.tb.Helper()
	row, doc := s.ended(task)
	if st := koji.TaskState(row["state"].(int64)); st != koji.TaskFailed || !strings.Contains(doc, why) {
		s.tb.Errorf("task %d is %s: %s, want %q", task, st, doc, why)
	}
}

func (s *site) repoState(id int64) koji.RepoState {
	s.tb.Helper()
	row, err := repomodel.Get(s.ctx(), s.DB, id, nil)
	s.check(err)
	return koji.RepoState(row["state"].(int64))
}

// output is a file among a task's output.
func (s *site) output(task int64, name string) string {
	s.tb.Helper()
	return s.read(s.top, "work", "tasks", fmt.Sprint(task%10000), fmt.Sprint(task), name)
}

// signedTag makes a tag with packages of two sources, the first signed by two keys and the second by the last one, but for its source.
func signedTag(s *site) (first, second signer) {
	s.tb.Helper()
	tag := s.makeTag("dist", nil)
	first, second = newSigner(s), newSigner(s)
	s.list(tag, "foo", false)
	s.list(tag, "bar", false)
	s.put(tag, s.importBuild("foo", "1", [2]string{"foo", "x86_64"}, [2]string{"foo-libs", "i686"}, [2]string{"foo-doc", "noarch"}, [2]string{"foo-debuginfo", "x86_64"}))
	s.put(tag, s.importBuild("bar", "2", [2]string{"Bar", "x86_64"}))
	for _, b := range [][2]string{{"foo", "x86_64"}, {"foo-libs", "i686"}, {"foo-doc", "noarch"}, {"foo-debuginfo", "x86_64"}} {
		spec := binary("foo", "1", b[0], b[1])
		s.sign(first, spec)
		s.sign(second, spec)
	}
	s.sign(second, binary("bar", "2", "Bar", "x86_64"))
	return first, second
}

// made is files of a dist repository, but for what says how it is made.
func made(s *site, dir string) []string {
	s.tb.Helper()
	return slices.DeleteFunc(files(s, dir), func(name string) bool { return name == "repo.json" })
}

// files lists what is in a directory, without what the names of metadata begin with.
func files(s *site, dir string) (out []string) {
	s.tb.Helper()
	s.check(filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			if sum, rest, ok := strings.Cut(filepath.Base(rel), "-"); ok && len(sum) == 64 {
				rel = filepath.Join(filepath.Dir(rel), rest)
			}
			out = append(out, rel)
		}
		return err
	}))
	slices.Sort(out)
	return out
}

// TestDistRepo makes a dist repository with all that Koji's has: signed copies by the preferred keys, architectures, debuginfo apart, comps, and tasks that look as Koji's.
func TestDistRepo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first, second := signedTag(s)
	s.start()
	opts := map[string]any{"arch": []any{"x86_64", "i686", "src"}, "write_signed_rpms": true, "split_debuginfo": true, "allow_missing_signatures": true}
	task, id := s.distRepo("dist", []any{strings.ToUpper(first.id), second.id}, opts)
	dir := s.distDir("dist", id)
	s.check(os.MkdirAll(filepath.Join(dir, "groups"), 0o755))
	s.check(os.WriteFile(filepath.Join(dir, "groups", "comps.xml"), []byte("<comps/>"), 0o644))
	if doc := s.succeeded(task); !strings.Contains(doc, fmt.Sprintf("Dist repository #%d successfully generated", id)) {
		t.Error(doc)
	}
	if st := s.repoState(id); st != koji.RepoReady {
		t.Errorf("the repository is %s", st)
	}
	if to, err := os.Readlink(filepath.Join(s.top, "repos-dist", "dist", "latest")); err != nil || to != fmt.Sprint(id) {
		t.Errorf("latest leads to %q: %v", to, err)
	}
	for arch, want := range map[string][]string{
		"x86_64": {"Packages/b/Bar-2-1.x86_64.rpm", "Packages/f/foo-1-1.x86_64.rpm", "Packages/f/foo-debuginfo-1-1.x86_64.rpm", "Packages/f/foo-doc-1-1.noarch.rpm",
			"debug/pkglist", "debug/repodata/comps.xml", "debug/repodata/comps.xml.gz", "debug/repodata/filelists.xml.gz", "debug/repodata/other.xml.gz",
			"debug/repodata/primary.xml.gz", "debug/repodata/repomd.xml", "kojipkgs", "pkglist", "repodata/comps.xml", "repodata/comps.xml.gz", "repodata/filelists.xml.gz",
			"repodata/other.xml.gz", "repodata/primary.xml.gz", "repodata/repomd.xml"},
		"i386": {"Packages/f/foo-doc-1-1.noarch.rpm", "Packages/f/foo-libs-1-1.i686.rpm", "kojipkgs", "pkglist", "repodata/comps.xml", "repodata/comps.xml.gz", "repodata/filelists.xml.gz",
			"repodata/other.xml.gz", "repodata/primary.xml.gz", "repodata/repomd.xml"},
		"src": {"Packages/b/bar-2-1.src.rpm", "Packages/f/foo-1-1.src.rpm", "kojipkgs", "pkglist", "repodata/comps.xml", "repodata/comps.xml.gz", "repodata/filelists.xml.gz",
			"repodata/other.xml.gz", "repodata/primary.xml.gz", "repodata/repomd.xml"},
	} {
		if got := files(s, filepath.Join(dir, arch)); !slices.Equal(got, want) {
			t.Errorf("%s has %q\nwant %q", arch, got, want)
		}
	}
	if got := s.read(dir, "x86_64", "pkglist"); got != "Packages/b/Bar-2-1.x86_64.rpm\nPackages/f/foo-1-1.x86_64.rpm\nPackages/f/foo-doc-1-1.noarch.rpm\n" {
		t.Errorf("pkglist: %s", got)
	}
	if got := s.read(dir, "x86_64", "debug", "pkglist"); got != "../Packages/f/foo-debuginfo-1-1.x86_64.rpm\n" {
		t.Errorf("debug/pkglist: %s", got)
	}
	pkgs := map[string]struct {
		SigKey *string `json:"sigkey"`
		Size   int64   `json:"size"`
		Path   string  `json:"_pkgpath"`
		Repo   string  `json:"_subrepo"`
	}{}
	s.check(json.Unmarshal([]byte(s.read(dir, "x86_64", "kojipkgs")), &pkgs))
	for file, key := range map[string]string{"foo-1-1.x86_64.rpm": first.id, "Bar-2-1.x86_64.rpm": second.id, "foo-doc-1-1.noarch.rpm": first.id} {
		p := pkgs[file]
		if p.SigKey == nil || *p.SigKey != key || !strings.Contains(p.Path, "/data/signed/"+key+"/") || p.Size == 0 {
			t.Errorf("%s: %+v, want key %s", file, p, key)
		}
		ours, err := os.Stat(filepath.Join(dir, "x86_64", "Packages", strings.ToLower(file[:1]), file))
		s.check(err)
		theirs, err := os.Stat(p.Path)
		s.check(err)
		if !os.SameFile(ours, theirs) {
			t.Errorf("%s is a copy", file)
		}
	}
	if pkgs["foo-debuginfo-1-1.x86_64.rpm"].Repo != "debug" {
		t.Error("debuginfo is not in its own repository")
	}
	s.childrenAs(task, "i386 src x86_64")
	if list := s.output(s.child(task, "src"), "missing_signatures.log"); !strings.Contains(list, "\nfoo-1-1.src: []\n") && !strings.Contains(list, "\nfoo-1-1.src: ['']\n") {
		t.Errorf("missing_signatures.log: %s", list)
	}
	sameAsCreaterepo(s, filepath.Join(dir, "x86_64"), filepath.Join(dir, "groups", "comps.xml"))
}

// child is the task of an architecture.
func (s *site) child(task int64, arch string) int64 {
	s.tb.Helper()
	id, err := taskmodel.Labeled(s.ctx(), s.DB, task, arch)
	s.check(err)
	return id
}

// childrenAs checks the children of a finished distRepo task: createdistrepo, closed, in the order of the labels.
func (s *site) childrenAs(task int64, labels string) {
	s.tb.Helper()
	rows, err := taskmodel.Children(s.ctx(), s.DB, task, false, nil)
	s.check(err)
	var got []string
	for _, r := range rows {
		got = append(got, r["label"].(string))
		if r["method"] != "createdistrepo" || koji.TaskState(r["state"].(int64)) != koji.TaskClosed || r["arch"] != "noarch" || r["host_id"] != nil {
			s.tb.Errorf("child %v", r)
		}
		if _, doc, err := taskmodel.Documents(s.ctx(), s.DB, r["id"].(int64)); err != nil || !strings.Contains(doc, "<nil/>") {
			s.tb.Errorf("result of child %v: %v", r["id"], doc)
		}
	}
	if strings.Join(got, " ") != labels {
		s.tb.Errorf("children %q, want %q", got, labels)
	}
}

// sameAsCreaterepo compares the uncompressed metadata of an architecture with what createrepo_c makes of its lists.
func sameAsCreaterepo(s *site, dir, comps string) {
	s.tb.Helper()
	bin, err := exec.LookPath("createrepo_c")
	if err != nil {
		s.tb.Log("createrepo_c is not there: not compared")
		return
	}
	for _, sub := range []string{".", "debug"} {
		if _, err := os.Stat(filepath.Join(dir, sub, "repodata")); err != nil {
			continue
		}
		out := s.tb.TempDir()
		args := []string{"-q", "--no-database", "-o", out, "-i", filepath.Join(dir, sub, "pkglist")}
		if comps != "" {
			args = append(args, "-g", comps)
		}
		if msg, err := exec.Command(bin, append(args, filepath.Join(dir, sub))...).CombinedOutput(); err != nil {
			s.tb.Fatalf("createrepo_c: %v: %s", err, msg)
		}
		for _, kind := range []string{"primary", "filelists", "other"} {
			if ours, theirs := unpacked(s, filepath.Join(dir, sub), kind), unpacked(s, out, kind); ours != theirs {
				s.tb.Errorf("%s of %s:\n%s\nof createrepo_c:\n%s", kind, sub, ours, theirs)
			}
		}
	}
}

// unpacked is a file of a repository's metadata.
func unpacked(s *site, dir, kind string) string {
	s.tb.Helper()
	var names []string
	var kindOf repodata.Compression
	for _, c := range []repodata.Compression{repodata.Gzip, repodata.Zstd} {
		found, err := filepath.Glob(filepath.Join(dir, "repodata", "*-"+kind+".xml."+c.Ext()))
		s.check(err)
		if names = append(names, found...); len(found) > 0 {
			kindOf = c
		}
	}
	if len(names) != 1 {
		s.tb.Fatalf("%s in %s: %q", kind, dir, names)
	}
	f, err := os.Open(names[0])
	s.check(err)
	defer f.Close()
	z, err := kindOf.Reader(f)
	s.check(err)
	text, err := io.ReadAll(z)
	s.check(errors.Join(err, z.Close()))
	return string(text)
}

// TestDistRepoByDnf lets dnf install from a dist repository.
func TestDistRepoByDnf(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	signedTag(s)
	s.start()
	task, _ := s.distRepo("dist", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true})
	s.succeeded(task)
	listDNF(t, filepath.Join(s.top, "repos-dist", "dist", "latest", "x86_64"), "Bar-2-1.x86_64", "foo-1-1.x86_64", "foo-debuginfo-1-1.x86_64", "foo-doc-1-1.noarch")
}

// TestDistRepoSignatures asks for what is not there: each task fails with Koji's words and lists, and nobody sees half of its repository, which can be made again.
func TestDistRepoSignatures(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first, second := signedTag(s)
	s.start()
	arch := []any{"x86_64"}
	// the copies of the keys are not written
	task, id := s.distRepo("dist", []any{first.id, second.id}, map[string]any{"arch": arch})
	s.failed(task, "Packages missing from the filesystem. See missing_files.log.")
	if list := s.output(s.child(task, "x86_64"), "missing_files.log"); strings.Count(list, "/data/signed/"+first.id+"/") != 3 || strings.Count(list, "/data/signed/"+second.id+"/") != 1 {
		t.Errorf("missing_files.log: %s", list)
	}
	unsigned, other := s.distRepo("dist", []any{first.id}, map[string]any{"arch": arch, "write_signed_rpms": true})
	s.failed(unsigned, "Unsigned packages found. See missing_signatures.log")
	list := s.output(s.child(unsigned, "x86_64"), "missing_signatures.log")
	if !strings.Contains(list, fmt.Sprintf("Requested keys: ['%s']\n", first.id)) || !strings.Contains(list, "\nBar-2-1.x86_64: [") || !strings.Contains(list, "'"+second.id+"']\n") || strings.Contains(list, "foo") {
		t.Errorf("missing_signatures.log: %s", list)
	}
	if log := s.output(s.child(unsigned, "x86_64"), "written_signed_rpms.log"); strings.Count(log, "is written with "+first.id+" key.\n") != 3 {
		t.Errorf("written_signed_rpms.log: %s", log)
	}
	for _, id := range []int64{id, other} {
		if st := s.repoState(id); st != koji.RepoInit {
			t.Errorf("repository %d is %s", id, st)
		}
		if left := made(s, s.distDir("dist", id)); len(left) > 0 {
			t.Errorf("repository %d has %q", id, left)
		}
	}
	// when what was missing is there, the task can be run again
	again, err := s.ResubmitTask(s.ctx(), s.admin, task)
	s.check(err)
	bar, err := rpmmodel.ParseSpec("Bar-2-1.x86_64")
	s.check(err)
	s.check(s.WriteSignedRPM(s.ctx(), s.admin, bar, second.id, false))
	s.succeeded(again)
	if st := s.repoState(id); st != koji.RepoReady {
		t.Errorf("repository %d is %s", id, st)
	}
	// what is not signed by the key is left out
	task, id = s.distRepo("dist", []any{first.id}, map[string]any{"arch": arch, "skip_missing_signatures": true})
	s.succeeded(task)
	if list := s.read(s.distDir("dist", id), "x86_64", "pkglist"); strings.Contains(list, "Bar") || strings.Count(list, "foo") != 3 {
		t.Errorf("pkglist: %s", list)
	}
}

// TestDistRepoElsewhere makes one on another volume, of what a tag had in the past, for the tag's own architectures.
func TestDistRepoElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first, _ := signedTag(s)
	s.start()
	for _, b := range []string{"foo-1-1.x86_64", "foo-doc-1-1.noarch", "foo-debuginfo-1-1.x86_64"} {
		spec, err := rpmmodel.ParseSpec(b)
		s.check(err)
		s.check(s.WriteSignedRPM(s.ctx(), s.admin, spec, first.id, false))
	}
	past := int64(s.Models.Position())
	row, err := tagmodel.Get(s.ctx(), s.DB, tagmodel.Spec{Name: "dist"}, nil, false)
	s.check(err)
	s.list(row["id"].(int64), "foo", true) // blocked
	task, id := s.distRepo("dist", []any{first.id}, map[string]any{"arch": []any{}, "skip_missing_signatures": true, "event": past, "volume": "big"})
	s.succeeded(task)
	dir := filepath.Join(s.top, "vol", "big", "repos-dist", "dist", fmt.Sprint(id))
	if list := s.read(dir, "x86_64", "pkglist"); list != "Packages/f/foo-1-1.x86_64.rpm\nPackages/f/foo-debuginfo-1-1.x86_64.rpm\nPackages/f/foo-doc-1-1.noarch.rpm\n" {
		t.Errorf("pkglist: %s", list)
	}
}

// TestEmptyDistRepo makes one of an architecture that the tag has nothing for, and of one that nobody knows.
func TestEmptyDistRepo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.makeTag("dist", nil)
	s.start()
	task, id := s.distRepo("dist", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true})
	strange, _ := s.distRepo("dist", nil, map[string]any{"arch": []any{"pdp11"}, "allow_missing_signatures": true})
	s.succeeded(task)
	if text := s.read(s.distDir("dist", id), "x86_64", "repodata", "EMPTY_REPO"); !strings.Contains(text, "no content for this arch") {
		t.Error(text)
	}
	s.failed(strange, "Invalid arch: pdp11")
}

// TestDistRepoIsTakenUp lets a second projector find what a first one that died had begun.
func TestDistRepoIsTakenUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	signedTag(s)
	task, id := s.distRepo("dist", nil, map[string]any{"arch": []any{"i686", "x86_64"}, "allow_missing_signatures": true})
	// as a process left it that died while it made x86_64
	if ok, err := s.OpenTask(s.ctx(), commands.Actor{}, task, 0); err != nil || !ok {
		t.Fatal(ok, err)
	}
	label := "x86_64"
	child, err := s.MakeTask(s.ctx(), commands.Actor{}, commands.MakeTask{Method: "createdistrepo", Params: []any{"dist", id, label, nil, map[string]any{}}, Parent: task, Label: &label, ByHub: true})
	s.check(err)
	half := filepath.Join(s.distDir("dist", id), ".tmp-stage-0123", "Packages")
	s.check(os.MkdirAll(half, 0o755))
	s.check(os.WriteFile(filepath.Join(half, "half"), nil, 0o644))
	s.start()
	s.succeeded(task)
	if got := s.child(task, "x86_64"); got != child {
		t.Errorf("the child is %d, not %d", got, child)
	}
	if _, err := os.Stat(filepath.Dir(half)); !os.IsNotExist(err) {
		t.Errorf("what was half written is there: %v", err)
	}
	if n := len(files(s, filepath.Join(s.distDir("dist", id), "x86_64"))); n == 0 {
		t.Error("x86_64 is empty")
	}
}

// TestDistRepoInterrupted ends a projector, and cancels a task, while a repository is being made: the first is taken up by the next, the second is over. Nothing half made stays.
func TestDistRepoInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	signedTag(s)
	entered := make(chan struct{}, 8)
	s.signs = func(ctx context.Context, _ []byte, _ time.Time) ([]byte, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.start()
	task, id := s.distRepo("dist", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true})
	<-entered
	s.stop()
	if left := made(s, s.distDir("dist", id)); len(left) > 0 || s.repoState(id) != koji.RepoInit {
		t.Errorf("the repository is %s and has %q", s.repoState(id), left)
	}
	s.start()
	<-entered
	if canceled, err := s.CancelTask(s.ctx(), s.admin, task, true); err != nil || !canceled {
		t.Fatal(canceled, err)
	}
	s.stop() // returns when nothing works any more
	for _, x := range []int64{task, s.child(task, "x86_64")} {
		if row, _ := s.ended(x); koji.TaskState(row["state"].(int64)) != koji.TaskCanceled {
			t.Errorf("task %d is %v", x, row["state"])
		}
	}
	if left := made(s, s.distDir("dist", id)); len(left) > 0 {
		t.Errorf("the repository has %q", left)
	}
	if st := s.repoState(id); st != koji.RepoInit {
		t.Errorf("the repository is %s", st)
	}
	s.signs = func(_ context.Context, text []byte, _ time.Time) ([]byte, error) {
		return append([]byte("signed "), text...), nil
	}
	task, id = s.distRepo("dist", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true})
	s.start()
	s.succeeded(task)
	dir := filepath.Join(s.distDir("dist", id), "x86_64", "repodata")
	if sig := s.read(dir, "repomd.xml.asc"); sig != "signed "+s.read(dir, "repomd.xml") {
		t.Error(sig)
	}
}
