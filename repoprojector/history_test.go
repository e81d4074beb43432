package repoprojector_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/projections/event"
	"moromi/repoprojector"
)

// lastChange is the last event that changed the tag or what it inherits.
func (s *site) lastChange(id int64) int64 {
	s.tb.Helper()
	at, err := event.TagLastChange(s.ctx(), s.DB, id, nil, true)
	s.check(err)
	return *at
}

// TestRandomHistory changes a family of tags at random and holds every repository that comes of it to what the read models say of its event, read
// whole: what was followed change by change is the same.
func TestRandomHistory(t *testing.T) {
	t.Parallel()
	const steps, packages, versions = 24, 5, 3
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			random := rand.New(rand.NewPCG(seed, 7))
			base := s.makeTag("base", nil)
			other := s.makeTag("other", nil)
			dest := s.makeTag("dist", nil, base)
			root := s.makeTag("dist-build", nil, dest)
			s.makeTarget("dist", root, dest)
			tags := []int64{base, dest, root, other}
			var builds [packages][]int64
			for p := range packages {
				name := fmt.Sprintf("p%d", p)
				for _, at := range tags {
					s.list(at, name, false)
				}
				for v := range versions {
					builds[p] = append(builds[p], s.importBuild(name, fmt.Sprint(v), [2]string{name, "x86_64"}, [2]string{name + "-doc", "noarch"}, [2]string{name, "i686"}))
				}
			}
			s.start()
			s.waitFor(root, 0)
			source := repoprojector.NewSource(s.DB)
			in := map[[2]int64]bool{}
			for step := range steps {
				at := tags[random.IntN(len(tags))]
				p := random.IntN(packages)
				build := builds[p][random.IntN(versions)]
				switch what := random.IntN(10); {
				case what < 6:
					if key := [2]int64{at, build}; in[key] {
						s.change(at, func(x *tag.Tag) ([]events.Event, error) { return x.UntagBuild(build, "", "", true) })
						in[key] = false
					} else {
						s.put(at, build)
						in[key] = true
					}
				case what < 8:
					s.list(at, fmt.Sprintf("p%d", p), random.IntN(2) == 0)
				case what == 8:
					link := tag.Link{Inheritance: events.Inheritance{ParentID: other, Priority: 5}, Delete: random.IntN(2) == 0}
					s.change(dest, func(x *tag.Tag) ([]events.Event, error) {
						evs, err := x.Inherit([]tag.Link{link}, false)
						if err != nil && link.Delete { // there is no such link
							return nil, nil
						}
						return evs, err
					})
				default:
					s.put(base, builds[p][versions-1])
					in[[2]int64{base, builds[p][versions-1]}] = true
				}
				repo := s.waitFor(root, s.lastChange(root))
				content, err := source.Content(s.ctx(), root, repo["create_event"].(int64))
				s.check(err)
				var want []string
				for _, r := range content.RPMs {
					if r.Arch != "src" && r.Arch != "i686" {
						want = append(want, fmt.Sprintf("toplink/packages/%s/%s/%s/%s/%s-%s-%s.%s.rpm\n", r.Build.Name, r.Version, r.Release, r.Arch, r.Name, r.Version, r.Release, r.Arch))
					}
				}
				slices.Sort(want)
				got := sorted(s.read(s.dir("dist-build", repo["id"].(int64)), "x86_64/pkglist"))
				if got != strings.Join(want, "") && !(len(want) == 0 && strings.TrimSpace(got) == "") {
					t.Fatalf("step %d: the repository of event %v has\n%s\nnot\n%s", step, repo["create_event"], got, strings.Join(want, ""))
				}
			}
		})
	}
}
