package repoprojector_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moromi/aggregates/name"
	"moromi/aggregates/tag"
	"moromi/commands"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections/query"
	"moromi/repoprojector"
)

// gate holds up the reading of one tag's content until it is opened.
type gate struct {
	repoprojector.Source
	tag     int64
	entered chan int64 // the events whose content is asked for
	open    chan struct{}
}

func newGate(s *site, tag int64) *gate {
	return &gate{Source: repoprojector.NewSource(s.DB), tag: tag, entered: make(chan int64, 100), open: make(chan struct{})}
}

func (g *gate) Content(ctx context.Context, tag, event int64) (*repoprojector.Content, error) {
	if tag == g.tag {
		g.entered <- event
		select {
		case <-g.open:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.Source.Content(ctx, tag, event)
}

// TestBusyTag lets one tag take its time: others do not wait for it, and what changes meanwhile is made afterwards, once.
func TestBusyTag(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	busy, other := s.makeTag("busy", nil), s.makeTag("other", nil)
	s.makeTarget("busy", busy, busy)
	s.makeTarget("other", other, other)
	g := newGate(s, busy)
	s.source = g
	s.start()
	<-g.entered
	var last int64
	for i := range 5 {
		last = s.list(busy, fmt.Sprintf("p%d", i), false)
	}
	s.waitFor(other, s.list(other, "q", false))
	if n := len(s.repos(busy, koji.RepoInit)); n != 1 {
		t.Errorf("%d repositories of one tag are made at once", n)
	}
	close(g.open)
	s.waitFor(busy, last)
	if n := len(s.repos(busy, koji.RepoReady)); n != 2 {
		t.Errorf("%d repositories were made, not one before and one after the changes", n)
	}
}

// TestStopInTheMiddle ends a projector while it makes a repository; nothing of it is ever READY, and the next one does the work.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	g := newGate(s, root)
	s.source = g
	s.start()
	at := <-g.entered
	s.stop()
	half := s.repos(root, koji.RepoInit)
	if len(half) != 1 || len(s.repos(root, koji.RepoReady)) != 0 {
		t.Fatalf("INIT are %v", half)
	}
	s.source = nil
	s.start()
	repo := s.waitFor(root, at)
	if repo["id"] == half[0]["id"] {
		t.Error("the unfinished repository became READY")
	}
}

// TestRequestIsGivenUp tries a request whose repository cannot be made as often as Koji does, and says why.
func TestRequestIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	side := s.makeTag("side", nil)
	s.list(side, "foo", false)
	s.put(side, s.importBuild("foo", "1", [2]string{"foo", "x86_64"}))
	s.check(os.Remove(filepath.Join(s.top, "packages/foo/1/1/x86_64/foo-1-1.x86_64.rpm")))
	s.start()
	row, err := s.RequestRepo(s.ctx(), s.admin, commands.RequestRepo{Tag: "side", Last: true})
	s.check(err)
	id := row["request"].(query.Row)["id"].(int64)
	s.until("given up", func() bool {
		var active bool
		s.check(s.DB.QueryRow(s.ctx(), `select active from repo_queue where id = $1`, id).Scan(&active))
		return !active
	})
	if n := len(s.repos(side, koji.RepoProblem)); n != 4 {
		t.Errorf("%d attempts, not one and three more", n)
	}
	var failed, tries int
	s.check(s.DB.QueryRow(s.ctx(), `select (select count(*) from task where method = 'newRepo' and state = 5), tries from repo_queue where id = $1`, id).Scan(&failed, &tries))
	if failed != 4 || tries != 4 {
		t.Errorf("%d failed tasks after %d tries", failed, tries)
	}
	var why string
	s.check(s.DB.QueryRow(s.ctx(), `select problem from repo where tag_id = $1 limit 1`, side).Scan(&why))
	if !strings.Contains(why, "packages/foo/1/1/x86_64/foo-1-1.x86_64.rpm is missing") {
		t.Errorf("the reason is %q", why)
	}
}

// TestGroups has the tag's groups, inherited ones too, in the group file and in the metadata.
func TestGroups(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dest := s.makeTag("dist", nil)
	root := s.makeTag("dist-build", nil, dest)
	s.makeTarget("dist", root, dest)
	group := s.claim(name.Group, "build")
	yes := true
	s.change(dest, func(t *tag.Tag) ([]events.Event, error) {
		return t.SetGroup(events.TagGroupSet{ID: dest, GroupID: group, DisplayName: "build", Exported: true, UserVisible: &yes})
	})
	s.start()
	s.waitFor(root, 0)
	at := s.change(dest, func(t *tag.Tag) ([]events.Event, error) {
		return t.SetGroupPackage(events.TagGroupPackageSet{ID: dest, GroupID: group, Package: "bash", Type: "mandatory"})
	})
	dir := s.dir("dist-build", s.waitFor(root, at)["id"].(int64))
	for _, want := range []string{"<id>build</id>", ">bash</packagereq>"} {
		if comps := s.read(dir, "groups/comps.xml"); !strings.Contains(comps, want) {
			t.Errorf("no %s in\n%s", want, comps)
		}
	}
	if !strings.Contains(s.read(dir, "x86_64/repodata/repomd.xml"), `<data type="group">`) {
		t.Error("the metadata has no groups")
	}
}

// TestInheritanceChanges gives a build tag another parent while it is followed.
func TestInheritanceChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dest := s.makeTag("dist", nil)
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, dest)
	s.list(dest, "foo", false)
	s.put(dest, s.importBuild("foo", "1", [2]string{"foo", "x86_64"}))
	s.start()
	s.waitFor(root, 0)
	at := s.change(root, func(t *tag.Tag) ([]events.Event, error) {
		return t.Inherit([]tag.Link{{Inheritance: events.Inheritance{ParentID: dest}}}, false)
	})
	const foo = "toplink/packages/foo/1/1/x86_64/foo-1-1.x86_64.rpm\n"
	if got := s.read(s.dir("dist-build", s.waitFor(root, at)["id"].(int64)), "x86_64/pkglist"); got != foo {
		t.Errorf("pkglist is %q", got)
	}
	// changes of the new parent are followed from now on
	s.list(dest, "bar", false)
	at = s.put(dest, s.importBuild("bar", "1", [2]string{"bar", "x86_64"}))
	if got := s.read(s.dir("dist-build", s.waitFor(root, at)["id"].(int64)), "x86_64/pkglist"); !strings.Contains(got, "bar-1-1") {
		t.Errorf("pkglist is %q", got)
	}
	// an import to a build that is tagged is a change, too
	s.importRPM(binary("foo", "1", "foo-more", "x86_64"))
	at = s.tagUpdate(dest)
	if got := s.read(s.dir("dist-build", s.waitFor(root, at)["id"].(int64)), "x86_64/pkglist"); !strings.Contains(got, "foo-more-1-1") {
		t.Errorf("pkglist is %q", got)
	}
	// a tag that nobody asked for becomes one that is kept current
	if n := len(s.repos(dest, koji.RepoReady)); n != 0 {
		t.Fatalf("%d repositories of a tag that nobody asked for", n)
	}
	at = s.change(dest, func(t *tag.Tag) ([]events.Event, error) {
		return t.SetExtra(map[string]json.RawMessage{"repo.auto": json.RawMessage("true")}, nil)
	})
	s.waitFor(dest, at)
}

// tagUpdate is the last update of a tag that was noted.
func (s *site) tagUpdate(id int64) (at int64) {
	s.tb.Helper()
	s.check(s.DB.QueryRow(s.ctx(), `select max(update_event) from tag_updates where tag_id = $1`, id).Scan(&at))
	return at
}
