package external

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"moromi/repoprojector/repodata"
)

const docHead = `<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
`

func pkg(inner string) string {
	return `<package type="rpm"><name>a&amp;b</name><arch>noarch</arch><version epoch="1" ver="2" rel="3"/><checksum type="sha256">0a</checksum>` + inner + `</package>`
}

func readPrimary(text string) (*entry, error) {
	s := newSplitter(documents()[0], strings.NewReader(text))
	b, err := s.next()
	if err != nil {
		return nil, err
	}
	p, err := parsePrimary(b, "http://h/r/", s)
	if err != nil {
		return nil, err
	}
	if _, err := s.next(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errors.New("no end"), err)
	}
	return p, nil
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`<location href="x.rpm"/>`:                                                `<location xml:base="http://h/r" href="x.rpm"/>`,
		`<location xml:base="" href='x.rpm' />`:                                   `<location xml:base="http://h/r" href='x.rpm' />`,
		`<location href="x.rpm" xml:base=''></location>`:                          `<location xml:base="http://h/r" href="x.rpm"></location>`,
		`<location xml:base="https://other/a&amp;b" href="x.rpm"/>`:               `<location xml:base="https://other/a&amp;b" href="x.rpm"/>`,
		`<location href="../up/x.rpm"/><!-- a > b --><z>&#x41;<![CDATA[<&]]></z>`: `<location xml:base="http://h/r" href="../up/x.rpm"/><!-- a > b --><z>&#x41;<![CDATA[<&]]></z>`,
	} {
		p, err := readPrimary(docHead + pkg(in) + "</metadata>")
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if string(p.xml) != pkg(want)+"\n" {
			t.Errorf("%s: %s", in, p.xml)
		}
		if p.Name != "a&b" || p.Epoch != "1" {
			t.Errorf("%+v", p.Package)
		}
	}
}

// Prefixes of the document's own are declared by each package that leaves it.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	head := strings.Replace(docHead, " packages", ` xmlns:suse="http://novell.com/?a&amp;b" packages`, 1)
	p, err := readPrimary(head + pkg(`<location href="x"/><suse:eula suse:x="1"/>`) + "</metadata>")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(p.xml), `<package xmlns:suse="http://novell.com/?a&amp;b" type="rpm">`) {
		t.Fatalf("%s", p.xml)
	}
	for _, bad := range []string{docHead + pkg(`<location href="x"/><suse:eula/>`), head + pkg(`<location href="x"/><z xmlns:q="q"/>`),
		docHead + pkg(`<location href="x"/><z xmlns="q"/>`), docHead + pkg(`<location href="x"/><z xmlns:rpm="q"/>`)} {
		if _, err := readPrimary(bad + "</metadata>"); !errors.Is(err, errXML) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for _, inner := range []string{"&", "&nbsp;", "&#0;", "&#xd800;", "&#x110000;", "a]]>b", "\x01", "\xff", "\uffff", "<a", "<a b>", "<a b=c/>", `<a b="<"/>`, `<a b="1" b="2"/>`,
		`<a b="1"c="2"/>`, "<a></b>", "</a>", "<!-- -- -->", "<!-->", "<![CDATA[", "<?a?>", "<!DOCTYPE a>", "<1/>", "<a:b:c/>", "<:a/>", "<a:/>"} {
		if _, err := readPrimary(docHead + pkg(`<location href="x"/>`+inner) + "</metadata>"); !errors.Is(err, errXML) {
			t.Errorf("%q: %v", inner, err)
		}
	}
}

// The files of a repository may list packages in any order, twice, or not at all.
func TestJoin(t *testing.T) {
	t.Parallel()
	primary, lists := docHead, `<filelists xmlns="http://linux.duke.edu/metadata/filelists">`
	ids := []string{"aa", "bb", "cc", "dd"}
	for _, id := range ids {
		primary += strings.NewReplacer("0a", id, "a&amp;b", id).Replace(pkg(`<location href="` + id + `"/>`))
	}
	primary += pkg(`<location href="twice"/>`) + strings.Replace(pkg(`<location href="again"/>`), "a&amp;b", "again", 1) + "</metadata>"
	for _, id := range []string{"dd", "unknown", "bb", "aa", "bb"} {
		lists += `<package pkgid="` + id + `"><file>/` + id + `</file></package>`
	}
	lists += "</filelists>"
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	got := map[string]repodata.Foreign{}
	j := joiner{origin: "http://h/", put: func(f repodata.Foreign) (repodata.Package, error) {
		got[f.Href] = f
		return repodata.Package{}, nil
	}, spool: func() (*os.File, error) { return spool(root, "spool") }}
	out, err := j.join(strings.NewReader(primary), strings.NewReader(lists), nil)
	if err != nil || len(out) != 5 {
		t.Fatalf("%d packages, %v", len(out), err)
	}
	for id, want := range map[string]string{"aa": "<file>/aa</file>", "bb": "<file>/bb</file>", "dd": "<file>/dd</file>", "cc": `<version epoch="1" ver="2" rel="3"/>`,
		"twice": `name="a&amp;b" arch="noarch"`} {
		if !strings.Contains(string(got[id].Filelists), want) || !strings.Contains(string(got[id].Other), `pkgid="`) {
			t.Errorf("%s: %s, %s", id, got[id].Filelists, got[id].Other)
		}
	}
	if _, ok := got["again"]; ok {
		t.Error("a checksum that is there twice gave two packages")
	}
}

// FuzzPrimary: whatever is taken is well-formed for other readers, too, wherever it is put, and says the same to them.
func FuzzPrimary(f *testing.F) {
	for _, s := range []string{pkg(`<location href="x"/>`), pkg(`<location xml:base="" href='x' />` + "<!-- > --><z><![CDATA[<]]></z>"), pkg("&#x41;&lt;<a b='>'/>"), "<package/>", "<package", "<!--"} {
		f.Add(docHead + s + "</metadata>")
		f.Add(strings.Replace(docHead, "<metadata", "<!-- c --><metadata xmlns:q='r'", 1) + s + "\n</metadata>\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := readPrimary(text)
		if err != nil {
			return
		}
		var doc struct {
			Packages []struct {
				Name     string `xml:"http://linux.duke.edu/metadata/common name"`
				Location []struct {
					Base string `xml:"http://www.w3.org/XML/1998/namespace base,attr"`
					Href string `xml:"href,attr"`
				} `xml:"http://linux.duke.edu/metadata/common location"`
			} `xml:"http://linux.duke.edu/metadata/common package"`
		}
		own := pkg(`<location href="own"/>`)
		if err := xml.Unmarshal([]byte(docHead+string(p.xml)+own+"</metadata>"), &doc); err != nil {
			t.Fatalf("%q: %v", p.xml, err)
		}
		if len(doc.Packages) != 2 || len(doc.Packages[0].Location) != 1 || doc.Packages[0].Location[0].Href != p.href || doc.Packages[0].Location[0].Base != p.base || p.base == "" {
			t.Fatalf("%q: read as %+v, here %+v", p.xml, doc, p)
		}
	})
}

// FuzzRepomd: no file outside of the repository is ever asked for.
func FuzzRepomd(f *testing.F) {
	f.Add([]byte(`<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"><checksum type="md5">d41d8cd98f00b204e9800998ecf8427e</checksum><location href="a/b"/><timestamp>1.5</timestamp><size>3</size></data></repomd>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		md, err := parseRepomd(b)
		if err != nil {
			return
		}
		origin, err := parseURL("http://example.com/some/repo/")
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range md.files {
			u, err := origin.Parse(x.Href)
			if err != nil || u.Host != "example.com" || !strings.HasPrefix(u.Path, "/some/repo/") || strings.ContainsAny(x.path(), "\\\x00") || strings.Count(x.path(), "/") > 1 {
				t.Fatalf("%q leads to %v, kept as %q", x.Href, u, x.path())
			}
		}
	})
}

func BenchmarkJoin(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(docHead)
	one := pkg(`<location href="x"/><format>` + strings.Repeat(`<rpm:entry name="libc.so.6(GLIBC_2.34)(64bit)" flags="GE" epoch="0" ver="1" rel="2"/>`+"\n", 40) + "</format>")
	for range 2000 {
		text.WriteString(one)
	}
	text.WriteString("</metadata>")
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		j := joiner{origin: "http://h/", put: func(repodata.Foreign) (repodata.Package, error) { return repodata.Package{}, nil }}
		if _, err := j.join(bytes.NewReader(text.Bytes()), nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}
