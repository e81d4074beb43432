package commands

import (
	"context"
	"fmt"

	"moromi/commands/metadata"
	"moromi/internal/fault"
	"moromi/internal/koji"
	archivemodel "moromi/projections/archive"
	buildmodel "moromi/projections/build"
	rpmmodel "moromi/projections/rpm"
)

// matchComponents finds what is meant by components of a buildroot or an output: ids of rpms and of archives. What the hub does not know is left
// out and noted in the import's log.
func (imp *contentImport) matchComponents(ctx context.Context, list []metadata.Component) (rpms, archives []int64, err error) {
	var names []koji.NVRA
	var sums []string
	for _, c := range list {
		if c.Type == metadata.ComponentRPM {
			names = append(names, koji.NVRA{NVR: koji.NVR{Name: c.Name, Version: c.Version, Release: c.Release}, Arch: c.Arch})
			sums = append(sums, c.SigMD5)
		}
	}
	if rpms, err = imp.matchRPMs(ctx, names, sums); err != nil {
		return nil, nil, err
	}
	for _, c := range list {
		id := int64(0)
		switch c.Type {
		case metadata.ComponentFile:
			id, err = imp.matchFile(ctx, c)
		case metadata.ComponentKojiFile:
			id, err = imp.matchKojiFile(ctx, c)
		}
		if err != nil {
			return nil, nil, err
		}
		if id != 0 {
			archives = append(archives, id)
		}
	}
	return rpms, archives, nil
}

func (imp *contentImport) matchRPMs(ctx context.Context, names []koji.NVRA, sums []string) ([]int64, error) {
	found, err := rpmmodel.IDs(ctx, imp.s.DB, names)
	if err != nil {
		return nil, err
	}
	brief, err := rpmmodel.Briefs(ctx, imp.s.DB, found)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for i, id := range found {
		b, there := brief[id]
		if !there {
			imp.note("IGNORING unmatched rpm component: %s", names[i])
			continue
		}
		if b.Draft {
			return nil, fault.New(fault.Generic, "Draft rpm not supported")
		}
		if b.PayloadHash != sums[i] { // counted all the same, as Koji does
			imp.note("rpm component with another sigmd5: %s", names[i])
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// matchFile finds an archive by name, size and checksum; 0 if there is none.
func (imp *contentImport) matchFile(ctx context.Context, c metadata.Component) (int64, error) {
	kind, known := checksumTypes[c.ChecksumType]
	if !known {
		return 0, fault.New(fault.Generic, "Unsupported checksum type: %s", c.ChecksumType)
	}
	id, others, err := archivemodel.Match(ctx, imp.s.DB, c.Filename, c.Size, kind, c.Checksum)
	if err != nil || id != 0 {
		return id, err
	}
	imp.note("IGNORING unmatched archive: %s (size %d, sum %s); %d of this name and size have a checksum of another type", c.Filename, c.Size, c.Checksum, others)
	return 0, nil
}

// matchKojiFile finds an archive by its id; whatever else is said of it must be so.
func (imp *contentImport) matchKojiFile(ctx context.Context, c metadata.Component) (int64, error) {
	a, err := archivemodel.Get(ctx, imp.s.DB, c.ArchiveID, nil)
	if err != nil {
		return 0, err
	}
	if a == nil {
		return 0, fault.New(fault.Generic, "No such archive: %d", c.ArchiveID)
	}
	b, err := buildmodel.MustGet(ctx, imp.s.DB, buildmodel.Spec{ID: a["build_id"].(int64)}, nil)
	if err != nil {
		return 0, err
	}
	expected := map[string]any{"nvr": b["nvr"], "filename": a["filename"], "filesize": a["size"], "checksum": a["checksum"]}
	for name, kind := range checksumTypes {
		if int64(kind) == a["checksum_type"] {
			expected["checksum_type"] = name
		}
	}
	for _, key := range []string{"nvr", "filename", "filesize", "checksum", "checksum_type"} {
		if got, given := c.Given[key]; given && got != expected[key] {
			return 0, fault.New(fault.Generic, "Component field %s does not match for archive_id=%d: %v != %.200s", key, c.ArchiveID, expected[key], fmt.Sprint(got))
		}
	}
	return c.ArchiveID, nil
}
