// Package format says how the metadata of a tag's repositories is written: by the site's settings, and by the tag's own, which are extra settings of it. Tags' repositories and
// dist repositories follow the same ones. As repo_include_all, they are not inherited.
package format

import (
	"fmt"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/repoprojector/repodata"
)

// The extra settings of a tag.
const (
	// extraOrder is name or newest: the order of the packages (repodata.Order).
	extraOrder = "repo.order"
	// extraCompression is gzip or zstd.
	extraCompression = "repo.compression"
	// extraOpenChecksum tells whether there are checksums of the uncompressed files.
	extraOpenChecksum = "repo.open_checksum"
)

// ParseOrder reads an order by its name in settings: name or newest.
func ParseOrder(s string) (repodata.Order, error) {
	switch s {
	case "name":
		return repodata.ByName, nil
	case "newest":
		return repodata.NewestLast, nil
	}
	return 0, fmt.Errorf("the order of packages %q is neither name nor newest", s)
}

func parseCompression(s string) (repodata.Compression, error) {
	switch s {
	case "gzip":
		return repodata.Gzip, nil
	case "zstd":
		return repodata.Zstd, nil
	}
	return 0, fmt.Errorf("the compression %q is neither gzip nor zstd", s)
}

// Of is the format of a tag with these extra settings; what they do not say is as in the site's. The error, a fault, names the setting that is wrong.
func Of(extra map[string]any, site repodata.Format) (f repodata.Format, err error) {
	f = site
	read := func(key string, set func(string) error) {
		v, ok := extra[key]
		if !ok || v == nil || err != nil {
			return
		}
		s, isText := v.(string)
		if !isText {
			s = fmt.Sprint(v)
		}
		if bad := set(s); bad != nil {
			err = fault.New(fault.Generic, "the tag's extra setting %s is wrong: %s", key, bad)
		}
	}
	read(extraOrder, func(s string) (err error) { f.Order, err = ParseOrder(s); return err })
	read(extraCompression, func(s string) (err error) { f.Compression, err = parseCompression(s); return err })
	if v, ok := extra[extraOpenChecksum]; ok && v != nil {
		f.NoOpenChecksum = !xmlrpc.Truthy(v)
	}
	return f, err
}

// Key is the member of repo.json that a Recorded is.
const Key = "metadata_format"

// Recorded is the format in repo.json, so that a repository that is made again is the same whatever the settings are by then.
type Recorded struct {
	Order        string `json:"order"`
	Compression  string `json:"compression"`
	OpenChecksum bool   `json:"open_checksum"`
}

// Record gives what repo.json has of a format.
func Record(f repodata.Format) *Recorded {
	r := &Recorded{Order: "name", Compression: "gzip", OpenChecksum: !f.NoOpenChecksum}
	if f.Order == repodata.NewestLast {
		r.Order = "newest"
	}
	if f.Compression == repodata.Zstd {
		r.Compression = "zstd"
	}
	return r
}

// Format reads it. Without any, nil, it is createrepo_c's.
func (r *Recorded) Format() (f repodata.Format, err error) {
	if r == nil {
		return f, nil
	}
	if f.Order, err = ParseOrder(r.Order); err != nil {
		return f, err
	}
	f.NoOpenChecksum = !r.OpenChecksum
	f.Compression, err = parseCompression(r.Compression)
	return f, err
}
