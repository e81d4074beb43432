package dist

import (
	"context"
	"errors"
	"fmt"

	"moromi/events"
	"moromi/internal/storage"
	buildmodel "moromi/projections/build"
	rpmmodel "moromi/projections/rpm"
	"moromi/repoprojector/repodata"
)

const (
	// maxSigned bounds how many signed copies wait to be read ahead of time. What is left out is read when a repository needs it.
	maxSigned = 10_000
	// sha256Type is Koji's number of the checksum that stands for an rpm in metadata.
	sha256Type = 2
)

// signedCopy is a signed copy that was written.
type signedCopy struct {
	rpm    int64
	key    string
	digest repodata.Digest
}

// noteSigned has a signed copy read that was just written.
func (m *Maker) noteSigned(e events.RPMChecksummed) {
	d, err := repodata.ParseDigest(e.Checksum)
	if e.SigKey == "" || e.Type != sha256Type || err != nil {
		return
	}
	select {
	case m.signed <- signedCopy{e.RPMID, e.SigKey, d}:
	default:
	}
}

// readAhead reads signed copies, so that the repositories that get them need not.
func (m *Maker) readAhead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-m.signed:
			if err := m.readSigned(ctx, c); err != nil && ctx.Err() == nil {
				m.Log.Warn("a signed copy was not read ahead; repositories that want it will try", "rpm", c.rpm, "key", c.key, "error", err)
			}
		}
	}
}

func (m *Maker) readSigned(ctx context.Context, c signedCopy) error {
	if _, err := m.Store.Fragment(c.digest); err == nil {
		return nil
	}
	row, err := rpmmodel.Get(ctx, m.DB, rpmmodel.Spec{ID: c.rpm}, nil)
	if err != nil || row == nil {
		return err
	}
	b, err := buildmodel.Get(ctx, m.DB, buildmodel.Spec{ID: row["build_id"].(int64)}, nil)
	if err != nil || b == nil {
		return err
	}
	tree := storage.Build{Name: b["package_name"].(string), Version: b["version"].(string), Release: b["release"].(string)}
	tree.Volume, _ = b["volume_name"].(string)
	p, err := tree.Signed(c.key, row["arch"].(string), fmt.Sprintf("%s-%s-%s.%s.rpm", row["name"], row["version"], row["release"], row["arch"]))
	if err != nil {
		return err
	}
	f, err := m.Storage.Open(p)
	if err != nil {
		return err
	}
	_, err = m.Store.Add(f)
	return errors.Join(err, f.Close())
}
