package commands

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"moromi/aggregates/externalrepo"
	"moromi/aggregates/name"
	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// mergeModes are how an external repository is merged with a tag's own (koji.REPO_MERGE_MODES).
var mergeModes = []string{"koji", "simple", "bare"}

// defaultMergeMode is what counts when none is named.
const defaultMergeMode = "koji"

// withSlash is an address as Koji keeps it.
func withSlash(url string) string {
	if strings.HasSuffix(url, "/") {
		return url
	}
	return url + "/"
}

func (s *Service) decideExternalRepo(ctx context.Context, a Actor, command string, id int64, f func(*externalrepo.Repo) ([]events.Event, error)) error {
	_, err := Decide(ctx, s, a, command, externalrepo.Stream(id), f)
	return err
}

// CreateExternalRepo makes an external repository and answers it as {id, name, url}.
func (s *Service) CreateExternalRepo(ctx context.Context, a Actor, n, url string) (query.Row, error) {
	if err := koji.VerifyName(n); err != nil {
		return nil, err
	}
	if there, err := tagmodel.ExternalRepo(ctx, s.DB, tagmodel.Spec{Name: n}, nil); err != nil || there != nil {
		return nil, orFault(err, fault.New(fault.Generic, "An external repo named '%s' already exists", n))
	}
	id, err := s.claim(ctx, a, name.ExternalRepo, n)
	if err != nil {
		return nil, err
	}
	url = withSlash(url)
	err = s.decideExternalRepo(ctx, a, "create external repo", id, func(r *externalrepo.Repo) ([]events.Event, error) { return r.Create(id, n, url) })
	return query.Row{"id": id, "name": n, "url": url}, err
}

// EditExternalRepo changes an external repository's name and address; "" keeps.
func (s *Service) EditExternalRepo(ctx context.Context, a Actor, id int64, n, url string) error {
	if n != "" {
		if err := koji.VerifyName(n); err != nil {
			return err
		}
		if err := s.rename(ctx, a, name.ExternalRepo, id, n); err != nil {
			return err
		}
	}
	if url == "" {
		return s.Models.CatchUp(ctx) // a new name alone is no event of the repository
	}
	return s.decideExternalRepo(ctx, a, "edit external repo", id, func(r *externalrepo.Repo) ([]events.Event, error) { return r.Edit(withSlash(url)) })
}

// DeleteExternalRepo ends an external repository and takes it out of every tag.
func (s *Service) DeleteExternalRepo(ctx context.Context, a Actor, id int64) error {
	links, err := tagmodel.TagExternalRepos(ctx, s.DB, nil, &id, nil)
	if err != nil {
		return err
	}
	for _, l := range links {
		_, err := s.decideTag(ctx, a, "delete external repo", l["tag_id"].(int64), func(t *tag.Tag) ([]events.Event, error) { return t.RemoveExternalRepo(id), nil })
		if err != nil {
			return err
		}
	}
	return s.decideExternalRepo(ctx, a, "delete external repo", id, func(r *externalrepo.Repo) ([]events.Event, error) { return r.Delete() })
}

// SetExternalRepoData notes what was last seen of an external repository's content: a JSON struct.
func (s *Service) SetExternalRepoData(ctx context.Context, a Actor, id int64, data map[string]any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fault.Wrap(err, fault.Parameter, "the data of an external repo must be what JSON can hold")
	}
	return s.decideExternalRepo(ctx, a, "set external repo data", id, func(r *externalrepo.Repo) ([]events.Event, error) { return r.SetData(raw) })
}

// TagRepo is a tag's link to an external repository, or a change of it. Rows are as tagmodel gives them.
type TagRepo struct {
	Tag, Repo query.Row
	Priority  *int64
	MergeMode string  // "" is koji's, or keeps
	Arches    *string // separated by blanks; nil: the tag's, or keeps
}

func (in TagRepo) ids() (tagID, repoID int64) { return in.Tag["id"].(int64), in.Repo["id"].(int64) }

// check refuses an unknown merge mode and malformed arches.
func (in *TagRepo) check() error {
	if in.MergeMode != "" && !slices.Contains(mergeModes, in.MergeMode) {
		return fault.New(fault.Generic, "No such merge mode: %s", in.MergeMode)
	}
	if in.Arches != nil {
		arches, err := koji.ParseArches(*in.Arches)
		if err != nil {
			return err
		}
		in.Arches = &arches
	}
	return nil
}

// AddTagRepo links an external repository to a tag. Priority must be given; it is unique in the tag.
func (s *Service) AddTagRepo(ctx context.Context, a Actor, in TagRepo) error {
	if err := in.check(); err != nil {
		return err
	}
	if in.MergeMode == "" {
		in.MergeMode = defaultMergeMode
	}
	tagID, repoID := in.ids()
	_, err := s.decideTag(ctx, a, "add external repo to tag", tagID, func(t *tag.Tag) ([]events.Event, error) {
		if _, there := t.ExternalRepo(repoID); there {
			return nil, fault.New(fault.Generic, "tag %s already associated with external repo %s", in.Tag["name"], in.Repo["name"])
		}
		return t.SetExternalRepo(events.TagExternalRepoSet{ExternalRepoID: repoID, Priority: *in.Priority, MergeMode: in.MergeMode, Arches: in.Arches})
	})
	return err
}

// EditTagRepo changes a link and tells whether anything was different.
func (s *Service) EditTagRepo(ctx context.Context, a Actor, in TagRepo) (bool, error) {
	if err := in.check(); err != nil {
		return false, err
	}
	tagID, repoID := in.ids()
	pos, err := s.decideTag(ctx, a, "edit external repo of tag", tagID, func(t *tag.Tag) ([]events.Event, error) {
		old, there := t.ExternalRepo(repoID)
		if !there {
			return nil, in.missing()
		}
		now := old
		if in.Priority != nil {
			now.Priority = *in.Priority
		}
		if in.MergeMode != "" {
			now.MergeMode = in.MergeMode
		}
		if in.Arches != nil {
			now.Arches = in.Arches
		}
		if now.Priority == old.Priority && now.MergeMode == old.MergeMode && (in.Arches == nil || old.Arches != nil && *old.Arches == *in.Arches) {
			return nil, nil
		}
		return t.SetExternalRepo(now)
	})
	return pos != 0, err
}

func (in TagRepo) missing() error {
	return fault.New(fault.Generic, "external repo %s not associated with tag %s", in.Repo["name"], in.Tag["name"])
}

// RemoveTagRepo takes an external repository out of a tag.
func (s *Service) RemoveTagRepo(ctx context.Context, a Actor, in TagRepo) error {
	tagID, repoID := in.ids()
	_, err := s.decideTag(ctx, a, "remove external repo from tag", tagID, func(t *tag.Tag) ([]events.Event, error) {
		evs := t.RemoveExternalRepo(repoID)
		if evs == nil {
			return nil, in.missing()
		}
		return evs, nil
	})
	return err
}
