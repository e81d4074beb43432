package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/query"
	"moromi/projections/repo"
	"moromi/repoprojector/dist"
	"moromi/repoprojector/repodata"
)

// hostRepoMethods are what builders call that make repositories themselves, as Koji's newRepo and distRepo tasks do. Where the hub makes the
// build repositories only distRepo needs them.
func hostRepoMethods(d Deps) []Method {
	return []Method{
		{Name: "host.repoInit", Params: "tag, task_id=None, event=None, opts=None", Auth: Host, Write: true, Help: "Begin a repository: its row and its directory with package lists. Answers [id, event].", Func: d.hostRepoInit},
		{Name: "host.repoDone", Params: "repo_id, data, expire=False, repo_json_updates=None", Auth: Host, Write: true, Help: "Put uploaded metadata in place and make the repository READY.", Func: d.hostRepoDone},
		{Name: "distRepo", Params: "tag, keys, **task_opts", Auth: Session, Write: true, First: d.distKeys, Help: "Have a repository of signed packages made; answers the task's id.", Func: d.distRepo},
		{Name: "host.distRepoMove", Params: "repo_id, uploadpath, arch", Auth: Host, Write: true, Help: "Put one architecture of a dist repository in place.", Func: d.hostDistRepoMove},
	}
}

func (d Deps) hostRepoInit(c *Call, a Args) (any, error) {
	if _, err := c.RequireHost(); err != nil {
		return nil, err
	}
	event, err := a.IntOrNil("event")
	if err != nil {
		return nil, err
	}
	in := commands.StartRepo{}
	if in.TaskID, err = a.IntOrNil("task_id"); err != nil {
		return nil, err
	}
	if in.Opts, err = commands.ParseRepoOpts(a.Get("opts"), false); err != nil {
		return nil, err
	}
	t, err := d.repoTag(c, a.Get("tag"), event)
	if err != nil {
		return nil, err
	}
	in.TagID = t["id"].(int64)
	if event != nil {
		if err := d.Service.ValidEvent(c.Context(), *event); err != nil {
			return nil, err
		}
		in.Event = *event
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	started, err := d.Service.StartRepo(c.Context(), actor, in)
	if err != nil {
		return nil, err
	}
	f := repoFiles{Deps: d, ctx: c.Context(), tag: t, started: started, task: in.TaskID}
	if err := f.write(); err != nil {
		return nil, err
	}
	return []any{started.ID, started.Event}, nil
}

func (d Deps) hostRepoDone(c *Call, a Args) (any, error) {
	if _, err := c.RequireHost(); err != nil {
		return nil, err
	}
	id, actor, err := d.repoCall(c, a)
	if err != nil {
		return nil, err
	}
	r, err := d.theRepo(c, id)
	if err != nil {
		return nil, err
	}
	data, err := a.Map("data")
	if err == nil && a.IsNil("data") {
		err = a.wrong("data", "dict")
	}
	if err == nil {
		err = mustBeInit(r)
	}
	if err != nil {
		return nil, err
	}
	updates, err := a.Map("repo_json_updates")
	if err != nil {
		return nil, err
	}
	dir := storage.Repo{Tag: r["tag_name"].(string), ID: id, Dist: r["dist"].(bool)}
	if len(updates) > 0 {
		if err := d.updateRepoJSON(dir, updates); err != nil {
			return nil, err
		}
	}
	if !dir.Dist {
		if err := d.placeRepodata(dir, data); err != nil {
			return nil, err
		}
	}
	if err := d.signRepo(c.Context(), dir); err != nil {
		return nil, err
	}
	if a.Bool("expire") {
		return nil, d.Service.RepoExpireNew(c.Context(), actor, id)
	}
	latest, err := d.Service.RepoReady(c.Context(), actor, id)
	switch {
	case err != nil || !latest:
		return nil, err
	case dir.Dist:
		return nil, dist.SetLatest(c.Context(), d.DB, d.Storage, r["tag_id"].(int64))
	}
	return nil, d.linkLatest(dir)
}

// theRepo gives a repository, which must be there.
func (d Deps) theRepo(c *Call, id int64) (query.Row, error) {
	r, err := repo.Get(c.Context(), d.DB, id, nil)
	if err == nil && r == nil {
		err = fault.New(fault.Generic, "No such repo: %d", id)
	}
	return r, err
}

func mustBeInit(r query.Row) error {
	if st := koji.RepoState(r["state"].(int64)); st != koji.RepoInit {
		return fault.New(fault.Generic, "Repo %d not in INIT state (got %s)", r["id"], st)
	}
	return nil
}

func (d Deps) linkLatest(r storage.Repo) error {
	target, err := r.Dir()
	if err != nil {
		return err
	}
	link, err := r.Latest()
	if err != nil {
		return err
	}
	return d.Storage.Symlink(target, link)
}

// placeRepodata moves uploaded files into the directories of their architectures: data is {arch: [uploadpath, [files]]}. Everything is looked
// up before anything is moved.
func (d Deps) placeRepodata(r storage.Repo, data map[string]any) error {
	var moves []move
	for arch, v := range data {
		pair, _ := v.([]any)
		if len(pair) != 2 {
			return fault.New(fault.Parameter, "Invalid list of files for %s", clip(arch))
		}
		from, ok := pair[0].(string)
		files, ok2 := pair[1].([]any)
		if !ok || !ok2 {
			return fault.New(fault.Parameter, "Invalid list of files for %s", clip(arch))
		}
		dir, err := d.archDir(r, arch)
		if err != nil {
			return err
		}
		for _, f := range files {
			name, ok := f.(string)
			if !ok {
				return fault.New(fault.Parameter, "Invalid file name: %s", clip(pyRepr(f)))
			}
			to, err := repodataPlace(dir, name)
			if err != nil {
				return err
			}
			src, err := d.uploadedFile(from, name)
			if err != nil {
				return err
			}
			moves = append(moves, move{src, to})
		}
	}
	return d.moveAll(moves)
}

// archDir is the directory of an architecture, which must be there.
func (d Deps) archDir(r storage.Repo, arch string) (storage.Path, error) {
	dir, err := r.Arch(koji.CanonArch(arch))
	if err != nil {
		return dir, err
	}
	if st, err := d.Storage.Stat(dir); err != nil || !st.IsDir() {
		return dir, fault.New(fault.Generic, "Repo arch directory missing: %s", dir)
	}
	return dir, nil
}

// repodataPlace is repodata/NAME, but for package lists, which stand beside it.
func repodataPlace(dir storage.Path, name string) (storage.Path, error) {
	if len(name) >= len("pkglist") && name[len(name)-len("pkglist"):] == "pkglist" {
		return dir.Join(name)
	}
	return dir.Join("repodata", name)
}

// uploadedFile is a regular file below the work directory, which neither part of its path leaves.
func (d Deps) uploadedFile(dir, name string) (storage.Path, error) {
	p, err := below("work", dir, name)
	if err != nil {
		return p, err
	}
	st, err := d.Storage.Lstat(p)
	if err != nil || !st.Mode().IsRegular() {
		return p, fault.New(fault.Generic, "uploaded file missing: %s", p)
	}
	return p, nil
}

// below is the path of a file in a directory of root, each as a client wrote it: normalised, and refused when it leads out of root.
func below(root, dir, name string) (storage.Path, error) {
	rel, err := storage.Parse(path.Join(dir, name))
	if err != nil {
		return rel, err
	}
	return storage.Parse(root + "/" + rel.String())
}

type move struct{ from, to storage.Path }

// moveAll moves files, over what an earlier attempt put there.
func (d Deps) moveAll(moves []move) error {
	for _, m := range moves {
		if st, err := d.Storage.Lstat(m.to); err == nil && !st.IsDir() {
			if err := d.Storage.Remove(m.to); err != nil {
				return fmt.Errorf("make way for %s: %w", m.to, err)
			}
		}
		if err := d.Storage.Move(m.from, m.to); err != nil {
			return err
		}
	}
	return nil
}

// signRepo signs what builders made, if repositories are signed: the metadata of each architecture, and what is beside it of debugging information.
func (d Deps) signRepo(ctx context.Context, r storage.Repo) error {
	if d.Sign == nil {
		return nil
	}
	dir, err := r.Dir()
	if err != nil {
		return err
	}
	arches, err := fs.ReadDir(d.Storage.FS(), dir.String())
	if err != nil {
		return fmt.Errorf("sign repository %d: %w", r.ID, err)
	}
	for _, arch := range arches {
		for _, below := range []string{"repodata", "debug/repodata"} {
			at, err := storage.Parse(path.Join(dir.String(), arch.Name(), below))
			if err != nil {
				continue // a hidden directory is none of the repository
			}
			if err := d.signIndex(ctx, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxIndex bounds the repomd.xml that is signed: it lists a few dozen files.
const maxIndex = 1 << 20

// signIndex signs the repomd.xml of a directory, if there is one.
func (d Deps) signIndex(ctx context.Context, dir storage.Path) error {
	index, err := dir.Join(repodata.RepomdName)
	if err != nil {
		return err
	}
	text, err := d.Storage.ReadFile(index, maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	sig, err := d.Sign(ctx, text, d.Service.Clock())
	if err != nil {
		return err
	}
	to, err := dir.Join(repodata.SignatureName)
	if err != nil {
		return err
	}
	return d.Storage.WriteFile(to, sig)
}
