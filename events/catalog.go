package events

// The catalogue: small named things that others refer to by id: permissions, volumes, build types, archive types, content generators.
// Each kind is one stream, catalog-KIND.

// PermissionDefined makes a permission, or gives it another description.
type PermissionDefined struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// VolumeDefined makes a volume of the topdir known.
type VolumeDefined struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// VolumeRemoved: the volume is gone.
type VolumeRemoved struct {
	ID int64 `json:"id"`
}

// BuildTypeDefined makes a build type (rpm, maven, win, image, …).
type BuildTypeDefined struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// ArchiveTypeDefined makes a type of archive. Extensions are separated by blanks, as Koji keeps them.
type ArchiveTypeDefined struct {
	ID              int64   `json:"id"`
	Name            string  `json:"name"`
	Description     string  `json:"description"`
	Extensions      string  `json:"extensions"`
	CompressionType *string `json:"compression_type,omitempty"`
}

// ContentGeneratorDefined makes a content generator.
type ContentGeneratorDefined struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// ContentGeneratorGranted lets a user import as a content generator.
type ContentGeneratorGranted struct {
	ContentGeneratorID int64 `json:"cg_id"`
	UserID             int64 `json:"user_id"`
}

// ContentGeneratorRevoked takes that away.
type ContentGeneratorRevoked struct {
	ContentGeneratorID int64 `json:"cg_id"`
	UserID             int64 `json:"user_id"`
}

func (PermissionDefined) EventType() string       { return "catalog.permission_defined" }
func (VolumeDefined) EventType() string           { return "catalog.volume_defined" }
func (VolumeRemoved) EventType() string           { return "catalog.volume_removed" }
func (BuildTypeDefined) EventType() string        { return "catalog.build_type_defined" }
func (ArchiveTypeDefined) EventType() string      { return "catalog.archive_type_defined" }
func (ContentGeneratorDefined) EventType() string { return "catalog.content_generator_defined" }
func (ContentGeneratorGranted) EventType() string { return "catalog.content_generator_granted" }
func (ContentGeneratorRevoked) EventType() string { return "catalog.content_generator_revoked" }

func catalogEvents() []registration {
	return []registration{of[PermissionDefined](), of[VolumeDefined](), of[VolumeRemoved](), of[BuildTypeDefined](), of[ArchiveTypeDefined](),
		of[ContentGeneratorDefined](), of[ContentGeneratorGranted](), of[ContentGeneratorRevoked]()}
}
