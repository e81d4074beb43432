package commands

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/aggregates/tag"
	"moromi/events"
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
	for _, id := range tags {
		if _, err := Decide(ctx, s, a, "note tag update", tag.Stream(id), func(t *tag.Tag) ([]events.Event, error) { return t.Update(kind) }); err != nil {
			return err
		}
	}
	return nil
}

// dropFromTag takes a build out of a tag, whatever the tag's rules.
func (s *Service) dropFromTag(ctx context.Context, a Actor, tagID, build int64) error {
	_, err := Decide(ctx, s, a, "drop build from tag", tag.Stream(tagID), func(t *tag.Tag) ([]events.Event, error) {
		return t.UntagBuild(build, fmt.Sprint(build), fmt.Sprint(tagID), false)
	})
	return err
}
