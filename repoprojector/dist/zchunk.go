package dist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"moromi/internal/fault"
	"moromi/repoprojector/repodata"
)

// Programs of zchunk: one makes such files, the other tells what is in their headers.
const (
	zckProgram       = "zck"
	zckHeaderProgram = "zck_read_header"
)

// group is the type of the group file that is not compressed.
const group = "group"

// zchunks makes those of a repository's metadata in a directory, a chunk for each package as createrepo_c has them, with dictionaries if there are any.
func (a *archRepo) zchunks(ctx context.Context, dir string, v *repodata.Version) ([]attached, error) {
	for _, p := range []string{zckProgram, zckHeaderProgram} {
		if _, err := exec.LookPath(p); err != nil {
			return nil, fault.New(fault.Generic, "zchunk files need the program %s, which the hub's machine does not have: install the package zchunk there, or leave zck out", p)
		}
	}
	if err := checkDictDir(a.zckDictDir); err != nil {
		return nil, err
	}
	var out []attached
	for _, f := range v.Files {
		if strings.HasPrefix(f.Type, group+"_") { // it is there twice
			continue
		}
		z, err := a.zchunk(ctx, dir, v, f)
		if err != nil {
			return nil, fmt.Errorf("zchunk of %s: %w", f.Type, err)
		}
		out = append(out, z)
	}
	return out, nil
}

// checkDictDir refuses a directory of dictionaries that is none, as kojid does.
func checkDictDir(dir string) error {
	if dir == "" {
		return nil
	}
	st, err := os.Stat(dir)
	switch {
	case !filepath.IsAbs(dir), errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Generic, "zchunk dir path doesn't exist: %s", dir)
	case err != nil:
		return fault.Wrap(err, fault.Generic, "zchunk dir path cannot be read: %s", dir)
	case !st.IsDir():
		return fault.New(fault.Generic, "zchunk dir path is file: %s", dir)
	}
	return nil
}

// zchunk makes one file.
func (a *archRepo) zchunk(ctx context.Context, dir string, v *repodata.Version, f repodata.File) (z attached, err error) {
	name := strings.TrimSuffix(f.Name[strings.IndexByte(f.Name, '-')+1:], "."+a.format.Compression.Ext()) // primary.xml
	plain := filepath.Join(dir, name)
	if err := a.unpack(plain, v, f); err != nil {
		return z, err
	}
	z.from = plain + ".zck"
	args := []string{"--manual-chunk", "--split=<package ", "--output=" + z.from}
	if f.Type == group {
		args = []string{"--output=" + z.from}
	}
	if dict := filepath.Join(a.zckDictDir, name+".zdict"); a.zckDictDir != "" {
		if st, err := os.Stat(dict); err == nil && st.Mode().IsRegular() {
			args = append(args, "--dict="+dict)
		}
	}
	if _, err := run(ctx, zckProgram, append(args, plain)...); err != nil {
		return z, err
	}
	if err := os.Remove(plain); err != nil {
		return z, err
	}
	header, err := run(ctx, zckHeaderProgram, z.from)
	if err != nil {
		return z, err
	}
	z.file = repodata.File{Type: f.Type + "_zck", OpenChecksum: f.OpenChecksum, OpenSize: f.OpenSize}
	if f.Type == group && !a.format.NoOpenChecksum {
		z.file.OpenChecksum, z.file.OpenSize = f.Checksum, f.Size
	}
	if z.file.HeaderSize, z.file.HeaderChecksum, err = zchunkHeader(header); err != nil {
		return z, err
	}
	if z.file.Size, z.file.Checksum, err = sumFile(z.from); err != nil {
		return z, err
	}
	z.file.Name = z.file.Checksum + "-" + name + ".zck"
	return z, nil
}

// unpack writes a file of the metadata uncompressed.
func (a *archRepo) unpack(to string, v *repodata.Version, f repodata.File) error {
	packed, err := a.Store.Open(v, f.Name)
	if err != nil {
		return err
	}
	var plain io.Reader = packed
	if f.Type != group {
		z, err := a.format.Compression.Reader(packed)
		if err != nil {
			return err
		}
		defer z.Close()
		plain = z
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, plain)
	return errors.Join(err, out.Close())
}

// zchunkHeader reads size and checksum of a header out of what zck_read_header says.
func zchunkHeader(text []byte) (size int64, checksum string, err error) {
	sizes := regexp.MustCompile(`(?m)^Header size: ([0-9]+)$`).FindSubmatch(text)
	sums := regexp.MustCompile(`(?m)^Header checksum: ([0-9a-f]{64})$`).FindSubmatch(text)
	if sizes == nil || sums == nil || !bytes.Contains(text, []byte("Overall checksum type: SHA-256\n")) {
		return 0, "", fmt.Errorf("%s says %q", zckHeaderProgram, clip(text))
	}
	size, err = strconv.ParseInt(string(sizes[1]), 10, 64)
	return size, string(sums[1]), err
}
