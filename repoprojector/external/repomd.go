package external

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// Limits of what repomd.xml says.
const (
	maxRepomd = 4 << 20 // bytes; real ones have a few thousand
	maxFile   = 2 << 30 // bytes of a compressed file; Fedora's largest has a tenth
)

// modulesKind is what repomd.xml calls the file that says which modules packages are of.
const modulesKind = "modules"

// fileKinds are the files that are read, modules behind those that list packages.
func fileKinds() (out [4]string) {
	for i, d := range documents() {
		out[i] = d.kind
	}
	out[3] = modulesKind
	return out
}

// file is one that repomd.xml names.
type file struct {
	Kind         string // of fileKinds
	Href         string // relative to the repository, within it
	Sum, SumType string
	Size         int64 // bytes; -1: not said, as by old yum
}

// repomd is what is read of a repomd.xml.
type repomd struct {
	files [4]file // of fileKinds; without an Href: none
	// newest is the latest timestamp of any file, in seconds since 1970, as kojira looks at it.
	newest int64
}

func parseRepomd(b []byte) (*repomd, error) {
	var doc struct {
		XMLName xml.Name `xml:"http://linux.duke.edu/metadata/repo repomd"`
		Data    []struct {
			Type     string `xml:"type,attr"`
			Checksum struct {
				Type string `xml:"type,attr"`
				Sum  string `xml:",chardata"`
			} `xml:"checksum"`
			Location struct {
				Href string `xml:"href,attr"`
				Base string `xml:"http://www.w3.org/XML/1998/namespace base,attr"`
			} `xml:"location"`
			Timestamp string `xml:"timestamp"`
			Size      string `xml:"size"`
		} `xml:"data"`
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("repomd.xml: %w", err)
	}
	out := &repomd{}
	for _, x := range doc.Data {
		if ts, err := strconv.ParseFloat(strings.TrimSpace(x.Timestamp), 64); err == nil && ts > 0 && ts < math.MaxInt32*4 {
			out.newest = max(out.newest, int64(math.RoundToEven(ts)))
		}
		for i, kind := range fileKinds() {
			if x.Type != kind {
				continue
			}
			f := file{Kind: kind, Href: strings.TrimSpace(x.Location.Href), Sum: strings.ToLower(strings.TrimSpace(x.Checksum.Sum)), SumType: x.Checksum.Type, Size: -1}
			if s := strings.TrimSpace(x.Size); s != "" {
				n, err := strconv.ParseInt(s, 10, 64)
				if err != nil || n < 0 || n > maxFile {
					return nil, fmt.Errorf("repomd.xml: %s has the size %.40q; at most %d bytes are read", f.Kind, s, maxFile)
				}
				f.Size = n
			}
			if err := f.check(x.Location.Base); err != nil {
				return nil, fmt.Errorf("repomd.xml: %s: %w", f.Kind, err)
			}
			out.files[i] = f
		}
	}
	if out.files[0].Href == "" {
		return nil, errors.New("repomd.xml: names no primary")
	}
	return out, nil
}

// check refuses what lies outside of the repository.
func (f *file) check(base string) error {
	if base != "" {
		return fmt.Errorf("it is elsewhere, at %.200q", base)
	}
	u, err := url.Parse(f.Href)
	if err != nil || u.IsAbs() || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || f.Href == "" || f.Href[0] == '/' ||
		path.Clean(u.Path) != u.Path || u.Path == ".." || strings.HasPrefix(u.Path, "../") || strings.Contains(u.Path, "\\") {
		return fmt.Errorf("its location %.200q is outside of the repository", f.Href)
	}
	return checkSum(f.SumType, f.Sum)
}
