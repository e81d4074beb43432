package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"moromi/aggregates/name"
	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
	usermodel "moromi/projections/user"
)

// SideTagConfig is how a site has side tags: tags that people make for themselves, for as long as some work takes (Koji's plugin sidetag_hub and its
// settings).
type SideTagConfig struct {
	// RemoveEmpty ends a side tag when its last build is untagged.
	RemoveEmpty bool
	// Suffixes are what people may have at the end of a side tag's name.
	Suffixes []string
	// NameTemplate is the name of a side tag, with {basetag} and {tag_id} in it.
	NameTemplate string
	// RequestRepo asks for a repository of each new side tag at once.
	RequestRepo bool
}

// DefaultSideTagConfig is Koji's.
func DefaultSideTagConfig() SideTagConfig {
	return SideTagConfig{NameTemplate: "{basetag}-side-{tag_id}"}
}

// Validate tells what is wrong with the settings.
func (c SideTagConfig) Validate() error {
	for _, part := range []string{"{basetag}", "{tag_id}"} {
		if !strings.Contains(c.NameTemplate, part) {
			return fmt.Errorf("name template %q of side tags: it lacks %s", c.NameTemplate, part)
		}
	}
	if rest := strings.NewReplacer("{basetag}", "", "{tag_id}", "").Replace(c.NameTemplate); strings.ContainsAny(rest, "{}") {
		return fmt.Errorf("name template %q of side tags: only {basetag} and {tag_id} can stand in braces", c.NameTemplate)
	}
	return nil
}

// UsesPlugins tells whether the site means to have what Koji has from plugins: then its rules say who may have side tags.
func (s *Service) UsesPlugins() bool { return s.Policies.Has("sidetag") }

// CreateSideTag is a side tag to be made over a tag, which is as tagmodel.Get gives it.
type CreateSideTag struct {
	Base      query.Row
	Suffix    string
	Debuginfo bool // its repositories have debuginfo packages
}

// SideTag is a side tag that was made. Request is that for its repository, nil if there is none.
type SideTag struct {
	ID      int64
	Name    string
	Request any
}

// CreateSideTag makes a side tag that is the actor's, and the target that builds in it, if the policy sidetag allows it. Rules see the base tag as
// tag, and how many side tags the actor has already as number_of_tags.
func (s *Service) CreateSideTag(ctx context.Context, a Actor, in CreateSideTag) (SideTag, error) {
	if in.Suffix != "" && !slices.Contains(s.SideTag.Suffixes, in.Suffix) {
		return SideTag{}, fault.New(fault.Generic, "%s suffix is not allowed for sidetag", in.Suffix)
	}
	select {
	case s.sideTagging <- struct{}{}:
		defer func() { <-s.sideTagging }()
	case <-ctx.Done():
		return SideTag{}, ctx.Err()
	}
	base := in.Base["id"].(int64)
	n, err := tagmodel.CountSideTags(ctx, s.DB, a.UserID)
	if err != nil {
		return SideTag{}, err
	}
	if err := s.AssertPolicy(ctx, a, "sidetag", map[string]any{"tag": base, "number_of_tags": n}, false); err != nil {
		return SideTag{}, err
	}
	made, err := s.makeSideTag(ctx, a, in)
	if err != nil || !s.SideTag.RequestRepo {
		return made, err
	}
	asked, err := s.RequestRepo(ctx, a, RequestRepo{Tag: made.ID})
	if err != nil {
		return SideTag{}, err
	}
	made.Request = asked["request"]
	return made, nil
}

func (s *Service) makeSideTag(ctx context.Context, a Actor, in CreateSideTag) (SideTag, error) {
	user, err := usermodel.ByID(ctx, s.DB, a.UserID)
	if err != nil || user == nil {
		return SideTag{}, orFault(err, fault.New(fault.Generic, "No such user: %d", a.UserID))
	}
	extra, err := sideTagExtra(a.UserID, user["name"].(string), in.Debuginfo)
	if err != nil {
		return SideTag{}, err
	}
	out, err := s.claimSideTag(ctx, a, in)
	if err != nil {
		return SideTag{}, err
	}
	settings := events.TagSettings{}
	if arches, ok := in.Base["arches"].(string); ok {
		settings.Arches = &arches
	}
	if _, err := s.decideTag(ctx, a, "create side tag", out.ID, func(t *tag.Tag) ([]events.Event, error) {
		return t.Create(out.ID, out.Name, settings, extra, events.Inheritance{ParentID: in.Base["id"].(int64)})
	}); err != nil {
		return SideTag{}, err
	}
	if _, err := s.CreateTarget(ctx, a, Target{Name: out.Name, BuildTag: out.ID, DestTag: out.ID}); err != nil {
		return SideTag{}, errors.Join(err, s.DeleteTag(ctx, a, out.ID)) // there is no side tag without its target
	}
	return out, nil
}

// claimSideTag finds the id and the name of a new side tag.
func (s *Service) claimSideTag(ctx context.Context, a Actor, in CreateSideTag) (out SideTag, err error) {
	nameOf := func(id int64) string {
		n := strings.NewReplacer("{basetag}", in.Base["name"].(string), "{tag_id}", strconv.FormatInt(id, 10)).Replace(s.SideTag.NameTemplate)
		if in.Suffix != "" {
			n += "-" + in.Suffix
		}
		return n
	}
	_, err = DecideOnly(ctx, s, a, "claim side tag name", name.Stream(name.Tag), func(b *name.Book) ([]events.Event, error) {
		var evs []events.Event
		out.ID, out.Name, evs = b.ClaimNumbered(name.Tag, nameOf)
		return evs, koji.VerifyName(out.Name)
	})
	return out, err
}

// sideTagExtra are the extra settings by which a tag is a user's side tag.
func sideTagExtra(user int64, userName string, debuginfo bool) (map[string]json.RawMessage, error) {
	owner, err := json.Marshal(userName)
	if err != nil {
		return nil, fmt.Errorf("side tag's owner: %w", err)
	}
	extra := map[string]json.RawMessage{"sidetag": json.RawMessage("true"), "sidetag_user": owner, "sidetag_user_id": json.RawMessage(strconv.FormatInt(user, 10))}
	if debuginfo {
		extra["with_debuginfo"] = json.RawMessage("true")
	}
	return extra, nil
}

// ownSideTag refuses what is no side tag, and side tags of others unless to administrators.
func ownSideTag(a Actor, t query.Row) error {
	switch {
	case !tagmodel.IsSideTag(t):
		return fault.New(fault.Generic, "Not a sidetag: %s", t["name"])
	case !a.Admin && !tagmodel.OwnsSideTag(t, a.UserID):
		return fault.New(fault.ActionNotAllowed, "This is not your sidetag")
	}
	return nil
}

// RemoveSideTag ends a side tag of the actor's and its target. t is as tagmodel.Get gives it.
func (s *Service) RemoveSideTag(ctx context.Context, a Actor, t query.Row) error {
	if err := ownSideTag(a, t); err != nil {
		return err
	}
	return s.endSideTag(ctx, a, t)
}

// endSideTag refuses where the target is not the side tag's own: then somebody uses the tag for something else.
func (s *Service) endSideTag(ctx context.Context, a Actor, t query.Row) error {
	id, n := t["id"].(int64), t["name"].(string)
	target, err := tagmodel.Target(ctx, s.DB, tagmodel.Spec{Name: n}, nil)
	switch {
	case err != nil:
		return err
	case target == nil:
		return fault.New(fault.Generic, "Target is missing for sidetag")
	case target["build_tag"] != id || target["dest_tag"] != id:
		return fault.New(fault.Generic, "Target does not match sidetag")
	}
	return s.DeleteTag(ctx, a, id)
}

// removeEmptySideTag ends a side tag that a build just left as the last one, where the site wants that. The untagging is done whatever comes of it.
func (s *Service) removeEmptySideTag(ctx context.Context, a Actor, id int64) {
	if !s.SideTag.RemoveEmpty {
		return
	}
	empty := false
	_, err := DecideOnly(ctx, s, a, "look at side tag", tag.Stream(id), func(t *tag.Tag) ([]events.Event, error) {
		empty = t.EmptySideTag()
		return nil, nil
	})
	if err == nil && !empty {
		return
	}
	var t query.Row
	if err == nil {
		t, err = tagmodel.Get(ctx, s.DB, tagmodel.Spec{ID: id}, nil, false)
	}
	if err == nil && t != nil {
		err = s.endSideTag(ctx, a, t)
	}
	if err != nil {
		s.Log.Warn("empty side tag not removed", "tag", id, "error", err)
	}
}
