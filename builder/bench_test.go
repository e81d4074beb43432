package builder_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/builder/buildroot/roottest"
	"moromi/internal/koji"
)

const cSpec = `Name: hello-c
Version: 1.0
Release: 1%{?dist}
Summary: A greeting
License: MIT
BuildRequires: gcc
Source0: hello.c
%description
A greeting.
%build
gcc -O2 -o hello %{SOURCE0}
%install
mkdir -p %{buildroot}%{_bindir}
cp hello %{buildroot}%{_bindir}/
%files
%{_bindir}/hello
`

const cSource = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n"

// BenchmarkBuildC is a small C package: the source package from git once, then buildArch with a cached root. overhead-ms is what a buildArch takes
// beyond its rpmbuild, from the task's submission to its result at the hub.
func BenchmarkBuildC(b *testing.B) {
	if !roottest.HasCompiler(b) {
		b.Skipf("the test repository has no compiler; set %s to one that has", roottest.RepoVariable)
	}
	h := newHub(b)
	h.addRepo()
	ctx, _ := startBuilder(b, h, nil)
	url := gitRepo(b, "hello-c", map[string]string{"hello-c.spec": cSpec, "hello.c": cSource})
	opts := map[string]any{"repo_id": int64(1)}
	begin := time.Now()
	made := h.wait(ctx, h.submit("buildSRPMFromSCM", url, int64(1), opts))
	if made.state != koji.TaskClosed {
		b.Fatal(made.err)
	}
	first := time.Since(begin)
	begin = time.Now()
	if made = h.wait(ctx, h.submit("buildSRPMFromSCM", url, int64(1), opts)); made.state != koji.TaskClosed {
		b.Fatal(made.err)
	}
	second := time.Since(begin)
	srpm := made.result.(map[string]any)["srpm"]
	run := func() (total, inner time.Duration) {
		begin := time.Now()
		t := h.wait(ctx, h.submit("buildArch", srpm, int64(1), "x86_64", true, opts))
		total = time.Since(begin)
		if t.state != koji.TaskClosed {
			b.Fatal(t.err)
		}
		return total, rpmbuildTime(b, filepath.Join(h.top, "work", fmt.Sprintf("tasks/%d/%d/state.log", t.id%10000, t.id)))
	}
	fresh, _ := run() // installs the root and its dependencies
	var totals, overheads []time.Duration
	for b.Loop() {
		total, inner := run()
		totals, overheads = append(totals, total), append(overheads, total-inner)
	}
	b.ReportMetric(ms(first), "srpm-fresh-root-ms")
	b.ReportMetric(ms(second), "srpm-ms")
	b.ReportMetric(ms(fresh), "buildArch-fresh-root-ms")
	b.ReportMetric(ms(median(totals)), "buildArch-p50-ms")
	b.ReportMetric(ms(median(overheads)), "overhead-p50-ms")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// rpmbuildTime reads how long the phase rpmbuild took.
func rpmbuildTime(tb testing.TB, path string) time.Duration {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	at := map[string]time.Time{}
	for line := range strings.Lines(string(data)) {
		stamp, text, _ := strings.Cut(strings.TrimSpace(line), " - ")
		what, phase, _ := strings.Cut(text, ": ")
		t, err := time.Parse("2006-01-02 15:04:05,000", stamp)
		if err == nil && strings.HasPrefix(phase, "rpmbuild ") {
			at[what] = t
		}
	}
	return at["Finish"].Sub(at["Start"])
}
