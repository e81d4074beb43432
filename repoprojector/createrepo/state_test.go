package createrepo_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/createrepo"
)

// only gives the one file that a pattern matches.
func only(tb testing.TB, pattern string) string {
	tb.Helper()
	names, err := filepath.Glob(pattern)
	check(tb, err)
	if len(names) != 1 {
		tb.Fatalf("%s: %q", pattern, names)
	}
	return names[0]
}

// TestDamagedState damages, cuts and removes what is kept, and the old repository: the result is always right.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	flip := func(at float64) func(string) error {
		return func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[int(at*float64(len(b)-1))] ^= 4
			return os.WriteFile(path, b, 0o644)
		}
	}
	cut := func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	}
	empty := func(path string) error { return os.Truncate(path, 0) }
	version := func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, createrepo.Seal([]byte(strings.Replace(string(b), "state 1\n", "state 0\n", 1))), 0o644)
	}
	table, pack := createrepo.DefaultState+"/table-*", createrepo.DefaultState+"/pack-*"
	for _, tt := range []struct {
		name, file string
		damage     func(string) error
		whole      bool // nothing can be taken over
	}{
		{"table: first byte", table, flip(0), true}, {"table: middle", table, flip(0.5), true}, {"table: last byte", table, flip(1), true},
		{"table: cut", table, cut, true}, {"table: empty", table, empty, true}, {"table: gone", table, os.Remove, true},
		{"table: of another version", table, version, true},
		{"pack: last byte", pack, flip(1), true}, {"pack: cut", pack, cut, true}, {"pack: empty", pack, empty, true}, {"pack: gone", pack, os.Remove, true},
		{"primary: head, which is made anew", "repodata/*-primary.xml.gz", flip(0), false}, {"primary: middle", "repodata/*-primary.xml.gz", flip(0.5), true},
		{"filelists: cut", "repodata/*-filelists.xml.gz", cut, true}, {"other: gone", "repodata/*-other.xml.gz", os.Remove, true},
		{"repomd.xml: gone", "repodata/repomd.xml", os.Remove, true}, {"repomd.xml: empty", "repodata/repomd.xml", empty, true}, {"repomd.xml: cut", "repodata/repomd.xml", cut, true},
		{"nothing", "repodata/repomd.xml", func(string) error { return nil }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.corpus(100)
			o := createrepo.Options{Output: t.TempDir(), Update: true}
			s.run(o)
			check(t, tt.damage(only(t, filepath.Join(o.Output, tt.file))))
			s.write("aaa-1-1.noarch.rpm", rpmtest.NewCorpus(8).Package(0, 0).Bytes()) // all is behind it
			if _, rep := s.run(o); (rep.Whole != nil) != tt.whole || tt.whole && rep.Read != rep.Packages {
				t.Errorf("%+v", rep)
			}
			equal(t, o.Output, s.reference())
			if _, rep := s.run(o); rep.Whole != nil || rep.Read != 0 {
				t.Errorf("the run after: %+v", rep)
			}
			if dir, err := os.ReadDir(filepath.Join(o.Output, createrepo.DefaultState)); err != nil || len(dir) != 2 {
				t.Errorf("kept: %v, %v", dir, err)
			}
		})
	}
}

// TestOtherOptions updates with options that change every package's text.
func TestOtherOptions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(30)
	o := createrepo.Options{Output: t.TempDir(), Update: true}
	s.run(o)
	o.BaseURL = "https://example.org/"
	if _, rep := s.run(o); rep.Whole == nil {
		t.Errorf("%+v", rep)
	}
	equal(t, o.Output, s.reference("-u", o.BaseURL))
}

// TestLock keeps two runs apart.
func TestLock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(3)
	o := createrepo.Options{Dir: s.dir, Output: t.TempDir()}
	var inner error
	_, err := createrepo.RunSteps(t.Context(), o, func(what string) {
		if what == "exchange" {
			_, inner = createrepo.Run(t.Context(), o)
		}
	})
	if err != nil || inner == nil || !strings.Contains(inner.Error(), "another run") {
		t.Errorf("outer run: %v; inner run: %v", err, inner)
	}
	check(t, os.Mkdir(filepath.Join(o.Output, ".repodata"), 0o755))
	if _, err := createrepo.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "createrepo_c works on") {
		t.Errorf("beside createrepo_c: %v", err)
	}
}

// TestCanceled leaves the old repository and nothing else.
func TestCanceled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(50)
	o := createrepo.Options{Dir: s.dir, Output: t.TempDir()}
	s.run(o)
	before := indexText(t, o.Output)
	s.write("aaa-1-1.noarch.rpm", rpmtest.NewCorpus(8).Package(0, 0).Bytes())
	for _, at := range []string{"create primary", "write repomd.xml"} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := createrepo.RunSteps(ctx, o, func(what string) {
			if what == at {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || indexText(t, o.Output) != before {
			t.Errorf("canceled at %q: %v", at, err)
		}
		entries, err := os.ReadDir(o.Output)
		check(t, err)
		if len(entries) != 1 {
			t.Errorf("canceled at %q: left %v", at, entries)
		}
	}
}

// The environment of a run of the test program that is to be killed: the directories, and before which change on disk.
const killDir, killOut, killAt = "CREATEREPO_KILL_DIR", "CREATEREPO_KILL_OUT", "CREATEREPO_KILL_AT"

func TestMain(m *testing.M) {
	if os.Getenv(killDir) != "" {
		killed()
		return
	}
	os.Exit(m.Run())
}

// killed is a run that is killed before a change on disk. It ends with status 7 if there are not so many.
func killed() {
	at, err := strconv.Atoi(os.Getenv(killAt))
	if err != nil {
		panic(err)
	}
	steps := make(chan string) // writers are several goroutines
	go func() {
		for n := 1; ; n++ {
			if what := <-steps; n == at {
				fmt.Println(what)
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}()
	o := createrepo.Options{Dir: os.Getenv(killDir), Output: os.Getenv(killOut), Update: true}
	if _, err := createrepo.RunSteps(context.Background(), o, func(what string) { steps <- what }); err != nil {
		panic(err)
	}
	os.Exit(7)
}

// TestKilled kills a run at each change on disk: the repository is then the old one or the new one, whole, and the next
// run is right and tidies up.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(100)
	first, _ := s.run(createrepo.Options{Output: t.TempDir(), Update: true})
	old := checksums(t, first)
	s.write("mmm-1-1.noarch.rpm", rpmtest.NewCorpus(8).Package(0, 0).Bytes())
	check(t, os.WriteFile(filepath.Join(first, "repodata/unlisted"), nil, 0o644))
	want := s.reference()
	whole, _ := s.run(createrepo.Options{})
	now := checksums(t, whole)
	self, err := os.Executable()
	check(t, err)
	olds, news, took := 0, 0, 0
	for at := 1; ; at++ {
		out := t.TempDir()
		check(t, os.CopyFS(out, os.DirFS(first)))
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), killDir+"="+s.dir, killOut+"="+out, killAt+"="+strconv.Itoa(at))
		said, err := cmd.Output()
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			t.Fatalf("step %d: %v", at, err)
		}
		if ended.ExitCode() == 7 {
			break
		}
		if state := ended.Sys().(syscall.WaitStatus); !state.Signaled() {
			t.Fatalf("step %d: %v: %s", at, err, ended.Stderr)
		}
		what := fmt.Sprintf("killed at step %d, %s", at, strings.TrimSpace(string(said)))
		read(t, out) // is whole
		switch got := checksums(t, out); {
		case slices.Equal(got, old):
			olds++
		case slices.Equal(got, now):
			news++
		default:
			t.Errorf("%s: neither the old nor the new repository", what)
		}
		_, rep := s.run(createrepo.Options{Output: out, Update: true})
		if rep.Whole == nil {
			took++
		} else {
			t.Errorf("%s: the next run took nothing over: %v", what, rep.Whole)
		}
		equal(t, out, want)
		var left []string
		check(t, filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
			left = append(left, strings.TrimPrefix(path, out))
			return err
		}))
		if len(left) != 10 { // itself, repodata with 5 files, the state with 2
			t.Errorf("%s: the next run left %q", what, left)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if olds < 15 || news < 2 {
		t.Errorf("%d runs left the old repository, %d the new one", olds, news)
	}
}

func FuzzTable(f *testing.F) {
	s := newSite(f)
	for _, name := range []string{"foo-1.0-1.x86_64.rpm", "bar-3.1-1.x86_64.rpm"} { // a small table: there is much to try
		data, err := os.ReadFile("../../internal/rpm/testdata/" + name)
		check(f, err)
		s.write(name, data)
	}
	out, _ := s.run(createrepo.Options{Update: true})
	raw, err := os.ReadFile(only(f, filepath.Join(out, createrepo.DefaultState, "table-*")))
	check(f, err)
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, createrepo.Seal(b)} { // with a right checksum, too: what comes behind it must hold
			got, err := createrepo.Reencode(b)
			if err == nil && string(got) != string(b) {
				t.Errorf("%d bytes come back as %d others", len(b), len(got))
			}
		}
	})
}
