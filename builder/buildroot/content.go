package buildroot

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"moromi/internal/fault"
)

// Package is an rpm installed in a root, as the hub's buildroot calls take it.
type Package struct {
	Name, Version, Release, Arch string
	// Epoch is nil when the header has none.
	Epoch *int64
	// PayloadHash is the header's SIGMD5 in hex.
	PayloadHash string
	// Size is the installed size in bytes, BuildTime seconds since 1970.
	Size, BuildTime int64

	// ID is the hub's id of the rpm, 0 if it is not known. External is the external repository it came from, or nil.
	ID       int64
	External *ExternalRepo
}

// ExternalRepo is an external repository of a tag, as getExternalRepoList gives it.
type ExternalRepo struct {
	ID  int64
	URL string
	// Raw is the hub's whole answer, handed back unchanged.
	Raw map[string]any
}

// NVRA is name-version-release.arch, the key by which Koji matches installed packages with a repository.
func (p Package) NVRA() string { return p.Name + "-" + p.Version + "-" + p.Release + "." + p.Arch }

// Wire is the package as host.setBuildRootList takes it.
func (p Package) Wire() map[string]any {
	m := map[string]any{
		"name": p.Name, "version": p.Version, "release": p.Release, "arch": p.Arch, "epoch": nil,
		"payloadhash": p.PayloadHash, "size": p.Size, "buildtime": p.BuildTime,
	}
	if p.Epoch != nil {
		m["epoch"] = *p.Epoch
	}
	if p.ID != 0 {
		m["id"] = p.ID
	}
	if p.External != nil {
		m["external_repo"] = p.External.Raw
		m["location"] = p.External.ID
	}
	return m
}

// QueryFormat is the rpm --queryformat that ParsePackages reads.
const QueryFormat = `%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SIGMD5}\t%{LONGSIZE}\t%{BUILDTIME}\n`

// queryFields is the number of columns of QueryFormat.
const queryFields = 8

// ParsePackages reads the output of rpm -qa with QueryFormat, leaves out gpg-pubkey and buildsys-build
// (packages of no repository) and sorts by NVRA.
func ParsePackages(out []byte) ([]Package, error) {
	var list []Package
	for line := range bytes.Lines(out) {
		text := strings.TrimRight(string(line), "\n")
		if text == "" {
			continue
		}
		f := strings.Split(text, "\t")
		if len(f) != queryFields {
			return nil, fmt.Errorf("rpm database listing: %q is not a line of %d fields", text, queryFields)
		}
		if f[0] == "gpg-pubkey" || f[0] == "buildsys-build" {
			continue
		}
		p := Package{Name: f[0], Version: f[2], Release: f[3], Arch: f[4], PayloadHash: f[5]}
		if f[1] != "(none)" {
			epoch, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("rpm database listing: epoch of %s: %w", f[0], err)
			}
			p.Epoch = &epoch
		}
		var err error
		if p.Size, err = strconv.ParseInt(f[6], 10, 64); err != nil {
			return nil, fmt.Errorf("rpm database listing: size of %s: %w", f[0], err)
		}
		if p.BuildTime, err = strconv.ParseInt(f[7], 10, 64); err != nil {
			return nil, fmt.Errorf("rpm database listing: build time of %s: %w", f[0], err)
		}
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].NVRA() < list[j].NVRA() })
	return list, nil
}

// InstalledLog is the text of installed_pkgs.log, mock's format.
func InstalledLog(list []Package) string {
	var b strings.Builder
	for _, p := range list {
		epoch := ""
		if p.Epoch != nil {
			epoch = strconv.FormatInt(*p.Epoch, 10) + ":"
		}
		fmt.Fprintf(&b, "%s-%s%s-%s.%s %d %d installed\n", p.Name, epoch, p.Version, p.Release, p.Arch, p.BuildTime, p.Size)
	}
	return b.String()
}

// maxListLine bounds one line of rpmlist.jsonl and of the origins file: records of a few hundred bytes.
const maxListLine = 1 << 20

// MapInternal sets the hub's rpm ids from a repository's rpmlist.jsonl. A package whose payload differs from the
// repository's record is a corrupt or foreign root: Koji's BuildrootError. Packages without a record keep ID 0.
func MapInternal(list []Package, rpmlist io.Reader) error {
	type record struct {
		ID                           int64
		Name, Version, Release, Arch string
		PayloadHash                  string
	}
	want := make(map[string]*Package, len(list))
	for i := range list {
		if list[i].External == nil {
			want[list[i].NVRA()] = &list[i]
		}
	}
	sc := bufio.NewScanner(rpmlist)
	sc.Buffer(make([]byte, 0, 64<<10), maxListLine)
	for line := 1; sc.Scan(); line++ {
		if len(bytes.TrimSpace(sc.Bytes())) == 0 {
			continue
		}
		var r record
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			return fmt.Errorf("rpmlist.jsonl line %d: %w", line, err)
		}
		key := r.Name + "-" + r.Version + "-" + r.Release + "." + r.Arch
		p := want[key]
		if p == nil {
			continue
		}
		if r.PayloadHash != p.PayloadHash {
			return fault.New(fault.Buildroot, "RPM: %s: payloadhash: %s mismatch expected %s in rpmlist.jsonl",
				key, p.PayloadHash, r.PayloadHash)
		}
		p.ID = r.ID
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("read rpmlist.jsonl: %w", err)
	}
	return nil
}

// MarkExternal finds which external repository each package came from, by the repository's gzipped origins file.
// repoID names the local part of a merged repository, whose packages are internal. $arch in URLs must be expanded.
func MarkExternal(list []Package, origins io.Reader, repos []ExternalRepo, repoID int64) error {
	zr, err := gzip.NewReader(origins)
	if err != nil {
		return fmt.Errorf("repository origins: %w", err)
	}
	defer zr.Close()
	origin := map[string]string{}
	sc := bufio.NewScanner(zr)
	sc.Buffer(make([]byte, 0, 64<<10), maxListLine)
	for sc.Scan() {
		if f := strings.Fields(sc.Text()); len(f) >= 2 {
			origin[dropEpoch(f[0])] = f[1]
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("read repository origins: %w", err)
	}
	byURL := make(map[string]*ExternalRepo, len(repos))
	for i := range repos {
		byURL[repos[i].URL] = &repos[i]
	}
	local := fmt.Sprintf("/repo_%d_premerge/", repoID)
	for i := range list {
		key := list[i].NVRA()
		url, ok := origin[key]
		if !ok {
			return fault.New(fault.Build, "No origin for %s", key)
		}
		if repo := byURL[url]; repo != nil {
			list[i].External = repo
			continue
		}
		if !strings.HasPrefix(url, "file://") || !strings.HasSuffix(url, local) {
			return fault.New(fault.Build, "Unknown origin for %s: %s", key, url)
		}
	}
	return nil
}

// dropEpoch turns [epoch:]name-version-release.arch and name-[epoch:]version-release.arch into N-V-R.A.
func dropEpoch(nvra string) string {
	head, tail, ok := strings.Cut(nvra, ":")
	if !ok {
		return nvra
	}
	digits := strings.TrimRight(head, "0123456789")
	if len(digits) == len(head) {
		return nvra
	}
	return digits + tail
}

// maxRepomd bounds repomd.xml, which is a few kilobytes.
const maxRepomd = 4 << 20

// OriginsHref is the location of the origins file that a repomd.xml names, "" if it names none.
func OriginsHref(repomd io.Reader) (string, error) {
	var doc struct {
		Data []struct {
			Type     string `xml:"type,attr"`
			Location struct {
				Href string `xml:"href,attr"`
			} `xml:"location"`
		} `xml:"data"`
	}
	if err := xml.NewDecoder(io.LimitReader(repomd, maxRepomd)).Decode(&doc); err != nil {
		return "", fmt.Errorf("read repomd.xml: %w", err)
	}
	for _, d := range doc.Data {
		if d.Type == "origin" {
			return d.Location.Href, nil
		}
	}
	return "", nil
}
