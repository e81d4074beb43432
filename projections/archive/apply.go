// Package archive is the read model of archives: files of builds that are not rpms, what Maven and Windows know of builds, and which archives were
// in buildroots and in other archives.
package archive

import (
	"encoding/json"

	"moromi/events"
	"moromi/projections"
)

// Projection writes archiveinfo and its past, the tables beside it, maven_builds, win_builds and their past, and buildroot_archives.
type Projection struct{}

// New makes the projection.
func New() *Projection { return &Projection{} }

// Handles lists the events about archives, and those about builds that touch theirs.
func (p *Projection) Handles() []string {
	return []string{"archive.imported", "build.maven_set", "build.win_set", "buildroot.archives_listed", "rpm.import_undone", "build.reset", "build.recycled"}
}

// Apply queues the rows of one event.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	at := int64(c.Position)
	switch e := e.(type) {
	case events.ArchivesImported:
		for _, a := range e.Archives {
			insert(b, at, e.BuildID, a)
		}
	case events.BuildMavenSet:
		forgetType(b, at, "maven_builds", e.ID)
		b.Exec(`insert into maven_builds (build_id, group_id, artifact_id, version, since) values ($1, $2, $3, $4, $5)`, e.ID, e.GroupID, e.ArtifactID, e.Version, at)
	case events.BuildWinSet:
		forgetType(b, at, "win_builds", e.ID)
		b.Exec(`insert into win_builds (build_id, platform, since) values ($1, $2, $3)`, e.ID, e.Platform, at)
	case events.BuildrootArchivesListed:
		b.Exec(`insert into buildroot_archives (buildroot_id, archive_id, project_dep, since) select $1, id, $3, $4 from unnest($2::bigint[]) id on conflict do nothing`,
			e.ID, e.Archives, e.Project, at)
	case events.ImportUndone:
		remove(b, at, e.BuildID)
	case events.BuildReset:
		remove(b, at, e.ID)
		forgetTypes(b, at, e.ID)
	case events.BuildRecycled:
		forgetTypes(b, at, e.ID)
	}
	return nil
}

func insert(b *projections.Batch, at, build int64, a events.Archive) {
	b.Exec(`insert into archiveinfo (id, type_id, btype_id, build_id, buildroot_id, filename, subdir, size, checksum, checksum_type, metadata_only, extra, since)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		a.ID, a.TypeID, a.BTypeID, build, a.BuildrootID, a.Filename, a.Subdir, a.Size, a.Checksum, a.ChecksumType, a.MetadataOnly, text(a.Extra), at)
	if m := a.Maven; m != nil {
		b.Exec(`insert into maven_archives (archive_id, group_id, artifact_id, version) values ($1, $2, $3, $4)`, a.ID, m.GroupID, m.ArtifactID, m.Version)
	}
	if w := a.Win; w != nil {
		b.Exec(`insert into win_archives (archive_id, relpath, platforms, flags) values ($1, $2, $3, $4)`, a.ID, w.RelPath, w.Platforms, w.Flags)
	}
	if a.ImageArch != nil {
		b.Exec(`insert into image_archives (archive_id, arch) values ($1, $2)`, a.ID, *a.ImageArch)
	}
	if a.RPMs != "" {
		b.Exec(`insert into archive_content (archive_id, digest) values ($1, $2)`, a.ID, a.RPMs)
	}
	if len(a.Archives) > 0 {
		b.Exec(`insert into archive_components (archive_id, component_id) select $1, id from unnest($2::bigint[]) id on conflict do nothing`, a.ID, a.Archives)
	}
}

func remove(b *projections.Batch, at, build int64) {
	b.Exec(`with gone as (delete from archiveinfo where build_id = $1 returning *) insert into archiveinfo_past select g.*, $2::bigint from gone g`, build, at)
}

func forgetTypes(b *projections.Batch, at, build int64) {
	forgetType(b, at, "maven_builds", build)
	forgetType(b, at, "win_builds", build)
}

// forgetType moves a build's row to the past; table is a constant of this package.
func forgetType(b *projections.Batch, at int64, table string, build int64) {
	b.Exec(`with gone as (delete from `+table+` where build_id = $1 returning *) insert into `+table+`_past select g.*, $2::bigint from gone g`, build, at)
}

// text is JSON as text, nil if there is none.
func text(raw json.RawMessage) *string {
	if len(raw) == 0 {
		return nil
	}
	s := string(raw)
	return &s
}
