package events

import "encoding/json"

// TagSettings are a tag's own settings. Arches are separated by blanks; PermissionID is what a user must hold to tag builds with it.
type TagSettings struct {
	Arches          *string `json:"arches,omitempty"`
	PermissionID    *int64  `json:"perm_id,omitempty"`
	Locked          bool    `json:"locked,omitempty"`
	MavenSupport    bool    `json:"maven_support,omitempty"`
	MavenIncludeAll bool    `json:"maven_include_all,omitempty"`
}

// TagCreated: stream tag-ID. A deleted tag that is made again has the same id.
type TagCreated struct {
	ID int64 `json:"id"`
	TagSettings
}

// TagConfigured: the tag's whole settings from here on.
type TagConfigured struct {
	ID int64 `json:"id"`
	TagSettings
}

// TagDeleted ends the tag and all that is in it.
type TagDeleted struct {
	ID int64 `json:"id"`
}

// TagExtraSet gives an extra setting a value; nil blocks the key, so that it is not inherited either.
type TagExtraSet struct {
	ID    int64           `json:"id"`
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value,omitempty"`
}

// TagExtraRemoved takes an extra setting away; what is inherited holds again.
type TagExtraRemoved struct {
	ID  int64  `json:"id"`
	Key string `json:"key"`
}

// Inheritance is a link from a tag to a parent.
type Inheritance struct {
	ParentID      int64  `json:"parent_id"`
	Priority      int64  `json:"priority"`
	MaxDepth      *int64 `json:"maxdepth,omitempty"`
	Intransitive  bool   `json:"intransitive,omitempty"`
	NoConfig      bool   `json:"noconfig,omitempty"`
	PackageFilter string `json:"pkg_filter,omitempty"`
}

// TagInheritanceChanged: these links are gone, those are new; a changed link is in both.
type TagInheritanceChanged struct {
	ID      int64         `json:"id"`
	Removed []int64       `json:"removed,omitempty"` // parent ids
	Added   []Inheritance `json:"added,omitempty"`
}

// TagPackageSet: the package is on the tag's list, or blocked on it.
type TagPackageSet struct {
	ID          int64   `json:"id"`
	PackageID   int64   `json:"package_id"`
	Blocked     bool    `json:"blocked,omitempty"`
	ExtraArches *string `json:"extra_arches,omitempty"`
}

// TagPackageOwnerSet: who owns the package in the tag.
type TagPackageOwnerSet struct {
	ID        int64 `json:"id"`
	PackageID int64 `json:"package_id"`
	Owner     int64 `json:"owner"`
}

// TagPackageRemoved: the tag says nothing of the package any more.
type TagPackageRemoved struct {
	ID        int64 `json:"id"`
	PackageID int64 `json:"package_id"`
}

// TagBuildsTagged: the builds are in the tag. Retagged builds move to the front of the order.
type TagBuildsTagged struct {
	ID     int64   `json:"id"`
	Builds []int64 `json:"builds"`
}

// TagBuildsUntagged: the builds are no longer in the tag.
type TagBuildsUntagged struct {
	ID     int64   `json:"id"`
	Builds []int64 `json:"builds"`
}

// TagUpdated: something in the tag changed that is recorded elsewhere (koji.TAG_UPDATE_TYPES): a volume, an import, a promotion, a request by hand.
type TagUpdated struct {
	ID   int64 `json:"id"`
	Type int   `json:"type"`
}

// TagExternalRepoSet links an external repository to the tag. Arches are separated by blanks; nil means the tag's.
type TagExternalRepoSet struct {
	ID             int64   `json:"id"`
	ExternalRepoID int64   `json:"external_repo_id"`
	Priority       int64   `json:"priority"`
	MergeMode      string  `json:"merge_mode"`
	Arches         *string `json:"arches,omitempty"`
}

// TagExternalRepoRemoved takes the link away.
type TagExternalRepoRemoved struct {
	ID             int64 `json:"id"`
	ExternalRepoID int64 `json:"external_repo_id"`
}

// TagGroupSet: a comps group of the tag as it is from here on.
type TagGroupSet struct {
	ID          int64   `json:"id"`
	GroupID     int64   `json:"group_id"`
	DisplayName string  `json:"display_name"`
	Blocked     bool    `json:"blocked,omitempty"`
	Exported    bool    `json:"exported"`
	IsDefault   *bool   `json:"is_default,omitempty"`
	UserVisible *bool   `json:"uservisible,omitempty"`
	Description *string `json:"description,omitempty"`
	LangOnly    *string `json:"langonly,omitempty"`
	BiarchOnly  *bool   `json:"biarchonly,omitempty"`
}

// TagGroupRemoved takes the tag's own word on the group away. What the tag lists in the group stays, as in Koji, and counts where the group is.
type TagGroupRemoved struct {
	ID      int64 `json:"id"`
	GroupID int64 `json:"group_id"`
}

// TagGroupPackageSet: an rpm name in a group.
type TagGroupPackageSet struct {
	ID           int64   `json:"id"`
	GroupID      int64   `json:"group_id"`
	Package      string  `json:"package"`
	Type         string  `json:"type"`
	Blocked      bool    `json:"blocked,omitempty"`
	BasearchOnly *bool   `json:"basearchonly,omitempty"`
	Requires     *string `json:"requires,omitempty"`
}

// TagGroupPackageRemoved takes it out.
type TagGroupPackageRemoved struct {
	ID      int64  `json:"id"`
	GroupID int64  `json:"group_id"`
	Package string `json:"package"`
}

// TagGroupRequirementSet: a group that a group needs.
type TagGroupRequirementSet struct {
	ID            int64  `json:"id"`
	GroupID       int64  `json:"group_id"`
	RequirementID int64  `json:"req_id"`
	Type          string `json:"type"`
	Blocked       bool   `json:"blocked,omitempty"`
	IsMetapackage bool   `json:"is_metapkg,omitempty"`
}

// TagGroupRequirementRemoved takes it away.
type TagGroupRequirementRemoved struct {
	ID            int64 `json:"id"`
	GroupID       int64 `json:"group_id"`
	RequirementID int64 `json:"req_id"`
}

func (TagCreated) EventType() string                 { return "tag.created" }
func (TagConfigured) EventType() string              { return "tag.configured" }
func (TagDeleted) EventType() string                 { return "tag.deleted" }
func (TagExtraSet) EventType() string                { return "tag.extra_set" }
func (TagExtraRemoved) EventType() string            { return "tag.extra_removed" }
func (TagInheritanceChanged) EventType() string      { return "tag.inheritance_changed" }
func (TagPackageSet) EventType() string              { return "tag.package_set" }
func (TagPackageOwnerSet) EventType() string         { return "tag.package_owner_set" }
func (TagPackageRemoved) EventType() string          { return "tag.package_removed" }
func (TagBuildsTagged) EventType() string            { return "tag.builds_tagged" }
func (TagBuildsUntagged) EventType() string          { return "tag.builds_untagged" }
func (TagUpdated) EventType() string                 { return "tag.updated" }
func (TagExternalRepoSet) EventType() string         { return "tag.external_repo_set" }
func (TagExternalRepoRemoved) EventType() string     { return "tag.external_repo_removed" }
func (TagGroupSet) EventType() string                { return "tag.group_set" }
func (TagGroupRemoved) EventType() string            { return "tag.group_removed" }
func (TagGroupPackageSet) EventType() string         { return "tag.group_package_set" }
func (TagGroupPackageRemoved) EventType() string     { return "tag.group_package_removed" }
func (TagGroupRequirementSet) EventType() string     { return "tag.group_requirement_set" }
func (TagGroupRequirementRemoved) EventType() string { return "tag.group_requirement_removed" }

func tagEvents() []registration {
	return []registration{of[TagCreated](), of[TagConfigured](), of[TagDeleted](), of[TagExtraSet](), of[TagExtraRemoved](),
		of[TagInheritanceChanged](), of[TagPackageSet](), of[TagPackageOwnerSet](), of[TagPackageRemoved](), of[TagBuildsTagged](),
		of[TagBuildsUntagged](), of[TagUpdated](), of[TagExternalRepoSet](), of[TagExternalRepoRemoved](), of[TagGroupSet](), of[TagGroupRemoved](),
		of[TagGroupPackageSet](), of[TagGroupPackageRemoved](), of[TagGroupRequirementSet](), of[TagGroupRequirementRemoved]()}
}
