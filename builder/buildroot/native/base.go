package native

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"moromi/builder/buildroot"
)

// partSuffix marks a base root that is being made.
const partSuffix = ".part"

// baseVersion is part of every key: it changes when a base root of this program would differ from one of an earlier version.
const baseVersion = 1

// maxRepomd bounds a repository's repomd.xml, which is a few kilobytes.
const maxRepomd = 4 << 20

// image is a finished, read-only tree that roots stand on: a base root, or a layer of build dependencies over one.
type image struct {
	key string
	// lowers are the directories of the overlay, the uppermost first. A base has one.
	lowers []string
	imageMeta
}

// imageMeta is what an image's meta.json says.
type imageMeta struct {
	// Repo, Group and Requires tell people what the image was made of; the key is what counts.
	Repo     string
	Group    string
	Requires []string `json:",omitempty"`
	// DBPath is where the rpm database is; Packages what it holds.
	DBPath   string
	Packages []buildroot.Package
}

// root is the tree of the image's own files.
func (i image) root() string { return i.lowers[0] }

func (b *Backend) baseDir() string  { return filepath.Join(b.cfg.Dir, "bases") }
func (b *Backend) layerDir() string { return filepath.Join(b.cfg.Dir, "layers") }

// baseKey digests all that a base root is made of: the repository's own digest of itself, the group, the architecture and the settings
// that change what dnf does.
func (b *Backend) baseKey(ctx context.Context, spec buildroot.Spec) (string, error) {
	repomd, err := b.fetchRepomd(ctx, spec.Repos)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n%s\n%x\n", baseVersion, spec.Group, spec.Arch, sha256.Sum256(repomd))
	var keys []string
	for k := range spec.Extra {
		if strings.HasPrefix(k, "mock.") {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		fmt.Fprintf(h, "%s=%q\n", k, spec.ExtraString(k))
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// fetchRepomd reads repomd.xml from the first of the repository's addresses that has it.
func (b *Backend) fetchRepomd(ctx context.Context, repos []string) ([]byte, error) {
	err := errors.New("no repository")
	for _, repo := range repos {
		var data []byte
		if data, err = b.fetch(ctx, repo+"/repodata/repomd.xml"); err == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("read the repository's metadata: %w", err)
}

func (b *Backend) fetch(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		return os.ReadFile(u.Path)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	res, err := b.cfg.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", address, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxRepomd))
}

// useBase finds or makes the base root for spec and marks it as used until release. fresh tells that it was made now; then out has dnf's output.
func (b *Backend) useBase(ctx context.Context, spec buildroot.Spec, out io.Writer) (img image, fresh bool, err error) {
	key, err := b.baseKey(ctx, spec)
	if err != nil {
		return image{}, false, err
	}
	dir := filepath.Join(b.baseDir(), key)
	img = image{key: key, lowers: []string{filepath.Join(dir, "root")}}
	fresh, err = b.useImage(ctx, &img, dir, func(part string) (imageMeta, error) { return b.makeBase(ctx, spec, part, out) })
	return img, fresh, err
}

// useLayer finds or makes the layer that has the requirements installed over a base. The base must be in use.
func (b *Backend) useLayer(ctx context.Context, below image, spec buildroot.Spec, requires []string, out io.Writer) (img image, fresh bool, err error) {
	requires = slices.Clone(requires)
	slices.Sort(requires)
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%q\n", below.key, slices.Compact(requires))
	key := hex.EncodeToString(h.Sum(nil)[:16])
	dir := filepath.Join(b.layerDir(), key)
	img = image{key: key, lowers: append([]string{filepath.Join(dir, "root")}, below.lowers...)}
	fresh, err = b.useImage(ctx, &img, dir, func(part string) (imageMeta, error) { return b.makeLayer(ctx, below, spec, requires, part, out) })
	return img, fresh, err
}

// useImage opens the image in dir, or has it made in a directory beside and moved there. Concurrent callers with the
// same key wait for one of them.
func (b *Backend) useImage(ctx context.Context, img *image, dir string, make func(part string) (imageMeta, error)) (fresh bool, err error) {
	b.mu.Lock()
	b.inUse[img.key]++
	b.mu.Unlock()
	if err := img.open(dir); err == nil {
		return false, nil
	}
	// A caller that shares another's installation runs under that one's context: if that was canceled, it tries again.
	for {
		_, err, _ = b.making.Do(img.key, func() (any, error) {
			err := b.keepImage(dir, make)
			if err != nil && ctx.Err() != nil {
				return nil, errAbandoned
			}
			return nil, err
		})
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		} else if errors.Is(err, errAbandoned) {
			continue
		}
		break
	}
	if err == nil {
		err = img.open(dir)
	}
	if err != nil {
		b.release(img.key)
		return true, err
	}
	b.evict(b.baseDir(), b.cfg.MaxBases)
	b.evict(b.layerDir(), layersPerBase*b.cfg.MaxBases)
	return true, nil
}

// layersPerBase is how many layers of build dependencies are kept for each base root: a mass rebuild has many packages with the same few sets.
const layersPerBase = 2

// errAbandoned is an installation whose task was canceled.
var errAbandoned = errors.New("installation abandoned")

// release ends one use.
func (b *Backend) release(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inUse[key]--; b.inUse[key] <= 0 {
		delete(b.inUse, key)
	}
}

// open reads a finished image and notes its use in the time stamp that evict goes by.
func (i *image) open(dir string) error {
	name := filepath.Join(dir, "meta.json")
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("open the cached root: %w", err)
	}
	if err := json.Unmarshal(data, &i.imageMeta); err != nil {
		return fmt.Errorf("open the cached root: %w", err)
	}
	now := time.Now()
	if err := os.Chtimes(name, now, now); err != nil {
		return fmt.Errorf("open the cached root: %w", err)
	}
	return nil
}

// keepImage has an image made in an empty directory and moves it to dir when it is complete.
func (b *Backend) keepImage(dir string, make func(part string) (imageMeta, error)) (err error) {
	if _, err := os.Stat(filepath.Join(dir, "meta.json")); err == nil {
		return nil // made by another caller in between
	}
	part, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".*"+partSuffix)
	if err != nil {
		return fmt.Errorf("make a cached root: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(part)
		}
	}()
	meta, err := make(part)
	if err != nil {
		return err
	}
	data, err := json.Marshal(meta)
	if err != nil {
		return fmt.Errorf("describe the cached root: %w", err)
	}
	if err := os.WriteFile(filepath.Join(part, "meta.json"), data, 0o600); err != nil {
		return fmt.Errorf("describe the cached root: %w", err)
	}
	if err := os.Rename(part, dir); err != nil {
		return fmt.Errorf("keep the cached root: %w", err)
	}
	return nil
}

// makeBase installs the group into an empty directory.
func (b *Backend) makeBase(ctx context.Context, spec buildroot.Spec, part string, out io.Writer) (meta imageMeta, err error) {
	root := filepath.Join(part, "root")
	for _, d := range []string{root, filepath.Join(root, "proc"), filepath.Join(root, "sys"), filepath.Join(root, "dev")} {
		if err := makeDir(d); err != nil {
			return meta, fmt.Errorf("make a base root: %w", err)
		}
	}
	fs := layer{root: root}
	if err := b.dnf(ctx, fs, spec, defaultDBPath, out, "install", "@"+spec.Group); err != nil {
		return meta, err
	}
	if err := prepareBase(root); err != nil {
		return meta, fmt.Errorf("prepare the base root: %w", err)
	}
	meta = imageMeta{Repo: spec.Repos[0], Group: spec.Group}
	if meta.DBPath, err = b.settleDatabase(ctx, fs); err != nil {
		return meta, err
	}
	if meta.Packages, err = b.listPackages(ctx, fs, meta.DBPath); err != nil {
		return meta, err
	}
	if len(meta.Packages) == 0 {
		return meta, &buildroot.PhaseError{Phase: "installing the build group", Tool: "dnf", Log: "root.log",
			Detail: "group " + spec.Group + " of the build tag installs nothing; give the tag a group of that name with packages (koji add-group-pkg)"}
	}
	return meta, nil
}

// makeLayer installs packages into the upper directory of an overlay over the base.
func (b *Backend) makeLayer(ctx context.Context, below image, spec buildroot.Spec, requires []string, part string, out io.Writer) (meta imageMeta, err error) {
	l := layer{root: filepath.Join(part, "mount"),
		overlay: &overlay{Lower: below.lowers, Upper: filepath.Join(part, "root"), Work: filepath.Join(part, "work")}}
	for _, d := range []string{l.root, l.overlay.Upper, l.overlay.Work} {
		if err := makeDir(d); err != nil {
			return meta, fmt.Errorf("make a layer of build dependencies: %w", err)
		}
	}
	if err := b.dnf(ctx, l, spec, below.DBPath, out, append([]string{"install", "--"}, requires...)...); err != nil {
		return meta, err
	}
	meta = imageMeta{Repo: below.Repo, Group: below.Group, Requires: requires, DBPath: below.DBPath}
	if meta.Packages, err = b.listPackages(ctx, l, meta.DBPath); err != nil {
		return meta, err
	}
	for _, d := range []string{l.root, l.overlay.Work} {
		if err := os.RemoveAll(d); err != nil {
			return meta, fmt.Errorf("make a layer of build dependencies: %w", err)
		}
	}
	return meta, nil
}

// prepareBase adds what mock adds to a root: the build user and its directories. Package files are not changed but for passwd and group.
func prepareBase(root string) error {
	r, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, d := range []struct {
		name string
		mode os.FileMode
	}{{"etc", 0o755}, {"tmp", 0o777 | os.ModeSticky}, {"builddir", 0o755}, {"chroot_tmpdir", 0o755}, {"chroot_tmpdir/scmroot", 0o755}} {
		if err := r.MkdirAll(d.name, 0o755); err != nil {
			return err
		}
		if err := r.Chmod(d.name, d.mode); err != nil {
			return err
		}
	}
	lines := map[string]string{
		"etc/passwd": fmt.Sprintf("%s:x:%d:%d:build:%s:/bin/bash\n", buildUser, buildUID, buildGID, home),
		"etc/group":  fmt.Sprintf("%s:x:%d:\n", buildGroup, buildGID),
	}
	for name, line := range lines {
		if err := appendLine(r, name, line); err != nil {
			return err
		}
	}
	return nil
}

func appendLine(r *os.Root, name, line string) error {
	f, err := r.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// evict removes the images in dir that were not used for the longest time, beyond a number. Those in use stay.
func (b *Backend) evict(dir string, keep int) {
	metas, err := filepath.Glob(filepath.Join(dir, "*", "meta.json"))
	if err != nil || len(metas) <= keep {
		return
	}
	type old struct {
		dir  string
		used time.Time
	}
	var list []old
	for _, m := range metas {
		if st, err := os.Stat(m); err == nil {
			list = append(list, old{filepath.Dir(m), st.ModTime()})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].used.Before(list[j].used) })
	b.mu.Lock()
	defer b.mu.Unlock()
	for excess := len(list) - keep; len(list) > 0 && excess > 0; list = list[1:] {
		key := filepath.Base(list[0].dir)
		if b.inUse[key] > 0 {
			continue
		}
		excess--
		// Renamed first, under the lock, so that no root can be begun on a half-removed base.
		gone := list[0].dir + ".old" + partSuffix
		if err := os.Rename(list[0].dir, gone); err != nil {
			b.cfg.Log.Warn("cached root not removed", "dir", list[0].dir, "err", err)
			continue
		}
		if err := os.RemoveAll(gone); err != nil {
			b.cfg.Log.Warn("cached root not removed", "dir", gone, "err", err)
		}
	}
}
