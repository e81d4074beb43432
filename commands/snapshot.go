package commands

import (
	"context"
	"encoding/json"
	"slices"

	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// Snapshot says what is taken over from a tag: as it is now, or was at an event. Inheritance and links to external repositories never are.
type Snapshot struct {
	From  query.Row // as tagmodel.Get gives it, as of Event
	Event *int64

	Config, Packages, Builds, Groups bool

	LatestOnly    bool // of each package only the latest build
	InheritBuilds bool // builds that From inherits, too
	Force         bool // although a tag is locked
	Remove        bool // take out what From does not have; for UpdateSnapshot only
}

// settings are those of From, and its extra settings.
func (in Snapshot) settings() (events.TagSettings, map[string]json.RawMessage, error) {
	f := in.From
	s := events.TagSettings{Locked: f["locked"].(bool), MavenSupport: f["maven_support"].(bool), MavenIncludeAll: f["maven_include_all"].(bool)}
	if x, ok := f["arches"].(string); ok {
		s.Arches = &x
	}
	if id, ok := f["perm_id"].(int64); ok {
		s.PermissionID = &id
	}
	extra := map[string]json.RawMessage{}
	for k, v := range f["extra"].(map[string]any) {
		b, err := json.Marshal(v)
		if err != nil {
			return s, nil, fault.Wrap(err, fault.Generic, "the extra setting %s cannot be copied", k)
		}
		extra[k] = b
	}
	return s, extra, nil
}

// SnapshotTag makes a tag with what another has (kojihub.snapshotTag).
func (s *Service) SnapshotTag(ctx context.Context, a Actor, tagName string, in Snapshot) error {
	if in.From["locked"].(bool) && !in.Force {
		return fault.New(fault.Generic, "Source tag is locked, use force to copy")
	}
	create := CreateTag{Name: tagName, Settings: events.TagSettings{Arches: new(string)}}
	if in.Config {
		var err error
		if create.Settings, create.Extra, err = in.settings(); err != nil {
			return err
		}
	}
	id, err := s.CreateTag(ctx, a, create)
	if err != nil {
		return err
	}
	return s.takeOver(ctx, a, id, in)
}

// UpdateSnapshot brings a tag to what another has (kojihub.snapshotTagModify).
func (s *Service) UpdateSnapshot(ctx context.Context, a Actor, to tagmodel.Spec, in Snapshot) error {
	dst, err := tagmodel.Get(ctx, s.DB, to, nil, false)
	if err != nil || dst == nil {
		return orFault(err, fault.New(fault.Generic, "No such tagInfo: %d", to.ID))
	}
	if (in.From["locked"].(bool) || dst["locked"].(bool)) && !in.Force {
		return fault.New(fault.Generic, "Source or destination tag is locked, use force to copy")
	}
	id := dst["id"].(int64)
	if in.Config {
		settings, extra, err := in.settings()
		if err != nil {
			return err
		}
		edit := EditTag{Settings: &settings, SetExtra: extra}
		for k := range dst["extra"].(map[string]any) {
			if _, stays := extra[k]; !stays {
				edit.RemoveExtra = append(edit.RemoveExtra, k)
			}
		}
		slices.Sort(edit.RemoveExtra)
		if err := s.EditTag(ctx, a, id, edit); err != nil {
			return err
		}
	}
	return s.takeOver(ctx, a, id, in)
}

// takeOver copies package list, builds and groups, in this order: builds want their packages listed.
func (s *Service) takeOver(ctx context.Context, a Actor, id int64, in Snapshot) error {
	if in.Packages {
		if err := s.takePackages(ctx, a, id, in); err != nil {
			return err
		}
	}
	if in.Builds {
		if err := s.takeBuilds(ctx, a, id, in); err != nil {
			return err
		}
	}
	if !in.Groups {
		return nil
	}
	return s.takeGroups(ctx, a, id, in)
}

// takePackages lists what the tag does not list and From does, inherited or not, and blocks what From does not list: one event for all.
func (s *Service) takePackages(ctx context.Context, a Actor, id int64, in Snapshot) error {
	from := in.From["id"].(int64)
	wanted, err := tagmodel.PackageList(ctx, s.DB, tagmodel.PackageFilter{Tag: &from, Inherited: true}, in.Event)
	if err != nil {
		return err
	}
	present, err := tagmodel.PackageList(ctx, s.DB, tagmodel.PackageFilter{Tag: &id, Inherited: true}, nil)
	if err != nil {
		return err
	}
	had, has := byPackage(wanted), byPackage(present)
	_, err = s.decideTag(ctx, a, "copy package list", id, func(t *tag.Tag) ([]events.Event, error) {
		var evs []events.Event
		for _, rows := range [][]query.Row{present, wanted} {
			for _, p := range rows {
				pkg := p["package_id"].(int64)
				l := tag.Listing{Listed: true, Blocked: p["blocked"].(bool), Owner: p["owner_id"].(int64)}
				if extra, ok := p["extra_arches"].(string); ok {
					l.ExtraArches = &extra
				}
				switch {
				case has[pkg] && (had[pkg] || l.Blocked):
					continue // listed, or blocked, as it should be
				case has[pkg]:
					l.Blocked = true
				}
				more, err := t.SetPackage(pkg, l)
				if err != nil {
					return nil, err
				}
				evs = append(evs, more...)
			}
		}
		return evs, nil
	})
	return err
}

func byPackage(rows []query.Row) map[int64]bool {
	out := make(map[int64]bool, len(rows))
	for _, r := range rows {
		out[r["package_id"].(int64)] = true
	}
	return out
}

// takeBuilds tags what the tag does not have, the oldest first, in one event. The builds of each package come out in the order that they have
// in From; builds that From does not have are taken out or, unless Remove, put behind the others.
func (s *Service) takeBuilds(ctx context.Context, a Actor, id int64, in Snapshot) error {
	f := tagmodel.BuildFilter{Inherited: in.InheritBuilds}
	if in.LatestOnly {
		f.Latest = 1
	}
	from, err := tagmodel.Builds(ctx, s.DB, in.From["id"].(int64), f, in.Event)
	if err != nil {
		return err
	}
	present, err := tagmodel.Builds(ctx, s.DB, id, tagmodel.BuildFilter{}, nil)
	if err != nil {
		return err
	}
	wanted, has := oldestFirst(from), oldestFirst(present)
	_, err = s.decideTag(ctx, a, "copy builds", id, func(t *tag.Tag) ([]events.Event, error) {
		var evs []events.Event
		var tagging []int64
		for _, pkg := range append(packagesOf(from), packagesOf(present)...) {
			want, now := wanted[pkg], has[pkg]
			if want == nil && now == nil {
				continue // done
			}
			extra := slices.DeleteFunc(slices.Clone(now), func(b int64) bool { return slices.Contains(want, b) })
			if in.Remove {
				for _, b := range extra {
					out, err := t.UntagBuild(b, "", "", false)
					if err != nil {
						return nil, err
					}
					evs = append(evs, out...)
				}
				now = slices.DeleteFunc(slices.Clone(now), func(b int64) bool { return slices.Contains(extra, b) })
			} else if len(want) > 0 {
				want = append(extra, want...)
			}
			tagging = append(tagging, retagged(want, now)...)
			delete(wanted, pkg)
			delete(has, pkg)
		}
		sortAsTagged(tagging, from)
		tagged, err := t.TagBuilds(tagging)
		return append(evs, tagged...), err
	})
	return err
}

// sortAsTagged brings builds into the order in which those of a list, the last tagged first, were tagged; builds that are not in it go first.
func sortAsTagged(ids []int64, list []query.Row) {
	place := make(map[int64]int, len(list))
	for i, b := range list {
		if id := b["build_id"].(int64); place[id] == 0 {
			place[id] = len(list) - i
		}
	}
	slices.SortStableFunc(ids, func(a, b int64) int { return place[a] - place[b] })
}

// retagged are the builds to be tagged, in this order, so that those of now, with these on top, end in the order of want. What is in order
// already stays.
func retagged(want, now []int64) []int64 {
	kept := 0
	for _, b := range now {
		if kept < len(want) && want[kept] == b {
			kept++
		}
	}
	return want[kept:]
}

// oldestFirst are the builds of a list, by package, the one tagged last at the end.
func oldestFirst(builds []query.Row) map[int64][]int64 {
	out := map[int64][]int64{}
	for _, b := range slices.Backward(builds) {
		pkg, id := b["package_id"].(int64), b["build_id"].(int64)
		if i := slices.Index(out[pkg], id); i >= 0 { // inherited on two ways: the nearer counts
			out[pkg] = slices.Delete(out[pkg], i, i+1)
		}
		out[pkg] = append(out[pkg], id)
	}
	return out
}

// packagesOf are the packages of builds, those of the builds tagged first first.
func packagesOf(builds []query.Row) []int64 {
	var out []int64
	seen := map[int64]bool{}
	for _, b := range slices.Backward(builds) {
		if pkg := b["package_id"].(int64); !seen[pkg] {
			seen[pkg] = true
			out = append(out, pkg)
		}
	}
	return out
}
