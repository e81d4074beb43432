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

// base is a finished installation of a group, shared read-only by the roots above it.
type base struct {
	key string
	dir string
	// What meta.json says.
	baseMeta
}

type baseMeta struct {
	Repo     string
	Group    string
	Arch     string
	DBPath   string
	Packages []buildroot.Package
}

func (b base) root() string { return filepath.Join(b.dir, "root") }

func (b *Backend) baseDir() string { return filepath.Join(b.cfg.Dir, "bases") }

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

// useBase finds or makes the base root for spec and marks it as used until releaseBase. fresh tells that it was made now;
// then out has dnf's output. Concurrent callers with the same key wait for one installation.
func (b *Backend) useBase(ctx context.Context, spec buildroot.Spec, out io.Writer) (bs base, fresh bool, err error) {
	key, err := b.baseKey(ctx, spec)
	if err != nil {
		return base{}, false, err
	}
	b.mu.Lock()
	b.inUse[key]++
	b.mu.Unlock()
	dir := filepath.Join(b.baseDir(), key)
	if bs, err = openBase(key, dir); err == nil {
		return bs, false, nil
	}
	// A caller that shares another's installation runs under that one's context: if that was canceled, it tries again.
	for {
		_, err, _ = b.making.Do(key, func() (any, error) {
			err := b.makeBase(ctx, spec, dir, out)
			if err != nil && ctx.Err() != nil {
				return nil, errAbandoned
			}
			return nil, err
		})
		if err == nil {
			break
		}
		if ctx.Err() == nil && errors.Is(err, errAbandoned) {
			continue
		}
		b.releaseBase(key)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return base{}, true, err
	}
	if bs, err = openBase(key, dir); err != nil {
		b.releaseBase(key)
		return base{}, true, err
	}
	b.evict()
	return bs, true, nil
}

// errAbandoned is an installation whose task was canceled.
var errAbandoned = errors.New("installation abandoned")

// releaseBase ends one use.
func (b *Backend) releaseBase(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inUse[key]--; b.inUse[key] <= 0 {
		delete(b.inUse, key)
	}
}

// openBase reads a finished base root and notes its use in the time stamp that evict goes by.
func openBase(key, dir string) (base, error) {
	name := filepath.Join(dir, "meta.json")
	data, err := os.ReadFile(name)
	if err != nil {
		return base{}, fmt.Errorf("open the base root: %w", err)
	}
	bs := base{key: key, dir: dir}
	if err := json.Unmarshal(data, &bs.baseMeta); err != nil {
		return base{}, fmt.Errorf("open the base root: %w", err)
	}
	now := time.Now()
	if err := os.Chtimes(name, now, now); err != nil {
		return base{}, fmt.Errorf("open the base root: %w", err)
	}
	return bs, nil
}

// makeBase installs the group into an empty directory and moves it to dir when it is complete.
func (b *Backend) makeBase(ctx context.Context, spec buildroot.Spec, dir string, out io.Writer) (err error) {
	if _, err := os.Stat(filepath.Join(dir, "meta.json")); err == nil {
		return nil // made by another caller in between
	}
	part, err := os.MkdirTemp(b.baseDir(), filepath.Base(dir)+".*"+partSuffix)
	if err != nil {
		return fmt.Errorf("make a base root: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(part)
		}
	}()
	root := filepath.Join(part, "root")
	for _, d := range []string{"proc", "sys", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return fmt.Errorf("make a base root: %w", err)
		}
	}
	if err := os.Chmod(root, 0o755); err != nil {
		return fmt.Errorf("make a base root: %w", err)
	}
	fs := layer{root: root}
	if err := b.dnf(ctx, fs, spec, defaultDBPath, out, "install", "@"+spec.Group); err != nil {
		return err
	}
	if err := prepareBase(root); err != nil {
		return fmt.Errorf("prepare the base root: %w", err)
	}
	meta := baseMeta{Repo: spec.Repos[0], Group: spec.Group, Arch: spec.Arch}
	if meta.DBPath, err = b.settleDatabase(ctx, fs); err != nil {
		return err
	}
	if meta.Packages, err = b.listPackages(ctx, fs, meta.DBPath); err != nil {
		return err
	}
	if len(meta.Packages) == 0 {
		return &buildroot.PhaseError{Phase: "installing the build group", Tool: "dnf", Log: "root.log",
			Detail: "group " + spec.Group + " of the build tag installs nothing; give the tag a group of that name with packages (koji add-group-pkg)"}
	}
	data, err := json.Marshal(meta)
	if err != nil {
		return fmt.Errorf("describe the base root: %w", err)
	}
	if err := os.WriteFile(filepath.Join(part, "meta.json"), data, 0o600); err != nil {
		return fmt.Errorf("describe the base root: %w", err)
	}
	if err := os.Rename(part, dir); err != nil {
		return fmt.Errorf("keep the base root: %w", err)
	}
	return nil
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

// evict removes the base roots that were not used for the longest time, beyond the limit. Those in use stay.
func (b *Backend) evict() {
	metas, err := filepath.Glob(filepath.Join(b.baseDir(), "*", "meta.json"))
	if err != nil || len(metas) <= b.cfg.MaxBases {
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
	for excess := len(list) - b.cfg.MaxBases; len(list) > 0 && excess > 0; list = list[1:] {
		key := filepath.Base(list[0].dir)
		if b.inUse[key] > 0 {
			continue
		}
		excess--
		// Renamed first, under the lock, so that no root can be begun on a half-removed base.
		gone := list[0].dir + ".old" + partSuffix
		if err := os.Rename(list[0].dir, gone); err != nil {
			b.cfg.Log.Warn("base root not removed", "dir", list[0].dir, "err", err)
			continue
		}
		if err := os.RemoveAll(gone); err != nil {
			b.cfg.Log.Warn("base root not removed", "dir", gone, "err", err)
		}
	}
}
