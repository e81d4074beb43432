package external_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"moromi/repoprojector/external"
	"moromi/repoprojector/repodata"
)

func moduleText(name, rpm string) string {
	return `document: modulemd
version: 2
data:
  name: ` + name + `
  stream: "5"
  version: 1
  context: aaaaaaaa
  arch: x86_64
  summary: A module
  description: It is one.
  license:
    module: [MIT]
  artifacts:
    rpms: [` + rpm + `]
`
}

// TestModules: what repositories say of modules is all in the merged one, and dnf understands it.
func TestModules(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	c, err := external.Open(openRoot(t, t.TempDir()), external.Options{Store: store})
	check(t, err)
	var repos []external.Repo
	for name, text := range map[string]string{"perl": "---\n" + moduleText("perl", "perl-0:5-1.x86_64") + "...\n", "ruby": moduleText("ruby", "ruby-0:5-1.x86_64"), "plain": ""} {
		dir := t.TempDir()
		if text == "" {
			writeRepo(t, dir, repodata.Gzip, spec(name, "5", "x86_64", ""))
		} else {
			writeExtra(t, dir, name, text)
		}
		content, err := c.Load(t.Context(), "file://"+dir+"/")
		check(t, err)
		if string(content.Modules) != text {
			t.Fatalf("modules of %s: %q", name, content.Modules)
		}
		repos = append(repos, external.Repo{URL: content.URL, Packages: content.Packages, Modules: content.Modules})
	}
	m, err := external.Merge(external.Bare, "x86_64", nil, repos)
	check(t, err)
	packages, err := repodata.NewPackages(m.Packages)
	check(t, err)
	w := repodata.NewWriter(store, repodata.Options{})
	dir := t.TempDir()
	_, err = w.Write(context.Background(), openRoot(t, dir), ".", repodata.Content{Packages: packages, Extra: m.Extra, Revision: time.Unix(1700000000, 0)})
	check(t, err)
	if text := string(gunzip(t, metadata(t, dir, "modules.yaml"))); strings.Count(text, "---\n") != 2 || strings.Count(text, "\n...\n") != 2 {
		t.Errorf("modules:\n%s", text)
	}
	bin, err := exec.LookPath("dnf")
	if err != nil {
		t.Skip(err)
	}
	tmp := t.TempDir()
	out, err := exec.Command(bin, "--installroot="+tmp+"/root", "--setopt=cachedir="+tmp+"/cache", "--setopt=reposdir=/nonexistent", "--setopt=logdir="+tmp, "--setopt=module_platform_id=platform:f40",
		"--releasever=40", "--forcearch=x86_64", "--repofrompath=x,file://"+dir, "--repo=x", "module", "list").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "perl") || !strings.Contains(string(out), "ruby") {
		t.Errorf("dnf: %v\n%s", err, out)
	}
}

// writeExtra makes a repository of one package, of a module.
func writeExtra(t *testing.T, dir, name, text string) {
	t.Helper()
	store := newStore(t)
	w := repodata.NewWriter(store, repodata.Options{})
	s := spec(name, "5", "x86_64", "")
	d, err := store.Add(bytes.NewReader(s.Bytes()))
	check(t, err)
	packages, err := repodata.NewPackages([]repodata.Package{{Digest: d, Href: s.NEVRA().FileName(), Time: 1}})
	check(t, err)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = io.WriteString(z, text)
	check(t, errors.Join(err, z.Close()))
	_, err = w.Write(context.Background(), openRoot(t, dir), ".", repodata.Content{Packages: packages, Revision: time.Unix(1700000000, 0),
		Extra: []repodata.Extra{{Type: "modules", Name: "modules.yaml.gz", Packed: b.Bytes()}}})
	check(t, err)
}
