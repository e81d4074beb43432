package dist

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/storage"
	repomodel "moromi/projections/repo"
	"moromi/repoprojector/repodata"
)

const (
	// createrepoProgram makes delta rpms; ours makes everything else.
	createrepoProgram = "createrepo_c"
	// drpmDir is where they are in a repository.
	drpmDir = "drpms"
	// prestodelta is the type of the list of them.
	prestodelta = "prestodelta"
	// maxPresto bounds the list of them: a hundred thousand take some 50 MB.
	maxPresto = 256 << 20
)

// oldPackages gives the directories with packages of the dist repositories that deltas are made against. createrepo_c does not look below those that it is given.
func (a *archRepo) oldPackages(ctx context.Context) ([]string, error) {
	var out []string
	for _, id := range a.delta {
		row, err := repomodel.Get(ctx, a.DB, id, nil)
		switch {
		case err != nil:
			return nil, err
		case row == nil:
			return nil, fault.New(fault.Generic, "No such repo: %d", id)
		case row["dist"] != true:
			return nil, fault.New(fault.Generic, "Base repo for deltas must also be a dist repo")
		}
		dir, err := storage.Repo{Tag: row["tag_name"].(string), ID: id, Dist: true}.Dir()
		if err != nil {
			return nil, err
		}
		if st, err := a.Storage.Stat(dir); err != nil || !st.IsDir() {
			return nil, fault.New(fault.Generic, "Base drpm repo missing: %s", a.Storage.Abs(dir))
		}
		letters, err := filepath.Glob(filepath.Join(a.Storage.Abs(dir), a.arch, "Packages", "?"))
		if err != nil {
			return nil, err
		}
		out = append(out, letters...)
	}
	return out, nil
}

// deltas has delta rpms made of the packages of a repository, in a directory that is laid out like the architecture's. It gives their list, for the metadata; the rpms are in drpms there.
func (a *archRepo) deltas(ctx context.Context, temp, repo string, list []repodata.Package) ([]attached, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if _, err := exec.LookPath(createrepoProgram); err != nil {
		return nil, fault.New(fault.Generic, "Delta rpms are made by the program %s, which the hub's machine does not have: install it there, or leave delta out", createrepoProgram)
	}
	old, err := a.oldPackages(ctx)
	if err != nil {
		return nil, err
	}
	base := filepath.Join(temp, repo)
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, err
	}
	var names strings.Builder
	for _, p := range list {
		x := a.members[path.Base(p.Href)]
		names.WriteString(p.Href + "\n")
		link := filepath.Join(temp, x.href())
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return nil, err
		}
		if err := os.Symlink(a.Storage.Abs(x.from), link); err != nil {
			return nil, err
		}
	}
	pkglist := filepath.Join(base, pkglistName)
	if err := os.WriteFile(pkglist, []byte(names.String()), 0o644); err != nil {
		return nil, err
	}
	args := []string{"--quiet", "--error-exit-val", "--no-database", "--general-compress-type", "gz", "--pkglist", pkglist, "--deltas"}
	for _, dir := range old {
		args = append(args, "--oldpackagedirs", dir)
	}
	if _, err := run(ctx, createrepoProgram, append(args, base)...); err != nil {
		return nil, fmt.Errorf("make delta rpms: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(base, "repodata", "*-"+prestodelta+".xml*"))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	x, err := a.prestodelta(found[0])
	return []attached{x}, err
}

// prestodelta puts the list of delta rpms into the repository's format.
func (a *archRepo) prestodelta(name string) (attached, error) {
	x := attached{from: name + ".of-format", file: repodata.File{Type: prestodelta}}
	text, err := readGzip(name, maxPresto)
	if err != nil {
		return x, fmt.Errorf("read %s: %w", filepath.Base(name), err)
	}
	z, err := repodata.NewCompressor(a.format.Compression)
	if err != nil {
		return x, err
	}
	packed, err := z.Append(nil, text)
	if err != nil {
		return x, err
	}
	x.file.Checksum, x.file.Size = hexSum(packed), int64(len(packed))
	x.file.Name = x.file.Checksum + "-" + prestodelta + ".xml." + a.format.Compression.Ext()
	if !a.format.NoOpenChecksum {
		x.file.OpenChecksum, x.file.OpenSize = hexSum(text), int64(len(text))
	}
	return x, os.WriteFile(x.from, packed, 0o644)
}

// readGzip reads what a file holds uncompressed, if that has no more than so many bytes.
func readGzip(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := repodata.Gzip.Reader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	text, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return text, err
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// placeDeltas puts the delta rpms of a repository that is being made where their list says they are.
func placeDeltas(root *os.Root, temp, repo string) error {
	entries, err := os.ReadDir(filepath.Join(temp, repo, drpmDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := root.MkdirAll(path.Join(repo, drpmDir), 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if err := copyIn(root, filepath.Join(temp, repo, drpmDir, e.Name()), path.Join(repo, drpmDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
