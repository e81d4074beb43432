package repodata

import (
	"bytes"
	"fmt"
	"slices"
)

// File is a metadata file of a repository, as repomd.xml lists it.
type File struct {
	// Type is primary, filelists, other, group, or group_gz and the like for the compressed group file.
	Type string
	// Name is the file's name in the repodata directory; it begins with the checksum.
	Name string
	// Checksum and OpenChecksum are the hex SHA-256 of the file and of what it is uncompressed; Size and
	// OpenSize their bytes. The Open… fields are empty for a file that is not compressed.
	Checksum, OpenChecksum string
	Size, OpenSize         int64
	// HeaderChecksum and HeaderSize are those of the header of a zchunk file, and empty for others.
	HeaderChecksum string `json:",omitempty"`
	HeaderSize     int64  `json:",omitempty"`
}

// Announce lists files in the version's repomd.xml that the caller puts beside what WriteFiles writes.
func (v *Version) Announce(files ...File) {
	v.Repomd = repomd(append(slices.Clone(v.Files), files...), v.Revision)
}

// repomd renders repomd.xml. The revision, in seconds since 1970, is also every file's time.
func repomd(files []File, revision int64) []byte {
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
		"<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n")
	fmt.Fprintf(&b, "  <revision>%d</revision>\n", revision)
	for _, f := range files {
		fmt.Fprintf(&b, "  <data type=%q>\n    <checksum type=\"sha256\">%s</checksum>\n", f.Type, f.Checksum)
		if f.OpenChecksum != "" {
			fmt.Fprintf(&b, "    <open-checksum type=\"sha256\">%s</open-checksum>\n", f.OpenChecksum)
		}
		if f.HeaderChecksum != "" {
			fmt.Fprintf(&b, "    <header-checksum type=\"sha256\">%s</header-checksum>\n", f.HeaderChecksum)
		}
		fmt.Fprintf(&b, "    <location href=\"repodata/%s\"/>\n    <timestamp>%d</timestamp>\n    <size>%d</size>\n", f.Name, revision, f.Size)
		if f.OpenChecksum != "" {
			fmt.Fprintf(&b, "    <open-size>%d</open-size>\n", f.OpenSize)
		}
		if f.HeaderChecksum != "" {
			fmt.Fprintf(&b, "    <header-size>%d</header-size>\n", f.HeaderSize)
		}
		b.WriteString("  </data>\n")
	}
	b.WriteString("</repomd>\n")
	return b.Bytes()
}
