package repoprojector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"time"

	"moromi/commands"
	"moromi/internal/koji"
	"moromi/internal/storage"
	repomodel "moromi/projections/repo"
	"moromi/repoprojector/dist"
)

// recover brings order into what a former process left, and learns how things stand.
func (p *Projector) recover(ctx context.Context) error {
	rows, err := repomodel.Undeleted(ctx, p.DB, p.Clock())
	if err != nil {
		return err
	}
	for _, r := range rows {
		if koji.RepoState(r.State) == koji.RepoInit && !r.Dist && !r.ByHost {
			p.Log.Info("removing a repository that was not finished", "repo", r.ID)
			if _, err := p.Service.DeleteRepo(ctx, commands.Actor{}, r.ID); err != nil {
				return err
			}
		}
	}
	if err := p.Service.UpdateRepoEndEvents(ctx, commands.Actor{}); err != nil {
		return err
	}
	for _, load := range []func(context.Context) error{p.loadGraph, p.loadStandings, p.loadRequests, p.loadTasks, p.relink, p.relinkDist} {
		if err := load(ctx); err != nil {
			return err
		}
	}
	return nil
}

// relink sets the links "latest" that do not lead to the tags' newest READY repository: a process died, or a state could not be recorded.
func (p *Projector) relink(ctx context.Context) error {
	rows, err := repomodel.Standings(ctx, p.DB, nil)
	if err != nil {
		return err
	}
	for _, r := range rows {
		link, err := storage.Repo{Tag: r.TagName, ID: r.ID}.Latest()
		if err != nil {
			continue // such a name has no place in the tree
		}
		if to, err := p.Storage.Readlink(link); err == nil && to == strconv.FormatInt(r.ID, 10) {
			continue
		}
		dir, err := storage.Repo{Tag: r.TagName, ID: r.ID}.Dir()
		if err != nil || !p.there(dir) {
			continue
		}
		if !p.written(dir) { // the process died before: it is served as it is
			p.files.want(r.Tag, r.ID, func(ctx context.Context) (*build, error) { return p.remakeRepo(ctx, r.ID) })
			continue
		}
		if err := p.linkLatest(r.TagName, r.ID); err != nil {
			p.Log.Warn("the link to the latest repository was not set", "tag", r.TagName, "repo", r.ID, "error", err)
		}
	}
	return nil
}

// relinkDist does so for dist repositories. What cannot be set now is set with the next one.
func (p *Projector) relinkDist(ctx context.Context) error {
	if err := dist.Relink(ctx, p.DB, p.Storage); err != nil {
		p.Log.Warn("links to latest dist repositories were not set", "error", err)
	}
	return nil
}

// SetLatestDist lets "latest" of a tag's dist repositories lead to where the read models say.
func (p *Projector) SetLatestDist(ctx context.Context, tag int64) error {
	return p.dist.SetLatest(ctx, tag)
}

func (p *Projector) there(dir storage.Path) bool {
	_, err := p.Storage.Lstat(dir)
	return err == nil
}

// keepClean ends the life of old repositories, and has those signed again that need it, at once and then every Recheck.
func (p *Projector) keepClean(ctx context.Context) {
	tick := time.NewTicker(p.Lifetimes.Recheck)
	defer tick.Stop()
	for {
		p.states.forget() // so that from time to time every file is looked at
		if err := p.Sweep(ctx); err != nil && ctx.Err() == nil {
			p.Log.Warn("old repositories were not all cleared away; the next round tries again", "error", err)
		}
		p.resign(ctx)
		for swept := false; !swept; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				swept = true
			case <-p.untidy:
				if err := p.tidyVersions(ctx); err != nil && ctx.Err() == nil {
					p.Log.Warn("blocks of old repositories were not cleared away", "error", err)
				}
			}
		}
	}
}

// Sweep expires and deletes what has outlived its time, and removes the directories of what is deleted. It may run at any time.
func (p *Projector) Sweep(ctx context.Context) error {
	kept, err := p.Source.Kept(ctx)
	if err != nil {
		return err
	}
	rows, err := repomodel.Undeleted(ctx, p.DB, p.Clock())
	if err != nil {
		return err
	}
	leading, err := repomodel.AllLeading(ctx, p.DB)
	if err != nil {
		return err
	}
	var errs []error
	newest := map[[2]any]bool{} // tags, by dist, whose newest repository was seen: it comes first
	for _, r := range rows {
		first := false
		if koji.RepoState(r.State) == koji.RepoReady && !r.Custom {
			key := [2]any{r.Tag, r.Dist}
			first = !newest[key] && (r.Dist || slices.Contains(kept, r.Tag))
			newest[key] = true
			_, leads := leading[r.ID]
			first = first || leads
		}
		errs = append(errs, p.age(ctx, r, first))
	}
	return errors.Join(append(errs, p.tidyVersions(ctx), p.sweepExternal(ctx), p.removeFiles(ctx))...)
}

const (
	// keptVersions is how many of a tag's newest repositories keep their blocks, so that who has just read repomd.xml finds the rest at once. Older
	// ones are made again from the ledger when somebody asks.
	keptVersions = 32
	// tidyEvery is after how many repositories the blocks are looked through: each leaves some 400 kB that only its successor's next one does without.
	tidyEvery = 64
	// composeTime is longer than nearly any version takes to be composed. One that takes longer makes the blocks again that it loses.
	composeTime = 2 * time.Minute
)

// tidyVersions forgets the versions of superseded repositories and of past events, and deletes the blocks that none needs any more.
func (p *Projector) tidyVersions(ctx context.Context) error {
	newest, err := repomodel.Newest(ctx, p.DB, keptVersions)
	if err != nil {
		return err
	}
	names, err := p.store.VersionNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		key := path.Dir(name) // of all directories of a repository
		if id, err := strconv.ParseInt(key, 10, 64); err == nil && newest[id] || p.remaking.asked(key) {
			continue
		}
		if err := p.store.DropVersions(key); err != nil {
			return fmt.Errorf("forget repository %s: %w", name, err)
		}
	}
	_, err = p.store.PruneBlocks(p.Clock().Add(-composeTime))
	return err
}

// age takes a repository to its next state if the time has come. The first of its tag is kept READY.
func (p *Projector) age(ctx context.Context, r repomodel.Kept, first bool) error {
	a, l := time.Duration(r.Age*float64(time.Second)), p.Lifetimes
	life := l.Repo
	if r.Dist {
		life = l.DistRepo
	}
	switch koji.RepoState(r.State) {
	case koji.RepoInit:
		if a > l.Init || r.TaskOver {
			return p.Service.RepoProblem(ctx, commands.Actor{}, r.ID)
		}
	case koji.RepoReady:
		if !first && (r.Ended || r.Custom) && a > life {
			return p.Service.ExpireRepo(ctx, commands.Actor{}, r.ID)
		}
	case koji.RepoExpired, koji.RepoProblem:
		if a >= l.Expired {
			_, err := p.Service.DeleteRepo(ctx, commands.Actor{}, r.ID) // not as long as buildroots live on it
			return err
		}
	}
	return nil
}

// removeFiles removes the directories of deleted repositories, and old ones that no repository is known for.
func (p *Projector) removeFiles(ctx context.Context) error {
	tops := []string{"repos", "repos-dist"}
	volumes, err := p.entries("vol")
	if err != nil {
		return err
	}
	for _, v := range volumes {
		tops = append(tops, path.Join("vol", v.Name(), "repos-dist"))
	}
	for _, top := range tops {
		tags, err := p.entries(top)
		if err != nil {
			return err
		}
		for _, t := range tags {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := p.removeOf(ctx, path.Join(top, t.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// entries lists a directory of the topdir; one that is not there is empty.
func (p *Projector) entries(dir string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(p.Storage.FS(), dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	return list, nil
}

// removeOf is removeFiles for the repositories of one tag's directory.
func (p *Projector) removeOf(ctx context.Context, dir string) error {
	list, err := p.entries(dir)
	if err != nil {
		return err
	}
	byID := map[int64]fs.DirEntry{}
	var ids []int64
	for _, e := range list {
		if id, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && id > 0 {
			byID[id] = e
			ids = append(ids, id)
		}
	}
	live, deleted, err := repomodel.Known(ctx, p.DB, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if live[id] || !deleted[id] && !p.stray(byID[id], dir) {
			continue
		}
		if err := p.removeRepo(dir, byID[id].Name()); err != nil {
			return err
		}
	}
	return nil
}

// stray tells whether a directory of no known repository is old enough to be removed, and not the one that the tag's link leads to.
func (p *Projector) stray(e fs.DirEntry, dir string) bool {
	st, err := e.Info()
	return err == nil && p.Clock().Sub(st.ModTime()) > p.Lifetimes.Expired && p.latest(dir) != e.Name()
}

// latest is where the link of a tag's directory leads, "" if there is none.
func (p *Projector) latest(dir string) string {
	link, err := storage.Parse(path.Join(dir, "latest"))
	if err != nil {
		return ""
	}
	to, err := p.Storage.Readlink(link)
	if err != nil {
		return ""
	}
	return to
}

func (p *Projector) removeRepo(dir, name string) error {
	at, err := storage.Parse(path.Join(dir, name))
	if err != nil {
		return nil // no directory of ours has such a name
	}
	if p.latest(dir) == name {
		link, err := at.Dir().Join("latest")
		if err != nil {
			return err
		}
		if err := p.Storage.Remove(link); err != nil {
			return fmt.Errorf("remove %s: %w", link, err)
		}
	}
	p.Log.Info("removing the files of a repository", "directory", at.String())
	if err := p.Storage.RemoveAll(at); err != nil {
		return fmt.Errorf("remove %s: %w", at, err)
	}
	return p.store.DropVersions(name)
}
