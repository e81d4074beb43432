package dist

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"moromi/internal/storage"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
)

// SetLatest lets the symlink "latest" of a tag's dist repositories lead to where the read models say. Several hubs may do it at once: whoever sets it looks again
// afterwards, so the last one sets it right. The error wraps fs.ErrNotExist if the repository's files are not there.
func SetLatest(ctx context.Context, db query.DB, top *storage.Topdir, tag int64) error {
	for last := int64(0); ; {
		l, ok, err := repomodel.LeadingOf(ctx, db, tag)
		if err != nil || !ok || l.ID == last {
			return err
		}
		if err := setLink(top, l); err != nil {
			return fmt.Errorf("set the link to the latest dist repository of %s: %w", l.TagName, err)
		}
		last = l.ID
	}
}

func setLink(top *storage.Topdir, l repomodel.Leading) error {
	r := storage.Repo{Tag: l.TagName, ID: l.ID, Dist: true}
	dir, err := r.Dir()
	if err != nil {
		return err
	}
	link, err := r.Latest()
	if err != nil {
		return err
	}
	if to, err := top.Readlink(link); err == nil && to == strconv.FormatInt(l.ID, 10) {
		return nil
	}
	if _, err := top.Lstat(dir); err != nil {
		return err
	}
	return top.Symlink(dir, link)
}

// SetLatest is the function for a tag.
func (m *Maker) SetLatest(ctx context.Context, tag int64) error {
	return SetLatest(ctx, m.DB, m.Storage, tag)
}

// Relink sets the links that do not lead where they should: a process died before it came to it.
func Relink(ctx context.Context, db query.DB, top *storage.Topdir) error {
	all, err := repomodel.AllLeading(ctx, db)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range all {
		if err := setLink(top, l); err != nil && !errors.Is(err, fs.ErrNotExist) { // one that is deleted, or whose tag had another name
			errs = append(errs, fmt.Errorf("set the link to the latest dist repository of %s: %w", l.TagName, err))
		}
	}
	return errors.Join(errs...)
}
