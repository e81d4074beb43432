package repoprojector

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/rpm"
	"moromi/internal/storage"
	"moromi/repoprojector/repodata"
)

// made is what became of a job.
type made struct {
	job     job
	repo    int64
	event   int64
	own     bool // the repository has the tag's own options
	err     error
	nothing bool // the job was no longer wanted
}

// generate makes one repository, from INIT to READY or PROBLEM, for a task or for none. When ctx ends in between it stays INIT, and the next start
// removes it.
func (p *Projector) generate(ctx context.Context, j job, task *int64) made {
	began := p.Clock()
	out := made{job: j}
	in := commands.StartRepo{TagID: j.tag, Event: j.at, Opts: j.opts, TaskID: task}
	var ahead sync.WaitGroup
	if j.follows() {
		ahead.Go(func() { p.lookAhead(ctx, j.tag) })
	}
	started, err := p.Service.StartRepo(ctx, commands.Actor{}, in)
	ahead.Wait()
	if err != nil {
		out.err = err
		return out
	}
	out.repo, out.event, out.own = started.ID, started.Event, len(optMap(started.Custom)) == 0
	b, err := p.fill(ctx, started, j, task)
	if err == nil {
		err = p.publish(ctx, b, j.at == 0 && out.own)
	}
	if err != nil {
		out.err = fmt.Errorf("make repository %d: %w", started.ID, err)
		if ctx.Err() == nil {
			p.problem(ctx, started.ID, out.err)
		}
		return out
	}
	p.countMade()
	p.Log.Info("repository made", "tag", b.state.content.Tag, "repo", started.ID, "event", started.Event, "rpms", b.rpms(), "took", p.Clock().Sub(began))
	return out
}

// countMade has the blocks looked through when many repositories were made since the last time.
func (p *Projector) countMade() {
	if p.made.Add(1)%tidyEvery == 0 {
		select {
		case p.untidy <- struct{}{}:
		default:
		}
	}
}

// publish makes a repository READY. As in Koji, who sees it READY finds it behind the link "latest", if it is the tag's newest and its files are
// written before: one of the tag as it is now always is.
func (p *Projector) publish(ctx context.Context, b *build, newest bool) error {
	if p.LazyFiles && b.rpms() >= p.LazyFrom {
		latest, err := p.Service.RepoReady(ctx, commands.Actor{}, b.repo.ID)
		if err == nil && latest {
			p.files.want(b.state.tag, b.repo.ID, func(context.Context) (*build, error) { return b, nil })
		}
		return err
	}
	tag, id := b.state.content.Tag, b.repo.ID
	if err := b.finish(ctx); err != nil {
		return err
	}
	if newest {
		p.link(tag, id)
	}
	latest, err := p.Service.RepoReady(ctx, commands.Actor{}, id)
	switch {
	case err != nil && newest:
		return errors.Join(err, p.relink(ctx))
	case err == nil && latest && !newest:
		p.link(tag, id)
	}
	return err
}

// link is linkLatest for a repository that is whole without the link.
func (p *Projector) link(tag string, id int64) {
	if err := p.linkLatest(tag, id); err != nil {
		p.Log.Warn("the link to the latest repository was not set", "tag", tag, "repo", id, "error", err)
	}
	p.linked.send()
}

// fill finds out what the repository holds and makes its metadata.
func (p *Projector) fill(ctx context.Context, started commands.StartedRepo, j job, task *int64) (*build, error) {
	at := p.stateAt
	if !j.follows() {
		at = p.readState
	}
	x, err := at(ctx, j.tag, started.Event)
	if err != nil {
		return nil, err
	}
	b, err := p.newBuild(ctx, started, x, task)
	if err != nil {
		return nil, err
	}
	if b.merging, err = b.loadExternal(ctx); err != nil {
		return nil, err
	}
	var g errgroup.Group
	g.Go(b.begin)
	g.Go(func() error { return b.compose(ctx, b.key()) })
	return b, g.Wait()
}

// problem records that a repository could not be made, and why.
func (p *Projector) problem(ctx context.Context, repo int64, why error) {
	p.Log.Error("repository could not be made", "repo", repo, "error", why)
	_, message := reason(why)
	if err := p.Service.RepoFailed(ctx, commands.Actor{}, repo, message); err != nil {
		p.Log.Error("the state of a repository could not be recorded", "repo", repo, "error", err)
	}
}

// linkLatest lets the symlink "latest" of a tag lead to a repository.
func (p *Projector) linkLatest(tag string, id int64) error {
	r := storage.Repo{Tag: tag, ID: id}
	dir, err := r.Dir()
	if err != nil {
		return err
	}
	link, err := r.Latest()
	if err != nil {
		return err
	}
	return p.Storage.Symlink(dir, link)
}

// reason is what clients may know of an error.
func reason(err error) (fault.Code, string) {
	if f := fault.Of(err); f != nil {
		return f.Code, f.Message
	}
	for _, corrupt := range []error{repodata.ErrCorrupt, rpm.ErrNotRPM, rpm.ErrMalformed} {
		if errors.Is(err, corrupt) {
			return fault.Generic, "an rpm is corrupt: " + err.Error()
		}
	}
	return fault.Generic, "the repository could not be made; the hub's log says why"
}
