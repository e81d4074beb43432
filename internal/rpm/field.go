package rpm

import (
	"fmt"
	"slices"
	"strings"
)

// Field gives a header field by rpm's name for it (case does not matter), in the shape of Koji's getRPMHeaders:
// string, []string, int64, []int64, []byte or nil. An absent single field is nil, an absent list an empty list. The
// fields of the signature header count as the package's, as in librpm. An unknown name is an error.
func (h *Header) Field(name string) (any, error) {
	name = strings.ToUpper(name)
	if v, ok := h.computed(name); ok {
		return v, nil
	}
	i := slices.IndexFunc(fields[:], func(f field) bool { return f.name == name })
	if i < 0 {
		return nil, fmt.Errorf("no such rpm header field: %s", name)
	}
	v := h.value(fields[i])
	switch name {
	case "SIZE", "ARCHIVESIZE", "FILESIZES", "SIGSIZE": // above 4 GiB rpm writes another field
		if list, ok := v.([]int64); v == nil || ok && len(list) == 0 {
			return h.Field("LONG" + name)
		}
	}
	return v, nil
}

// FieldNames gives the names of the fields that the package has, in the order of their tags.
func (h *Header) FieldNames() []string {
	var out []string
	for i, f := range fields {
		last := i+1 == len(fields) || fields[i+1].tag != f.tag
		if t, tag := h.source(f.tag); last && t.Has(tag) {
			out = append(out, f.name)
		}
	}
	return out
}

// source tells in which header, and under which tag, a field stands. rpm numbers the legacy fields of signature
// headers like those of the main header and translates them when it reads a package (headerMergeLegacySigs).
func (h *Header) source(tag Tag) (*Tags, Tag) {
	const (
		sigSize, sigPGP, sigMD5, sigGPG = 257, 259, 261, 262
		sigTop                          = 999
		fileSignatures, sigFiles        = 5090, 274
		fileSignatureLength, sigLength  = 5091, 275
	)
	switch {
	case h.Has(tag):
		return &h.Tags, tag
	case tag == sigSize:
		return &h.Sig.Tags, SigTagSize
	case tag == sigPGP:
		return &h.Sig.Tags, SigTagPGP
	case tag == sigMD5:
		return &h.Sig.Tags, SigTagMD5
	case tag == sigGPG:
		return &h.Sig.Tags, SigTagGPG
	case tag == TagArchiveSize:
		return &h.Sig.Tags, SigTagPayloadSize
	case tag == fileSignatures:
		return &h.Sig.Tags, sigFiles
	case tag == fileSignatureLength:
		return &h.Sig.Tags, sigLength
	case tag > TagHeaderI18NTable && tag <= sigTop:
		return &h.Sig.Tags, tag
	}
	return &h.Tags, tag
}

func (h *Header) value(f field) any {
	t, tag := h.source(f.tag)
	switch f.kind {
	case text:
		if t.RawString(tag) != nil {
			return t.String(tag)
		}
	case texts:
		return append([]string{}, t.Strings(tag)...)
	case number:
		if v, ok := t.Uint(tag, 0); ok {
			return int64(v)
		}
	case numbers:
		out := []int64{}
		for _, v := range t.Uint64s(tag) {
			out = append(out, int64(v))
		}
		return out
	case blob:
		if b := t.Bytes(tag); b != nil {
			return b
		}
	}
	return nil
}

// computed gives the fields that rpm makes of others.
func (h *Header) computed(name string) (any, bool) {
	v, r := h.String(TagVersion), h.String(TagRelease)
	nvr, evr, epoch := h.Name()+"-"+v+"-"+r, v+"-"+r, int64(0)
	if e := h.Epoch(); e != nil {
		epoch = int64(*e)
		evr = fmt.Sprintf("%d:%s", *e, evr)
	}
	switch name {
	case "EVR":
		return evr, true
	case "NVR":
		return nvr, true
	case "NEVR":
		return h.Name() + "-" + evr, true
	case "NVRA":
		return nvr + "." + h.String(TagArch), true
	case "NEVRA":
		return h.Name() + "-" + evr + "." + h.String(TagArch), true
	case "EPOCHNUM":
		return epoch, true
	case "FILECLASS":
		return h.fileClasses(), true
	case "FILENAMES":
		paths, err := h.Paths()
		if err != nil {
			return []string{}, true
		}
		out := make([]string, len(paths))
		for i, p := range paths {
			out[i] = Text(p)
		}
		return out, true
	}
	for _, t := range DepTables() {
		if name != strings.ToUpper(t.Type.String())+"NEVRS" {
			continue
		}
		out := []string{}
		for _, d := range h.Dependencies(t.Type) {
			out = append(out, d.String())
		}
		return out, true
	}
	return nil, false
}

// fileClasses is what each file was recognised as: rpm's class index looked up, and links by what they point to.
func (h *Header) fileClasses() []string {
	const tagFileClass, tagClassDict = 1141, 1142
	const modeLink = 0o120000
	classes, links := h.Strings(tagClassDict), h.Strings(TagFileLinkTos)
	out := []string{}
	for i := range h.Count(tagFileClass) {
		class, _ := h.Uint(tagFileClass, i)
		mode, _ := h.Uint(TagFileModes, i)
		switch link := at(links, i); {
		case mode&ModeTypeMask == modeLink && link != "":
			out = append(out, "symbolic link to `"+link+"'")
		case class < uint64(len(classes)):
			out = append(out, classes[class])
		default:
			out = append(out, "")
		}
	}
	return out
}
