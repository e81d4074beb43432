package repoprojector_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/repoprojector"
	"moromi/repoprojector/repodata"
)

// set sets an extra setting of a tag and answers the event.
func (s *site) set(id int64, key, value string) int64 {
	s.tb.Helper()
	return s.change(id, func(t *tag.Tag) ([]events.Event, error) {
		return t.SetExtra(map[string]json.RawMessage{key: json.RawMessage(value)}, nil)
	})
}

// TestFormats has a tag's extra settings choose how its metadata is written. dnf reads all of it, and what is composed again is as it was, whatever the
// settings are by then.
func TestFormats(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lazy = true
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	var want []string
	for _, n := range []string{"zebra", "ape", "bear"} { // so that age is not the order of names
		s.list(root, n, false)
		s.put(root, s.importBuild(n, "1", [2]string{n, "x86_64"}))
		want = append(want, n+"-1-1.x86_64")
	}
	s.start()
	type made struct {
		id   int64
		sums map[string]string
	}
	var repos []made
	fetch := func(id int64) map[string]string {
		return s.fetch("x86_64", func(name string) (*repoprojector.File, error) { return s.OpenFile(s.ctx(), "dist-build", id, name) })
	}
	for _, tt := range []struct {
		key, value, repomd string
		without            bool
	}{
		{"repo.compression", `"zstd"`, "primary.xml.zst", false},
		{"repo.order", `"newest"`, "primary.xml.zst", false},
		{"repo.open_checksum", `false`, "open-", true},
		{"repo.compression", `"gzip"`, "primary.xml.gz", false},
	} {
		id := s.waitFor(root, s.set(root, tt.key, tt.value))["id"].(int64)
		s.waitLinked("dist-build", id)
		dir := filepath.Join(s.dir("dist-build", id), "x86_64")
		checkDNF(t, dir, want...)
		if text := s.read(dir, "repodata/repomd.xml"); strings.Contains(text, tt.repomd) == tt.without {
			t.Errorf("%s = %s: repomd.xml is\n%s", tt.key, tt.value, text)
		}
		repos = append(repos, made{id, fetch(id)})
	}
	for _, what := range []string{"blocks", "versions"} {
		s.check(os.RemoveAll(filepath.Join(s.cache, what)))
	}
	for _, r := range repos {
		if got := fetch(r.id); !maps.Equal(got, r.sums) {
			t.Errorf("repository %d composed again is %v, was %v", r.id, got, r.sums)
		}
	}
	at := s.set(root, "repo.compression", `"xz"`)
	s.until("a problem", func() bool { return len(s.repos(root, koji.RepoProblem)) > 0 })
	var why string
	s.check(s.DB.QueryRow(s.ctx(), `select problem from repo where tag_id = $1 and create_event > $2`, root, at).Scan(&why))
	if want := "repo.compression is wrong"; !strings.Contains(why, want) || !strings.Contains(why, `"xz"`) {
		t.Errorf("the reason is %q", why)
	}
}

// TestSiteFormat has the site's settings hold for tags that do not say otherwise.
func TestSiteFormat(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.format = repodata.Format{Order: repodata.NewestLast, NoOpenChecksum: true}
	tags := []int64{s.makeTag("a-build", nil), s.makeTag("b-build", map[string]json.RawMessage{"repo.order": json.RawMessage(`"name"`), "repo.open_checksum": json.RawMessage(`true`)})}
	for i, tag := range tags {
		s.makeTarget(fmt.Sprint(i), tag, tag)
	}
	var builds []int64
	for _, n := range []string{"zebra", "ape"} {
		for _, tag := range tags {
			s.list(tag, n, false)
		}
		builds = append(builds, s.importBuild(n, "1", [2]string{n, "noarch"}))
	}
	ats := []int64{s.put(tags[0], builds...), s.put(tags[1], builds...)}
	s.start()
	for i, name := range []string{"a-build", "b-build"} {
		dir := s.dir(name, s.waitFor(tags[i], ats[i])["id"].(int64))
		if open := strings.Contains(s.read(dir, "x86_64/repodata/repomd.xml"), "open-checksum"); open != (i == 1) {
			t.Errorf("%s has open checksums: %v", name, open)
		}
		if newest := strings.Contains(s.read(dir, "repo.json"), `"order": "newest"`); newest != (i == 0) {
			t.Errorf("%s: repo.json is\n%s", name, s.read(dir, "repo.json"))
		}
		checkDNF(t, filepath.Join(dir, "x86_64"), "zebra-1-1.noarch", "ape-1-1.noarch")
	}
}
