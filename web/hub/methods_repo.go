package hub

import (
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/buildroot"
	"moromi/projections/query"
	"moromi/projections/repo"
	"moromi/projections/tag"
)

// repoMethods are repositories as people and kojira ask about them and manage them; requests are in repoRequestMethods, what builders call to
// make them in hostRepoMethods.
func repoMethods(d Deps) []Method {
	return []Method{
		{Name: "repoInfo", Params: "repo_id, strict=False", Auth: Anonymous, Help: "A repository by id.", Func: d.repoInfo},
		{Name: "getRepo", Params: "tag, state=None, event=None, dist=False, min_event=None", Auth: Anonymous, Help: "The repository of a tag that was made last, in a state (READY) or up to an event.", Func: d.getRepo},
		{Name: "getActiveRepos", Params: "", Auth: Anonymous, Help: "All repositories that are not deleted.", Func: func(c *Call, _ Args) (any, error) { return repo.Active(c.Context(), d.DB) }},
		{Name: "repo.query", Params: "clauses, fields=None, opts=None", Auth: Anonymous, Help: "Repositories by conditions [field, value] or [field, operator, value].", Func: d.repoQuery},
		{Name: "repo.get", Params: "tag, min_event=None, at_event=None, opts=None", Auth: Anonymous, Help: "The best READY repository of a tag for these requirements.", Func: d.repoGet},
		{Name: "repo.references", Params: "repo_id", Auth: Anonymous, Help: "Live buildroots of a repository.", Func: d.repoReferences},
		{Name: "repo.setState", Params: "repo_id, state", Auth: Perm("repo"), Write: true, Help: "Take a repository to another state, by number.", Func: d.repoSetState},
		{Name: "repo.updateEndEvents", Params: "", Auth: Perm("repo"), Write: true, Help: "Record when the tags of READY repositories changed.", Func: d.repoUpdateEndEvents},
		{Name: "repoExpire", Params: "repo_id", Auth: Perm("repo"), Write: true, Help: "Mark a repository that nobody is to use any more.", Func: d.repoTo(koji.RepoExpired)},
		{Name: "repoProblem", Params: "repo_id", Auth: Perm("repo"), Write: true, Help: "Mark a repository broken.", Func: d.repoTo(koji.RepoProblem)},
		{Name: "repoDelete", Params: "repo_id", Auth: Perm("repo"), Write: true, Help: "Mark a repository deleted unless buildroots need it; answers how many do.", Func: d.repoDelete},
		{Name: "newRepo", Params: "tag, event=None, src=False, debuginfo=False, separate_src=False", Auth: Perm("repo", "regen-repo"), Write: true, Help: "Have a repository made; answers the task's id.", Func: d.newRepo},
	}
}

// tagID gives the id of a tag by name, id or struct; a fault if there is none.
func (d Deps) repoTagID(c *Call, key any) (int64, error) {
	if m, ok := key.(map[string]any); ok {
		if key = m["id"]; key == nil {
			key = m["name"]
		}
	}
	var s tag.Spec
	switch v := key.(type) {
	case int64:
		s.ID = v
	case string:
		s.Name = v
	default:
		return 0, fault.New(fault.Parameter, "Invalid type for id lookup: %s", pyType(key))
	}
	row, err := tag.GetLast(c.Context(), d.DB, s) // a tag that was deleted keeps its repositories
	if err != nil {
		return 0, err
	}
	if row == nil {
		return 0, tag.Missing(key)
	}
	return row["id"].(int64), nil
}

func (d Deps) repoInfo(c *Call, a Args) (any, error) {
	id, err := a.IntOrNil("repo_id")
	if err != nil {
		return nil, err
	}
	var row query.Row
	if id != nil {
		row, err = repo.Get(c.Context(), d.DB, *id, nil)
	}
	if err == nil && row == nil && a.Bool("strict") {
		err = fault.New(fault.Generic, "No such repo: %s", clip(pyRepr(a.Get("repo_id"))))
	}
	return orNil(row, err)
}

func (d Deps) getRepo(c *Call, a Args) (any, error) {
	f := repo.Find{State: int64(koji.RepoReady), Dist: a.Bool("dist")}
	var err error
	state, err := a.IntOrNil("state")
	if err != nil {
		return nil, err
	}
	if f.Tag, err = d.repoTagID(c, a.Get("tag")); err != nil {
		return nil, err
	}
	if state != nil {
		f.State = *state
	}
	if f.Event, err = a.IntOrNil("event"); err != nil {
		return nil, err
	}
	if f.MinEvent, err = a.IntOrNil("min_event"); err != nil {
		return nil, err
	}
	return orNil(repo.FindLatest(c.Context(), d.DB, f))
}

// selection reads clauses, fields and, where the method has them, opts of a query on a view.
func selection(a Args) (s query.Select, err error) {
	if !a.Bool("clauses") {
		s.Clauses = nil // Python goes through an empty text or struct as through an empty list
	} else if s.Clauses, err = a.List("clauses"); err != nil {
		return s, err
	}
	switch v := a.Get("fields").(type) {
	case nil:
	case string:
		s.Fields = []string{v}
	default:
		if s.Fields, err = a.Strings("fields"); err != nil {
			return s, err
		}
	}
	if _, there := a.sig.index["opts"]; there {
		s.Opts, err = a.QueryOpts("opts")
	}
	return s, err
}

func (d Deps) repoQuery(c *Call, a Args) (any, error) {
	s, err := selection(a)
	if err != nil {
		return nil, err
	}
	return repo.Query(c.Context(), d.DB, s, nil)
}

func (d Deps) repoGet(c *Call, a Args) (any, error) {
	id, err := d.repoTagID(c, a.Get("tag"))
	if err != nil {
		return nil, err
	}
	min, err := a.IntOrNil("min_event")
	if err != nil {
		return nil, err
	}
	at, err := a.IntOrNil("at_event")
	if err != nil {
		return nil, err
	}
	opts, err := commands.ParseRepoOpts(a.Get("opts"), true)
	if err != nil {
		return nil, err
	}
	return orNil(repo.Best(c.Context(), d.DB, id, min, at, opts))
}

func (d Deps) repoReferences(c *Call, a Args) (any, error) {
	if a.IsNil("repo_id") {
		return []query.Row{}, nil
	}
	id, err := a.Int("repo_id")
	if err != nil {
		return nil, err
	}
	return buildroot.References(c.Context(), d.DB, id)
}

// repoCall is the repository and the actor of a call about one.
func (d Deps) repoCall(c *Call, a Args) (int64, commands.Actor, error) {
	id, err := a.Int("repo_id")
	if err != nil {
		return 0, commands.Actor{}, err
	}
	actor, err := d.actor(c)
	return id, actor, err
}

func (d Deps) repoSetState(c *Call, a Args) (any, error) {
	id, actor, err := d.repoCall(c, a)
	if err != nil {
		return nil, err
	}
	state, err := a.ID("state")
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetRepoState(c.Context(), actor, id, koji.RepoState(state))
}

func (d Deps) repoTo(state koji.RepoState) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		id, actor, err := d.repoCall(c, a)
		if err != nil {
			return nil, err
		}
		return nil, d.Service.SetRepoState(c.Context(), actor, id, state)
	}
}

func (d Deps) repoDelete(c *Call, a Args) (any, error) {
	id, actor, err := d.repoCall(c, a)
	if err != nil {
		return nil, err
	}
	n, err := d.Service.DeleteRepo(c.Context(), actor, id)
	if err != nil {
		return nil, err
	}
	return int64(n), nil
}

func (d Deps) repoUpdateEndEvents(c *Call, _ Args) (any, error) {
	actor, err := d.kojira(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.UpdateRepoEndEvents(c.Context(), actor)
}

func (d Deps) newRepo(c *Call, a Args) (any, error) {
	event, err := a.IntOrNil("event")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	in := commands.NewRepo{Tag: a.Get("tag"), Event: event, Src: a.Bool("src"), Debuginfo: a.Bool("debuginfo"), SeparateSrc: a.Bool("separate_src")}
	return d.Service.NewRepoTask(c.Context(), actor, in)
}
