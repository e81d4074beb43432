package events

import "encoding/json"

// Rpms. Those of a build are in the build's stream; those of an external repository in the stream external-rpms-REPO.

// RPM is an rpm of a build as it was imported. Digests are the hub's own.
type RPM struct {
	ID           int64           `json:"id"`
	Name         string          `json:"name"`
	Version      string          `json:"version"`
	Release      string          `json:"release"`
	Epoch        *int64          `json:"epoch,omitempty"`
	Arch         string          `json:"arch"`              // src for source rpms
	PayloadHash  string          `json:"payloadhash"`       // the signature header's MD5 in hex (sigmd5)
	Size         int64           `json:"size"`              // of the file in bytes
	BuildTime    int64           `json:"buildtime"`         // seconds since 1970
	SHA256       string          `json:"sha256,omitempty"`  // of the file, in hex
	SigKey       string          `json:"sigkey,omitempty"`  // whose signature it came with; empty: none
	SigHash      string          `json:"sighash,omitempty"` // MD5 of its signature header in hex
	BuildrootID  *int64          `json:"buildroot_id,omitempty"`
	MetadataOnly bool            `json:"metadata_only,omitempty"`
	Extra        json.RawMessage `json:"extra,omitempty"`
}

// RPMsImported adds rpms to a build. Partial tells that more of the same import follow in later appends, because they are too many for one:
// an import that ended in between is taken back by ImportUndone.
type RPMsImported struct {
	BuildID int64 `json:"build_id"`
	Draft   bool  `json:"draft,omitempty"`
	Partial bool  `json:"partial,omitempty"`
	RPMs    []RPM `json:"rpms"`
}

// ImportUndone takes the rpms of an import that did not come to its end out of a build.
type ImportUndone struct {
	BuildID int64 `json:"build_id"`
}

// RPMSigned keeps a signature header for an rpm.
type RPMSigned struct {
	BuildID int64  `json:"build_id"`
	RPMID   int64  `json:"rpm_id"`
	SigKey  string `json:"sigkey"`
	SigHash string `json:"sighash"`
}

// RPMSignaturesRemoved forgets signature headers of an rpm.
type RPMSignaturesRemoved struct {
	BuildID int64    `json:"build_id"`
	RPMID   int64    `json:"rpm_id"`
	SigKeys []string `json:"sigkeys"`
}

// RPMChecksummed records a checksum of the copy of an rpm with a signature.
type RPMChecksummed struct {
	BuildID  int64  `json:"build_id"`
	RPMID    int64  `json:"rpm_id"`
	SigKey   string `json:"sigkey"`
	Type     int    `json:"checksum_type"` // koji.ChecksumType
	Checksum string `json:"checksum"`
}

// ExternalRPM is an rpm of an external repository, as a builder reported it: the hub has no file of it.
type ExternalRPM struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Version     string `json:"version"`
	Release     string `json:"release"`
	Epoch       *int64 `json:"epoch,omitempty"`
	Arch        string `json:"arch"`
	PayloadHash string `json:"payloadhash"`
	Size        int64  `json:"size"`
	BuildTime   int64  `json:"buildtime"`
}

// ExternalRPMsAdded makes rpms of an external repository known.
type ExternalRPMsAdded struct {
	ExternalRepoID int64         `json:"external_repo_id"`
	RPMs           []ExternalRPM `json:"rpms"`
}

func (RPMsImported) EventType() string         { return "rpm.imported" }
func (ImportUndone) EventType() string         { return "rpm.import_undone" }
func (RPMSigned) EventType() string            { return "rpm.signed" }
func (RPMSignaturesRemoved) EventType() string { return "rpm.signatures_removed" }
func (RPMChecksummed) EventType() string       { return "rpm.checksummed" }
func (ExternalRPMsAdded) EventType() string    { return "rpm.external_added" }

func rpmEvents() []registration {
	return []registration{of[RPMsImported](), of[ImportUndone](), of[RPMSigned](), of[RPMSignaturesRemoved](), of[RPMChecksummed](), of[ExternalRPMsAdded]()}
}
