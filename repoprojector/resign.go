package repoprojector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"moromi/internal/storage"
	repomodel "moromi/projections/repo"
	"moromi/repoprojector/repodata"
)

// maxIndex bounds the repomd.xml that is signed again, and its signature: it lists a few dozen files.
const maxIndex = 1 << 20

// Resign has the signatures among the files of READY repositories made anew that are of another key than the site signs with now, as far as it publishes that one; and says how many those
// were. Files that none of these keys has signed stay as they are. It may run at any time.
func (p *Projector) Resign(ctx context.Context) (renewed int, err error) {
	if p.Renew == nil {
		return 0, nil
	}
	rows, err := repomodel.Readies(ctx, p.DB)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if err := ctx.Err(); err != nil {
			return renewed, err
		}
		dir, err := storage.Repo{Tag: r.TagName, ID: r.ID, Dist: r.Dist}.Dir()
		if err != nil {
			continue // such a name has no place in the tree
		}
		n, err := p.resignRepo(ctx, dir)
		if renewed += n; err != nil {
			p.Log.Warn("signature of a repository was not made anew", "tag", r.TagName, "repo", r.ID, "error", err)
		}
	}
	return renewed, nil
}

// resign is Resign, for the log.
func (p *Projector) resign(ctx context.Context) {
	switch n, err := p.Resign(ctx); {
	case err != nil && ctx.Err() == nil:
		p.Log.Warn("repositories that a former key signed were not looked for", "error", err)
	case n > 0:
		p.Log.Info("signatures of a former key were made anew", "signatures", n)
	}
}

// resignRepo is Resign for a repository's directory. What is wrong with one signature keeps none of the others.
func (p *Projector) resignRepo(ctx context.Context, dir storage.Path) (renewed int, err error) {
	root, err := p.Storage.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer root.Close()
	var errs []error
	for _, pattern := range []string{"*/repodata/", "*/debug/repodata/"} {
		found, err := fs.Glob(root.FS(), pattern+repodata.SignatureName)
		if err != nil {
			return renewed, err
		}
		for _, name := range found {
			done, err := p.renew(ctx, dir, name)
			if done {
				renewed++
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // which is being removed
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	return renewed, errors.Join(errs...)
}

// renew makes one signature anew, if it must be.
func (p *Projector) renew(ctx context.Context, dir storage.Path, name string) (bool, error) {
	to, err := storage.Under(dir, name)
	if err != nil {
		return false, err
	}
	old, err := p.Storage.ReadFile(to, maxIndex)
	if err != nil {
		return false, err
	}
	index, err := to.Dir().Join(repodata.RepomdName)
	if err != nil {
		return false, err
	}
	text, err := p.Storage.ReadFile(index, maxIndex)
	if err != nil {
		return false, err
	}
	sig, err := p.Renew(ctx, text, old)
	if err != nil || sig == nil {
		return false, err
	}
	return true, p.Storage.WriteFile(to, sig)
}
