// Package rpm is the read model of rpms, their signatures and checksums.
package rpm

import (
	"encoding/json"

	"moromi/events"
	"moromi/projections"
)

// Projection writes rpminfo, rpmsigs, their past, and rpm_checksum.
type Projection struct{}

// New makes the projection.
func New() *Projection { return &Projection{} }

// Handles lists the events about rpms, and those about builds that touch their rpms.
func (p *Projection) Handles() []string {
	return []string{"rpm.imported", "rpm.import_undone", "rpm.signed", "rpm.signatures_removed", "rpm.checksummed", "rpm.external_added",
		"build.deleted", "build.reset", "build.promoted"}
}

// Apply queues the rows of one event.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	at := int64(c.Position)
	switch e := e.(type) {
	case events.RPMsImported:
		insert(b, at, e)
	case events.ExternalRPMsAdded:
		insertExternal(b, at, e)
	case events.ImportUndone:
		removeSignatures(b, at, e.BuildID)
		removeRPMs(b, at, e.BuildID)
	case events.BuildReset:
		removeSignatures(b, at, e.ID)
		removeRPMs(b, at, e.ID)
	case events.BuildDeleted:
		removeSignatures(b, at, e.ID)
	case events.BuildPromoted:
		b.Exec(`insert into rpminfo_past select r.*, $2::bigint from rpminfo r where build_id = $1 and since < $2`, e.ID, at)
		b.Exec(`update rpminfo set draft = false, since = $2 where build_id = $1`, e.ID, at)
	case events.RPMSigned:
		b.Exec(`insert into rpmsigs (rpm_id, sigkey, sighash, since) values ($1, $2, $3, $4)`, e.RPMID, e.SigKey, e.SigHash, at)
	case events.RPMSignaturesRemoved:
		b.Exec(`with gone as (delete from rpmsigs where rpm_id = $1 and sigkey = any($3) returning *) insert into rpmsigs_past select g.*, $2::bigint from gone g`,
			e.RPMID, at, e.SigKeys)
		b.Exec(`delete from rpm_checksum where rpm_id = $1 and sigkey = any($2)`, e.RPMID, e.SigKeys)
	case events.RPMChecksummed:
		b.Exec(`insert into rpm_checksum (rpm_id, sigkey, checksum_type, checksum) values ($1, $2, $3, $4) on conflict do nothing`,
			e.RPMID, e.SigKey, e.Type, e.Checksum)
	}
	return nil
}

func insert(b *projections.Batch, at int64, e events.RPMsImported) {
	for _, r := range e.RPMs {
		b.Exec(`insert into rpminfo (id, build_id, buildroot_id, name, version, release, epoch, arch, draft, external_repo_id, payloadhash, size, buildtime,
			metadata_only, extra, sha256, since) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $12, $13, $14, nullif($15, ''), $16)`,
			r.ID, e.BuildID, r.BuildrootID, r.Name, r.Version, r.Release, r.Epoch, r.Arch, e.Draft, r.PayloadHash, r.Size, r.BuildTime,
			r.MetadataOnly, text(r.Extra), r.SHA256, at)
		if r.SigHash != "" {
			b.Exec(`insert into rpmsigs (rpm_id, sigkey, sighash, since) values ($1, $2, $3, $4)`, r.ID, r.SigKey, r.SigHash, at)
		}
	}
}

func insertExternal(b *projections.Batch, at int64, e events.ExternalRPMsAdded) {
	for _, r := range e.RPMs {
		b.Exec(`insert into rpminfo (id, name, version, release, epoch, arch, external_repo_id, payloadhash, size, buildtime, metadata_only, since)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, false, $11)`,
			r.ID, r.Name, r.Version, r.Release, r.Epoch, r.Arch, e.ExternalRepoID, r.PayloadHash, r.Size, r.BuildTime, at)
	}
}

func removeSignatures(b *projections.Batch, at, build int64) {
	b.Exec(`with gone as (delete from rpmsigs s using rpminfo r where r.build_id = $1 and s.rpm_id = r.id returning s.*)
		insert into rpmsigs_past select g.*, $2::bigint from gone g`, build, at)
	b.Exec(`delete from rpm_checksum s using rpminfo r where r.build_id = $1 and s.rpm_id = r.id`, build)
}

func removeRPMs(b *projections.Batch, at, build int64) {
	b.Exec(`with gone as (delete from rpminfo where build_id = $1 returning *) insert into rpminfo_past select g.*, $2::bigint from gone g`, build, at)
}

// text is JSON as text, nil if there is none.
func text(raw json.RawMessage) *string {
	if len(raw) == 0 {
		return nil
	}
	s := string(raw)
	return &s
}
