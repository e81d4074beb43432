package commands

import (
	"context"
	"strings"

	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// canonArches gives the canonical names of arches that are separated by blanks, each once.
func canonArches(arches string) []string {
	var out []string
	seen := map[string]bool{}
	for _, a := range strings.Fields(arches) {
		if c := koji.CanonArch(a); !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	}
	return out
}

// ListPackage is an entry to be made in a tag's package list, or changed. Nil keeps what counts for the package so far.
type ListPackage struct {
	Tag         query.Row // as tagmodel.Get gives it
	Package     any       // id or name; a name that is new makes the package
	Owner       *int64
	Block       *bool
	ExtraArches *string
	Force       bool
	Update      bool // there must be an entry already
	// Unchecked leaves the policy out, for what an administrator forced elsewhere.
	Unchecked bool
}

// EnsurePackage gives the id of a package, making it known if there is none of that name. Koji takes any text for one here; builds want more
// of a name.
func (s *Service) EnsurePackage(ctx context.Context, a Actor, packageName string) (int64, error) {
	return s.makePackage(ctx, a, packageName, 0)
}

func (s *Service) makePackage(ctx context.Context, a Actor, packageName string, drawn int64) (int64, error) {
	if err := koji.VerifyPackageName(packageName); err != nil {
		return 0, err
	}
	id, err := s.claimPackage(ctx, a, packageName, drawn)
	if err != nil {
		return 0, err
	}
	return id, s.Models.CatchUp(ctx)
}

// ListPackage lists, blocks, or changes a package in a tag (kojihub.pkglist_add).
func (s *Service) ListPackage(ctx context.Context, a Actor, in ListPackage) error {
	action := "add"
	switch {
	case in.Update:
		action = "update"
	case in.Block != nil && *in.Block:
		action = "block"
	}
	if err := s.assertPackagePolicy(ctx, a, in.Tag, in.Package, action, in.Force, in.Unchecked); err != nil {
		return err
	}
	pkg, pkgName, err := s.packageToList(ctx, in.Package)
	if err != nil {
		return err
	}
	var drawn int64
	if pkg == 0 { // an id that is drawn for a package whose listing is refused is not used again, as in Koji
		if drawn, err = s.nextID(ctx, "package"); err != nil {
			return err
		}
	}
	if in.ExtraArches != nil {
		arches, err := koji.ParseArches(*in.ExtraArches)
		if err != nil {
			return err
		}
		in.ExtraArches = &arches
	}
	tagID := in.Tag["id"].(int64)
	if drawn != 0 {
		return s.list(ctx, a, in, tagID, listedPackage{name: pkgName, drawn: drawn}, nil)
	}
	before, err := tagmodel.Package(ctx, s.DB, tagID, pkg, nil)
	if err != nil {
		return err
	}
	return s.list(ctx, a, in, tagID, listedPackage{id: pkg, name: pkgName}, before)
}

// listedPackage is a package that is to be listed; id 0 for one that is new and is to get the drawn id.
type listedPackage struct {
	id, drawn int64
	name      string
}

// list decides what is to be written, given the entry that counted before (nil: none). A package that is new becomes known when nothing is
// left that could refuse it.
func (s *Service) list(ctx context.Context, a Actor, in ListPackage, tagID int64, pkg listedPackage, before query.Row) error {
	l := tag.Listing{Listed: true, ExtraArches: in.ExtraArches}
	if in.Block != nil {
		l.Blocked = *in.Block
	}
	changed, changedOwner := true, false
	if before == nil {
		if in.Update && !in.Force {
			return fault.New(fault.Generic, "cannot update: tag %v has no data for package %s", in.Tag["name"], pkg.name)
		}
	} else {
		wasBlocked, wasOwner := before["blocked"].(bool), before["owner_id"].(int64)
		if in.Block == nil {
			l.Blocked = wasBlocked
		}
		if extra, ok := before["extra_arches"].(string); ok && in.ExtraArches == nil {
			l.ExtraArches = &extra
		}
		if in.Owner == nil {
			in.Owner = &wasOwner
		}
		changedOwner = *in.Owner != wasOwner
		changed = l.Blocked != wasBlocked || !sameExtra(before["extra_arches"], l.ExtraArches)
		if !changed && !changedOwner && !in.Force {
			return nil
		}
		if wasBlocked && !l.Blocked && !in.Force {
			return fault.New(fault.Generic, "package %s is blocked in tag %v", pkg.name, in.Tag["name"])
		}
	}
	if in.Owner == nil {
		if !in.Force {
			return fault.New(fault.Generic, "owner not specified")
		}
		in.Owner = &a.UserID
	}
	l.Owner = *in.Owner
	if pkg.id == 0 {
		var err error
		if pkg.id, err = s.makePackage(ctx, a, pkg.name, pkg.drawn); err != nil {
			return err
		}
	}
	_, err := s.decideTag(ctx, a, "list package", tagID, func(t *tag.Tag) ([]events.Event, error) {
		switch {
		case changed:
			return t.SetPackage(pkg.id, l)
		case changedOwner:
			return t.SetPackageOwner(pkg.id, l.Owner)
		}
		return nil, nil
	})
	return err
}

func sameExtra(before any, now *string) bool {
	old, ok := before.(string)
	return ok == (now != nil) && (!ok || old == *now)
}

func (s *Service) assertPackagePolicy(ctx context.Context, a Actor, t query.Row, pkg any, action string, force, unchecked bool) error {
	if unchecked {
		return nil
	}
	return s.AssertPolicy(ctx, a, "package_list", map[string]any{"tag": t["id"], "action": action, "package": pkg, "force": force}, force)
}

// packageToList gives the package; id 0 if it is named and new.
func (s *Service) packageToList(ctx context.Context, ref any) (int64, string, error) {
	id, n, err := reference(ref)
	if err != nil {
		return 0, "", fault.New(fault.Generic, "No such package: %v", ref)
	}
	if n != "" {
		p, err := tagmodel.PackageByName(ctx, s.DB, n)
		if err != nil || p == nil {
			return 0, n, err
		}
		return p["id"].(int64), n, nil
	}
	p, err := tagmodel.PackageByID(ctx, s.DB, id)
	if err != nil || p == nil {
		return 0, "", orFault(err, fault.New(fault.Generic, "No such package: %d", id))
	}
	return id, p["name"].(string), nil
}

// UnlistPackage takes the tag's own word on a package away (kojihub.pkglist_remove).
func (s *Service) UnlistPackage(ctx context.Context, a Actor, t query.Row, pkg query.Row, force bool) error {
	if err := s.assertPackagePolicy(ctx, a, t, pkg["id"], "remove", force, false); err != nil {
		return err
	}
	_, err := s.decideTag(ctx, a, "unlist package", t["id"].(int64), func(t *tag.Tag) ([]events.Event, error) { return t.RemovePackage(pkg["id"].(int64)) })
	return err
}

// UnblockPackage lets a blocked package into the tag again: by taking the tag's own block away or, where it is inherited, by an entry over it
// (kojihub.pkglist_unblock).
func (s *Service) UnblockPackage(ctx context.Context, a Actor, t query.Row, pkg query.Row, force bool) error {
	if err := s.assertPackagePolicy(ctx, a, t, pkg["id"], "unblock", force, false); err != nil {
		return err
	}
	tagID, pkgID := t["id"].(int64), pkg["id"].(int64)
	before, err := tagmodel.Package(ctx, s.DB, tagID, pkgID, nil)
	if err != nil {
		return err
	}
	if before == nil {
		return fault.New(fault.Generic, "no data (blocked or otherwise) for package %v in tag %v", pkg["name"], t["name"])
	}
	if !before["blocked"].(bool) {
		return fault.New(fault.Generic, "package %v NOT blocked in tag %v", pkg["name"], t["name"])
	}
	over := tag.Listing{Listed: true, Owner: before["owner_id"].(int64)}
	if extra, ok := before["extra_arches"].(string); ok {
		over.ExtraArches = &extra
	}
	set := func(t *tag.Tag) ([]events.Event, error) { return t.SetPackage(pkgID, over) }
	if before["tag_id"].(int64) != tagID {
		_, err = s.decideTag(ctx, a, "unblock package", tagID, set)
		return err
	}
	if _, err := s.decideTag(ctx, a, "unblock package", tagID, func(t *tag.Tag) ([]events.Event, error) { return t.RemovePackage(pkgID) }); err != nil {
		return err
	}
	// nothing else may list it, or something else may block it
	after, err := tagmodel.Package(ctx, s.DB, tagID, pkgID, nil)
	if err != nil || after != nil && !after["blocked"].(bool) {
		return err
	}
	_, err = s.decideTag(ctx, a, "unblock package", tagID, set)
	return err
}
