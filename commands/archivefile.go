package commands

import (
	"crypto/md5"  //nolint:gosec // what content generators and Maven repositories use
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"io"
	"io/fs"
	"path"
	"strings"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/query"
)

// NewArchive is an archive to be imported. Maven, Win and ImageArch are for archives of these build types, and needed there.
type NewArchive struct {
	Path   string // of the upload, relative to the work directory
	Type   string // build type
	Subdir string // below the directory of the build type; not for maven and win
	// Declared is what a content generator says of the file; nil: nothing is said.
	Declared    *Declared
	Maven       *events.MavenInfo
	Win         *events.WinInfo
	ImageArch   *string
	BuildrootID *int64
	Extra       json.RawMessage
	RPMs        []int64 // rpms in the archive
	Archives    []int64 // archives in the archive
}

// Declared is what a content generator says of a file. For MetadataOnly there is no file, and it is believed.
type Declared struct {
	Filename     string
	Size         int64
	Checksum     string
	ChecksumType string // md5 or sha256
	MetadataOnly bool
}

// archiveFile is an archive that was read and checked.
type archiveFile struct {
	event events.Archive // without its id
	place *place         // nil for metadata only
	sums  map[string]string
	rpms  []int64
}

// upload is an uploaded file as the hub read it.
type upload struct {
	path storage.Path
	size int64
	sums map[string]string // in hex by algorithm
}

// readUpload reads a file below the work directory, whole, for its size and its checksums by the named algorithms.
func (s *Service) readUpload(rel string, algorithms ...string) (*upload, error) {
	p, err := workPath(rel)
	if err != nil {
		return nil, err
	}
	st, err := s.Files.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.Generic, "No such file: %s", rel)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", p, err)
	case !st.Mode().IsRegular():
		return nil, fault.New(fault.Generic, "Error importing archive file, %s is not a regular file", rel)
	}
	f, err := s.Files.Open(p)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	defer f.Close()
	hashes, to := map[string]hash.Hash{}, []io.Writer{}
	for _, a := range algorithms {
		if hashes[a] == nil {
			if hashes[a], err = newHash(a); err != nil {
				return nil, err
			}
			to = append(to, hashes[a])
		}
	}
	u := &upload{path: p, sums: map[string]string{}}
	if u.size, err = io.Copy(io.MultiWriter(to...), f); err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	for a, h := range hashes {
		u.sums[a] = hex.EncodeToString(h.Sum(nil))
	}
	return u, nil
}

// newHash makes the hash that Koji knows under a name.
func newHash(algorithm string) (hash.Hash, error) {
	switch algorithm {
	case "md5":
		return md5.New(), nil //nolint:gosec // see the imports
	case "sha1":
		return sha1.New(), nil //nolint:gosec // see the imports
	case "sha256":
		return sha256.New(), nil
	case "adler32":
		return adler32.New(), nil
	}
	return nil, fault.New(fault.Generic, "Unsupported verify type: %s", algorithm)
}

// checksumTypes are koji's CHECKSUM_TYPES, as far as archives have them.
var checksumTypes = map[string]int{"md5": 0, "sha1": 1, "sha256": 2}

// check compares a file with what was said of it.
func (d *Declared) check(u *upload) error {
	if u.size != d.Size {
		return fault.New(fault.Generic, "File size %d for %s (expected %d) doesn't match. Corrupted upload?", u.size, d.Filename, d.Size)
	}
	if sum := u.sums[d.ChecksumType]; sum != d.Checksum {
		return fault.New(fault.Generic, "File checksum mismatch for %s: %s != %s", d.Filename, d.Checksum, sum)
	}
	return nil
}

// describeArchive reads an archive and says what it is. Its archive type and build type are looked up by the caller.
func (s *Service) describeArchive(in NewArchive) (*archiveFile, error) {
	f := &archiveFile{rpms: in.RPMs, event: events.Archive{Subdir: in.Subdir, BuildrootID: in.BuildrootID, Extra: in.Extra, Maven: in.Maven, Win: in.Win,
		ImageArch: in.ImageArch, Archives: in.Archives}}
	if d := in.Declared; d != nil && d.MetadataOnly {
		f.event.Filename, f.event.Size, f.event.Checksum, f.event.ChecksumType, f.event.MetadataOnly = d.Filename, d.Size, d.Checksum, checksumTypes[d.ChecksumType], true
		return f, nil
	}
	kind := "sha256"
	if in.Declared != nil {
		kind = in.Declared.ChecksumType
	}
	need := []string{kind}
	if in.Type == "maven" {
		need = append(need, "md5", "sha1")
	}
	u, err := s.readUpload(in.Path, need...)
	if err != nil {
		return nil, err
	}
	if in.Declared != nil {
		if err := in.Declared.check(u); err != nil {
			return nil, err
		}
	}
	f.event.Filename, f.event.Size, f.event.Checksum, f.event.ChecksumType = u.path.Base(), u.size, u.sums[kind], checksumTypes[kind]
	f.place, f.sums = &place{from: u.path}, u.sums
	return f, nil
}

// locate decides where the archive goes in the tree.
func (f *archiveFile) locate(tree storage.Build, btype string) error {
	dir, err := archiveDir(tree, btype, build.ArchiveDir(f.event))
	if err != nil || f.place == nil {
		return err
	}
	f.place.to, err = dir.Join(f.event.Filename)
	return err
}

// archiveDir is the directory of an archive; rel is its own below that of the build type.
func archiveDir(tree storage.Build, btype, rel string) (storage.Path, error) {
	dir, err := tree.TypeDir(btype)
	if err != nil {
		return storage.Path{}, err
	}
	return storage.Under(dir, rel)
}

// archivePath is where an archive's file lies; b is its build.
func archivePath(b, archive query.Row, subdir string) (storage.Path, error) {
	e := events.Archive{Filename: archive["filename"].(string), Subdir: subdir}
	if group, ok := archive["group_id"].(string); ok {
		artifact, _ := archive["artifact_id"].(string)
		version, _ := archive["version"].(string)
		e.Maven = &events.MavenInfo{GroupID: group, ArtifactID: artifact, Version: version}
	}
	if rel, ok := archive["relpath"].(string); ok {
		e.Win = &events.WinInfo{RelPath: rel}
	}
	dir, err := archiveDir(treeOf(b), archive["btype"].(string), build.ArchiveDir(e))
	if err != nil {
		return storage.Path{}, err
	}
	return dir.Join(e.Filename)
}

// placeArchive puts the file in its place; a Maven file gets its checksums beside it, as Maven repositories have them.
func (s *Service) placeArchive(f *archiveFile) error {
	if f.place == nil {
		return nil
	}
	if err := s.link(*f.place); err != nil {
		return err
	}
	for _, p := range f.besides() {
		if err := s.Files.WriteFile(p.path, []byte(p.text)); err != nil {
			return err
		}
	}
	return nil
}

type sideFile struct {
	path storage.Path
	text string
}

// besides are the checksum files of a Maven file.
func (f *archiveFile) besides() []sideFile {
	if f.event.Maven == nil || path.Ext(f.event.Filename) == ".md5" || path.Ext(f.event.Filename) == ".sha1" {
		return nil
	}
	var out []sideFile
	for _, kind := range []string{"md5", "sha1"} {
		p, err := f.place.to.Dir().Join(f.event.Filename + "." + kind)
		if err == nil { // a name that leaves no room for the ending gets no checksum file
			out = append(out, sideFile{p, f.sums[kind]})
		}
	}
	return out
}

// displace takes away what placeArchive put there, after a refusal.
func (s *Service) displace(f *archiveFile) {
	if f.place == nil {
		return
	}
	for _, p := range append(f.besides(), sideFile{path: f.place.to}) {
		if err := s.Files.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.Log.Warn("a file of a refused import stays", "path", p.path.String(), "error", err)
		}
	}
}

// checkBuildType refuses what a build type does not go with.
func (in NewArchive) checkType() error {
	switch {
	case in.Type == "maven" && in.Maven == nil:
		return fault.New(fault.Parameter, "a Maven archive needs group_id, artifact_id and version")
	case in.Type == "win" && in.Win == nil:
		return fault.New(fault.Parameter, "an archive of a Windows build needs relpath, platforms and flags")
	case in.Type == "win" && in.Win.Platforms == "":
		return fault.New(fault.Build, "no value for platforms")
	case in.Type == "image" && in.ImageArch == nil:
		return fault.New(fault.Parameter, "an archive of an image build needs arch")
	}
	return nil
}

// mavenLabel is how messages name an artifact.
func mavenLabel(m events.MavenInfo) string {
	return koji.NVR{Name: m.GroupID, Version: m.ArtifactID, Release: m.Version}.String()
}

// ReadMavenInfo reads what Maven needs of a build or a file from {group_id, artifact_id, version}.
func ReadMavenInfo(v any) (*events.MavenInfo, error) {
	info, ok := v.(map[string]any)
	if !ok {
		return nil, fault.New(fault.Generic, "Invalid type for maven_info: it must be a struct")
	}
	m := &events.MavenInfo{}
	for _, f := range []struct {
		key string
		to  *string
	}{{"group_id", &m.GroupID}, {"artifact_id", &m.ArtifactID}, {"version", &m.Version}} {
		s, ok := info[f.key].(string)
		if !ok {
			return nil, fault.New(fault.Generic, "Maven info doesn't have mandatory %s key, or it is no text", f.key)
		}
		*f.to = s
	}
	return m, nil
}

// ReadWinInfo reads what is kept of a file of a Windows build from {relpath, platforms, flags}; the last two are a text or a list of texts.
func ReadWinInfo(v any) (*events.WinInfo, error) {
	info, _ := v.(map[string]any)
	rel, ok := info["relpath"].(string)
	if !ok {
		return nil, fault.New(fault.Parameter, "an archive of a Windows build needs relpath, platforms and flags")
	}
	platforms, err := words(info["platforms"])
	if err != nil {
		return nil, err
	}
	if len(platforms) == 0 {
		return nil, fault.New(fault.Build, "no value for platforms")
	}
	w := &events.WinInfo{RelPath: strings.Trim(rel, "/"), Platforms: strings.Join(platforms, " ")}
	flags, err := words(info["flags"])
	if len(flags) > 0 {
		all := strings.Join(flags, " ")
		w.Flags = &all
	}
	return w, err
}

// words are a list of texts, or one.
func words(v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return strings.Fields(v), nil
	case []any:
		out := make([]string, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, fault.New(fault.Parameter, "platforms and flags are texts, not %T", e)
			}
			out[i] = s
		}
		return out, nil
	}
	return nil, fault.New(fault.Parameter, "platforms and flags are lists of texts, not %T", v)
}
