package dist

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"moromi/internal/fault"
	"moromi/internal/rpm"
	"moromi/internal/storage"
	rpmmodel "moromi/projections/rpm"
	"moromi/repoprojector/examiner"
	"moromi/repoprojector/repodata"
)

// examine makes sure of every member's file and finds out what stands for it in the metadata.
func (a *archRepo) examine(ctx context.Context) error {
	list := slices.Collect(maps.Values(a.members))
	ids := make([]int64, len(list))
	for i, x := range list {
		ids[i] = x.id
	}
	recorded, err := rpmmodel.Digests(ctx, a.DB, ids)
	if err != nil {
		return err
	}
	packages, err := a.Examiner.Examine(ctx, len(list), func(i int) (examiner.File, error) {
		x := list[i]
		f := examiner.File{RPM: x.id, Key: x.key, Path: x.from, Href: x.href(), SHA256: recorded[x.id][x.key]}
		f.PayloadHash, _ = x.row["payloadhash"].(string)
		if x.key == "" {
			f.Size, _ = x.row["size"].(int64)
		}
		return f, nil
	})
	if err != nil {
		return err
	}
	for i, x := range list {
		x.pkg = packages[i]
	}
	return nil
}

// header reads an rpm's header.
func (m *Maker) header(p storage.Path) (*rpm.Header, error) {
	f, err := m.Storage.Open(p)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "the rpm %s cannot be read", p)
	}
	defer f.Close()
	h, err := rpm.ReadHeader(f)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "the rpm %s is corrupt: %v", p, err)
	}
	return h, nil
}

// openRPM opens a package for the metadata's writer.
func (a *archRepo) openRPM(_ context.Context, p repodata.Package) (io.ReadCloser, error) {
	x := a.members[path.Base(p.Href)]
	if x == nil {
		return nil, fmt.Errorf("package %s is not of the repository", p.Href)
	}
	return a.Storage.Open(x.from)
}

// kojipkgs is the file of what is known of the rpms, as kojid writes it: by file name, in listTaggedRPMS' shape with the key of the copy, "best_key" if it is
// a signed one, and the path that it came from.
func (a *archRepo) kojipkgs() ([]byte, error) {
	out := make(map[string]map[string]any, len(a.members))
	for file, x := range a.members {
		entry := map[string]any(maps.Clone(x.row))
		entry["sigkey"], entry["_pkgpath"] = nil, a.Storage.Abs(x.from)
		if !x.unsigned {
			entry["sigkey"], entry["best_key"] = x.key, x.key
		}
		if x.multilib {
			entry["_multilib"] = true
		}
		if a.debug(x) {
			entry["_subrepo"] = debugRepo
		}
		out[file] = entry
	}
	return json.MarshalIndent(out, "", "    ")
}
