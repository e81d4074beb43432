package external

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxField is the most bytes of a field of a package that is remembered: names, versions, places.
const maxField = 4096

// entry is a package of primary.
type entry struct {
	Package
	href, base string
	xml        []byte // primary's, with the base in it
}

// parsePrimary checks a package of primary and reads it. The repository is at origin; packages that do not say otherwise lie there.
func parsePrimary(b []byte, origin string, s *splitter) (*entry, error) {
	p := &entry{}
	var location element
	var found [3]bool // checksum, location, version
	var texts [3][]byte
	fields := map[string]int{"name": 0, "arch": 1, "checksum": 2}
	var source []byte
	sc := scanner{b: b, prefixes: s.prefixes}
	sc.start = func(e *element) error {
		if e.depth == 0 && string(e.name) != "package" {
			return malformed("%q is not a package", e.name)
		}
		if e.depth != 1 {
			return nil
		}
		switch string(e.name) {
		case "version":
			p.Epoch, p.Version, p.Release = e.attr("epoch"), e.attr("ver"), e.attr("rel")
			found[2] = true
		case "checksum":
			p.ChecksumType, found[0] = e.attr("type"), true
		case "time":
			p.Time, _ = strconv.ParseInt(e.attr("file"), 10, 64) // of no matter to anybody if it is no number
		case "location":
			if found[1] {
				return malformed("a package with two locations")
			}
			p.href, p.base, found[1] = e.attr("href"), e.attr("xml:base"), true
			location = *e
			location.attributes = slices.Clone(e.attributes)
		}
		return nil
	}
	sc.text = func(depth int, name, text []byte) {
		if i, ok := fields[string(name)]; ok && depth == 1 && len(texts[i])+len(text) <= maxField {
			texts[i] = append(texts[i], text...)
		}
		if depth == 2 && string(name) == "rpm:sourcerpm" && len(source)+len(text) <= maxField {
			source = append(source, text...)
		}
	}
	if err := sc.scan(); err != nil {
		return nil, err
	}
	for i, to := range []*string{&p.Name, &p.Arch, &p.Checksum} {
		*to = strings.TrimSpace(unescape(texts[i]))
	}
	p.SourceRPM = strings.TrimSpace(unescape(source))
	if p.Epoch == "" {
		p.Epoch = "0"
	}
	if found != [3]bool{true, true, true} {
		return nil, malformed("package %.100q without checksum, location or version", p.Name)
	}
	if err := p.check(origin); err != nil {
		return nil, err
	}
	p.xml = place(b, &location, p, origin, s.declare)
	return p, nil
}

// check refuses what cannot be written into a list of packages, and places that are none of the repository's business.
func (p *entry) check(origin string) error {
	for _, f := range []struct{ what, text string }{{"name", p.Name}, {"version", p.Version}, {"release", p.Release}, {"arch", p.Arch}, {"checksum", p.Checksum}} {
		if f.text == "" || len(f.text) > maxField || strings.ContainsAny(f.text, " \t\r\n/") {
			return malformed("a package with the %s %.100q", f.what, f.text)
		}
	}
	if len(p.href) > maxField || len(p.base) > maxField {
		return malformed("the location of %.100q is longer than %d bytes", p.Name, maxField)
	}
	if p.href == "" || p.href[0] == '/' || strings.Contains(p.href, "://") || strings.HasSuffix(p.href, "/") || path.Base(p.href) == ".." {
		return malformed("package %.100q is at %.200q", p.Name, p.href)
	}
	if p.base == "" {
		return nil
	}
	u, err := url.Parse(p.base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" && (u.Scheme != "file" || !strings.HasPrefix(origin, "file://")) {
		return malformed("package %.100q has the base %.200q", p.Name, p.base)
	}
	return nil
}

// place gives the package's XML with its base. One that has a base keeps it (add_package of mergerepo_c).
func place(b []byte, location *element, p *entry, origin string, declare []byte) []byte {
	out := make([]byte, 0, len(b)+len(origin)+len(declare)+16)
	const start = len("<package")
	out = append(append(out, b[:start]...), declare...)
	if p.base != "" {
		return append(append(out, b[start:]...), '\n')
	}
	p.base = strings.TrimRight(origin, "/")
	out = append(append(out, b[start:location.nameEnd]...), ` xml:base="`...)
	out = append(appendEscaped(out, p.base), '"')
	from := location.nameEnd
	for _, a := range location.attributes {
		if string(a.name) == "xml:base" { // an empty one
			out = append(out, b[from:a.start]...)
			from = a.end
		}
	}
	return append(append(out, b[from:]...), '\n')
}

func appendEscaped(b []byte, s string) []byte {
	var buf bytes.Buffer
	_ = xml.EscapeText(&buf, []byte(s)) // a buffer takes everything
	return append(b, buf.Bytes()...)
}

// parseList checks a package of filelists or other and gives the checksum by which it is known.
func parseList(b []byte, s *splitter) (string, error) {
	id := ""
	sc := scanner{b: b, prefixes: s.prefixes, start: func(e *element) error {
		if e.depth == 0 {
			id = e.attr("pkgid")
			if string(e.name) != "package" || id == "" || len(id) > maxField {
				return malformed("a package without a pkgid")
			}
		}
		return nil
	}}
	return id, sc.scan()
}

// emptyList is a package without files or changes.
func emptyList(p *Package) []byte {
	b := []byte(`<package pkgid="`)
	for i, f := range []struct{ text, before string }{{p.Checksum, ""}, {p.Name, `" name="`}, {p.Arch, `" arch="`}, {p.Epoch, "\">\n  <version epoch=\""},
		{p.Version, `" ver="`}, {p.Release, `" rel="`}} {
		if i > 0 {
			b = append(b, f.before...)
		}
		b = appendEscaped(b, f.text)
	}
	return append(b, "\"/>\n</package>\n"...)
}

// withDeclared gives a package's XML with the prefixes that the document declares.
func withDeclared(b, declare []byte) []byte {
	const start = len("<package")
	out := append(make([]byte, 0, len(b)+len(declare)+1), b[:start]...)
	return append(append(append(out, declare...), b[start:]...), '\n')
}

// errOf names the package that something is wrong with.
func errOf(p *Package, err error) error { return fmt.Errorf("package %.100q: %w", p.nvra(), err) }
