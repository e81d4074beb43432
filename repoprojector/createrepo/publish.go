package createrepo

import (
	"bytes"
	"context"
	"crypto/rand"
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
	"time"

	"golang.org/x/sys/unix"

	"moromi/internal/flock"
	"moromi/repoprojector/repodata"
)

const (
	// tempPrefix begins the name of the directory that a repository is written in; what bears it is removed by the next run.
	tempPrefix = ".createrepo-new-"
	// aside is the old repository's name in there, where the file system cannot exchange two names.
	aside = "old"
	// theirLock is what createrepo_c makes to keep other processes off.
	theirLock = ".repodata"
	// sqliterepo is the program that makes databases.
	sqliterepo = "sqliterepo_c"
	// maxGroupFile is the most bytes of a group file; the largest known have a few megabytes.
	maxGroupFile = 256 << 20
)

// lock opens the output directory and keeps other runs off it.
func (r *run) lock() (unlock func() error, err error) {
	if err := os.MkdirAll(r.Output, 0o755); err != nil {
		return nil, fmt.Errorf("make the output directory: %w", err)
	}
	if r.out, err = os.OpenRoot(r.Output); err != nil {
		return nil, fmt.Errorf("open the output directory: %w", err)
	}
	defer func() {
		if err != nil {
			_ = r.out.Close()
		}
	}()
	d, err := r.out.Open(".")
	if err != nil {
		return nil, fmt.Errorf("open the output directory: %w", err)
	}
	closeDir := d.Close
	held, err := flock.Take(d, flock.Exclusive|flock.NoWait)
	switch {
	case err == nil:
		closeDir = held.Close
	case errors.Is(err, flock.ErrHeld):
		err = fmt.Errorf("another run works on %s", r.Output)
	case errors.Is(err, flock.ErrUnsupported):
		r.warn(fmt.Errorf("the file system of %s has no locks: see to it that no two runs work on it at once", r.Output))
		err = nil
	default:
		err = fmt.Errorf("lock %s: %w", r.Output, err)
	}
	if err == nil {
		if _, statErr := r.out.Lstat(theirLock); statErr == nil {
			err = fmt.Errorf("createrepo_c works on %s; if it does not, remove %s", r.Output, filepath.Join(r.Output, theirLock))
		}
	}
	if err != nil {
		_ = closeDir()
		return nil, err
	}
	return func() error { return errors.Join(closeDir(), r.out.Close()) }, nil
}

// makeTemp removes what killed runs have left and makes the directory to write in.
func (r *run) makeTemp() (string, error) {
	entries, err := fs.ReadDir(r.out.FS(), ".")
	if err != nil {
		return "", fmt.Errorf("read the output directory: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if err := r.clear(e.Name()); err != nil {
			return "", fmt.Errorf("remove what an earlier run has left: %w", err)
		}
	}
	temp := tempPrefix + rand.Text()
	r.step("make directory")
	if err := r.out.MkdirAll(temp+"/"+repodataDir, 0o755); err != nil {
		return "", fmt.Errorf("make a directory for the repository: %w", err)
	}
	return temp, nil
}

// clear removes a run's directory; if the old repository was moved there and no new one came, it goes back first.
func (r *run) clear(temp string) error {
	if _, err := r.out.Lstat(repodataDir); errors.Is(err, fs.ErrNotExist) {
		if err := r.out.Rename(temp+"/"+aside, repodataDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return r.out.RemoveAll(temp)
}

// fileName is the name of a metadata file.
func (r *run) fileName(checksum, name string) string {
	if r.SimpleNames {
		return name
	}
	return checksum + "-" + name
}

// writeSynced writes a small file to disk.
func (r *run) writeSynced(name string, b []byte) error {
	r.step("write " + path.Base(name))
	f, err := r.out.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// writeGroup writes the group file, as it is and compressed.
func (r *run) writeGroup(dir string) ([]file, error) {
	if r.GroupFile == "" {
		return nil, nil
	}
	f, err := os.Open(r.GroupFile)
	if err != nil {
		return nil, fmt.Errorf("read group file: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxGroupFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read group file: %w", err)
	}
	if len(text) > maxGroupFile {
		return nil, fmt.Errorf("read group file: %s has more than %d bytes", r.GroupFile, maxGroupFile)
	}
	member, err := r.compressor.Append(nil, text)
	if err != nil {
		return nil, err
	}
	ext := r.Compression.Ext()
	name := filepath.Base(r.GroupFile)
	sum, packed := sha256.Sum256(text), sha256.Sum256(member)
	plain := repodata.File{Type: "group", Checksum: hex.EncodeToString(sum[:]), Size: int64(len(text))}
	plain.Name = r.fileName(plain.Checksum, name)
	small := repodata.File{Type: "group_" + ext, Checksum: hex.EncodeToString(packed[:]), Size: int64(len(member)),
		OpenChecksum: plain.Checksum, OpenSize: plain.Size}
	small.Name = r.fileName(small.Checksum, name+"."+ext)
	if err := errors.Join(r.writeSynced(path.Join(dir, plain.Name), text), r.writeSynced(path.Join(dir, small.Name), member)); err != nil {
		return nil, fmt.Errorf("write group file: %w", err)
	}
	return []file{{plain, r.now}, {small, r.now}}, nil
}

// writeIndex completes the directory: what is taken over of the old one, and repomd.xml.
func (r *run) writeIndex(ctx context.Context, temp string, files []file) error {
	dir := temp + "/" + repodataDir
	old, err := readIndex(r.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errState) {
		return fmt.Errorf("read the old %s: %w", indexName, err)
	}
	if err != nil {
		old = &index{}
	}
	kept := r.additional(old, files)
	if err := r.carry(dir, old.names(), kept); err != nil {
		return fmt.Errorf("take over files of the old repository: %w", err)
	}
	text := r.renderIndex(files)
	if len(kept) > 0 {
		var more bytes.Buffer
		for _, d := range kept {
			fmt.Fprintf(&more, "  <data type=\"%s\">%s</data>\n", repodata.EscapeValue(d.Type), d.Inner)
		}
		text = bytes.Replace(text, []byte("</repomd>"), append(more.Bytes(), "</repomd>"...), 1)
	}
	if err := r.writeSynced(path.Join(dir, indexName), text); err != nil {
		return fmt.Errorf("write %s: %w", indexName, err)
	}
	if r.Database {
		if err := r.addDatabases(ctx, temp); err != nil {
			return err
		}
	}
	return r.finishFiles(dir)
}

// additional are the entries of the old index that others have added.
func (r *run) additional(old *index, files []file) (out []indexData) {
	if !r.KeepAll {
		return nil
	}
	for _, d := range old.Data {
		own := strings.HasSuffix(d.Type, "_db") || strings.HasSuffix(d.Type, "_zck")
		for _, f := range files {
			own = own || d.Type == f.Type
		}
		if r.GroupFile != "" && strings.HasPrefix(d.Type, "group") {
			own = true
		}
		if _, ok := localName(d.Location.Href); ok && !own {
			out = append(out, d)
		}
	}
	return out
}

// carry links files of the old repository into the new one: what repomd.xml does not list, and of what it lists what is
// kept, or all with RetainOld.
func (r *run) carry(dir string, listed map[string]bool, kept []indexData) error {
	for _, d := range kept {
		name, _ := localName(d.Location.Href)
		delete(listed, name)
	}
	entries, err := fs.ReadDir(r.out.FS(), repodataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if name == indexName || listed[name] && !r.RetainOld {
			continue
		}
		if err := r.carryEntry(path.Join(repodataDir, name), path.Join(dir, name), e); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// carryEntry takes over a file, a link, or a directory with all that is in it.
func (r *run) carryEntry(from, to string, e fs.DirEntry) error {
	r.step("link " + e.Name())
	switch {
	case e.Type().IsRegular():
		return r.link(from, to)
	case e.Type()&fs.ModeSymlink != 0:
		target, err := r.out.Readlink(from)
		if err != nil {
			return err
		}
		return r.out.Symlink(target, to)
	case !e.IsDir():
		return fmt.Errorf("%s is neither file nor directory", from)
	}
	if err := r.out.Mkdir(to, 0o755); err != nil {
		return err
	}
	entries, err := fs.ReadDir(r.out.FS(), from)
	if err != nil {
		return err
	}
	for _, x := range entries {
		if err := r.carryEntry(path.Join(from, x.Name()), path.Join(to, x.Name()), x); err != nil {
			return err
		}
	}
	return r.sync(to)
}

// link makes another name for a file, or a copy where the file system has no such names.
func (r *run) link(from, to string) error {
	err := r.out.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	in, err := r.out.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := r.out.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Sync(), f.Close())
}

// addDatabases runs sqliterepo_c on the new repository.
func (r *run) addDatabases(ctx context.Context, temp string) error {
	bin, err := exec.LookPath(sqliterepo)
	if err != nil {
		return fmt.Errorf("databases are made by %s, which is not installed: leave --database out (no client has read them since yum 3), or install createrepo_c", sqliterepo)
	}
	args := []string{"--quiet", "--force"}
	if r.SimpleNames {
		args = append(args, "--keep-old")
	}
	r.step("databases")
	if msg, err := exec.CommandContext(ctx, bin, append(args, filepath.Join(r.Output, temp))...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", sqliterepo, err, bytes.TrimSpace(msg))
	}
	return nil
}

// finishFiles gives all files their time, and makes their directory durable.
func (r *run) finishFiles(dir string) error {
	entries, err := fs.ReadDir(r.out.FS(), dir)
	if err != nil {
		return err
	}
	at := time.Unix(r.now, 0)
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if r.Database { // written by another program
			if err := r.sync(name); err != nil {
				return err
			}
		}
		if r.TimestampRevision {
			if err := r.out.Chtimes(name, at, at); err != nil {
				return err
			}
		}
	}
	return r.sync(dir)
}

// sync puts a file or a directory's entries on disk.
func (r *run) sync(name string) error {
	r.step("sync " + path.Base(name))
	f, err := r.out.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// publish puts the new repository in the old one's place, at once for all who look.
func (r *run) publish(temp string) error {
	d, err := r.out.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	dir := temp + "/" + repodataDir
	r.step("exchange")
	err = unix.Renameat2(int(d.Fd()), dir, int(d.Fd()), repodataDir, unix.RENAME_EXCHANGE)
	switch {
	case errors.Is(err, unix.ENOENT): // there is no old one
		err = r.out.Rename(dir, repodataDir)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP):
		err = r.moveAside(temp)
	}
	if err != nil {
		return fmt.Errorf("put the new repository in its place: %w", err)
	}
	return r.sync(".")
}

// moveAside is publish for file systems that cannot exchange names. A run that is killed in between is put right by
// the next one.
func (r *run) moveAside(temp string) error {
	if err := r.out.Rename(repodataDir, temp+"/"+aside); err != nil {
		return err
	}
	r.step("rename")
	err := r.out.Rename(temp+"/"+repodataDir, repodataDir)
	if err != nil {
		err = errors.Join(err, r.out.Rename(temp+"/"+aside, repodataDir))
	}
	return err
}
