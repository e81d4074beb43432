package repoprojector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/storage"
	buildmodel "moromi/projections/build"
	"moromi/repoprojector/repodata"
)

// maxBuilds bounds how many imports wait for their rpms to be read ahead of time. What is left out is read when a repository needs it.
const maxBuilds = 10_000

// toplink is the symlink in each architecture's directory that leads to the topdir; the places of packages begin with it.
const toplink = "toplink/"

// readAhead reads the rpms of imported builds, so that the repositories that get them need not.
func (p *Projector) readAhead(ctx context.Context, imports <-chan events.RPMsImported) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-imports:
			if err := p.readBuild(ctx, e); err != nil && ctx.Err() == nil {
				p.Log.Warn("rpms were not read at their import; repositories that want them will try", "build", e.BuildID, "error", err)
			}
		}
	}
}

func (p *Projector) readBuild(ctx context.Context, e events.RPMsImported) error {
	row, err := buildmodel.Get(ctx, p.DB, buildmodel.Spec{ID: e.BuildID}, nil)
	if err != nil || row == nil {
		return err
	}
	b := storage.Build{Name: row["package_name"].(string), Version: row["version"].(string), Release: row["release"].(string)}
	b.Volume, _ = row["volume_name"].(string)
	for _, r := range e.RPMs {
		if r.MetadataOnly || ctx.Err() != nil {
			continue
		}
		d, err := repodata.ParseDigest(r.SHA256)
		if err != nil {
			continue
		}
		if _, err := p.store.Fragment(d); err == nil {
			continue
		}
		x := RPM{Name: r.Name, Version: r.Version, Release: r.Release, Arch: r.Arch, Build: b}
		path, err := x.path()
		if err != nil {
			return err
		}
		if err := p.addFragment(path); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
	}
	return nil
}

// addFragment reads an rpm whole and keeps what the metadata says of it.
func (p *Projector) addFragment(path storage.Path) error {
	f, err := p.Storage.Open(path)
	if err != nil {
		return err
	}
	_, err = p.store.Add(f)
	return errors.Join(err, f.Close())
}

// openRPM opens a package for the metadata's writer.
func (p *Projector) openRPM(_ context.Context, x repodata.Package) (io.ReadCloser, error) {
	path, err := storage.Parse(strings.TrimPrefix(x.Href, toplink))
	if err != nil {
		return nil, err
	}
	f, err := p.Storage.Open(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "the file of the rpm %s cannot be opened", path)
	}
	return f, nil
}
