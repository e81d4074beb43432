package repodata_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"moromi/repoprojector/repodata"
)

func foreign(base, href string) repodata.Foreign {
	return repodata.Foreign{Base: base, Href: href, Primary: []byte("<package><name>x</name><location xml:base=\"" + base + "\" href=\"" + href + "\"/></package>\n"),
		Filelists: []byte("<package pkgid=\"1\"><file>/x</file></package>\n"), Other: []byte("<package pkgid=\"1\"/>\n")}
}

// TestForeign: packages of others stand among ours as they were put, at one place in several repositories too, and are written again when their blocks are
// lost, as long as they are there.
func TestForeign(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	list := s.addFixtures()[:2]
	for _, base := range []string{"http://a/r", "http://b/r"} {
		p, err := s.store.PutForeign(foreign(base, "../p/x-1-1.noarch.rpm"))
		check(t, err)
		again, err := s.store.PutForeign(foreign(base, "../p/x-1-1.noarch.rpm"))
		check(t, err)
		if again != p {
			t.Errorf("put again it is %v, not %v", again, p)
		}
		list = append(list, p)
	}
	packages, err := repodata.NewPackages(list)
	check(t, err)
	dir, v := s.write(repodata.Content{Packages: packages})
	var doc struct {
		Count    int `xml:"packages,attr"`
		Packages []struct {
			Location struct {
				Base string `xml:"http://www.w3.org/XML/1998/namespace base,attr"`
				Href string `xml:"href,attr"`
			} `xml:"location"`
		} `xml:"package"`
	}
	check(t, xml.Unmarshal(openFile(t, dir, v.Files[0].Name), &doc))
	bases := map[string]int{}
	for _, p := range doc.Packages {
		bases[p.Location.Base]++
	}
	if doc.Count != 4 || len(doc.Packages) != 4 || bases["http://a/r"] != 1 || bases["http://b/r"] != 1 || bases[""] != 2 {
		t.Errorf("%d packages: %v", doc.Count, bases)
	}
	if text := openFile(t, dir, v.Files[1].Name); bytes.Count(text, []byte("<file>/x</file>")) != 2 {
		t.Errorf("filelists: %s", text)
	}
	cache := filepath.Join(s.dir, "cache")
	check(t, os.RemoveAll(filepath.Join(cache, "blocks")))
	if _, again := s.write(repodata.Content{Packages: packages}); again.Files[0] != v.Files[0] {
		t.Errorf("written again: %v, not %v", again.Files[0], v.Files[0])
	}
	for name, harm := range map[string]func(){
		"damaged": func() {
			check(t, filepath.WalkDir(filepath.Join(cache, "foreign"), func(name string, e fs.DirEntry, err error) error {
				if err == nil && !e.IsDir() {
					err = os.WriteFile(name, []byte("MRF1 and then nothing"), 0o644)
				}
				return err
			}))
		},
		"gone": func() {
			if n, err := s.store.PruneForeign(time.Now().Add(48 * time.Hour)); err != nil || n != 2 {
				t.Errorf("%d pruned, %v", n, err)
			}
		},
	} {
		check(t, os.RemoveAll(filepath.Join(cache, "blocks")))
		for _, base := range []string{"http://a/r", "http://b/r"} {
			_, err := s.store.PutForeign(foreign(base, "../p/x-1-1.noarch.rpm"))
			check(t, err)
		}
		harm()
		if _, err := s.writer.Write(context.Background(), s.root, "repos/"+name, repodata.Content{Packages: packages}); !errors.Is(err, repodata.ErrForeignGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	for _, f := range []repodata.Foreign{foreign("", "x.rpm"), foreign("http://a", ""), foreign("http://a", "/x.rpm"), foreign("http://a", ".."), foreign("http://a", "x/..")} {
		if p, err := s.store.PutForeign(f); err == nil {
			t.Errorf("%q at %q was put as %v", f.Href, f.Base, p)
		}
	}
	p, err := s.store.PutForeign(foreign("http://a", "x.rpm"))
	check(t, err)
	if _, err := repodata.NewPackages([]repodata.Package{p, p}); err == nil || !strings.Contains(err.Error(), "x.rpm") {
		t.Errorf("two packages at one place: %v", err)
	}
}

// openFile gives a gzipped file of a repository uncompressed.
func openFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "repodata", name))
	check(t, err)
	z, err := gzip.NewReader(bytes.NewReader(b))
	check(t, err)
	text, err := io.ReadAll(z)
	check(t, err)
	return text
}
