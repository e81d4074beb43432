package external

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// dir is where what is known of an address is kept.
func dir(address string) string {
	sum := sha256.Sum256([]byte(address))
	return path.Join(stateDir, hex.EncodeToString(sum[:]))
}

func statePath(address string) string { return path.Join(dir(address), "state.json") }

// indexEnd is the end of the name of a file that lists packages.
const indexEnd = ".index"

// indexPath is where the packages of a state are listed.
func (s *State) indexPath() string { return path.Join(dir(s.URL), s.Repomd+indexEnd) }

// state gives the last good state of a repository, nil if there is none that is whole.
func (c *Cache) state(address string) *State {
	b, err := c.root.ReadFile(statePath(address))
	if err != nil {
		return nil
	}
	s := &State{}
	if json.Unmarshal(b, s) != nil || s.URL != address {
		return nil
	}
	if _, err := c.root.Stat(s.indexPath()); err != nil {
		return nil
	}
	return s
}

// save keeps a state. It appears whole, and only when what it leads to is there.
func (c *Cache) save(s *State) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return c.replace(statePath(s.URL), func(f *os.File) error {
		_, err := f.Write(b)
		return err
	})
}

// replace writes a file and puts it in the place of an old one, durably.
func (c *Cache) replace(name string, write func(*os.File) error) error {
	if err := c.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	temp := path.Join(spoolDir, rand.Text())
	f, err := c.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = c.root.Rename(temp, name)
	}
	if err != nil {
		_ = c.root.Remove(temp)
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// index is what is kept of a content.
type index struct {
	Packages []Package
	Modules  []byte
}

// writeIndex keeps a content.
func (c *Cache) writeIndex(x *Content) error {
	return c.replace(x.indexPath(), func(f *os.File) error {
		z, err := zstd.NewWriter(f, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return err
		}
		return errors.Join(gob.NewEncoder(z).Encode(index{x.Packages, x.Modules}), z.Close())
	})
}

// readIndex reads the content of a state. A damaged index is removed, and with it the state: it will be fetched anew.
func (c *Cache) readIndex(s *State) (*Content, error) {
	f, err := c.root.Open(s.indexPath())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(bufio.NewReader(f), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var out index
	if err := gob.NewDecoder(z).Decode(&out); err != nil {
		return nil, errors.Join(fmt.Errorf("its index is damaged: %w", err), c.root.Remove(s.indexPath()))
	}
	return &Content{*s, out.Packages, out.Modules}, nil
}

// kept gives the content of a state if it is in memory.
func (c *Cache) kept(s *State) *Content {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.loaded[s.URL]; l != nil && l.Repomd == s.Repomd {
		return &Content{*s, l.Packages, l.Modules}
	}
	return nil
}

// keep keeps a content in memory, as far as there is room.
func (c *Cache) keep(x *Content) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.loaded, x.URL)
	total := len(x.Packages)
	for _, l := range c.loaded {
		total += len(l.Packages)
	}
	if total > maxLoaded {
		clear(c.loaded)
	}
	if len(x.Packages) <= maxLoaded {
		c.loaded[x.URL] = x
	}
}

// pruneIndexes deletes the indexes of former states of a repository.
func (c *Cache) pruneIndexes(address string, before time.Time) error {
	s := c.state(address) // the index of one that is about to follow is younger than before
	files, err := fs.ReadDir(c.root.FS(), dir(address))
	if s == nil || err != nil {
		return nil // it was never read
	}
	var errs []error
	for _, e := range files {
		name := path.Join(dir(address), e.Name())
		if st, err := e.Info(); err == nil && path.Ext(name) == indexEnd && name != s.indexPath() && st.ModTime().Before(before) {
			errs = append(errs, c.root.Remove(name))
		}
	}
	return errors.Join(errs...)
}

// Prune forgets the repositories at other addresses than those given, and what the others once were, and deletes the files that no known one has, if they
// have been there since before. Nothing else may use the addresses that go.
func (c *Cache) Prune(addresses map[string]bool, before time.Time) error {
	states, err := fs.ReadDir(c.root.FS(), stateDir)
	if err != nil {
		return fmt.Errorf("prune external repositories: %w", err)
	}
	used, known := map[string]bool{}, map[string]bool{}
	for a := range addresses {
		known[path.Base(dir(a))] = true
		if s := c.state(a); s != nil {
			for i := range s.Files {
				used[path.Base(s.Files[i].path())] = true
			}
		}
	}
	var errs []error
	for a := range addresses {
		errs = append(errs, c.pruneIndexes(a, before))
	}
	for _, e := range states {
		if st, err := e.Info(); err == nil && !known[e.Name()] && st.ModTime().Before(before) {
			errs = append(errs, c.root.RemoveAll(path.Join(stateDir, e.Name())))
		}
	}
	for _, d := range []string{dataDir, spoolDir} {
		files, err := fs.ReadDir(c.root.FS(), d)
		errs = append(errs, err)
		for _, e := range files {
			if st, err := e.Info(); err != nil || used[strings.TrimSuffix(e.Name(), partEnd)] || !st.ModTime().Before(before) {
				continue
			}
			if err := c.root.Remove(path.Join(d, e.Name())); err != nil && !gone(err) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
