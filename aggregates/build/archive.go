package build

import (
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

// Build types that the hub itself knows something of (catalogue ids of Koji's schema). Others have no more than a directory.
const (
	TypeRPM   = 1
	TypeMaven = 2
	TypeWin   = 3
	TypeImage = 4
)

func (b *Build) applyArchive(e events.Event) {
	switch e := e.(type) {
	case events.ArchivesImported:
		if b.archives == nil {
			b.archives = map[string]int64{}
		}
		for _, a := range e.Archives {
			b.archives[archiveKey(a)] = a.ID
		}
		b.partial = e.Partial
	case events.BuildMavenSet:
		info := e.MavenInfo
		b.maven = &info
	case events.BuildWinSet:
		b.platform = &e.Platform
	case events.BuildImported:
		b.state, b.owner, b.task, b.volume, b.partial = koji.BuildComplete, e.Owner, e.TaskID, e.VolumeID, false
	}
}

// ArchiveDir is the directory of an archive below that of its build type.
func ArchiveDir(a events.Archive) string {
	switch {
	case a.Maven != nil:
		return path.Join(strings.ReplaceAll(a.Maven.GroupID, ".", "/"), a.Maven.ArtifactID, a.Maven.Version)
	case a.Win != nil:
		return a.Win.RelPath
	}
	return a.Subdir
}

// archiveKey is what two archives of a build must not have in common: their place. Those without a file have none, and only an id.
func archiveKey(a events.Archive) string {
	if a.MetadataOnly {
		return "#" + strconv.FormatInt(a.ID, 10)
	}
	return strconv.FormatInt(a.BTypeID, 10) + "/" + path.Join(ArchiveDir(a), a.Filename)
}

// NoDraft refuses a draft build where only regular ones are supported.
func (b *Build) NoDraft() error {
	if b.draft {
		return fault.New(fault.Generic, "Draft build not supported")
	}
	return nil
}

// SetMaven says what the build is to Maven, and gives it the build type. What was said before must be the same.
func (b *Build) SetMaven(in events.MavenInfo) ([]events.Event, error) {
	if err := b.known(); err != nil {
		return nil, err
	}
	if b.maven != nil {
		for _, f := range [][3]string{{"group_id", b.maven.GroupID, in.GroupID}, {"artifact_id", b.maven.ArtifactID, in.ArtifactID}, {"version", b.maven.Version, in.Version}} {
			if f[1] != f[2] {
				return nil, fault.New(fault.Build, "%s mismatch (current: %s, new: %s)", f[0], f[1], f[2])
			}
		}
		return nil, nil
	}
	typed, err := b.SetType(TypeMaven)
	return append([]events.Event{events.BuildMavenSet{ID: b.id, MavenInfo: in}}, typed...), err
}

// SetWin says what platform a Windows build was made on, and gives it the build type.
func (b *Build) SetWin(platform string) ([]events.Event, error) {
	if err := b.known(); err != nil || b.platform != nil && *b.platform == platform {
		return nil, err
	}
	typed, err := b.SetType(TypeWin)
	return append([]events.Event{events.BuildWinSet{ID: b.id, Platform: platform}}, typed...), err
}

// HasType tells whether the build has a build type.
func (b *Build) HasType(btype int64) bool { return slices.Contains(b.types, btype) }

// AddArchives adds archives to the build. Each must be of a type that the build has and have a place of its own.
func (b *Build) AddArchives(archives ...events.Archive) ([]events.Event, error) {
	if err := b.Importable(); err != nil {
		return nil, err
	}
	if err := b.NoDraft(); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, a := range archives {
		k := archiveKey(a)
		if b.archives[k] != 0 || seen[k] {
			return nil, fault.New(fault.Generic, "Error importing archive file, %s already exists", path.Join(ArchiveDir(a), a.Filename))
		}
		if !b.HasType(a.BTypeID) {
			return nil, fault.New(fault.Import, "Build does not have the type of %s", a.Filename)
		}
		seen[k] = true
	}
	var evs []events.Event
	for _, batch := range ArchiveBatches(archives) {
		evs = append(evs, events.ArchivesImported{BuildID: b.id, Archives: batch})
	}
	return evs, nil
}

// archiveOverhead is what an archive takes in an event besides its texts: keys, ids, numbers and the digest of its rpms.
const archiveOverhead = 400

// ArchiveBatches splits archives into lists that fit one event each: nearly always one.
func ArchiveBatches(archives []events.Archive) [][]events.Archive {
	return batches(archives, func(a events.Archive) int {
		n := archiveOverhead + len(a.Filename) + len(a.Subdir) + len(a.Checksum) + len(a.Extra) + 12*len(a.Archives)
		if a.Maven != nil {
			n += len(a.Maven.GroupID) + len(a.Maven.ArtifactID) + len(a.Maven.Version)
		}
		if a.Win != nil {
			n += len(a.Win.RelPath) + len(a.Win.Platforms)
		}
		return n
	})
}

// Content is what a content generator's import brings to a build.
type Content struct {
	// Start makes the build, in the state BUILDING; nil for a build that was reserved.
	Start *events.BuildStart
	// Name is the build's N-V-R, for messages.
	Name    string
	History History
	// Generator is the content generator. A reserved build must be its own.
	Generator int64
	Done      events.BuildImported
	Types     []int64
	Maven     *events.MavenInfo
	Platform  *string
	// Roots are the events of the buildroots.
	Roots    []events.Event
	RPMs     []events.RPM
	Archives []events.Archive
}

// ImportContent decides a content generator's import: everything that it brings, and at the end the completion. The events may be more than one
// append takes; see Appends.
func (b *Build) ImportContent(in Content) ([]events.Event, error) {
	evs, next, err := b.begin(in)
	if err != nil {
		return nil, err
	}
	grow := func(more []events.Event, err error) error {
		for _, e := range more {
			next.Apply(e)
		}
		evs = append(evs, more...)
		return err
	}
	if in.Maven != nil {
		if err := grow(next.SetMaven(*in.Maven)); err != nil {
			return nil, err
		}
	}
	if in.Platform != nil {
		if err := grow(next.SetWin(*in.Platform)); err != nil {
			return nil, err
		}
	}
	for _, t := range in.Types {
		if err := grow(next.SetType(t)); err != nil {
			return nil, err
		}
	}
	evs = append(evs, in.Roots...)
	for _, batch := range Batches(in.RPMs) {
		if len(batch) == 0 {
			continue
		}
		if err := grow(next.Import(TypeRPM, batch...)); err != nil {
			return nil, err
		}
	}
	if len(in.Archives) > 0 {
		if err := grow(next.AddArchives(in.Archives...)); err != nil {
			return nil, err
		}
	}
	return append(evs, in.Done), nil
}

// begin starts the build, or makes sure that it was reserved. next is the build that the rest of the import is decided on.
func (b *Build) begin(in Content) (evs []events.Event, next *Build, err error) {
	next = b.clone()
	if in.Start == nil {
		switch {
		case !b.exists:
			return nil, nil, b.known()
		case b.state != koji.BuildBuilding:
			return nil, nil, fault.New(fault.Generic, "Build ID %d is not in BUILDING state", b.id)
		case b.generator == nil || *b.generator != in.Generator:
			return nil, nil, fault.New(fault.Generic, "Build ID %d is not reserved by this CG", b.id)
		}
		if b.partial {
			evs = append(evs, events.ImportUndone{BuildID: b.id})
			next.forget()
		}
		return evs, next, nil
	}
	if b.exists && b.state != koji.BuildFailed && b.state != koji.BuildCanceled {
		return nil, nil, fault.New(fault.Generic, "Build already exists: %s (id=%d)", in.Name, b.id)
	}
	if evs, err = b.Start(*in.Start, in.Name, in.History); err != nil {
		return nil, nil, err
	}
	for _, e := range evs {
		next.Apply(e)
	}
	return evs, next, nil
}

// clone is a build that can be changed without changing b.
func (b *Build) clone() *Build {
	c := *b
	c.types = slices.Clone(b.types)
	c.rpms, c.byID, c.archives = map[nvra]*rpm{}, map[int64]*rpm{}, map[string]int64{}
	for k, r := range b.rpms {
		c.rpms[k] = r
	}
	for k, r := range b.byID {
		c.byID[k] = r
	}
	for k, id := range b.archives {
		c.archives[k] = id
	}
	return &c
}

// Limits of one append of an import, below those of the ledger, which counts the envelopes too.
const (
	maxAppendEvents = 900
	maxAppendBytes  = maxImportBytes
)

// Appends splits the events of an import into appends. All but the last say that more follow: an import that ended in between is taken back by
// the next attempt.
func Appends(evs []events.Event) ([][]events.Event, error) {
	out := [][]events.Event{}
	size, from := 0, 0
	for i, e := range evs {
		data, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		if i > from && (size+len(data) > maxAppendBytes || i-from >= maxAppendEvents) {
			out, size, from = append(out, evs[from:i:i]), 0, i
		}
		size += len(data)
	}
	out = append(out, evs[from:])
	for _, part := range out[:len(out)-1] {
		for i, e := range part {
			switch e := e.(type) {
			case events.RPMsImported:
				e.Partial = true
				part[i] = e
			case events.ArchivesImported:
				e.Partial = true
				part[i] = e
			}
		}
	}
	return out, nil
}

// Building tells whether the build is under way, as it is between the appends of an import.
func (b *Build) Building() bool { return b.exists && b.state == koji.BuildBuilding }
