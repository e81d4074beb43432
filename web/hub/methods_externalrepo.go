package hub

import (
	"strings"

	"moromi/aggregates/name"
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// externalRepoMethods are yum repositories outside of the site, and which tags use them.
func externalRepoMethods(d Deps) []Method {
	return []Method{
		{Name: "createExternalRepo", Params: "name, url", Auth: Admin, Write: true,
			Help: "Make an external repository known; answers it. $arch in the address stands for the arch.", Func: d.createExternalRepo},
		{Name: "editExternalRepo", Params: "info, name=None, url=None", Auth: Admin, Write: true,
			Help: "Change an external repository's name or address.", Func: d.editExternalRepo},
		{Name: "deleteExternalRepo", Params: "info", Auth: Admin, Write: true,
			Help: "End an external repository and take it out of every tag.", Func: d.deleteExternalRepo},
		{Name: "getExternalRepo", Params: "info, strict=False, event=None", Auth: Anonymous,
			Help: "An external repository by id or name, as it was at an event if one is given.", Func: d.getExternalRepo},
		{Name: "listExternalRepos", Params: "info=None, url=None, event=None, queryOpts=None", Auth: Anonymous,
			Help: "External repositories, all or those that match.", Func: d.listExternalRepos},
		{Name: "addExternalRepoToTag", Params: "tag_info, repo_info, priority, merge_mode='koji', arches=None", Auth: Perm("tag"), Write: true,
			Help: "Let a tag use an external repository. Priorities are unique in a tag; the merge mode is koji, simple or bare.", Func: d.addExternalRepoToTag},
		{Name: "editTagExternalRepo", Params: "tag_info, repo_info, priority=None, merge_mode=None, arches=None", Auth: Perm("tag"), Write: true,
			Help: "Change how a tag uses an external repository; answers whether anything was different.", Func: d.editTagExternalRepo},
		{Name: "removeExternalRepoFromTag", Params: "tag_info, repo_info", Auth: Perm("tag"), Write: true,
			Help: "Let a tag no longer use an external repository.", Func: d.removeExternalRepoFromTag},
		{Name: "getTagExternalRepos", Params: "tag_info=None, repo_info=None, event=None", Auth: Anonymous,
			Help: "Which tags use which external repositories, by priority; without inheritance.", Func: d.getTagExternalRepos},
		{Name: "getExternalRepoList", Params: "tag_info, event=None", Auth: Anonymous,
			Help: "The external repositories of a tag and of what it inherits from, in order.", Func: d.getExternalRepoList},
		{Name: "repo.getExternalRepoData", Params: "erepo", Auth: Anonymous,
			Help: "What was last noted of an external repository's content.", Func: d.getExternalRepoData},
		{Name: "repo.setExternalRepoData", Params: "external_repo_id, data", Auth: Perm("repo"), Write: true,
			Help: "Note a struct of facts on an external repository's content.", Func: d.setExternalRepoData},
	}
}

// findExternalRepo gives an external repository by id, name or a struct of these, nil if there is none.
func (d Deps) findExternalRepo(c *Call, info any, event *int64) (query.Row, error) {
	id, n, err := nameOrID(info)
	if err != nil {
		return nil, err
	}
	return tag.ExternalRepo(c.Context(), d.DB, tag.Spec{ID: id, Name: n}, event)
}

func (d Deps) theExternalRepo(c *Call, info any, event *int64) (query.Row, error) {
	r, err := d.findExternalRepo(c, info, event)
	if err == nil && r == nil {
		err = fault.New(fault.Generic, "No such repo: %s", clip(pyRepr(info)))
	}
	return r, err
}

func (d Deps) createExternalRepo(c *Call, a Args) (any, error) {
	n, err := a.Reject(fault.Generic).String("name")
	if err != nil {
		return nil, err
	}
	url, err := a.String("url")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return orNil(d.Service.CreateExternalRepo(c.Context(), actor, n, url))
}

func (d Deps) editExternalRepo(c *Call, a Args) (any, error) {
	r, err := d.theExternalRepo(c, a.Get("info"), nil)
	if err != nil {
		return nil, err
	}
	n, err := a.Reject(fault.Generic).StringOr("name", "")
	if err != nil {
		return nil, err
	}
	url, err := a.StringOr("url", "")
	if err != nil {
		return nil, err
	}
	if n == r["name"] {
		n = ""
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.EditExternalRepo(c.Context(), actor, r["id"].(int64), n, url)
}

func (d Deps) deleteExternalRepo(c *Call, a Args) (any, error) {
	r, err := d.theExternalRepo(c, a.Get("info"), nil)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.DeleteExternalRepo(c.Context(), actor, r["id"].(int64))
}

func (d Deps) getExternalRepo(c *Call, a Args) (any, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	if a.Bool("strict") {
		return orNil(d.theExternalRepo(c, a.Get("info"), event))
	}
	if a.IsNil("info") {
		return nil, nil
	}
	return orNil(d.findExternalRepo(c, a.Get("info"), event))
}

func (d Deps) listExternalRepos(c *Call, a Args) (any, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	var f tag.RepoFilter
	if !a.IsNil("info") {
		id, n, err := nameOrID(a.Get("info"))
		if err != nil {
			return nil, err
		}
		f.Spec = &tag.Spec{ID: id, Name: n}
	}
	if f.URL, err = a.StringOr("url", ""); err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return tag.ExternalRepos(c.Context(), d.DB, f, event, o)
}

// tagRepo reads a tag, an external repository and, where the method has them, how the one uses the other.
func (d Deps) tagRepo(c *Call, a Args, how bool) (in commands.TagRepo, err error) {
	if in.Tag, err = d.theTag(c, a.Get("tag_info"), nil); err != nil {
		return in, err
	}
	if in.Repo, err = d.theExternalRepo(c, a.Get("repo_info"), nil); err != nil || !how {
		return in, err
	}
	if in.Priority, err = a.IntOrNil("priority"); err != nil {
		return in, err
	}
	if in.MergeMode, err = a.Reject(fault.Generic).StringOr("merge_mode", ""); err != nil {
		return in, err
	}
	in.Arches, err = archText(a, "arches")
	return in, err
}

// archText reads arches from a list, or from text where blanks or commas separate them (koji.parse_arches); nil for None.
func archText(a Args, param string) (*string, error) {
	v := a.Get(param)
	if text, ok := v.(string); ok {
		v = strings.ReplaceAll(text, ",", " ")
	}
	return arches(v)
}

func (d Deps) addExternalRepoToTag(c *Call, a Args) (any, error) {
	in, err := d.tagRepo(c, a, true)
	if err != nil {
		return nil, err
	}
	if in.Priority == nil {
		_, err := a.Int("priority")
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.AddTagRepo(c.Context(), actor, in)
}

func (d Deps) editTagExternalRepo(c *Call, a Args) (any, error) {
	in, err := d.tagRepo(c, a, true)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.EditTagRepo(c.Context(), actor, in)
}

func (d Deps) removeExternalRepoFromTag(c *Call, a Args) (any, error) {
	in, err := d.tagRepo(c, a, false)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RemoveTagRepo(c.Context(), actor, in)
}

func (d Deps) getTagExternalRepos(c *Call, a Args) (any, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	var tags []int64
	if a.Bool("tag_info") {
		t, err := d.theNamed(c, name.Tag, a.Get("tag_info"))
		if err != nil {
			return nil, err
		}
		tags = []int64{t["id"].(int64)}
	}
	var repo *int64
	if a.Bool("repo_info") {
		r, err := d.theExternalRepo(c, a.Get("repo_info"), event)
		if err != nil {
			return nil, err
		}
		id := r["id"].(int64)
		repo = &id
	}
	return tag.TagExternalRepos(c.Context(), d.DB, tags, repo, event)
}

func (d Deps) getExternalRepoList(c *Call, a Args) (any, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	t, err := d.theTag(c, a.Get("tag_info"), event)
	if err != nil {
		return nil, err
	}
	return tag.ExternalRepoList(c.Context(), d.DB, t["id"].(int64), event)
}

func (d Deps) getExternalRepoData(c *Call, a Args) (any, error) {
	r, err := d.theNamed(c, name.ExternalRepo, a.Get("erepo"))
	if err != nil {
		return nil, err
	}
	return tag.ExternalRepoData(c.Context(), d.DB, r["id"].(int64))
}

func (d Deps) setExternalRepoData(c *Call, a Args) (any, error) {
	r, err := d.theNamed(c, name.ExternalRepo, a.Get("external_repo_id"))
	if err != nil {
		return nil, err
	}
	data, err := a.Map("data")
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, a.wrong("data", "dict")
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetExternalRepoData(c.Context(), actor, r["id"].(int64), data)
}
