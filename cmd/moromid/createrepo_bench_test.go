package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"moromi/internal/rpm/rpmtest"
)

// rpmTree is a directory of made-up rpms as Koji lays them out, with a list of them.
type rpmTree struct {
	b       testing.TB
	dir     string
	corpus  *rpmtest.Corpus
	names   []string
	program string // moromid, built as it is delivered
	theirs  string // createrepo_c
}

func newRPMTree(b testing.TB, n int) *rpmTree {
	b.Helper()
	theirs, err := exec.LookPath("createrepo_c")
	if err != nil {
		b.Skip("createrepo_c is not installed")
	}
	t := &rpmTree{b: b, dir: b.TempDir(), corpus: rpmtest.NewCorpus(1), program: filepath.Join(b.TempDir(), "moromid"), theirs: theirs}
	build := exec.Command("go", "build", "-trimpath", "-o", t.program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build moromid: %v\n%s", err, msg)
	}
	for i := range n {
		t.names = append(t.names, t.write(i, 0))
	}
	return t
}

// write writes a package of a generation and gives its place.
func (t *rpmTree) write(i, gen int) string {
	t.b.Helper()
	spec := t.corpus.Package(i, gen)
	n := spec.NEVRA()
	name := fmt.Sprintf("packages/%s/%s/%s/%s/%s", n.Name, n.Version, n.Release, n.Arch, n.FileName())
	path := filepath.Join(t.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.b.Fatal(err)
	}
	if err := os.WriteFile(path, spec.Bytes(), 0o644); err != nil {
		t.b.Fatal(err)
	}
	return name
}

// list writes the list.
func (t *rpmTree) list() string {
	path := filepath.Join(t.dir, "pkglist")
	if err := os.WriteFile(path, []byte(strings.Join(t.names, "\n")+"\n"), 0o644); err != nil {
		t.b.Fatal(err)
	}
	return path
}

// cost is what runs of a program took: processor and wall time, seconds, and memory, megabytes.
type cost struct{ cpu, wall, memory []float64 }

// run runs a program on the tree into an output directory of its own.
func (t *rpmTree) run(c *cost, program string, args ...string) {
	t.b.Helper()
	out := filepath.Join(t.dir, "out-"+filepath.Base(program)+strings.Join(args, ""))
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.b.Fatal(err)
	}
	cmd := exec.Command(program, append(args, "--quiet", "-o", out, "-i", t.list(), t.dir)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.b.Fatal(err)
	}
	ended := make(chan struct{})
	memory := make(chan float64)
	go func() { memory <- peak(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	wall := time.Since(begin)
	close(ended)
	used := <-memory
	if err != nil {
		t.b.Fatalf("%v: %v\n%s", cmd.Args, err, said.Bytes())
	}
	if c != nil {
		c.wall = append(c.wall, wall.Seconds())
		c.cpu = append(c.cpu, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
		c.memory = append(c.memory, used)
	}
}

// peak gives the most memory in megabytes that a process had, as was to be seen every few milliseconds. What the system tells
// at its end is no less than what this process had when it started it.
func peak(pid int, ended <-chan struct{}) (most float64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return most
		case <-tick.C:
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		line, _, _ := strings.Cut(rest, "kB")
		if kB, err := strconv.ParseFloat(strings.TrimSpace(line), 64); err == nil {
			most = max(most, kB/1024)
		}
	}
}

func median(x []float64) float64 { return slices.Sorted(slices.Values(x))[len(x)/2] }

func (c *cost) report(b *testing.B, name string) {
	b.ReportMetric(median(c.cpu), name+"-cpu-s")
	b.ReportMetric(slices.Min(c.wall), name+"-wall-s")
	b.ReportMetric(slices.Max(c.memory), name+"-MB")
}

// BenchmarkCreaterepoUpdate measures a process that updates a repository of 20,000 packages, one of which was replaced, at places
// all over the repository; then one that adds a package. Each round runs createrepo_c as it is fastest, and as Koji calls it, too.
func BenchmarkCreaterepoUpdate(b *testing.B) {
	const packages, rounds, added = 20000, 5, 3
	t := newRPMTree(b, packages)
	ours := []string{"createrepo", "--update", "--skip-stat"}
	best := []string{"--update", "--skip-stat", "--no-database"}
	koji := []string{"--update", "--skip-stat", "-d"}
	all := func(a, b, c *cost) {
		t.run(a, t.program, ours...)
		t.run(b, t.theirs, best...)
		t.run(c, t.theirs, koji...)
	}
	all(nil, nil, nil)
	for b.Loop() {
		var a, c, d, e cost
		for i := range rounds {
			n := (2*i + 1) * packages / (2 * rounds)
			at := slices.Index(t.names, t.byName(n))
			t.names[at] = t.write(at, i+1)
			all(&a, &c, &d)
		}
		for i := range added {
			t.names = append(t.names, t.write(packages+i, 0))
			t.run(&e, t.program, ours...)
		}
		a.report(b, "ours")
		c.report(b, "createrepo_c")
		d.report(b, "createrepo_c-d")
		e.report(b, "ours-add")
	}
}

// byName gives the package that stands at a place of the repository.
func (t *rpmTree) byName(n int) string {
	sorted := slices.SortedFunc(slices.Values(t.names), func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return sorted[n]
}

// BenchmarkCreaterepoFull measures whole runs, with createrepo_c's fastest beside each.
func BenchmarkCreaterepoFull(b *testing.B) {
	const rounds = 3
	for _, packages := range []int{20000, 60000} {
		b.Run(fmt.Sprintf("%d_rpms", packages), func(b *testing.B) {
			t := newRPMTree(b, packages)
			for b.Loop() {
				var a, c cost
				for range rounds {
					t.run(&a, t.program, "createrepo")
					t.run(&c, t.theirs, "--no-database")
				}
				a.report(b, "ours")
				c.report(b, "createrepo_c")
			}
		})
	}
}
