package commands

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/internal/fault"
)

// Why the content of a tag changed although nothing was tagged (koji.TAG_UPDATE_TYPES).
const (
	tagUpdateVolumeChange   = 0
	tagUpdateImport         = 1
	tagUpdateDraftPromotion = 3
)

// noteTagUpdates tells every tag that a build is in that the build changed, so that repositories of the tag count as outdated.
func (s *Service) noteTagUpdates(ctx context.Context, a Actor, build int64, kind int) error {
	rows, err := s.DB.Query(ctx, `select tag_id from tag_listing where build_id = $1 and active order by tag_id`, build)
	if err != nil {
		return fmt.Errorf("tags of build %d: %w", build, err)
	}
	tags, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("tags of build %d: %w", build, err)
	}
	for _, tag := range tags {
		n, ok := any(s).(tagNoter)
		if !ok {
			return fault.New(fault.Generic, "the change of build %d cannot be noted in tag %d", build, tag)
		}
		if err := n.NoteTagUpdate(ctx, a, tag, kind); err != nil {
			return err
		}
	}
	return nil
}

// tagNoter is the part of the tags' commands that records why a tag's content changed.
type tagNoter interface {
	NoteTagUpdate(ctx context.Context, a Actor, tag int64, kind int) error
}

// tagDropper is the part that takes a build out of a tag, whatever the tag's rules.
type tagDropper interface {
	DropFromTag(ctx context.Context, a Actor, tag, build int64) error
}

// dropFromTag takes a build out of a tag, whatever the tag's rules.
func (s *Service) dropFromTag(ctx context.Context, a Actor, tag, build int64) error {
	d, ok := any(s).(tagDropper)
	if !ok {
		return fault.New(fault.Generic, "build %d cannot be taken out of tag %d", build, tag)
	}
	return d.DropFromTag(ctx, a, tag, build)
}
