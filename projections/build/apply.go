// Package build is the read model of builds and their types.
package build

import (
	"encoding/json"

	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections"
)

// Projection writes build, build_past and build_types.
type Projection struct{ builds projections.Stateful }

// New makes the projection.
func New() *Projection { return &Projection{builds: projections.NewStateful("build")} }

// Handles lists the events of the build aggregate. Who bears which name and which ids are void only the decisions need to know.
func (p *Projection) Handles() []string {
	return []string{"build.nvr_claimed", "build.voided", "build.created", "build.recycled", "build.typed", "build.completed", "build.imported", "build.failed",
		"build.canceled", "build.deleted", "build.reset", "build.owner_set", "build.timestamp_set", "build.moved", "build.promoted"}
}

// Apply queues the rows of one event.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	switch e := e.(type) {
	case events.BuildCreated:
		projections.NoteEvent(b, c)
		b.Exec(`insert into build (id, since, pkg_id, version, release, epoch, draft, source, extra, create_event, start_time, completion_time, state,
			task_id, owner, volume_id, cg_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $2, $10, $11, $12, $13, $14, $15, $16)`,
			append([]any{e.ID, int64(c.Position)}, values(c, e.BuildStart)...)...)
		types(b, c, e.ID, e.Types)
	case events.BuildRecycled:
		projections.NoteEvent(b, c)
		p.builds.Update(b, c, e.ID, `update build set since = $2, pkg_id = $3, version = $4, release = $5, epoch = $6, draft = $7, source = $8, extra = $9,
			create_event = $2, start_time = $10, completion_time = $11, state = $12, task_id = $13, owner = $14, volume_id = $15, cg_id = coalesce($16, cg_id)
			where id = $1`, values(c, e.BuildStart)...)
		b.Exec(`delete from build_types where build_id = $1`, e.ID)
		types(b, c, e.ID, e.Types)
	case events.BuildTyped:
		types(b, c, e.ID, []int64{e.Type})
	case events.BuildCompleted:
		p.builds.Update(b, c, e.ID, `update build set since = $2, state = 1, completion_time = $3, volume_id = $4 where id = $1`, c.At, e.VolumeID)
	case events.BuildImported:
		end := e.CompletionTime
		if end == nil {
			end = &c.At
		}
		p.builds.Update(b, c, e.ID, `update build set since = $2, state = 1, completion_time = $3, volume_id = $4, extra = $5, owner = $6, source = $7, task_id = $8
			where id = $1`, end, e.VolumeID, text(e.Extra), e.Owner, e.Source, e.TaskID)
	case events.BuildFailed:
		p.end(b, c, e.ID, koji.BuildFailed)
	case events.BuildCanceled:
		p.end(b, c, e.ID, koji.BuildCanceled)
	case events.BuildDeleted:
		p.builds.Update(b, c, e.ID, `update build set since = $2, state = 2 where id = $1`)
	case events.BuildReset:
		p.builds.Update(b, c, e.ID, `update build set since = $2, state = 4, task_id = null, volume_id = 0, completion_time = coalesce(completion_time, $3) where id = $1`, c.At)
		b.Exec(`delete from build_types where build_id = $1`, e.ID)
	case events.BuildOwnerSet:
		p.builds.Update(b, c, e.ID, `update build set since = $2, owner = $3 where id = $1`, e.Owner)
	case events.BuildTimestampSet:
		p.builds.Update(b, c, e.ID, `update build set since = $2, completion_time = $3 where id = $1`, e.Time)
	case events.BuildMoved:
		p.builds.Update(b, c, e.ID, `update build set since = $2, volume_id = $3 where id = $1`, e.VolumeID)
	case events.BuildPromoted:
		p.builds.Update(b, c, e.ID, `update build set since = $2, draft = false, release = $3, promoter = $4, promotion_time = $5 where id = $1`,
			e.Release, e.Promoter, c.At)
	}
	return nil
}

// end is the end of a build without a result.
func (p *Projection) end(b *projections.Batch, c *events.Commit, id int64, state koji.BuildState) {
	p.builds.Update(b, c, id, `update build set since = $2, state = $3, completion_time = $4 where id = $1`, int(state), c.At)
}

// values are the columns from pkg_id on.
func values(c *events.Commit, s events.BuildStart) []any {
	start, end := s.StartTime, s.CompletionTime
	if start == nil {
		start = &c.At
	}
	if end == nil && koji.BuildState(s.State) != koji.BuildBuilding {
		end = &c.At
	}
	return []any{s.PackageID, s.Version, s.Release, s.Epoch, s.Draft, s.Source, text(s.Extra), start, end, s.State, s.TaskID, s.Owner, s.VolumeID,
		s.ContentGeneratorID}
}

// text is JSON as text, nil if there is none.
func text(raw json.RawMessage) *string {
	if len(raw) == 0 {
		return nil
	}
	s := string(raw)
	return &s
}

func types(b *projections.Batch, c *events.Commit, id int64, types []int64) {
	for _, t := range types {
		b.Exec(`insert into build_types (build_id, btype_id, since) values ($1, $2, $3) on conflict do nothing`, id, t, int64(c.Position))
	}
}
