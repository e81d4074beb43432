package events

import (
	"encoding/json"
	"time"
)

// Builds. A build's own stream is build-ID; the names that builds of a package bear are in the stream nvr-PACKAGE.

// NVRClaimed gives a version and release of a package to a build id. A later claim takes it over from an id that was voided.
type NVRClaimed struct {
	PackageID int64  `json:"pkg_id"`
	Version   string `json:"version"`
	Release   string `json:"release"`
	BuildID   int64  `json:"build_id"`
}

// BuildStart is what is known when a build comes into being. Without StartTime it starts at the event's time; without CompletionTime a build
// that is not BUILDING is complete at the event's time.
type BuildStart struct {
	ID                 int64           `json:"id"`
	PackageID          int64           `json:"pkg_id"`
	Version            string          `json:"version"`
	Release            string          `json:"release"`
	Epoch              *int64          `json:"epoch,omitempty"`
	Draft              bool            `json:"draft,omitempty"`
	Source             *string         `json:"source,omitempty"`
	Extra              json.RawMessage `json:"extra,omitempty"`
	State              int             `json:"state"` // koji.BuildState
	TaskID             *int64          `json:"task_id,omitempty"`
	Owner              int64           `json:"owner"`
	VolumeID           int64           `json:"volume_id,omitempty"`
	ContentGeneratorID *int64          `json:"cg_id,omitempty"`
	StartTime          *time.Time      `json:"start_time,omitempty"`
	CompletionTime     *time.Time      `json:"completion_time,omitempty"`
	Types              []int64         `json:"btypes,omitempty"`
}

// BuildCreated makes a build.
type BuildCreated struct{ BuildStart }

// BuildRecycled starts a build again that had failed or was canceled, under its old id.
type BuildRecycled struct{ BuildStart }

// BuildVoided: the id was drawn for a name that another build got; it will never become a build.
type BuildVoided struct {
	ID int64 `json:"id"`
}

// BuildTyped adds a build type.
type BuildTyped struct {
	ID   int64 `json:"id"`
	Type int64 `json:"btype_id"`
}

// BuildCompleted: everything that was built is imported. The build is complete at the event's time.
type BuildCompleted struct {
	ID       int64 `json:"id"`
	VolumeID int64 `json:"volume_id"`
}

// BuildFailed: the build ended without a result.
type BuildFailed struct {
	ID int64 `json:"id"`
}

// BuildCanceled: someone stopped the build.
type BuildCanceled struct {
	ID int64 `json:"id"`
}

// BuildDeleted: the files are gone; what is known of the build stays, but for its signatures.
type BuildDeleted struct {
	ID int64 `json:"id"`
}

// BuildReset: the build is as if canceled before anything was imported.
type BuildReset struct {
	ID int64 `json:"id"`
}

// BuildOwnerSet gives a build another owner.
type BuildOwnerSet struct {
	ID    int64 `json:"id"`
	Owner int64 `json:"owner"`
}

// BuildTimestampSet sets the time at which a build counts as completed.
type BuildTimestampSet struct {
	ID   int64     `json:"id"`
	Time time.Time `json:"time"`
}

// BuildMoved: the build's files are on another volume.
type BuildMoved struct {
	ID       int64 `json:"id"`
	VolumeID int64 `json:"volume_id"`
}

// BuildPromoted makes a draft a regular build with another release.
type BuildPromoted struct {
	ID       int64  `json:"id"`
	Release  string `json:"release"`
	Promoter int64  `json:"promoter"`
}

func (NVRClaimed) EventType() string        { return "build.nvr_claimed" }
func (BuildCreated) EventType() string      { return "build.created" }
func (BuildRecycled) EventType() string     { return "build.recycled" }
func (BuildVoided) EventType() string       { return "build.voided" }
func (BuildTyped) EventType() string        { return "build.typed" }
func (BuildCompleted) EventType() string    { return "build.completed" }
func (BuildFailed) EventType() string       { return "build.failed" }
func (BuildCanceled) EventType() string     { return "build.canceled" }
func (BuildDeleted) EventType() string      { return "build.deleted" }
func (BuildReset) EventType() string        { return "build.reset" }
func (BuildOwnerSet) EventType() string     { return "build.owner_set" }
func (BuildTimestampSet) EventType() string { return "build.timestamp_set" }
func (BuildMoved) EventType() string        { return "build.moved" }
func (BuildPromoted) EventType() string     { return "build.promoted" }

func buildEvents() []registration {
	return append([]registration{of[NVRClaimed](), of[BuildCreated](), of[BuildRecycled](), of[BuildVoided](), of[BuildTyped](),
		of[BuildCompleted](), of[BuildFailed](), of[BuildCanceled](), of[BuildDeleted](), of[BuildReset](), of[BuildOwnerSet](),
		of[BuildTimestampSet](), of[BuildMoved](), of[BuildPromoted]()}, rpmEvents()...)
}
