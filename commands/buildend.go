package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	archivemodel "moromi/projections/archive"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
	rpmmodel "moromi/projections/rpm"
)

// minReferenceAge is how long ago a build must have been in a buildroot before it can be deleted (Koji's min_ref_age of a week).
const minReferenceAge = 7 * 24 * time.Hour

// DeleteBuild removes a build's files, if nothing refers to it. It answers whether it did; nil for a build that was deleted before. Strict
// makes a refusal of what would be false.
func (s *Service) DeleteBuild(ctx context.Context, a Actor, id int64, strict bool, minAge *time.Duration) (any, error) {
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		return nil, err
	}
	if koji.BuildState(b["state"].(int64)) == koji.BuildDeleted {
		return nil, nil
	}
	age := minReferenceAge
	if minAge != nil {
		age = *minAge
	}
	reason, err := s.deletionBar(ctx, id, age)
	if err != nil {
		return nil, err
	}
	if reason != "" {
		if strict {
			return nil, fault.New(fault.Generic, "Cannot delete build, %s", reason)
		}
		return false, nil
	}
	err = s.withBuildFiles(ctx, id, func() error {
		if _, err := s.decideBuild(ctx, a, "delete build", id, func(b *build.Build) ([]events.Event, error) { return b.Delete() }); err != nil {
			return err
		}
		return s.removeBuildFiles(ctx, b)
	})
	return true, err
}

// deletionBar says what stands against deleting a build, "" if nothing does.
func (s *Service) deletionBar(ctx context.Context, id int64, minAge time.Duration) (string, error) {
	few := int64(10) // as many as a refusal lists
	refs, err := s.BuildReferences(ctx, id, &few, true)
	if err != nil {
		return "", err
	}
	for _, r := range []struct{ key, text string }{{"tags", "tagged"}, {"rpms", "used in buildroots"}, {"archives", "used in archive buildroots"}} {
		if list, _ := refs[r.key].([]query.Row); len(list) > 0 {
			return fmt.Sprintf("%s: %v", r.text, list), nil
		}
	}
	if ids, _ := refs["component_of"].([]int64); len(ids) > 0 {
		return fmt.Sprintf("used as component of: %v", ids), nil
	}
	if last, ok := refs["last_used"].(float64); ok && s.Clock().Sub(time.UnixMicro(int64(last*1e6))) < minAge {
		return "used in recent buildroot", nil
	}
	return "", nil
}

// BuildReferences tells what refers to a build, in buildReferences' shape. Lazy stops at the first kind that does.
func (s *Service) BuildReferences(ctx context.Context, id int64, limit *int64, lazy bool) (query.Row, error) {
	tags, err := buildmodel.Tags(ctx, s.DB, id)
	if err != nil {
		return nil, err
	}
	out := query.Row{"tags": tags}
	if lazy && len(tags) > 0 {
		return out, nil
	}
	rpms, err := rpmmodel.UsedBy(ctx, s.DB, id, limit)
	if err != nil {
		return nil, err
	}
	out["rpms"] = rpms
	if lazy && len(rpms) > 0 {
		return out, nil
	}
	withRPMs, withArchives, err := archivemodel.ComponentOf(ctx, s.DB, id, limit)
	if err != nil {
		return nil, err
	}
	if out["component_of"] = withRPMs; lazy && len(withRPMs) > 0 {
		return out, nil
	}
	archives, err := archivemodel.UsedBy(ctx, s.DB, id, limit)
	if err != nil {
		return nil, err
	}
	if out["archives"] = archives; lazy && len(archives) > 0 {
		return out, nil
	}
	all := append(withRPMs, withArchives...)
	if out["component_of"] = all; lazy && len(all) > 0 {
		return out, nil
	}
	out["images"] = all
	out["last_used"], err = s.lastUsed(ctx, id)
	return out, err
}

// lastUsed is when a buildroot with rpms or archives of the build in it was made last, in seconds since 1970; nil if none ever was.
func (s *Service) lastUsed(ctx context.Context, id int64) (any, error) {
	var last any
	for _, of := range []func(context.Context, query.DB, int64) (*float64, error){rpmmodel.LastUsed, archivemodel.LastUsed} {
		at, err := of(ctx, s.DB, id)
		if err != nil {
			return nil, err
		}
		if best, ok := last.(float64); at != nil && (!ok || *at > best) {
			last = *at
		}
	}
	return last, nil
}

// removeBuildFiles removes a build's directory and the links to it: in the main tree, and where it was as a draft.
func (s *Service) removeBuildFiles(ctx context.Context, b query.Row) error {
	tree := treeOf(b)
	dir, err := tree.Dir()
	if err != nil {
		return nil // such a name has no place in the tree
	}
	links := []storage.Build{{Name: tree.Name, Version: tree.Version, Release: tree.Release}}
	if tree.Volume == storage.DefaultVolume {
		links = nil
	}
	if !b["draft"].(bool) {
		volumes, err := buildmodel.Volumes(ctx, s.DB)
		if err != nil {
			return err
		}
		for _, v := range volumes {
			links = append(links, storage.Build{Volume: v["name"].(string), Name: tree.Name, Version: tree.Version,
				Release: koji.DraftRelease(tree.Release, b["build_id"].(int64))})
		}
	}
	for _, l := range links {
		if err := s.removeLink(l); err != nil {
			return err
		}
	}
	return s.Files.RemoveAll(dir)
}

func (s *Service) removeLink(b storage.Build) error {
	p, err := b.Dir()
	if err != nil {
		return err
	}
	st, err := s.Files.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.Mode()&fs.ModeSymlink == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", p, err)
	}
	return s.Files.Remove(p)
}

// ResetBuild takes back all that was imported for a build, files included, so that it can be imported again. Its tags go, too.
func (s *Service) ResetBuild(ctx context.Context, a Actor, id int64) error {
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		return err
	}
	tags, err := buildmodel.Tags(ctx, s.DB, id)
	if err != nil {
		return err
	}
	for _, t := range tags {
		if err := s.dropFromTag(ctx, a, t["tag_id"].(int64), id); err != nil {
			return err
		}
	}
	return s.withBuildFiles(ctx, id, func() error {
		if _, err := s.decideBuild(ctx, a, "reset build", id, func(b *build.Build) ([]events.Event, error) { return b.Reset() }); err != nil {
			return err
		}
		return s.removeBuildFiles(ctx, b)
	})
}

// PromoteBuild makes a complete draft a regular build, if the policy lets the actor; force lets an administrator past it. The files move to
// the new name and a link stays at the old one.
func (s *Service) PromoteBuild(ctx context.Context, a Actor, id int64, force bool) error {
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		return err
	}
	_, err = DecideOnly(ctx, s, a, "look up build", build.Stream(id), func(b *build.Build) ([]events.Event, error) { return nil, b.Promotable() })
	if err != nil {
		return err
	}
	release, err := koji.TargetRelease(b["release"].(string))
	if err != nil {
		return err
	}
	target := koji.NVR{Name: b["name"].(string), Version: b["version"].(string), Release: release}
	there, err := buildmodel.FindID(ctx, s.DB, buildmodel.Spec{NVR: target}, nil)
	if err != nil {
		return err
	}
	if there != 0 {
		return fault.New(fault.Generic, "Cannot promote build %s. Reason: Target build exists: %s(#%d)", b["nvr"], target, there)
	}
	data := map[string]any{"build": id, "target_release": release, "user_id": a.UserID}
	if err := s.AssertPolicy(ctx, a, "draft_promotion", data, force); err != nil {
		return err
	}
	if err := s.claimForDraft(ctx, a, b, target); err != nil {
		return err
	}
	if err := s.promote(ctx, a, b, release); err != nil {
		return err
	}
	if err := s.ApplyVolumePolicy(ctx, a, id, false); err != nil {
		return err
	}
	return s.noteTagUpdates(ctx, a, id, tagUpdateDraftPromotion)
}

// claimForDraft gives the regular name to the draft. An id that has it but never became a build loses it for good.
func (s *Service) claimForDraft(ctx context.Context, a Actor, b query.Row, target koji.NVR) error {
	id, pkg := b["build_id"].(int64), b["package_id"].(int64)
	for range claimAttempts {
		has, err := s.takeNVR(ctx, a, pkg, target.Version, target.Release, id, 0)
		if err != nil || has == id {
			return err
		}
		_, err = s.decideBuild(ctx, a, "void build id", has, func(b *build.Build) ([]events.Event, error) { return b.Void(has, target.String()) })
		if err != nil {
			return err
		}
		if has, err = s.takeNVR(ctx, a, pkg, target.Version, target.Release, id, has); err != nil || has == id {
			return err
		}
	}
	return fault.New(fault.Lock, "the name %s is being claimed by too many at once; try again", target)
}

// promote moves the files and then records the promotion. The old name stays a link, so that until the event, or if it is never recorded, the
// draft's path is right; a hub that dies in the middle of the move is made good by promoting again.
func (s *Service) promote(ctx context.Context, a Actor, b query.Row, release string) error {
	id := b["build_id"].(int64)
	names, err := rpmmodel.NVRAs(ctx, s.DB, id)
	if err != nil {
		return err
	}
	old := treeOf(b)
	tree := old
	tree.Release = release
	return s.withBuildFiles(ctx, id, func() error {
		return s.withRPMNames(ctx, id, names, func() error {
			if err := s.moveDraft(old, tree); err != nil {
				return err
			}
			_, err := s.decideBuild(ctx, a, "promote build", id, func(b *build.Build) ([]events.Event, error) { return b.Promote(release, a.UserID) })
			return err
		})
	})
}

// moveDraft makes the directory at old the one at tree, and old a link to it. It may be repeated.
func (s *Service) moveDraft(old, tree storage.Build) error {
	from, err := old.Dir()
	if err != nil {
		return err
	}
	to, err := tree.Dir()
	if err != nil {
		return err
	}
	if st, err := s.Files.Lstat(from); err == nil && st.IsDir() {
		if err := s.Files.Rename(from, to); err != nil {
			return err
		}
	}
	st, err := s.Files.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist): // a build without files
		return nil
	case err != nil:
		return fmt.Errorf("look at %s: %w", to, err)
	case !st.IsDir():
		return fault.New(fault.Generic, "Unexpected build content: %s", to)
	}
	if err := s.linkVolume(tree); err != nil {
		return err
	}
	link, err := tree.Link() // the main tree leads to the build wherever it goes later
	if err != nil {
		return err
	}
	return s.Files.Symlink(link, from)
}
