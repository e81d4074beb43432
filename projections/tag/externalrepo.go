package tag

import (
	"context"

	"moromi/projections/query"
)

// RepoFilter says which external repositories are meant; zero fields do not filter.
type RepoFilter struct {
	Spec *Spec
	URL  string
}

// ExternalRepos gives external repositories as {id, name, url}, by id, as of an event if one is given.
func ExternalRepos(ctx context.Context, db query.DB, f RepoFilter, event *int64, o query.Opts) (any, error) {
	return externalRepos(f, event).Run(ctx, db, o)
}

// ExternalRepo gives an external repository as {id, name, url}, nil if there is none.
func ExternalRepo(ctx context.Context, db query.DB, s Spec, event *int64) (query.Row, error) {
	return externalRepos(RepoFilter{Spec: &s}, event).One(ctx, db)
}

func externalRepos(f RepoFilter, event *int64) *query.Query {
	cols := []query.Col{{Name: "id", Expr: "r.id"}, {Name: "name", Expr: "r.name"}, {Name: "url", Expr: "c.url"}}
	q := query.New(cols, "external_repo r").Join("join external_repo_config c on c.external_repo_id = r.id").At("c", event).OrderBy("r.id")
	if f.Spec != nil {
		if f.Spec.ID != 0 || f.Spec.Name == "" {
			q.Where("r.id = ?", f.Spec.ID)
		} else {
			q.Where("r.name = ?", f.Spec.Name)
		}
	}
	if f.URL != "" {
		q.Where("c.url = ?", f.URL)
	}
	return q
}

// ExternalRepoData gives what was last seen of an external repository's content, nil if nothing was noted.
func ExternalRepoData(ctx context.Context, db query.DB, id int64) (any, error) {
	return ExternalRepoDataAt(ctx, db, id, nil)
}

// ExternalRepoDataAt is ExternalRepoData as of an event.
func ExternalRepoDataAt(ctx context.Context, db query.DB, id int64, event *int64) (any, error) {
	row, err := query.New([]query.Col{{Name: "data", Expr: "d.data"}}, "external_repo_data d").Where("d.external_repo_id = ?", id).At("d", event).One(ctx, db)
	if err != nil || row == nil {
		return nil, err
	}
	return query.JSON(row["data"])
}

// TagExternalRepos gives links between tags and external repositories in getTagExternalRepos' shape, by priority; nil tags and repo mean all.
func TagExternalRepos(ctx context.Context, db query.DB, tags []int64, repo *int64, event *int64) ([]query.Row, error) {
	cols := []query.Col{{Name: "external_repo_id", Expr: "r.id"}, {Name: "external_repo_name", Expr: "r.name"}, {Name: "priority", Expr: "l.priority"},
		{Name: "tag_id", Expr: "tag.id"}, {Name: "tag_name", Expr: "tag.name"}, {Name: "url", Expr: "c.url"}, {Name: "merge_mode", Expr: "l.merge_mode"},
		{Name: "arches", Expr: "l.arches"}}
	q := query.New(cols, "tag_external_repos l").Join("join tag on tag.id = l.tag_id").Join("join external_repo r on r.id = l.external_repo_id").
		Join("join external_repo_config c on c.external_repo_id = r.id").At("l", event).At("c", event).OrderBy("l.priority, tag.id, r.id")
	if tags != nil {
		q.Where("tag.id = any(?)", tags)
	}
	if repo != nil {
		q.Where("r.id = ?", *repo)
	}
	return q.All(ctx, db)
}

// ExternalRepoList gives the external repositories that a tag has, by itself or by inheritance: depth first, in each tag by priority, each
// repository only where it comes first (kojihub.get_external_repo_list).
func ExternalRepoList(ctx context.Context, db query.DB, tag int64, event *int64) ([]query.Row, error) {
	tags, err := chain(ctx, db, tag, true, event)
	if err != nil {
		return nil, err
	}
	rows, err := TagExternalRepos(ctx, db, tags, nil, event)
	if err != nil {
		return nil, err
	}
	byTag := map[int64][]query.Row{}
	for _, r := range rows {
		id := r["tag_id"].(int64)
		byTag[id] = append(byTag[id], r)
	}
	out, seen := []query.Row{}, map[int64]bool{}
	for _, t := range tags {
		for _, r := range byTag[t] {
			if id := r["external_repo_id"].(int64); !seen[id] {
				seen[id] = true
				out = append(out, r)
			}
		}
	}
	return out, nil
}
