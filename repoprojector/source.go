package repoprojector

import (
	"context"
	"encoding/json"

	"moromi/internal/storage"
	"moromi/repoprojector/examiner"
	"moromi/repoprojector/repodata"
)

// Source is what the projector reads of tags.
type Source interface {
	// TagID gives the id of a tag by its id (int64) or name (string); a fault if there is none.
	TagID(ctx context.Context, key any) (int64, error)
	// Links gives the whole inheritance as it is now.
	Links(ctx context.Context) ([]Link, error)
	// LinksOf gives the part of Links that is of some tags.
	LinksOf(ctx context.Context, tags []int64) ([]Link, error)
	// Kept gives the tags whose repository is kept up to date without being asked for: build tags of targets, and tags with repo.auto. KeptOf gives
	// those of them that are among some tags.
	Kept(ctx context.Context) ([]int64, error)
	KeptOf(ctx context.Context, tags []int64) ([]int64, error)
	// BuildTags gives the build tag of each target.
	BuildTags(ctx context.Context) (map[int64]int64, error)
	// TagsWith gives the tags that an external repository is linked to.
	TagsWith(ctx context.Context, externalRepo int64) ([]int64, error)
	// Content gives what a repository of the tag holds as of the event.
	Content(ctx context.Context, tag, event int64) (*Content, error)
	// ContentOf gives the rpms of Content that are of one package's builds, in their order.
	ContentOf(ctx context.Context, tag, event int64, pkg string, all bool) ([]RPM, error)
	// Groups and Blocked give these parts of Content.
	Groups(ctx context.Context, tag, event int64) ([]repodata.Group, error)
	Blocked(ctx context.Context, tag, event int64) ([]string, error)
	// Lineage gives the tag and what it inherits from as of the event, in order.
	Lineage(ctx context.Context, tag, event int64) ([]Ancestor, error)
	// PackageNames gives the names of packages, and BuildPackages those of the packages that builds are of, each once.
	PackageNames(ctx context.Context, ids []int64) ([]string, error)
	BuildPackages(ctx context.Context, builds []int64) ([]string, error)
}

// Ancestor is a tag in the inheritance of another.
type Ancestor struct {
	Tag int64
	// Filter says which packages come from it: regular expressions, by lines.
	Filter string
}

// Link is a step of inheritance: Tag inherits from Parent.
type Link struct {
	Tag, Parent int64
	// MaxDepth is how many further steps inheritance goes on after the parent; nil: any number.
	MaxDepth *int64
	// Intransitive: only the tag itself inherits through the link, not those that inherit from it.
	Intransitive bool
}

// Content is what a repository is made of.
type Content struct {
	// Tag is the tag's name.
	Tag string
	// Arches of the tag as they are configured.
	Arches []string
	// Extra are the tag's own extra settings.
	Extra map[string]any
	// All tells that all builds of each package are in it, and not the latest only.
	All bool
	// RPMs of the tag's builds, of all architectures, sources and debuginfo among them. Those that Koji knows by metadata alone are left out.
	RPMs    []RPM
	Groups  []repodata.Group
	Blocked []string // names of packages
	// External are the external repositories that are merged into it, the ones of precedence first.
	External []ExternalRepo
}

// RPM is an rpm of a tag: with the fields of listTaggedRPMS, as rpmlist.jsonl has them.
type RPM struct {
	Name         string          `json:"name"`
	Version      string          `json:"version"`
	Release      string          `json:"release"`
	Arch         string          `json:"arch"` // src for source rpms
	ID           int64           `json:"id"`
	Epoch        *int64          `json:"epoch"`
	Draft        bool            `json:"draft"`
	PayloadHash  string          `json:"payloadhash"` // the signature header's MD5 in hex
	Size         int64           `json:"size"`        // of the file in bytes
	BuildTime    int64           `json:"buildtime"`   // seconds since 1970
	BuildrootID  *int64          `json:"buildroot_id"`
	BuildID      int64           `json:"build_id"`
	MetadataOnly bool            `json:"metadata_only"`
	Extra        json.RawMessage `json:"extra"`

	// SHA256 of the file in hex, as it was imported; empty if that is not on record.
	SHA256 string `json:"-"`
	// Build says where the file is now.
	Build storage.Build `json:"-"`
}

// path is where the rpm's file is.
func (r *RPM) path() (storage.Path, error) {
	return r.Build.RPM(r.Arch, r.Name+"-"+r.Version+"-"+r.Release+"."+r.Arch+".rpm")
}

// file is the rpm's file as a repository has it.
func (r *RPM) file() (examiner.File, error) {
	p, err := r.path()
	return examiner.File{RPM: r.ID, Path: p, Href: toplink + p.String(), Size: r.Size, SHA256: r.SHA256, PayloadHash: r.PayloadHash}, err
}
