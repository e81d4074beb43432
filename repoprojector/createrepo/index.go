package createrepo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"os"
	"path"
	"strings"

	"moromi/repoprojector/repodata"
)

const (
	repodataDir = "repodata"
	indexName   = "repomd.xml"
	// maxIndex is the most bytes of a repomd.xml that are read; real ones have a few kilobytes.
	maxIndex = 16 << 20
)

// index is a repomd.xml that is on disk.
type index struct {
	Data []indexData `xml:"data"`
}

// indexData is a file that it lists.
type indexData struct {
	Type     string `xml:"type,attr"`
	Checksum string `xml:"checksum"`
	Location struct {
		Href string `xml:"href,attr"`
	} `xml:"location"`
	Inner string `xml:",innerxml"`
}

// readIndex reads the repomd.xml of the output directory.
func readIndex(out *os.Root) (*index, error) {
	raw, err := readAll(out, repodataDir+"/"+indexName, maxIndex)
	if err != nil {
		return nil, err
	}
	x := &index{}
	if err := xml.Unmarshal(raw, x); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errState, indexName, err)
	}
	return x, nil
}

// file gives the checksum and the name of one of the three files.
func (x *index) file(k int) (sum [sha256.Size]byte, name string, err error) {
	for _, d := range x.Data {
		if d.Type != repodata.Kind(k).String() {
			continue
		}
		b, err := hex.DecodeString(strings.TrimSpace(d.Checksum))
		name, ok := localName(d.Location.Href)
		if err != nil || len(b) != len(sum) || !ok {
			break
		}
		return [sha256.Size]byte(b), name, nil
	}
	return sum, "", fmt.Errorf("%w: %s names no %s that can be taken over", errState, indexName, repodata.Kind(k))
}

// names are the files that the index lists.
func (x *index) names() map[string]bool {
	out := map[string]bool{indexName: true}
	for _, d := range x.Data {
		if name, ok := localName(d.Location.Href); ok {
			out[name] = true
		}
	}
	return out
}

// localName is the name of a file in the repodata directory; false for any other place.
func localName(href string) (string, bool) {
	dir, name := path.Split(href)
	return name, dir == repodataDir+"/" && name != "" && name != "." && name != ".."
}

// file is a metadata file as repomd.xml lists it.
type file struct {
	repodata.File
	time int64 // seconds since 1970
}

// renderIndex renders repomd.xml as createrepo_c does.
func (r *run) renderIndex(files []file) []byte {
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
		"<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n")
	fmt.Fprintf(&b, "  <revision>%s</revision>\n", repodata.EscapeText(r.Revision))
	r.renderTags(&b)
	for _, f := range files {
		fmt.Fprintf(&b, "  <data type=\"%s\">\n    <checksum type=\"sha256\">%s</checksum>\n", f.Type, f.Checksum)
		if f.OpenChecksum != "" {
			fmt.Fprintf(&b, "    <open-checksum type=\"sha256\">%s</open-checksum>\n", f.OpenChecksum)
		}
		fmt.Fprintf(&b, "    <location href=\"%s/%s\"/>\n    <timestamp>%d</timestamp>\n    <size>%d</size>\n", repodataDir, repodata.EscapeValue(f.Name), f.time, f.Size)
		if f.OpenChecksum != "" {
			fmt.Fprintf(&b, "    <open-size>%d</open-size>\n", f.OpenSize)
		}
		b.WriteString("  </data>\n")
	}
	b.WriteString("</repomd>\n")
	return b.Bytes()
}

func (r *run) renderTags(b *bytes.Buffer) {
	if len(r.Content)+len(r.Repo)+len(r.Distro) == 0 {
		return
	}
	b.WriteString("  <tags>\n")
	for _, x := range r.Content {
		fmt.Fprintf(b, "    <content>%s</content>\n", repodata.EscapeText(x))
	}
	for _, x := range r.Repo {
		fmt.Fprintf(b, "    <repo>%s</repo>\n", repodata.EscapeText(x))
	}
	for _, x := range r.Distro {
		cpe, text, ok := strings.Cut(x, ",")
		switch {
		case !ok:
			fmt.Fprintf(b, "    <distro>%s</distro>\n", repodata.EscapeText(x))
		case text == "":
		case cpe == "":
			fmt.Fprintf(b, "    <distro>%s</distro>\n", repodata.EscapeText(text))
		default:
			fmt.Fprintf(b, "    <distro cpeid=\"%s\">%s</distro>\n", repodata.EscapeValue(cpe), repodata.EscapeText(text))
		}
	}
	b.WriteString("  </tags>\n")
}
