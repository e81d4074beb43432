package rpm

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// LeadSize is the size of an rpm's lead in bytes; the signature header starts there.
const LeadSize = 96

// Header is what stands before the payload of an rpm. The embedded Tags are the main header's.
type Header struct {
	Tags
	// Sig is the signature header.
	Sig Signature
	// Start and End are the byte range of the main header in the file, as createrepo_c's header-range gives it.
	Start, End int64
	raw        []byte
}

// ReadHeader reads the lead, the signature header and the main header of an rpm and leaves r at the first byte of
// the payload. It reads no byte more, so a caller may hash a whole file in the same pass. Errors wrap ErrNotRPM,
// ErrMalformed, ErrTooLarge or are the reader's.
func ReadHeader(r io.Reader) (*Header, error) { return new(Reader).ReadHeader(r) }

// Reader reads headers one after the other into the same memory. Not safe for concurrent use.
type Reader struct {
	header    Header
	lead      [LeadSize]byte
	sig, main memory
}

// ReadHeader is the function ReadHeader, but the header is good until the next call only.
func (x *Reader) ReadHeader(r io.Reader) (*Header, error) {
	lead := x.lead[:]
	if _, err := io.ReadFull(r, lead); err != nil {
		if short(err) != err {
			return nil, fmt.Errorf("%w: shorter than an rpm's lead", ErrNotRPM)
		}
		return nil, fmt.Errorf("read rpm lead: %w", err)
	}
	if !bytes.Equal(lead[:4], []byte{0xed, 0xab, 0xee, 0xdb}) {
		return nil, fmt.Errorf("%w: bad magic % x", ErrNotRPM, lead[:4])
	}
	h := &x.header
	var err error
	if h.Sig, err = readSignature(r, &x.sig); err != nil {
		return nil, fmt.Errorf("read rpm signature header: %w", err)
	}
	h.Start = LeadSize + int64(len(h.Sig.raw))
	if h.Tags, h.raw, err = readTags(r, limits{MaxTags, MaxData}, &x.main); err != nil {
		return nil, fmt.Errorf("read rpm header: %w", err)
	}
	h.End = h.Start + int64(len(h.raw))
	for _, tag := range []Tag{TagName, TagVersion, TagRelease} {
		if len(h.RawString(tag)) == 0 {
			return nil, fmt.Errorf("read rpm header: %w: no name, version or release", ErrMalformed)
		}
	}
	return h, nil
}

// Raw gives the main header as it stands in the file. The caller must not change it.
func (h *Header) Raw() []byte { return h.raw }

// NEVRA is the full name of a package.
type NEVRA struct {
	Name             string
	Epoch            *int // nil when the package has none
	Version, Release string
	Arch             string
}

// NVR is name-version-release.
func (n NEVRA) NVR() string { return n.Name + "-" + n.Version + "-" + n.Release }

// FileName is the name that rpmbuild and Koji give the file: name-version-release.arch.rpm.
func (n NEVRA) FileName() string { return n.NVR() + "." + n.Arch + ".rpm" }

// String is name-epoch:version-release.arch; the epoch stands only where there is one.
func (n NEVRA) String() string {
	if n.Epoch == nil {
		return n.NVR() + "." + n.Arch
	}
	return n.Name + "-" + strconv.Itoa(*n.Epoch) + ":" + n.Version + "-" + n.Release + "." + n.Arch
}

// EVR is the package's epoch, version and release; no epoch counts as 0.
func (n NEVRA) EVR() EVR {
	e := EVR{Version: n.Version, Release: n.Release}
	if n.Epoch != nil {
		e.Epoch = *n.Epoch
	}
	return e
}

// NEVRA is the package's full name, with the arch of Arch.
func (h *Header) NEVRA() NEVRA {
	return NEVRA{h.Name(), h.Epoch(), h.String(TagVersion), h.String(TagRelease), h.Arch()}
}

// Name is the package's name.
func (h *Header) Name() string { return h.String(TagName) }

// Epoch is the package's epoch, nil when it has none: Koji and rpm tell that from 0.
func (h *Header) Epoch() *int {
	v, ok := h.Uint(TagEpoch, 0)
	if !ok {
		return nil
	}
	e := int(v)
	return &e
}

// IsSource tells whether it is a source package. As in librpm, a header that names no source rpm is one itself.
func (h *Header) IsSource() bool {
	if v, ok := h.Uint(TagSourcePackage, 0); ok {
		return v != 0
	}
	return !h.Has(TagSourceRPM)
}

// Arch is the package's architecture: "src" for source packages, "nosrc" for those without some of their sources
// (koji.get_header_field with src_arch). The header's own field, the architecture that built a source package, is
// String(TagArch). Koji's import and createrepo_c say "src" for both kinds.
func (h *Header) Arch() string {
	if !h.IsSource() {
		return h.String(TagArch)
	}
	if h.Has(TagNoSource) || h.Has(TagNoPatch) {
		return "nosrc"
	}
	return "src"
}

// BuildTime is when the package was built, in seconds since 1970.
func (h *Header) BuildTime() int64 {
	v, _ := h.Uint(TagBuildTime, 0)
	return int64(v)
}

// Size is the size of the installed files in bytes.
func (h *Header) Size() uint64 {
	if v, ok := h.Uint(TagLongSize, 0); ok {
		return v
	}
	v, _ := h.Uint(TagSize, 0)
	return v
}

// ArchiveSize is the size of the uncompressed payload in bytes, 0 when the rpm does not say.
func (h *Header) ArchiveSize() uint64 {
	if v, ok := h.Sig.Uint(SigTagLongArchiveSize, 0); ok {
		return v
	}
	if v, ok := h.Sig.Uint(SigTagPayloadSize, 0); ok {
		return v
	}
	v, _ := h.Uint(TagArchiveSize, 0)
	return v
}

// SourceRPM is the file name of the source package that it was built from, "" for source packages.
func (h *Header) SourceRPM() string { return h.String(TagSourceRPM) }

// Summary is the one-line description in the C locale.
func (h *Header) Summary() string { return h.I18N(TagSummary) }

// Description is the long description in the C locale.
func (h *Header) Description() string { return h.I18N(TagDescription) }

// BuildArchs are the BuildArch of a source package's spec: what it builds instead of the machine's architecture.
func (h *Header) BuildArchs() []string { return h.Strings(TagBuildArchs) }

// ExclusiveArch are the only architectures that a source package builds for.
func (h *Header) ExclusiveArch() []string { return h.Strings(TagExclusiveArch) }

// ExcludeArch are the architectures that a source package does not build for.
func (h *Header) ExcludeArch() []string { return h.Strings(TagExcludeArch) }

// SigMD5 is the MD5 of header and payload in hex, which Koji calls the payload hash; "" when the rpm has none
// (rpm 6 writes none by default).
func (h *Header) SigMD5() string { return h.Sig.MD5() }

// Change is an entry of the changelog.
type Change struct {
	Time   int64 // seconds since 1970
	Author string
	Text   string
}

// Changelog gives the changelog in the header's order: the newest first.
func (h *Header) Changelog() []Change {
	authors, texts := h.Strings(TagChangelogName), h.Strings(TagChangelogText)
	out := make([]Change, 0, min(len(authors), len(texts), h.Count(TagChangelogTime)))
	for i := range cap(out) {
		t, _ := h.Uint(TagChangelogTime, i)
		out = append(out, Change{int64(t), authors[i], texts[i]})
	}
	return out
}
