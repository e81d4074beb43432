package hub

import (
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/projections/query"
	"moromi/projections/repo"
	"moromi/projections/task"
)

// repoRequestMethods are requests for repositories.
func repoRequestMethods(d Deps) []Method {
	return []Method{
		{Name: "repo.request", Params: "tag, min_event=None, at_event=None, opts=None, priority=None, force=False", Auth: Session, Write: true, Help: "Ask for a repository of a tag: {repo, request, duplicate}.", Func: d.repoRequest},
		{Name: "repo.checkRequest", Params: "req_id", Auth: Anonymous, Help: "What became of a request: {repo, request[, task]}.", Func: d.repoCheckRequest},
		{Name: "repo.queryQueue", Params: "clauses=None, fields=None, opts=None", Auth: Anonymous, Help: "Requests by conditions [field, value] or [field, operator, value].", Func: d.repoQueryQueue},
		{Name: "repo.setRequestPriority", Params: "req_id, priority", Auth: Admin, Write: true, Help: "Give a request another priority.", Func: d.repoSetRequestPriority},
		{Name: "repo.checkQueue", Params: "", Auth: Perm("repo"), Write: true, Help: "Start tasks for waiting requests.", Func: d.repoCheckQueue},
		{Name: "repo.autoRequests", Params: "", Auth: Perm("repo"), Write: true, Help: "Ask for repositories of the tags that are set to have them always.", Func: d.repoAutoRequests},
	}
}

func (d Deps) repoRequest(c *Call, a Args) (any, error) {
	in := commands.RequestRepo{Tag: a.Get("tag"), Force: a.Bool("force"), Last: a.Get("min_event") == "last"}
	var err error
	if in.Opts, err = commands.ParseRepoOpts(a.Get("opts"), true); err != nil {
		return nil, err
	}
	if !in.Last {
		if in.MinEvent, err = a.IntOrNil("min_event"); err != nil {
			return nil, err
		}
	}
	if in.AtEvent, err = a.IntOrNil("at_event"); err != nil {
		return nil, err
	}
	if in.Priority, err = a.IntOrNil("priority"); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return orNil(d.Service.RequestRepo(c.Context(), actor, in))
}

func (d Deps) repoCheckRequest(c *Call, a Args) (any, error) {
	id, err := a.Int("req_id")
	if err != nil {
		return nil, err
	}
	req, err := repo.GetRequest(c.Context(), d.DB, id)
	if err != nil {
		return nil, err
	}
	if req == nil {
		return nil, fault.New(fault.Generic, "No such request")
	}
	out := query.Row{"repo": nil, "request": req}
	if made, ok := req["repo_id"].(int64); ok {
		row, err := repo.Get(c.Context(), d.DB, made, nil)
		out["repo"] = row
		return out, err
	}
	if t, ok := req["task_id"].(int64); ok {
		if out["task"], err = orNil(task.ByID(c.Context(), d.DB, t, false, nil)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d Deps) repoQueryQueue(c *Call, a Args) (any, error) {
	s, err := selection(a)
	if err != nil {
		return nil, err
	}
	return repo.Queue(c.Context(), d.DB, s)
}

func (d Deps) repoSetRequestPriority(c *Call, a Args) (any, error) {
	id, err := a.Int("req_id")
	if err != nil {
		return nil, err
	}
	p, err := a.Int("priority")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetRepoRequestPriority(c.Context(), actor, id, p)
}

// kojira gives the caller of a method that only kojira has reason to call, and notes that it is there: the hub leaves it the first word then.
func (d Deps) kojira(c *Call) (commands.Actor, error) {
	if err := d.Service.NoteKojira(c.Context()); err != nil {
		return commands.Actor{}, err
	}
	return d.actor(c)
}

func (d Deps) repoCheckQueue(c *Call, _ Args) (any, error) {
	actor, err := d.kojira(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.CheckRepoQueue(c.Context(), actor)
}

func (d Deps) repoAutoRequests(c *Call, _ Args) (any, error) {
	actor, err := d.kojira(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.AutoRequestRepos(c.Context(), actor)
}
