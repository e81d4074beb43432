package tag_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// The site of the test: packages with builds, all complete, and owners. Every history has tags of its own.
const (
	tagsEach, packages, buildsEach = 3, 4, 2
	steps                          = 14
)

var packageNames = [packages]string{"foo", "foobar", "bar", "baz"}

// site fills in what tags refer to.
func site(t *testing.T) *commands.Service {
	s := commandtest.New(t)
	for _, n := range []string{"alice", "bob"} { // ids 2 and 3
		if _, err := s.CreateUser(t.Context(), commands.Actor{UserID: 1, Admin: true}, commands.CreateUser{Name: n}); err != nil {
			t.Fatal(err)
		}
	}
	for p, n := range packageNames {
		if _, err := s.DB.Exec(t.Context(), `insert into package (id, name) values ($1, $2)`, p+1, n); err != nil {
			t.Fatal(err)
		}
		for b := range buildsEach {
			if _, err := s.DB.Exec(t.Context(), `insert into build (id, volume_id, pkg_id, version, release, draft, create_event, state, owner, since)
				values ($1, 0, $2, $3, '1', false, (select min(id) from events), $4, 1, 1)`, buildID(p, b), p+1, fmt.Sprint(b), koji.BuildComplete); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

func buildID(pkg, n int) int64 { return int64(pkg*buildsEach + n + 1) }
func packageOf(build int64) int64 {
	return (build-1)/buildsEach + 1
}

// entry is what a tag says of a package.
type entry struct {
	blocked bool
	owner   int64
}

// state is what tags have, folded naively.
type state struct {
	links    map[int64][]tag.Link
	packages map[int64]map[int64]entry
	builds   map[int64][]int64 // the one tagged last at the end
	exists   map[int64]bool
}

func newState() *state {
	return &state{map[int64][]tag.Link{}, map[int64]map[int64]entry{}, map[int64][]int64{}, map[int64]bool{}}
}

func (s *state) take(e events.Event) {
	switch e := e.(type) {
	case events.TagCreated:
		s.exists[e.ID], s.packages[e.ID] = true, map[int64]entry{}
	case events.TagDeleted:
		delete(s.exists, e.ID)
		delete(s.links, e.ID)
		delete(s.packages, e.ID)
		delete(s.builds, e.ID)
	case events.TagInheritanceChanged:
		s.links[e.ID] = slices.DeleteFunc(s.links[e.ID], func(l tag.Link) bool { return slices.Contains(e.Removed, l.ID) })
		for _, l := range e.Added {
			s.links[e.ID] = append(s.links[e.ID], tag.Link{From: e.ID, ID: l.ParentID, Priority: l.Priority, MaxDepth: l.MaxDepth,
				Intransitive: l.Intransitive, NoConfig: l.NoConfig, Filter: l.PackageFilter})
		}
		slices.SortFunc(s.links[e.ID], func(a, b tag.Link) int { return int(a.Priority - b.Priority) })
	case events.TagPackageSet:
		s.packages[e.ID][e.PackageID] = entry{blocked: e.Blocked, owner: s.packages[e.ID][e.PackageID].owner}
	case events.TagPackageOwnerSet:
		x := s.packages[e.ID][e.PackageID]
		x.owner = e.Owner
		s.packages[e.ID][e.PackageID] = x
	case events.TagPackageRemoved:
		delete(s.packages[e.ID], e.PackageID)
	case events.TagBuildsTagged:
		s.builds[e.ID] = append(s.builds[e.ID], e.Builds...)
	case events.TagBuildsUntagged:
		s.builds[e.ID] = slices.DeleteFunc(s.builds[e.ID], func(b int64) bool { return slices.Contains(e.Builds, b) })
	}
}

// draw makes one commit that is possible in this state.
func (s *state) draw(t *rapid.T, base int64) []events.Event {
	id := base + rapid.Int64Range(0, tagsEach-1).Draw(t, "tag")
	if !s.exists[id] {
		return []events.Event{events.TagCreated{ID: id}}
	}
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
			return []events.Event{events.TagDeleted{ID: id}}
		}
		fallthrough
	case 1, 2, 3:
		parent := base + rapid.Int64Range(0, tagsEach-1).Draw(t, "parent")
		if parent == id {
			return nil
		}
		ev := events.TagInheritanceChanged{ID: id}
		if slices.ContainsFunc(s.links[id], func(l tag.Link) bool { return l.ID == parent }) {
			ev.Removed = []int64{parent}
			if rapid.Bool().Draw(t, "end") {
				return []events.Event{ev}
			}
		}
		l := events.Inheritance{ParentID: parent, Priority: parent - base, Intransitive: rapid.IntRange(0, 4).Draw(t, "intransitive") == 0,
			PackageFilter: rapid.SampledFrom([]string{"", "", "^foo$", "ba"}).Draw(t, "filter")}
		if rapid.IntRange(0, 3).Draw(t, "bounded") == 0 {
			l.MaxDepth = new(int64)
		}
		ev.Added = []events.Inheritance{l}
		return []events.Event{ev}
	case 4, 5, 6:
		pkg := rapid.Int64Range(1, packages).Draw(t, "package")
		if _, listed := s.packages[id][pkg]; listed && rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
			return []events.Event{events.TagPackageRemoved{ID: id, PackageID: pkg}}
		}
		return []events.Event{events.TagPackageSet{ID: id, PackageID: pkg, Blocked: rapid.IntRange(0, 3).Draw(t, "blocked") == 0},
			events.TagPackageOwnerSet{ID: id, PackageID: pkg, Owner: rapid.Int64Range(1, 3).Draw(t, "owner")}}
	default:
		builds := rapid.SliceOfNDistinct(rapid.Int64Range(1, packages*buildsEach), 1, 2, rapid.ID[int64]).Draw(t, "builds")
		there := slices.DeleteFunc(slices.Clone(builds), func(b int64) bool { return !slices.Contains(s.builds[id], b) })
		var evs []events.Event
		if len(there) > 0 {
			evs = append(evs, events.TagBuildsUntagged{ID: id, Builds: there})
			if rapid.Bool().Draw(t, "out") {
				return evs
			}
		}
		return append(evs, events.TagBuildsTagged{ID: id, Builds: builds})
	}
}

// chain is the tag and what it inherits from, with the filters on the way.
func (s *state) chain(id int64) (tags []int64, filters [][]string) {
	tags, filters = tag.ReferenceOrder(s.links, id)
	return append([]int64{id}, tags...), append([][]string{nil}, filters...)
}

// list is the package list that counts in a tag, as text.
func (s *state) list(id int64) map[int64]string {
	out := map[int64]string{}
	tags, filters := s.chain(id)
	for i, from := range tags {
		for pkg, e := range s.packages[from] {
			through := !slices.ContainsFunc(filters[i], func(f string) bool { return !regexp.MustCompile("^(" + f + ")").MatchString(packageNames[pkg-1]) })
			if _, there := out[pkg]; !there && through {
				out[pkg] = fmt.Sprintf("package %d of tag %d, owner %d, blocked %v", pkg, from, e.owner, e.blocked)
			}
		}
	}
	return out
}

// tagged are the builds of a tag, with at most so many of each package (0: all).
func (s *state) tagged(id int64, most int) []string {
	list := s.list(id)
	var out []string
	count := map[int64]int{}
	tags, _ := s.chain(id)
	for _, from := range tags {
		for _, b := range slices.Backward(s.builds[from]) {
			pkg := packageOf(b)
			if x := list[pkg]; x == "" || strings.HasSuffix(x, "true") || most > 0 && count[pkg] >= most {
				continue
			}
			count[pkg]++
			out = append(out, fmt.Sprintf("build %d of tag %d", b, from))
		}
	}
	return out
}

func commit(t *rapid.T, s *commands.Service, stream string, evs ...events.Event) events.Position {
	ids := make([]uuid.UUID, len(evs))
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	recs, err := events.Encode(events.Meta{Actor: 1, Command: "test"}, ids, evs...)
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.Ledger.Append(t.Context(), stream, events.Any, recs...)
	if err != nil {
		t.Fatal(err)
	}
	return done.Position
}

// TestTagsAsOfAnyEvent draws histories of a few tags and asks about package lists and tagged builds at every event of them, and now.
func TestTagsAsOfAnyEvent(t *testing.T) {
	t.Parallel()
	s := site(t)
	base := int64(1)
	rapid.Check(t, func(t *rapid.T) {
		base += tagsEach
		for i := range int64(tagsEach) {
			commit(t, s, fmt.Sprintf("names-tag-%d", base), events.NameClaimed{Kind: "tag", ID: base + i, Name: fmt.Sprintf("t%d", base+i)})
		}
		type moment struct {
			at    events.Position
			event []events.Event
		}
		var history []moment
		now := newState()
		for range steps {
			evs := now.draw(t, base)
			if len(evs) == 0 {
				continue
			}
			for _, e := range evs {
				now.take(e)
			}
			history = append(history, moment{commit(t, s, fmt.Sprintf("history-%d", base), evs...), evs})
		}
		if err := s.Models.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		then := newState()
		for i, m := range history {
			for _, e := range m.event {
				then.take(e)
			}
			at := int64(m.at)
			compare(t, s, then, base, &at)
			if i == len(history)-1 {
				compare(t, s, then, base, nil)
			}
		}
	})
}

func compare(t *rapid.T, s *commands.Service, want *state, base int64, event *int64) {
	id := base + rapid.Int64Range(0, tagsEach-1).Draw(t, "asked")
	rows, err := tag.PackageList(t.Context(), s.DB, tag.PackageFilter{Tag: &id, Inherited: true}, event)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]string{}
	for _, r := range rows {
		got[r["package_id"].(int64)] = fmt.Sprintf("package %d of tag %d, owner %d, blocked %v", r["package_id"], r["tag_id"], r["owner_id"], r["blocked"])
	}
	if list := want.list(id); fmt.Sprint(got) != fmt.Sprint(list) {
		t.Fatalf("packages of tag %d at %v:\ngot  %v\nwant %v", id, shown(event), got, list)
	}
	most := rapid.IntRange(0, 1).Draw(t, "latest")
	builds, err := tag.Builds(t.Context(), s.DB, id, tag.BuildFilter{Inherited: true, Latest: int64(most)}, event)
	if err != nil {
		t.Fatal(err)
	}
	if got, list := buildNames(builds), want.tagged(id, most); !slices.Equal(got, list) {
		t.Fatalf("builds of tag %d at %v, latest %d:\ngot  %v\nwant %v", id, shown(event), most, got, list)
	}
}

func buildNames(rows []query.Row) []string {
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("build %d of tag %d", r["build_id"], r["tag_id"]))
	}
	return out
}

func shown(event *int64) any {
	if event == nil {
		return "the end"
	}
	return *event
}
