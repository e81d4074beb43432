package repodata

import (
	"bytes"
	"fmt"
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
		fmt.Fprintf(&b, "    <location href=\"repodata/%s\"/>\n    <timestamp>%d</timestamp>\n    <size>%d</size>\n", f.Name, revision, f.Size)
		if f.OpenChecksum != "" {
			fmt.Fprintf(&b, "    <open-size>%d</open-size>\n", f.OpenSize)
		}
		b.WriteString("  </data>\n")
	}
	b.WriteString("</repomd>\n")
	return b.Bytes()
}
