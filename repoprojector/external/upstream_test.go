package external_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"moromi/internal/rpm"
	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/external"
	"moromi/repoprojector/repodata"
)

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// upstream is a repository of others, with a server that can be told to lie.
type upstream struct {
	*httptest.Server
	tb  testing.TB
	dir string

	mu       sync.Mutex
	lie      http.HandlerFunc // answers instead of the server if it is not nil
	requests []string         // method, path and range of what was asked for
	answered map[string]int   // by status and path
}

func newUpstream(tb testing.TB) *upstream {
	u := &upstream{tb: tb, dir: tb.TempDir(), answered: map[string]int{}}
	files := http.FileServer(http.Dir(u.dir))
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		lie := u.lie
		u.requests = append(u.requests, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
		u.mu.Unlock()
		if lie != nil {
			lie(w, r)
			return
		}
		files.ServeHTTP(&statusKeeper{w, u, r.URL.Path}, r)
	}))
	tb.Cleanup(u.Server.Close)
	return u
}

type statusKeeper struct {
	http.ResponseWriter
	u    *upstream
	path string
}

func (s *statusKeeper) WriteHeader(code int) {
	s.u.mu.Lock()
	s.u.answered[fmt.Sprintf("%d %s", code, s.path)]++
	s.u.mu.Unlock()
	s.ResponseWriter.WriteHeader(code)
}

func (u *upstream) tell(lie http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lie, u.requests = lie, nil
}

func (u *upstream) asked() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.requests...)
}

// url is the repository's address as Koji keeps it.
func (u *upstream) url() string { return u.URL + "/" }

// spec is a small package.
func spec(name, version, arch, source string) rpmtest.Spec {
	return rpmtest.Spec{Name: name, Version: version, Release: "1", Arch: arch, SourceRPM: source, Summary: "a <b> & c", License: "MIT", BuildTime: 1700000000,
		Files:     []rpm.File{{Name: "/usr/bin/" + name, Mode: 0o100755}, {Name: "/usr/share/" + name + "/é", Mode: 0o100644}},
		Changelog: []rpm.Change{{Time: 1700000000, Author: "A <a@example.com>", Text: "- new"}}}
}

// publish makes the repository one of these packages.
func (u *upstream) publish(specs ...rpmtest.Spec) {
	u.tb.Helper()
	check(u.tb, os.RemoveAll(filepath.Join(u.dir, "repodata")))
	writeRepo(u.tb, u.dir, repodata.Gzip, specs...)
}

// writeRepo makes a repository of packages in a directory.
func writeRepo(tb testing.TB, dir string, c repodata.Compression, specs ...rpmtest.Spec) {
	tb.Helper()
	store, root := newStore(tb), openRoot(tb, dir)
	w := repodata.NewWriter(store, repodata.Options{})
	var list []repodata.Package
	for _, s := range specs {
		href := "Packages/" + s.NEVRA().FileName()
		data := s.Bytes()
		check(tb, os.MkdirAll(filepath.Join(dir, "Packages"), 0o755))
		check(tb, os.WriteFile(filepath.Join(dir, href), data, 0o644))
		d, err := store.Add(bytes.NewReader(data))
		check(tb, err)
		list = append(list, repodata.Package{Digest: d, Href: href, Time: 1700000000})
	}
	packages, err := repodata.NewPackages(list)
	check(tb, err)
	_, err = w.Write(context.Background(), root, ".", repodata.Content{Packages: packages, Format: repodata.Format{Compression: c}, Revision: time.Unix(1700000000+int64(len(specs)), 0)})
	check(tb, err)
}

func openRoot(tb testing.TB, dir string) *os.Root {
	tb.Helper()
	root, err := os.OpenRoot(dir)
	check(tb, err)
	tb.Cleanup(func() { _ = root.Close() })
	return root
}

func newStore(tb testing.TB) *repodata.Store {
	tb.Helper()
	s, err := repodata.OpenStore(openRoot(tb, tb.TempDir()), time.Now)
	check(tb, err)
	return s
}

// newCache opens a cache that is impatient.
func newCache(tb testing.TB, dir string) *external.Cache {
	tb.Helper()
	c, err := external.Open(openRoot(tb, dir), external.Options{Store: newStore(tb), Stall: 300 * time.Millisecond, Pause: time.Millisecond})
	check(tb, err)
	return c
}

// names are the packages of a repository as the cache has it.
func names(tb testing.TB, c *external.Cache, url string) string {
	tb.Helper()
	got, err := c.Load(tb.Context(), url)
	check(tb, err)
	var out []string
	for _, p := range got.Packages {
		out = append(out, p.Name+"-"+p.Version+"."+p.Arch)
	}
	return strings.Join(out, " ")
}

// metadata gives the path of a file that repomd.xml names, by a part of its name.
func metadata(tb testing.TB, dir, part string) string {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "repodata", "*"+part+"*"))
	check(tb, err)
	if len(found) != 1 {
		tb.Fatalf("%s: %v", part, found)
	}
	return found[0]
}

// edit changes repomd.xml.
func edit(tb testing.TB, dir string, pairs ...string) {
	tb.Helper()
	name := filepath.Join(dir, "repodata/repomd.xml")
	old, err := os.ReadFile(name)
	check(tb, err)
	text := strings.NewReplacer(pairs...).Replace(string(old))
	if text == string(old) {
		tb.Fatalf("nothing of %q in %s", pairs, old)
	}
	check(tb, os.WriteFile(name, []byte(text), 0o644))
}

// swap puts another content in the place of a metadata file, with repomd.xml to match.
func swap(tb testing.TB, dir, part string, content []byte) {
	tb.Helper()
	name := metadata(tb, dir, part)
	old, err := os.ReadFile(name)
	check(tb, err)
	was, is := sha256.Sum256(old), sha256.Sum256(content)
	check(tb, os.WriteFile(name, content, 0o644))
	edit(tb, dir, `<checksum type="sha256">`+hex.EncodeToString(was[:]), `<checksum type="sha256">`+hex.EncodeToString(is[:]),
		fmt.Sprintf("<size>%d<", len(old)), fmt.Sprintf("<size>%d<", len(content)))
}
