package repodata

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"moromi/internal/rpm"
)

// kind is one of the three files that list packages.
type kind int

const (
	primary kind = iota
	filelists
	other
	kinds
)

func (k kind) String() string { return [...]string{"primary", "filelists", "other"}[k] }

// head is a file's start, up to the first package.
func (k kind) head(packages int) []byte {
	root := [...]string{
		`<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"`,
		`<filelists xmlns="http://linux.duke.edu/metadata/filelists"`,
		`<otherdata xmlns="http://linux.duke.edu/metadata/other"`,
	}[k]
	return fmt.Appendf(nil, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n%s packages=\"%d\">\n", root, packages)
}

// foot is a file's end, behind the last package.
func (k kind) foot() []byte {
	return []byte([...]string{"</metadata>", "</filelists>", "</otherdata>"}[k])
}

// ErrCorrupt says that an rpm's file is not the one that the repository shall have.
var ErrCorrupt = errors.New("another file than the rpm")

// Fragment is what an rpm says about itself in the three files, in createrepo_c's words. It depends on the rpm's
// bytes alone: where the rpm is and when it was written are put in between its parts. It never changes.
type Fragment struct {
	// Digest is the SHA-256 of the whole rpm.
	Digest Digest
	// parts are: primary up to the file's time, on to its location, and the rest; filelists; other.
	parts [5][]byte
}

// MaxFragment is the most bytes of XML about one rpm. It is several times what the largest known packages
// have (a hundred thousand files of a hundred bytes); an rpm above it is an error.
const MaxFragment = 128 << 20

// Size is the rpm's length in bytes, 0 if the fragment does not say: one of another repository may not.
func (f *Fragment) Size() int64 {
	_, rest, _ := bytes.Cut(f.parts[1], []byte("<size package=\""))
	text, _, _ := bytes.Cut(rest, []byte{'"'})
	n, _ := strconv.ParseInt(string(text), 10, 64)
	return n
}

// ReadRPM reads a whole rpm once: its header, and its fragment. Errors wrap those of rpm.ReadHeader.
func ReadRPM(r io.Reader) (*Fragment, *rpm.Header, error) { return new(RPMReader).ReadRPM(r) }

// RPMReader reads rpms one after the other into the same memory. Not safe for concurrent use.
type RPMReader struct {
	header       rpm.Reader
	paths        rpm.PathReader
	dependencies dependencies
	parts        [5][]byte // of the last fragment
	large        bool      // too much memory was needed to keep it
}

// maxKept is the most bytes of a header or a fragment that leave their memory to the next one. Nearly all have less.
const maxKept = 64 << 10

// ReadRPM is the function ReadRPM, but what it gives is good until the next call only.
func (x *RPMReader) ReadRPM(r io.Reader) (*Fragment, *rpm.Header, error) {
	if x.large {
		*x = RPMReader{}
	}
	sum := sha256.New()
	count := &counter{r: io.TeeReader(r, sum)}
	h, err := x.header.ReadHeader(count)
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.Copy(io.Discard, count); err != nil {
		return nil, nil, fmt.Errorf("read rpm payload: %w", err)
	}
	f, err := x.fragment(h, Digest(sum.Sum(nil)), count.n)
	if err != nil {
		return nil, nil, err
	}
	return f, h, nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// room is about how many bytes append appends.
func (f *Fragment) room(k kind, p Package) int {
	switch k {
	case filelists:
		return len(f.parts[3])
	case other:
		return len(f.parts[4])
	}
	return len(f.parts[0]) + len(f.parts[1]) + len(f.parts[2]) + len(p.Href) + 32 // for the time, and what is escaped
}

// append appends the package's part of a file.
func (f *Fragment) append(b []byte, k kind, p Package) []byte {
	switch k {
	case filelists:
		return append(b, f.parts[3]...)
	case other:
		return append(b, f.parts[4]...)
	}
	b = append(b, f.parts[0]...)
	if p.Base != "" { // another repository's, which is passed on as it is
		return b
	}
	b = strconv.AppendInt(b, p.Time, 10)
	b = append(b, f.parts[1]...)
	b = appendValue(b, []byte(p.Href))
	return append(b, f.parts[2]...)
}

// fragment makes the fragment of an rpm of the given digest and size in bytes.
func (m *RPMReader) fragment(h *rpm.Header, d Digest, size int64) (*Fragment, error) {
	m.large = len(h.Raw()) > maxKept
	x := &renderer{h: h, digest: d.String(), size: size, dependencies: &m.dependencies, room: m.parts}
	var err error
	if x.paths, err = m.paths.Paths(h); err != nil {
		return nil, err
	}
	if h.Count(rpm.TagFileFlags) == 0 || h.Count(rpm.TagFileModes) == 0 || h.Count(rpm.TagFileDigests) == 0 {
		x.paths = nil // as createrepo_c: a file list without its columns is none
	}
	f := &Fragment{Digest: d}
	f.parts[0], f.parts[1] = x.beforeTime(), x.beforeHref()
	f.parts[2], f.parts[3] = x.files()
	f.parts[4] = x.other()
	total := 0
	for _, p := range f.parts {
		total += len(p)
	}
	m.parts, m.large = f.parts, m.large || total > maxKept
	if total > MaxFragment {
		return nil, fmt.Errorf("%w: %d bytes of metadata, at most %d", rpm.ErrTooLarge, total, MaxFragment)
	}
	return f, nil
}

// renderer writes the parts of one package.
type renderer struct {
	h      *rpm.Header
	digest string
	size   int64
	paths  [][]byte
	// memory
	dependencies *dependencies
	room         [5][]byte // for the parts
}

// part gives empty memory for a part, with room for n bytes.
func (x *renderer) part(i, n int) []byte { return slices.Grow(x.room[i][:0], n) }

// arch is "src" for every source package: createrepo_c knows no nosrc.
func (x *renderer) arch() []byte {
	if x.h.IsSource() {
		return []byte("src")
	}
	return x.h.RawString(rpm.TagArch)
}

func (x *renderer) appendVersion(b []byte) []byte {
	epoch, _ := x.h.Uint(rpm.TagEpoch, 0)
	b = appendAttr(append(b, "  <version"...), "epoch", strconv.AppendUint(nil, epoch, 10))
	b = appendAttr(b, "ver", x.h.RawString(rpm.TagVersion))
	b = appendAttr(b, "rel", x.h.RawString(rpm.TagRelease))
	return append(b, "/>\n"...)
}

func (x *renderer) beforeTime() []byte {
	h := x.h
	b := append(x.part(0, 1024), "<package type=\"rpm\">\n"...)
	b = appendElem(b, "  ", "name", h.RawString(rpm.TagName))
	b = appendElem(b, "  ", "arch", x.arch())
	b = x.appendVersion(b)
	b = append(append(append(b, "  <checksum type=\"sha256\" pkgid=\"YES\">"...), x.digest...), "</checksum>\n"...)
	b = appendElem(b, "  ", "summary", h.RawString(rpm.TagSummary))
	b = appendElem(b, "  ", "description", h.RawString(rpm.TagDescription))
	b = appendElem(b, "  ", "packager", h.RawString(rpm.TagPackager))
	b = appendElem(b, "  ", "url", h.RawString(rpm.TagURL))
	return append(b, "  <time file=\""...)
}

func (x *renderer) beforeHref() []byte {
	return fmt.Appendf(x.part(1, 128), "\" build=\"%d\"/>\n  <size package=\"%d\" installed=\"%d\" archive=\"%d\"/>\n  <location href=\"",
		x.h.BuildTime(), x.size, x.h.Size(), x.h.ArchiveSize())
}

// files renders the rest of primary and the whole of filelists, which share the files.
func (x *renderer) files() (rest, list []byte) {
	h := x.h
	b := append(x.part(2, 4096), "\"/>\n  <format>\n"...)
	b = appendElem(b, "    ", "rpm:license", h.RawString(rpm.TagLicense))
	b = appendElem(b, "    ", "rpm:vendor", h.RawString(rpm.TagVendor))
	b = appendElem(b, "    ", "rpm:group", h.RawString(rpm.TagGroup))
	b = appendElem(b, "    ", "rpm:buildhost", h.RawString(rpm.TagBuildHost))
	b = appendElem(b, "    ", "rpm:sourcerpm", h.RawString(rpm.TagSourceRPM))
	b = fmt.Appendf(b, "    <rpm:header-range start=\"%d\" end=\"%d\"/>\n", h.Start, h.End)
	x.dependencies.begin(h, x.ownFiles())
	b = x.dependencies.appendTo(b)

	list = x.appendPackage(x.part(3, 512+90*len(x.paths)))
	for i, p := range x.paths {
		start := len(list)
		list = append(list, "  <file"...)
		mode, _ := h.Uint(rpm.TagFileModes, i)
		flags, _ := h.Uint(rpm.TagFileFlags, i)
		switch {
		case mode&rpm.ModeTypeMask == rpm.ModeDirectory:
			list = append(list, ` type="dir"`...)
		case flags&rpm.FileGhost != 0:
			list = append(list, ` type="ghost"`...)
		}
		list = append(appendText(append(list, '>'), p), "</file>\n"...)
		if isPrimaryFile(p) {
			b = append(append(b, "  "...), list[start:]...)
		}
	}
	return append(b, "  </format>\n</package>\n"...), append(list, "</package>\n"...)
}

// ownFiles tells whether a path is a file of the package; most packages are never asked.
func (x *renderer) ownFiles() func(path []byte) bool {
	var own map[string]bool
	return func(path []byte) bool {
		if own == nil {
			own = make(map[string]bool, len(x.paths))
			for _, p := range x.paths {
				own[string(p)] = true
			}
		}
		return own[string(path)]
	}
}

// isPrimaryFile tells whether a file is listed in primary too, so that most file dependencies need no filelists.
func isPrimaryFile(p []byte) bool {
	return bytes.HasPrefix(p, []byte("/etc/")) || bytes.Contains(p, []byte("bin/")) || string(p) == "/usr/lib/sendmail"
}

func (x *renderer) appendPackage(b []byte) []byte {
	b = append(append(append(b, `<package pkgid="`...), x.digest...), '"')
	b = appendAttr(b, "name", x.h.RawString(rpm.TagName))
	b = appendAttr(b, "arch", x.arch())
	return x.appendVersion(append(b, ">\n"...))
}

// maxChanges is how many changelog entries createrepo_c keeps by default, the newest.
const maxChanges = 10

// other renders the changelog, oldest first. Entries of the same time get later by a second each, as createrepo_c
// does for consumers that key entries by time.
func (x *renderer) other() []byte {
	h := x.h
	authors, texts := h.RawStrings(rpm.TagChangelogName), h.RawStrings(rpm.TagChangelogText)
	n := min(len(authors), len(texts), h.Count(rpm.TagChangelogTime), maxChanges)
	times := make([]int64, n)
	last := int64(0)
	for i := range times {
		v, _ := h.Uint(rpm.TagChangelogTime, i)
		t := int64(v)
		times[i] = t
		if t != last {
			last = t
			continue
		}
		for k := i - 1; k >= 0 && times[k] == t; k-- {
			times[k]++
			t++
		}
	}
	b := x.appendPackage(x.part(4, 2048))
	for i, t := range slices.Backward(times) {
		author := authors[i]
		for len(author) > 1 && author[len(author)-1] == ' ' {
			author = author[:len(author)-1]
		}
		b = appendAttr(append(b, "  <changelog"...), "author", author)
		b = fmt.Appendf(b, " date=\"%d\">", t)
		b = append(appendText(b, texts[i]), "</changelog>\n"...)
	}
	return append(b, "</package>\n"...)
}
