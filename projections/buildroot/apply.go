// Package buildroot is the read model of buildroots and what was in them.
package buildroot

import (
	"encoding/json"

	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections"
)

// Projection writes buildroot, buildroot_past, buildroot_tools_info, content and buildroot_content.
type Projection struct{ roots projections.Stateful }

// New makes the projection.
func New() *Projection { return &Projection{roots: projections.NewStateful("buildroot")} }

// Handles lists the events of the buildroot aggregate.
func (p *Projection) Handles() []string {
	return []string{"buildroot.created", "buildroot.external_created", "buildroot.state_set", "buildroot.listed", "content.recorded"}
}

// Apply queues the rows of one event.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	at := int64(c.Position)
	switch e := e.(type) {
	case events.BuildrootCreated:
		projections.NoteEvent(b, c)
		b.Exec(`insert into buildroot (id, br_type, container_type, container_arch, host_id, repo_id, task_id, create_event, state, since)
			values ($1, 0, $2, $3, $4, $5, $6, $7, 0, $7)`, e.ID, e.ContainerType, e.Arch, e.HostID, e.RepoID, e.TaskID, at)
	case events.ExternalBuildrootCreated:
		b.Exec(`insert into buildroot (id, br_type, cg_id, cg_version, container_type, container_arch, host_os, host_arch, extra, since)
			values ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9)`, e.ID, e.ContentGeneratorID, e.Version, e.ContainerType, e.Arch, e.HostOS, e.HostArch, text(e.Extra), at)
		for _, t := range e.Tools {
			b.Exec(`insert into buildroot_tools_info (buildroot_id, tool, version) values ($1, $2, $3) on conflict do nothing`, e.ID, t.Name, t.Version)
		}
	case events.BuildrootStateSet:
		if koji.BuildrootState(e.State) == koji.BuildrootExpired {
			projections.NoteEvent(b, c)
			p.roots.Update(b, c, e.ID, `update buildroot set since = $2, state = 3, retire_event = $2 where id = $1`)
			break
		}
		p.roots.Update(b, c, e.ID, `update buildroot set since = $2, state = $3 where id = $1`, e.State)
	case events.BuildrootListed:
		b.Exec(`insert into buildroot_content (buildroot_id, digest, is_update, since) values ($1, $2, $3, $4) on conflict do nothing`, e.ID, e.Digest, e.IsUpdate, at)
	case events.ContentRecorded:
		if e.Base == "" {
			b.Exec(`insert into content (digest, rpms) values ($1, coalesce($2::bigint[], '{}')) on conflict do nothing`, e.Digest, e.Added)
			break
		}
		b.Exec(`insert into content (digest, rpms) select $1, coalesce(array_agg(id order by id), '{}') from (
				select id from content, unnest(rpms) id where digest = $2 and id <> all(coalesce($4::bigint[], '{}'))
				union select unnest($3::bigint[])
			) rpms on conflict do nothing`, e.Digest, e.Base, e.Added, e.Removed)
	}
	return nil
}

// text is JSON as text, nil if there is none.
func text(raw json.RawMessage) *string {
	if len(raw) == 0 {
		return nil
	}
	s := string(raw)
	return &s
}
