package events

import "encoding/json"

// Buildroots (stream buildroot-ID) and the lists of rpms that were in them (stream content-DIGEST, one event each).

// BuildrootCreated: a builder makes a buildroot of a repository.
type BuildrootCreated struct {
	ID            int64  `json:"id"`
	HostID        int64  `json:"host_id"`
	RepoID        int64  `json:"repo_id"`
	TaskID        *int64 `json:"task_id,omitempty"`
	Arch          string `json:"arch"`
	ContainerType string `json:"container_type"`
}

// ExternalBuildrootCreated: a content generator tells where it built.
type ExternalBuildrootCreated struct {
	ID                 int64           `json:"id"`
	ContentGeneratorID int64           `json:"cg_id"`
	Version            string          `json:"cg_version"`
	ContainerType      string          `json:"container_type"`
	Arch               string          `json:"arch"`
	HostOS             string          `json:"host_os"`
	HostArch           string          `json:"host_arch"`
	Extra              json.RawMessage `json:"extra,omitempty"`
	Tools              []Tool          `json:"tools,omitempty"`
}

// Tool is a program that a content generator built with.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// BuildrootStateSet: the buildroot went on to another state (koji.BuildrootState); the last one, EXPIRED, retires it.
type BuildrootStateSet struct {
	ID    int64 `json:"id"`
	State int   `json:"state"`
}

// BuildrootListed names the rpms of a buildroot: the content with this digest. IsUpdate tells that they came in addition, for one build.
type BuildrootListed struct {
	ID       int64  `json:"id"`
	Digest   string `json:"digest"`
	Count    int    `json:"count"`
	IsUpdate bool   `json:"is_update,omitempty"`
}

// ContentRecorded is a list of rpms. Digest is the SHA-256 in hex over the ids in ascending order, each in decimal and followed by a newline.
// With Base, the list is that of Base without Removed and with Added; without, Added is the whole list. All ascending.
type ContentRecorded struct {
	Digest  string  `json:"digest"`
	Base    string  `json:"base,omitempty"`
	Added   []int64 `json:"added,omitempty"`
	Removed []int64 `json:"removed,omitempty"`
}

func (BuildrootCreated) EventType() string         { return "buildroot.created" }
func (ExternalBuildrootCreated) EventType() string { return "buildroot.external_created" }
func (BuildrootStateSet) EventType() string        { return "buildroot.state_set" }
func (BuildrootListed) EventType() string          { return "buildroot.listed" }
func (ContentRecorded) EventType() string          { return "content.recorded" }

func buildrootEvents() []registration {
	return []registration{of[BuildrootCreated](), of[ExternalBuildrootCreated](), of[BuildrootStateSet](), of[BuildrootListed](), of[ContentRecorded]()}
}
