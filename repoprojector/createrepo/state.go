package createrepo

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// DefaultState is the directory of the state beside repodata, unless Options.State names another.
const DefaultState = ".createrepo-state"

const (
	packPrefix  = "pack-"
	tablePrefix = "table-"
	// maxTable is the most bytes of a table that are read: about a kilobyte a package is ten times what it needs.
	maxTable = 1 << 30
)

// tableName is the name of the table of a repository: after the checksums of its files, so that a copied repository has
// its table, too, and one that was written by another program has none.
func tableName(files [kinds]tableFile) string {
	h := sha256.New()
	for _, f := range files {
		h.Write(f.checksum[:])
	}
	return tablePrefix + hex.EncodeToString(h.Sum(nil)[:16])
}

// openState opens the directory of the state, making it if need be.
func (r *run) openState() (*os.Root, error) {
	if err := os.MkdirAll(r.State, 0o755); err != nil {
		return nil, fmt.Errorf("make the state's directory: %w", err)
	}
	root, err := os.OpenRoot(r.State)
	if err != nil {
		return nil, fmt.Errorf("open the state's directory: %w", err)
	}
	return root, nil
}

// kept is a state that was found: the table, the files with the members, and the pack with the texts.
type kept struct {
	*table
	files [kinds]*os.File
	pack  *os.File
}

func (s *kept) close() {
	if s == nil {
		return
	}
	for _, f := range append(s.files[:], s.pack) {
		if f != nil {
			_ = f.Close() // only read
		}
	}
}

// load finds the state of the repository in the output directory. The error says why there is none; it wraps errState
// or fs.ErrNotExist.
func (r *run) load() (s *kept, err error) {
	old, err := readIndex(r.out)
	if err != nil {
		return nil, err
	}
	var files [kinds]tableFile
	var names [kinds]string
	for k := range files {
		if files[k].checksum, names[k], err = old.file(k); err != nil {
			return nil, err
		}
	}
	raw, err := readAll(r.state, tableName(files), maxTable)
	if err != nil {
		return nil, err
	}
	s = &kept{}
	defer func() {
		if err != nil {
			s.close()
			s = nil
		}
	}()
	if s.table, err = decodeTable(raw); err != nil {
		return s, err
	}
	if s.settings != r.settings() {
		return s, fmt.Errorf("%w: it was made with other options", errState)
	}
	for k := range files {
		if s.table.files[k].checksum != files[k].checksum {
			return s, fmt.Errorf("%w: it is another repository's", errState)
		}
		if s.files[k], err = r.out.Open(repodataDir + "/" + names[k]); err != nil {
			return s, err
		}
	}
	if s.pack, err = r.state.OpenFile(s.table.pack.name(), os.O_RDWR, 0); err != nil {
		return s, err
	}
	info, err := s.pack.Stat()
	if err == nil && info.Size() < s.packSize {
		err = fmt.Errorf("%w: the texts' file is too short", errState)
	}
	return s, err
}

func readAll(root *os.Root, name string, limit int64) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: %s has %d bytes", errState, name, info.Size())
	}
	return root.ReadFile(name)
}

// newPack begins a pack.
func (r *run) newPack() (packID, *os.File, error) {
	var id packID
	_, _ = rand.Read(id[:]) // never fails
	r.step("make pack")
	f, err := r.state.OpenFile(id.name(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	return id, f, err
}

// saveTable makes a table appear whole. It is not synced, nor is the pack: what is torn fails its checksum.
func (r *run) saveTable(t *table) error {
	raw, err := t.encode()
	if err != nil {
		return err
	}
	name := tableName(t.files)
	temp := name + ".new"
	r.step("write table")
	if err := r.state.WriteFile(temp, raw, 0o644); err != nil {
		return fmt.Errorf("keep the state: %w", err)
	}
	r.step("name table")
	if err := r.state.Rename(temp, name); err != nil {
		return fmt.Errorf("keep the state: %w", err)
	}
	return nil
}

// cleanState removes all of the state but the table and the pack of t; t may be nil.
func (r *run) cleanState(t *table) error {
	entries, err := fs.ReadDir(r.state.FS(), ".")
	if err != nil {
		return fmt.Errorf("clean the state: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		ours := strings.HasPrefix(name, tablePrefix) || strings.HasPrefix(name, packPrefix)
		if !ours || t != nil && (name == tableName(t.files) || name == t.pack.name()) {
			continue
		}
		r.step("clean state")
		if err := r.state.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clean the state: %w", err)
		}
	}
	return nil
}
