package repoprojector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
	"moromi/repoprojector/external"
	"moromi/repoprojector/repodata"
)

// ExternalRepo is a repository of others that a tag's is merged with.
type ExternalRepo struct {
	ID   int64
	Name string
	// URL may have $arch in it, which stands for the repository's arch.
	URL  string
	Mode external.Mode
	// Arches are those whose repositories it is merged with; empty: all.
	Arches []string
}

// forArch tells whether the repository of an arch has it.
func (e *ExternalRepo) forArch(arch string) bool {
	return len(e.Arches) == 0 || slices.Contains(e.Arches, arch)
}

// externalDir is where, in the projector's cache, external repositories are kept.
const externalDir = "external"

// openExternal opens the cache of external repositories.
func (p *Projector) openExternal() error {
	if err := p.cache.MkdirAll(externalDir, 0o755); err != nil {
		return fmt.Errorf("repository projector: %w", err)
	}
	var err error
	if p.externalRoot, err = p.cache.OpenRoot(externalDir); err != nil {
		return fmt.Errorf("repository projector: %w", err)
	}
	p.external, err = external.Open(p.externalRoot, external.Options{Store: p.store, Log: p.Log, Clock: p.Clock})
	return err
}

// externalRepos gives the external repositories of a tag as of an event, nil for now, the ones of precedence first.
func externalRepos(ctx context.Context, db query.DB, tag int64, event *int64) ([]ExternalRepo, error) {
	rows, err := tagmodel.ExternalRepoList(ctx, db, tag, event)
	out := make([]ExternalRepo, len(rows))
	for i, r := range rows {
		out[i] = ExternalRepo{ID: r["external_repo_id"].(int64), Name: text(r["external_repo_name"]), URL: text(r["url"]), Mode: external.Mode(text(r["merge_mode"])),
			Arches: strings.Fields(text(r["arches"]))}
	}
	return out, err
}

// taken is what a repository took from an external one, as repo.json has it.
type taken struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Arch string `json:"arch"`
	URL  string `json:"url"` // without credentials
	// Repomd is the SHA-256 of the repomd.xml, which names all that was there by checksum.
	Repomd string `json:"repomd"`
	// Checked is when it was last known to be current; if it is failing since then, Failure says why.
	Checked time.Time `json:"checked"`
	Failure string    `json:"failure,omitempty"`
}

// merging is what the repositories of a tag's arches are merged with.
type merging struct {
	mode   external.Mode
	byArch map[string][]external.Repo
	taken  []taken
}

// loadExternal reads the external repositories for each directory; nil if the tag has none. As in Koji, all of a tag must have one merge mode. One that
// cannot be read now is as it last was; one that never could be read is an error.
func (b *build) loadExternal(ctx context.Context) (*merging, error) {
	c := b.state.content
	if len(c.External) == 0 {
		return nil, nil
	}
	return b.merge(func(e *ExternalRepo, address, _ string) (*external.Content, error) {
		got, err := b.external.Load(ctx, address)
		if err != nil {
			return nil, fault.Wrap(err, fault.Generic, "the external repo %s cannot be read: %s", e.Name, err)
		}
		if got.Failure != "" {
			b.Log.Warn("merging an external repository as it last was", "external", e.Name, "tag", c.Tag, "age", b.Clock().Sub(got.Checked), "error", got.Failure)
		}
		return got, nil
	})
}

// merge collects the external repositories of each directory, which load gives.
func (b *build) merge(load func(e *ExternalRepo, address, arch string) (*external.Content, error)) (*merging, error) {
	c := b.state.content
	m := &merging{mode: c.External[0].Mode, byArch: map[string][]external.Repo{}}
	for i := range c.External {
		e := &c.External[i]
		if e.Mode != m.mode {
			return nil, fault.New(fault.Generic, "Found multiple merge modes for external repos: %s, %s", m.mode, e.Mode)
		}
		for _, arch := range slices.Sorted(maps.Keys(b.dirs)) {
			if !e.forArch(arch) {
				continue
			}
			address := external.Expand(e.URL, arch)
			got, err := load(e, address, arch)
			if err != nil {
				return nil, err
			}
			m.byArch[arch] = append(m.byArch[arch], external.Repo{URL: address, Packages: got.Packages, Modules: got.Modules})
			m.taken = append(m.taken, taken{e.ID, e.Name, arch, external.Shown(address), got.Repomd, got.Checked, got.Failure})
		}
	}
	return m, nil
}

// recallExternal is loadExternal for a repository that was made before, or of a past event: it is merged with what it was merged with then, as repo.json says,
// or else with what had been noted of the external repositories up to the event. The error wraps fs.ErrNotExist if that is no longer at hand.
func (b *build) recallExternal(ctx context.Context) (*merging, error) {
	if len(b.state.content.External) == 0 {
		return nil, nil
	}
	sums, err := b.tookExternal(ctx)
	if err != nil {
		return nil, err
	}
	return b.merge(func(e *ExternalRepo, address, arch string) (*external.Content, error) {
		got, err := b.external.LoadAs(address, sums[takenKey{e.ID, external.Shown(address)}])
		if err != nil {
			return nil, fmt.Errorf("the external repo %s as it was at event %d: %w", e.Name, b.repo.Event, err)
		}
		return got, nil
	})
}

// takenKey is an external repository at one of its addresses.
type takenKey struct {
	id      int64
	address string // without credentials
}

// tookExternal gives the SHA-256 of each repomd.xml that the repository was, or would have been, made from.
func (b *build) tookExternal(ctx context.Context) (map[takenKey]string, error) {
	sums := map[takenKey]string{}
	if b.repo.ID != 0 {
		info, err := b.readInfo()
		if err != nil {
			return nil, err
		}
		for _, t := range info.External {
			sums[takenKey{t.ID, t.URL}] = t.Repomd
		}
		return sums, nil
	}
	for _, e := range b.state.content.External {
		noted, err := tagmodel.ExternalRepoDataAt(ctx, b.DB, e.ID, &b.repo.Event)
		if err != nil {
			return nil, err
		}
		data, _ := noted.(map[string]any)
		at, _ := data[dataRepomd].(map[string]any)
		for address, sum := range at {
			sums[takenKey{e.ID, address}] = text(sum)
		}
	}
	return sums, nil
}

// composeDir makes the metadata of one directory. c has the tag's own part.
func (b *build) composeDir(ctx context.Context, dir string, c repodata.Content) (*repodata.Version, error) {
	if b.merging == nil {
		return b.writer.Compose(ctx, c)
	}
	repos := slices.Insert(slices.Clone(b.merging.byArch[dir]), 0, b.ownRepo(dir))
	m, err := external.Merge(b.merging.mode, dir, b.state.content.Blocked, repos)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "external repos cannot be merged: %s", err)
	}
	c.Extra = m.Extra
	if c.Packages, err = repodata.NewPackages(m.Packages); err != nil {
		return nil, err
	}
	v, err := b.writer.Compose(ctx, c)
	if !errors.Is(err, repodata.ErrForeignGone) {
		return v, err
	}
	for _, r := range repos[1:] {
		if err := b.external.Restore(ctx, r.URL); err != nil {
			return nil, err
		}
	}
	return b.writer.Compose(ctx, c)
}

// ownRepo is the tag's own part of a directory. Builders know it by its address (markExternalRPMs of kojid).
func (b *build) ownRepo(dir string) external.Repo {
	own := external.Repo{URL: fmt.Sprintf("file:///repo_%d_premerge/", b.repo.ID)}
	for e := range b.state.entries(b.layout, dir) {
		r := &e.rpm
		p := external.Package{Name: r.Name, Epoch: "0", Version: r.Version, Release: r.Release, Arch: r.Arch, SourceRPM: r.sourceRPM(), Entry: e.file}
		if r.Epoch != nil {
			p.Epoch = fmt.Sprint(*r.Epoch)
		}
		own.Packages = append(own.Packages, p)
	}
	return own
}

// draftMark is what a draft build's release ends with, before a number; its rpms do not have it.
const draftMark = ",draft_"

// sourceRPM is the file name of the package's source package, which its build bears; empty for source packages.
func (r *RPM) sourceRPM() string {
	if r.Arch == "src" {
		return ""
	}
	release, _, _ := strings.Cut(r.Build.Release, draftMark)
	return r.Build.Name + "-" + r.Build.Version + "-" + release + ".src.rpm"
}

// closeExternal releases the cache of external repositories.
func (p *Projector) closeExternal() error {
	if p.externalRoot == nil {
		return nil
	}
	return p.externalRoot.Close()
}
