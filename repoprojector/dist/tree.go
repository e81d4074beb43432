package dist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"moromi/internal/storage"
	"moromi/repoprojector/repodata"
)

const (
	// debugRepo is the directory of the repository of debugging information, below its architecture's.
	debugRepo = "debug"
	// emptyRepo marks a repository without packages, and says why, as kojid does.
	emptyRepo     = "EMPTY_REPO"
	emptyRepoText = "This repo is empty because its tag has no content for this arch\n"
	// Lists of a repository.
	pkglistName  = "pkglist"
	kojipkgsName = "kojipkgs"
	manifestName = "repo_manifest" // among the task's output
	// readers is how many headers are read, or parts of the links made, at once: enough to hide a network file system's delay.
	readers = 8
	// linksAtOnce is how many links are made one after the other.
	linksAtOnce = 512
	// maxComps bounds the group file that somebody uploaded; the largest known have a few megabytes.
	maxComps = 256 << 20
)

// make makes the repository of an architecture, which takes its place as a whole.
func (a *archRepo) make(ctx context.Context) error {
	if err := a.choose(ctx); err != nil {
		return err
	}
	if !a.multilib.IsZero() && hasPartner(a.arch) {
		if err := a.addMultilib(ctx); err != nil {
			return err
		}
	}
	if err := a.examine(ctx); err != nil {
		return err
	}
	dir, err := a.place()
	if err != nil {
		return err
	}
	comps, err := a.comps(dir)
	if err != nil {
		return err
	}
	stage, err := a.Storage.Stage(dir)
	if err != nil {
		return err
	}
	if err := a.fill(ctx, stage, comps); err != nil {
		return errors.Join(err, stage.Discard())
	}
	if err := a.manifest(stage.Root); err != nil {
		return errors.Join(err, stage.Discard())
	}
	if err := stage.Place(a.arch); err != nil {
		return errors.Join(err, stage.Discard())
	}
	return nil
}

// comps is the group file that came with the call, nil if none did.
func (a *archRepo) comps(dir storage.Path) ([]byte, error) {
	p, err := dir.Join("groups", "comps.xml")
	if err != nil {
		return nil, err
	}
	b, err := a.Storage.ReadFile(p, maxComps)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// fill writes all that the repository has.
func (a *archRepo) fill(ctx context.Context, stage *storage.Stage, comps []byte) error {
	lists := map[string][]repodata.Package{".": nil}
	letters := map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(a.members)) {
		x := a.members[file]
		repo := "."
		if a.debug(x) {
			repo = debugRepo
			x.pkg.Href = "../" + x.href()
		}
		lists[repo] = append(lists[repo], x.pkg)
		letters[path.Dir(x.href())] = true
	}
	for dir := range letters {
		if err := stage.Root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for part := range slices.Chunk(slices.Collect(maps.Values(a.members)), linksAtOnce) {
		g.Go(func() error { return link(ctx, stage, part) })
	}
	for repo, list := range lists {
		g.Go(func() error { return a.writeRepo(ctx, stage.Root, repo, list, comps) })
	}
	g.Go(func() error {
		raw, err := a.kojipkgs()
		if err != nil {
			return err
		}
		return writeFile(stage.Root, kojipkgsName, raw)
	})
	return g.Wait()
}

// link gives rpms their second names.
func link(ctx context.Context, stage *storage.Stage, list []*member) error {
	for _, x := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := stage.Link(x.from, x.href()); err != nil {
			return err
		}
	}
	return nil
}

// writeRepo writes the metadata and the list of one repository: the architecture's own, or the one of debugging information.
func (a *archRepo) writeRepo(ctx context.Context, root *os.Root, dir string, list []repodata.Package, comps []byte) error {
	packages, err := repodata.NewPackages(list)
	if err != nil {
		return err
	}
	w := repodata.NewWriter(a.Store, repodata.Options{OpenRPM: a.openRPM})
	v, err := w.Compose(ctx, repodata.Content{Packages: packages, Format: a.format, Comps: comps, Revision: a.made})
	if err != nil {
		return err
	}
	temp, more, err := a.byPrograms(ctx, dir, list, v)
	if temp != "" {
		defer os.RemoveAll(temp) //nolint:errcheck // a directory of the system's own for what is temporary
	}
	if err != nil {
		return err
	}
	if a.Sign != nil {
		if v.Signature, err = a.Sign(ctx, v.Repomd, a.made); err != nil {
			return fmt.Errorf("sign repository: %w", err)
		}
	}
	if err := a.Store.WriteFiles(ctx, root, dir, v); err != nil {
		return err
	}
	for _, x := range more {
		if err := x.place(root, dir); err != nil {
			return err
		}
	}
	if temp != "" {
		if err := placeDeltas(root, temp, dir); err != nil {
			return err
		}
	}
	if len(a.members) == 0 {
		if err := writeFile(root, path.Join(dir, "repodata", emptyRepo), []byte(emptyRepoText)); err != nil {
			return err
		}
	}
	var pkglist strings.Builder
	for _, p := range list {
		pkglist.WriteString(p.Href + "\n")
	}
	return writeFile(root, path.Join(dir, pkglistName), []byte(pkglist.String()))
}

// byPrograms has made what other programs make, delta rpms and zchunk files, in a directory that is the caller's to remove, and lists it in the metadata.
func (a *archRepo) byPrograms(ctx context.Context, dir string, list []repodata.Package, v *repodata.Version) (temp string, more []attached, err error) {
	if !a.zck && len(a.delta) == 0 {
		return "", nil, nil
	}
	if temp, err = os.MkdirTemp("", "moromi-dist-"); err != nil {
		return "", nil, err
	}
	if len(a.delta) > 0 {
		if more, err = a.deltas(ctx, temp, dir, list); err != nil {
			return temp, nil, err
		}
	}
	if a.zck {
		zchunks, err := a.zchunks(ctx, temp, v)
		if err != nil {
			return temp, nil, err
		}
		more = append(more, zchunks...)
	}
	files := make([]repodata.File, len(more))
	for i, x := range more {
		files[i] = x.file
	}
	v.Announce(files...)
	return temp, more, nil
}

// manifest keeps the list of the files that are no rpms among the task's output, as kojid uploads it.
func (a *archRepo) manifest(root *os.Root) error {
	var files []string
	err := fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && name == "Packages" {
			return fs.SkipDir
		}
		if err == nil && !e.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(files, "", "    ")
	if err != nil {
		return err
	}
	return a.logFile(a.task, manifestName, raw)
}

// writeFile writes and syncs a file.
func writeFile(root *os.Root, name string, b []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
