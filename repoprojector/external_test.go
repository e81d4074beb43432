package repoprojector_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"moromi/builder/buildroot"
	"moromi/commands"
	"moromi/internal/koji"
	"moromi/internal/rpm/rpmtest"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
	"moromi/repoprojector/repodata"
)

// upstream is a repository of others.
type upstream struct {
	*httptest.Server
	dir     string
	down    atomic.Bool
	refused chan struct{} // a request was, while someone waits
}

func newUpstream(tb testing.TB) *upstream {
	u := &upstream{dir: tb.TempDir(), refused: make(chan struct{}, 1)}
	files := http.FileServer(http.Dir(u.dir))
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			select {
			case u.refused <- struct{}{}:
			default:
			}
			return
		}
		files.ServeHTTP(w, r)
	}))
	tb.Cleanup(u.Close)
	return u
}

// publish makes the repository below a path one of these packages.
func (u *upstream) publish(tb testing.TB, path string, specs ...rpmtest.Spec) {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	dir, cache := filepath.Join(u.dir, path), tb.TempDir()
	must(os.MkdirAll(filepath.Join(dir, "repodata"), 0o755))
	root, err := os.OpenRoot(tb.TempDir())
	must(err)
	defer root.Close()
	cacheRoot, err := os.OpenRoot(cache)
	must(err)
	defer cacheRoot.Close()
	store, err := repodata.OpenStore(cacheRoot, time.Now)
	must(err)
	w := repodata.NewWriter(store, repodata.Options{})
	var list []repodata.Package
	for _, s := range specs {
		data := s.Bytes()
		must(os.WriteFile(filepath.Join(dir, s.NEVRA().FileName()), data, 0o644))
		d, err := store.Add(bytes.NewReader(data))
		must(err)
		list = append(list, repodata.Package{Digest: d, Href: s.NEVRA().FileName(), Time: 1})
	}
	packages, err := repodata.NewPackages(list)
	must(err)
	v, err := w.Write(context.Background(), root, ".", repodata.Content{Packages: packages, Revision: time.Now()})
	must(err)
	for _, f := range append(v.Files, repodata.File{Name: repodata.RepomdName}) { // repomd.xml last: someone may be reading
		must(os.Rename(filepath.Join(root.Name(), "repodata", f.Name), filepath.Join(dir, "repodata", f.Name)))
	}
}

// external makes an external repository known and links it to a tag.
func (s *site) externalRepo(n, url string, tagID, priority int64, mode string) int64 {
	s.tb.Helper()
	row, err := s.CreateExternalRepo(s.ctx(), s.admin, n, url)
	s.check(err)
	s.check(s.AddTagRepo(s.ctx(), s.admin, commands.TagRepo{Tag: s.tagRow(tagID), Repo: row, Priority: &priority, MergeMode: mode}))
	return row["id"].(int64)
}

func (s *site) tagRow(id int64) query.Row {
	s.tb.Helper()
	row, err := tagmodel.GetLast(s.ctx(), s.DB, tagmodel.Spec{ID: id})
	s.check(err)
	return row
}

// origins are the lines of a repository's pkgorigins, sorted.
func (s *site) origins(dir string) []string {
	s.tb.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "repodata/*-pkgorigins.gz"))
	s.check(err)
	if len(found) != 1 {
		s.tb.Fatalf("origins: %v", found)
	}
	z, err := gzip.NewReader(strings.NewReader(s.read(found[0])))
	s.check(err)
	b, err := io.ReadAll(z)
	s.check(err)
	return slices.Sorted(strings.Lines(string(b)))
}

// TestExternal follows a build tag with an external repository: it is merged, its changes make new repositories, and when it fails the last good state
// stays.
func TestExternal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.pulse = 50 * time.Millisecond
	u := newUpstream(t)
	theirs := func(version string) {
		u.publish(t, "x86_64", binary("bash", version, "bash", "x86_64"), binary("foo", "9", "foo", "x86_64"), binary("evil", "1", "evil", "noarch"), binary("bash", version, "bash", "s390x"))
	}
	theirs("5.0")
	s.start()
	dest := s.makeTag("dist", nil)
	root := s.makeTag("dist-build", nil, dest)
	ext := s.externalRepo("os", u.URL+"/$arch", dest, 5, "koji") // inherited
	s.list(dest, "foo", false)
	s.list(dest, "evil", true)
	at := s.put(dest, s.importBuild("foo", "1.0", [2]string{"foo", "x86_64"}))
	s.makeTarget("dist", root, dest)
	repo := s.waitFor(root, at)
	dir := filepath.Join(s.dir("dist-build", repo["id"].(int64)), "x86_64")
	local := "file:///repo_" + jsonText(repo["id"]) + "_premerge/"
	want := []string{"bash-5.0-1.x86_64\t" + u.URL + "/x86_64/\n", "foo-1.0-1.x86_64\t" + local + "\n"}
	if got := s.origins(dir); !slices.Equal(got, want) {
		t.Errorf("origins %q, want %q", got, want)
	}
	if got := s.read(dir, "pkglist"); got != "toplink/packages/foo/1.0/1/x86_64/foo-1.0-1.x86_64.rpm\n" {
		t.Errorf("pkglist has more than Koji's own: %s", got)
	}
	if got := s.read(dir, "rpmlist.jsonl"); strings.Count(got, "\n") != 1 {
		t.Errorf("rpmlist.jsonl has more than Koji's own: %s", got)
	}
	checkDownloads(t, dir, "bash-5.0-1.x86_64", "foo-1.0-1.x86_64")
	s.checkBuildroot(dir, u.URL+"/x86_64/", repo["id"].(int64), ext)
	first := s.noted(ext)
	begin, files := repo["id"].(int64), metadataNames(t, dir)

	theirs("5.1")
	s.until("the change is noted", func() bool { return s.noted(ext) != first })
	changed := s.Models.Position()
	repo = s.waitFor(root, int64(changed))
	dir = filepath.Join(s.dir("dist-build", repo["id"].(int64)), "x86_64")
	checkDownloads(t, dir, "bash-5.1-1.x86_64", "foo-1.0-1.x86_64")
	var info struct {
		External []struct {
			ID                               int64
			Name, Arch, URL, Repomd, Failure string
			Checked                          time.Time
		} `json:"external_repos"`
	}
	s.check(json.Unmarshal([]byte(s.read(filepath.Dir(dir), "repo.json")), &info))
	if len(info.External) != 1 || info.External[0].ID != ext || info.External[0].Name != "os" || info.External[0].Arch != "x86_64" ||
		info.External[0].URL != u.URL+"/x86_64/" || !strings.Contains(s.noted(ext), info.External[0].Repomd) || info.External[0].Failure != "" {
		t.Errorf("repo.json says %+v, noted is %s", info.External, s.noted(ext))
	}

	u.down.Store(true)
	for s.ExternalFailure(ext) == "" { // each request that is refused is a step nearer
		select {
		case <-u.refused:
		case <-s.ctx().Done():
			t.Fatal("nobody looks at it")
		}
	}
	repo = s.waitFor(root, s.put(dest, s.importBuild("foo", "2.0", [2]string{"foo", "x86_64"})))
	dir = filepath.Join(s.dir("dist-build", repo["id"].(int64)), "x86_64")
	listDNF(t, dir, "bash-5.1-1.x86_64", "foo-2.0-1.x86_64")
	u.down.Store(false)
	theirs("5.2")
	before := s.noted(ext)
	s.until("it is read again", func() bool { return s.noted(ext) != before })
	if got := s.ExternalFailure(ext); got != "" {
		t.Errorf("it is failing: %s", got)
	}
	repo = s.waitFor(root, int64(s.Models.Position()))
	checkDownloads(t, filepath.Join(s.dir("dist-build", repo["id"].(int64)), "x86_64"), "bash-5.2-1.x86_64", "foo-2.0-1.x86_64")

	// what the first one was merged with is no longer there, but known: it can be made again, to the byte
	for _, gone := range []string{"blocks", "versions"} {
		s.check(os.RemoveAll(filepath.Join(s.cache, gone)))
	}
	for _, name := range files {
		f, err := s.OpenFile(s.ctx(), "dist-build", begin, "x86_64/repodata/"+name)
		s.check(err)
		got, err := io.ReadAll(f)
		s.check(err)
		if want := s.read(s.dir("dist-build", begin), "x86_64/repodata", name); string(got) != want {
			t.Errorf("%s made again is another", name)
		}
	}
	got := s.log.String()
	s.stop() // what was served is still in memory
	s.check(os.RemoveAll(filepath.Join(s.cache, "external/states")))
	s.check(os.RemoveAll(filepath.Join(s.cache, "versions")))
	s.start()
	if _, err := s.OpenFile(s.ctx(), "dist-build", begin, "x86_64/repodata/"+files[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("merged with something that is gone: %v", err)
	}
	if strings.Count(got, "external repository cannot be read") != 1 || strings.Count(got, "can be read again") != 1 {
		t.Errorf("the failure is logged at its beginning and its end, not\n%s", got)
	}
}

// checkBuildroot lets a builder find out where the packages of a root came from.
func (s *site) checkBuildroot(dir, url string, repo, ext int64) {
	s.tb.Helper()
	href, err := buildroot.OriginsHref(strings.NewReader(s.read(dir, "repodata/repomd.xml")))
	s.check(err)
	var own struct{ PayloadHash string }
	s.check(json.Unmarshal([]byte(s.read(dir, "rpmlist.jsonl")), &own))
	list := []buildroot.Package{{Name: "bash", Version: "5.0", Release: "1", Arch: "x86_64"}, {Name: "foo", Version: "1.0", Release: "1", Arch: "x86_64", PayloadHash: own.PayloadHash}}
	known := []buildroot.ExternalRepo{{ID: ext, URL: url, Raw: map[string]any{}}}
	s.check(buildroot.MarkExternal(list, strings.NewReader(s.read(dir, href)), known, repo))
	s.check(buildroot.MapInternal(list, strings.NewReader(s.read(dir, "rpmlist.jsonl"))))
	if list[0].Wire()["location"] != ext || list[0].ID != 0 || list[1].External != nil || list[1].ID == 0 {
		s.tb.Errorf("a builder takes them for %v and %v", list[0].Wire(), list[1].Wire())
	}
}

// noted is what the ledger knows of an external repository.
func (s *site) noted(id int64) string {
	s.tb.Helper()
	data, err := tagmodel.ExternalRepoData(s.ctx(), s.DB, id)
	s.check(err)
	return jsonText(data)
}

func jsonText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// metadataNames are the names of a repository's files that are named after what they hold.
func metadataNames(t *testing.T, dir string) (out []string) {
	t.Helper()
	for _, kind := range []string{"primary.xml.gz", "filelists.xml.gz", "other.xml.gz", "pkgorigins.gz"} {
		found, err := filepath.Glob(filepath.Join(dir, "repodata/*-"+kind))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", kind, found, err)
		}
		out = append(out, filepath.Base(found[0]))
	}
	return out
}

// checkDownloads lets dnf read a merged repository and fetch the newest of each package, ours and theirs, from where they really are.
func checkDownloads(t *testing.T, dir string, want ...string) {
	t.Helper()
	dnf, args := listDNF(t, dir, want...)
	to := t.TempDir()
	args = append(args, "-y", "--setopt=keepcache=1", "install", "--downloadonly", "--downloaddir="+to)
	if out, err := exec.Command(dnf, append(args, want...)...).CombinedOutput(); err != nil {
		t.Fatalf("dnf: %v\n%s", err, out)
	}
	for _, nvra := range want {
		if _, err := os.Stat(filepath.Join(to, nvra+".rpm")); err != nil {
			t.Errorf("dnf did not fetch it: %v", err)
		}
	}
}

// TestExternalRefused: tags with several merge modes, or with a repository that never could be read, get no repository, and it is said why.
func TestExternalRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		modes []string
		path  string
		want  string
	}{
		"modes": {[]string{"koji", "bare"}, "/", "Found multiple merge modes for external repos: koji, bare"},
		"down":  {[]string{"koji"}, "/nothing/", "the external repo os0 cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, u := newSite(t), newUpstream(t)
			u.publish(t, "", binary("bash", "5", "bash", "x86_64"))
			s.start()
			root := s.makeTag("dist-build", nil)
			for i, mode := range tt.modes {
				s.externalRepo("os"+jsonText(i), u.URL+tt.path, root, int64(i), mode)
			}
			s.makeTarget("dist", root, root)
			s.until("a repository that failed", func() bool { return len(s.repos(root, koji.RepoProblem)) > 0 })
			s.stop()
			if !strings.Contains(s.log.String(), tt.want) {
				t.Errorf("log does not say %q:\n%s", tt.want, s.log.String())
			}
		})
	}
}

// TestExternalEmptyOwn: a tag without packages has those of the external repository, and is not marked as empty. What was deleted from the cache of
// packages comes back.
func TestExternalEmptyOwn(t *testing.T) {
	t.Parallel()
	s, u := newSite(t), newUpstream(t)
	s.pulse = 50 * time.Millisecond
	u.publish(t, "", binary("bash", "5", "bash", "x86_64"), binary("bash", "4", "bash", "x86_64"))
	s.start()
	root := s.makeTag("dist-build", nil)
	ext := s.externalRepo("os", u.URL, root, 1, "bare")
	s.makeTarget("dist", root, root)
	s.until("noted", func() bool { return s.noted(ext) != "null" })
	repo := s.waitFor(root, int64(s.Models.Position()))
	dir := filepath.Join(s.dir("dist-build", repo["id"].(int64)), "x86_64")
	if _, err := os.Stat(filepath.Join(dir, "repodata/EMPTY_REPO")); err == nil {
		t.Error("marked as empty")
	}
	listDNF(t, dir, "bash-4-1.x86_64", "bash-5-1.x86_64")

	s.check(os.RemoveAll(filepath.Join(s.cache, "foreign")))
	s.check(os.RemoveAll(filepath.Join(s.cache, "blocks")))
	s.list(root, "foo", false)
	repo = s.waitFor(root, s.put(root, s.importBuild("foo", "1", [2]string{"foo", "noarch"})))
	listDNF(t, filepath.Join(s.dir("dist-build", repo["id"].(int64)), "x86_64"), "bash-4-1.x86_64", "bash-5-1.x86_64", "foo-1-1.noarch")
}
