package repoprojector

import (
	"context"
	"errors"
	"fmt"

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
	started, err := p.Service.StartRepo(ctx, commands.Actor{}, in)
	if err != nil {
		out.err = err
		return out
	}
	out.repo, out.event, out.own = started.ID, started.Event, len(optMap(started.Custom)) == 0
	tag, rpms, err := p.fill(ctx, started, j.tag, task)
	if err == nil {
		err = p.publish(ctx, tag, started.ID, j.at == 0 && out.own)
	}
	if err != nil {
		out.err = fmt.Errorf("make repository %d: %w", started.ID, err)
		if ctx.Err() == nil {
			p.problem(ctx, started.ID, out.err)
		}
		return out
	}
	p.Log.Info("repository made", "tag", tag, "repo", started.ID, "event", started.Event, "rpms", rpms, "took", p.Clock().Sub(began))
	return out
}

// publish makes a written repository READY. As in Koji, who sees it READY finds it behind the link "latest", if it is the tag's newest: one of the
// tag as it is now always is.
func (p *Projector) publish(ctx context.Context, tag string, id int64, newest bool) error {
	link := func() {
		if err := p.linkLatest(tag, id); err != nil {
			p.Log.Warn("the link to the latest repository was not set", "tag", tag, "repo", id, "error", err)
		}
	}
	if newest {
		link()
	}
	latest, err := p.Service.RepoReady(ctx, commands.Actor{}, id)
	switch {
	case err != nil && newest:
		return errors.Join(err, p.relink(ctx))
	case err == nil && latest && !newest:
		link()
	}
	return err
}

// fill reads the content of the tag and writes the files.
func (p *Projector) fill(ctx context.Context, started commands.StartedRepo, tag int64, task *int64) (name string, rpms int, err error) {
	c, err := p.Source.Content(ctx, tag, started.Event)
	if err != nil {
		return "", 0, err
	}
	b := build{Projector: p, repo: started, tag: tag, task: task, content: c}
	rpms, err = b.write(ctx)
	return c.Tag, rpms, err
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
