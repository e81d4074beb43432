package events

import (
	"encoding/json"
	"time"
)

// Archives: the files of builds that are not rpms (jars, images, Windows programs, whatever a content generator delivers). They are in the
// build's stream, and so are the buildroots that a content generator tells of: both come with the build, in one append.

// MavenInfo names an artifact in Maven's terms.
type MavenInfo struct {
	GroupID    string `json:"group_id"`
	ArtifactID string `json:"artifact_id"`
	Version    string `json:"version"`
}

// WinInfo is what is kept of a file of a Windows build. Platforms and Flags are separated by blanks, as Koji keeps them.
type WinInfo struct {
	RelPath   string  `json:"relpath"` // its directory below the build's win directory, "" for that itself
	Platforms string  `json:"platforms"`
	Flags     *string `json:"flags,omitempty"`
}

// Archive is an archive as it was imported. Maven, Win and ImageArch are set for archives of these types only.
type Archive struct {
	ID           int64           `json:"id"`
	TypeID       int64           `json:"type_id"`  // archive type
	BTypeID      int64           `json:"btype_id"` // build type
	BuildrootID  *int64          `json:"buildroot_id,omitempty"`
	Filename     string          `json:"filename"`
	Subdir       string          `json:"subdir,omitempty"` // below the directory of its build type
	Size         int64           `json:"size"`             // in bytes
	Checksum     string          `json:"checksum"`         // in hex; the hub's own, but for MetadataOnly
	ChecksumType int             `json:"checksum_type"`    // koji's CHECKSUM_TYPES
	MetadataOnly bool            `json:"metadata_only,omitempty"`
	Extra        json.RawMessage `json:"extra,omitempty"`
	Maven        *MavenInfo      `json:"maven,omitempty"`
	Win          *WinInfo        `json:"win,omitempty"`
	ImageArch    *string         `json:"image_arch,omitempty"`
	// RPMs is the digest of the list of rpms that are in the archive (ContentRecorded), RPMCount their number.
	RPMs     string  `json:"rpms,omitempty"`
	RPMCount int     `json:"rpm_count,omitempty"`
	Archives []int64 `json:"archives,omitempty"` // ids of archives that are in the archive
}

// ArchivesImported adds archives to a build. Partial is as in RPMsImported.
type ArchivesImported struct {
	BuildID  int64     `json:"build_id"`
	Partial  bool      `json:"partial,omitempty"`
	Archives []Archive `json:"archives"`
}

// BuildMavenSet says what a build is to Maven.
type BuildMavenSet struct {
	ID int64 `json:"id"`
	MavenInfo
}

// BuildWinSet says what platform a Windows build was made on.
type BuildWinSet struct {
	ID       int64  `json:"id"`
	Platform string `json:"platform"`
}

// BuildImported: a content generator's import is whole, and the build complete. The values replace those that the build had.
type BuildImported struct {
	ID             int64           `json:"id"`
	Extra          json.RawMessage `json:"extra,omitempty"`
	Owner          int64           `json:"owner"`
	Source         *string         `json:"source,omitempty"`
	TaskID         *int64          `json:"task_id,omitempty"`
	VolumeID       int64           `json:"volume_id,omitempty"`
	CompletionTime *time.Time      `json:"completion_time,omitempty"` // nil: the event's time
}

// BuildrootArchivesListed names archives that were in a buildroot. Project tells that the build itself asked for them; otherwise they were part
// of the environment.
type BuildrootArchivesListed struct {
	ID       int64   `json:"id"`
	Archives []int64 `json:"archives"`
	Project  bool    `json:"project,omitempty"`
}

func (ArchivesImported) EventType() string        { return "archive.imported" }
func (BuildMavenSet) EventType() string           { return "build.maven_set" }
func (BuildWinSet) EventType() string             { return "build.win_set" }
func (BuildImported) EventType() string           { return "build.imported" }
func (BuildrootArchivesListed) EventType() string { return "buildroot.archives_listed" }

func archiveEvents() []registration {
	return []registration{of[ArchivesImported](), of[BuildMavenSet](), of[BuildWinSet](), of[BuildImported](), of[BuildrootArchivesListed]()}
}
