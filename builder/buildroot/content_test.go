package buildroot

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"moromi/internal/fault"
)

const listing = "bash\t(none)\t5.2\t1.fc42\tx86_64\t0123456789abcdef0123456789abcdef\t8000000000\t1700000000\n" +
	"gpg-pubkey\t(none)\t1\t1\t(none)\t(none)\t0\t1\n" +
	"buildsys-build\t(none)\t1\t1\tnoarch\t(none)\t0\t1\n" +
	"abc\t2\t1\t1\tnoarch\tffffffffffffffffffffffffffffffff\t10\t1700000001\n"

func parse(t *testing.T) []Package {
	t.Helper()
	list, err := ParsePackages([]byte(listing))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestParsePackages(t *testing.T) {
	t.Parallel()
	list := parse(t)
	if len(list) != 2 || list[0].NVRA() != "abc-1-1.noarch" || *list[0].Epoch != 2 || list[1].Epoch != nil || list[1].Size != 8000000000 {
		t.Errorf("%+v", list)
	}
	want := "abc-2:1-1.noarch 1700000001 10 installed\nbash-5.2-1.fc42.x86_64 1700000000 8000000000 installed\n"
	if got := InstalledLog(list); got != want {
		t.Errorf("%s", got)
	}
	wire := list[1].Wire()
	if wire["epoch"] != nil || wire["payloadhash"] != "0123456789abcdef0123456789abcdef" || wire["buildtime"] != int64(1700000000) {
		t.Errorf("%v", wire)
	}
	if _, has := wire["id"]; has {
		t.Error("an unknown id is sent")
	}
	for _, bad := range []string{"x\n", "a\tb\tc\td\te\tf\t1\t2\n", "a\t(none)\tc\td\te\tf\tx\t2\n", "a\t(none)\tc\td\te\tf\t1\tx\n"} {
		if _, err := ParsePackages([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestMapInternal(t *testing.T) {
	t.Parallel()
	list := parse(t)
	err := MapInternal(list, strings.NewReader(`{"id": 42, "name": "bash", "version": "5.2", "release": "1.fc42", "arch": "x86_64", "payloadhash": "0123456789abcdef0123456789abcdef", "extra": null}

{"id": 43, "name": "other", "version": "1", "release": "1", "arch": "noarch", "payloadhash": "00"}
`))
	if err != nil || list[0].ID != 0 || list[1].ID != 42 {
		t.Errorf("%+v, %v", list, err)
	}
	err = MapInternal(list, strings.NewReader(`{"id": 1, "name": "abc", "version": "1", "release": "1", "arch": "noarch", "payloadhash": "00"}`))
	if !fault.Is(err, fault.Buildroot) || !strings.Contains(err.Error(), "RPM: abc-1-1.noarch: payloadhash: ffffffffffffffffffffffffffffffff mismatch expected 00 in rpmlist.jsonl") {
		t.Error(err)
	}
	if MapInternal(list, strings.NewReader("{")) == nil {
		t.Error("broken JSON is taken")
	}
}

func TestMarkExternal(t *testing.T) {
	t.Parallel()
	origins := func(text string) *bytes.Buffer {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		fmt.Fprint(zw, text)
		zw.Close()
		return &b
	}
	repos := []ExternalRepo{{ID: 5, URL: "http://ext/x86_64/", Raw: map[string]any{"external_repo_id": int64(5)}}}
	list := parse(t)
	err := MarkExternal(list, origins("2:abc-1-1.noarch\thttp://ext/x86_64/\nbash-0:5.2-1.fc42.x86_64 file:///tmp/repo_3_premerge/\n"), repos, 3)
	if err != nil || list[0].External == nil || list[1].External != nil {
		t.Fatalf("%+v, %v", list, err)
	}
	if w := list[0].Wire(); w["location"] != int64(5) || w["external_repo"] == nil {
		t.Errorf("%v", w)
	}
	for text, want := range map[string]string{
		"abc-1-1.noarch http://ext/x86_64/\n": "No origin for bash-5.2-1.fc42.x86_64",
		"abc-1-1.noarch http://other/\n":      "Unknown origin for abc-1-1.noarch: http://other/",
	} {
		if err := MarkExternal(parse(t), origins(text), repos, 3); !fault.Is(err, fault.Build) || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	if MarkExternal(list, strings.NewReader("plain"), repos, 3) == nil {
		t.Error("text that is not gzipped is taken")
	}
}

func TestOriginsHref(t *testing.T) {
	t.Parallel()
	const repomd = `<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"><location href="a"/></data>%s</repomd>`
	for extra, want := range map[string]string{"": "", `<data type="origin"><location href="repodata/pkgorigins.gz"/></data>`: "repodata/pkgorigins.gz"} {
		if got, err := OriginsHref(strings.NewReader(fmt.Sprintf(repomd, extra))); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := OriginsHref(strings.NewReader("<repomd>")); err == nil {
		t.Error("broken XML is taken")
	}
}

func TestMacroFile(t *testing.T) {
	t.Parallel()
	s := Spec{Arch: "x86_64", HostVendor: "koji-linux-gnu", Vendor: "V", Macros: map[string]string{"dist": ".x", "vendor": "T", "_topdir": "/evil", "many": "a\nb"}}
	text, err := s.MacroFile()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"%dist .x\n", "%vendor T\n", "%_topdir /builddir/build\n", "%_host x86_64-koji-linux-gnu\n", "%many a\\\nb\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "%install") {
		t.Error("debuginfo without being asked")
	}
	s.Macros = map[string]string{"_enable_debug_packages": "1"}
	if text, _ = s.MacroFile(); !strings.Contains(text, "%install %{?_enable_debug_packages:") {
		t.Errorf("no debuginfo:\n%s", text)
	}
	for _, name := range []string{"a b", "a\nb", ""} {
		s.Macros = map[string]string{name: "x"}
		if _, err := s.MacroFile(); err == nil {
			t.Errorf("%q is taken for a macro name", name)
		}
	}
}

func TestPhaseError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		e    PhaseError
		want string
	}{
		{PhaseError{Phase: "p", Tool: "mock", Exit: 30, Log: "root.log"}, "p: mock exited with status 30; see root.log for more information"},
		{PhaseError{Phase: "p", Tool: "dnf", Signal: "SIGKILL", Log: "root.log"}, "p: dnf was killed by signal SIGKILL; see root.log for more information"},
		{PhaseError{Phase: "p", Tool: "rpmbuild", Timeout: time.Hour, Log: "build.log"}, "p: rpmbuild was stopped after the time limit of 1h0m0s; see build.log for more information"},
		{PhaseError{Phase: "p", Tool: "dnf", Exit: 1, Detail: "no x", Log: "root.log"}, "p: dnf exited with status 1: no x; see root.log for more information"},
	} {
		if got := tt.e.Error(); got != tt.want {
			t.Errorf("got %s", got)
		}
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	now := time.Date(2026, 11, 21, 2, 21, 2, 138e6, time.UTC)
	NewJournal(&b, func() time.Time { return now }).Phase("x")()
	if got := b.String(); got != "2026-11-21 02:21:02,138 - Start: x\n2026-11-21 02:21:02,138 - Finish: x\n" {
		t.Errorf("%s", got)
	}
	b.Reset()
	if err := WriteHardware(&b, os.TempDir()); err != nil || !strings.Contains(b.String(), "MemTotal") || !strings.Contains(b.String(), "MiB available") {
		t.Errorf("%s %v", b.String(), err)
	}
}

func FuzzMapInternal(f *testing.F) {
	f.Add(`{"id": 42, "name": "bash", "version": "5.2", "release": "1.fc42", "arch": "x86_64", "payloadhash": "00"}`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParsePackages([]byte(listing))
		if err != nil {
			t.Fatal(err)
		}
		_ = MapInternal(list, strings.NewReader(text))
	})
}
