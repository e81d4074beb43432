package repoprojector

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"moromi/internal/storage"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	rpmmodel "moromi/projections/rpm"
	tagmodel "moromi/projections/tag"
	"moromi/repoprojector/repodata"
)

// models is the Source over the read models.
type models struct{ db query.DB }

// NewSource gives the read models as a Source.
func NewSource(db query.DB) Source { return models{db} }

func (m models) TagID(ctx context.Context, key any) (int64, error) {
	var s tagmodel.Spec
	switch k := key.(type) {
	case int64:
		s.ID = k
	case string:
		s.Name = k
	default:
		return 0, tagmodel.Missing(key)
	}
	row, err := tagmodel.GetLast(ctx, m.db, s)
	if err == nil && row == nil {
		err = tagmodel.Missing(key)
	}
	if err != nil {
		return 0, err
	}
	return row["id"].(int64), nil
}

func (m models) Links(ctx context.Context) ([]Link, error) { return m.links(ctx, nil) }

func (m models) LinksOf(ctx context.Context, tags []int64) ([]Link, error) { return m.links(ctx, tags) }

// links gives the links of tags, of all if that is nil.
func (m models) links(ctx context.Context, tags []int64) ([]Link, error) {
	all, err := tagmodel.AllLinks(ctx, m.db, tags)
	out := make([]Link, len(all))
	for i, l := range all {
		out[i] = Link{Tag: l.From, Parent: l.ID, MaxDepth: l.MaxDepth, Intransitive: l.Intransitive}
	}
	return out, err
}

func (m models) Kept(ctx context.Context) ([]int64, error) {
	return tagmodel.KeptCurrent(ctx, m.db, nil)
}

func (m models) KeptOf(ctx context.Context, tags []int64) ([]int64, error) {
	return tagmodel.KeptCurrent(ctx, m.db, tags)
}

func (m models) BuildTags(ctx context.Context) (map[int64]int64, error) {
	return tagmodel.BuildTags(ctx, m.db)
}

func (m models) TagsWith(ctx context.Context, externalRepo int64) ([]int64, error) {
	return tagmodel.WithExternalRepo(ctx, m.db, externalRepo)
}

// Content reads as repo_init of kojihub does: the latest build of each package, or all with the tag's extra setting repo_include_all.
func (m models) Content(ctx context.Context, tag, event int64) (*Content, error) {
	row, err := tagmodel.Get(ctx, m.db, tagmodel.Spec{ID: tag}, &event, false)
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, tagmodel.Missing(tag)
	}
	c := &Content{Tag: row["name"].(string)}
	arches, _ := row["arches"].(string)
	c.Arches = strings.Fields(arches)
	c.Extra, _ = row["extra"].(map[string]any)
	c.All = xmlrpc.Truthy(c.Extra["repo_include_all"])
	if c.RPMs, err = m.rpms(ctx, tag, filter("", c.All), event); err != nil {
		return nil, err
	}
	if c.Groups, err = m.Groups(ctx, tag, event); err != nil {
		return nil, err
	}
	if c.Blocked, err = m.Blocked(ctx, tag, event); err != nil {
		return nil, err
	}
	c.External, err = externalRepos(ctx, m.db, tag, &event)
	return c, err
}

// filter chooses the builds of a repository: of one package, or of all.
func filter(pkg string, all bool) tagmodel.BuildFilter {
	f := tagmodel.BuildFilter{Inherited: true, Latest: 1, Package: pkg}
	if all {
		f.Latest = 0
	}
	return f
}

func (m models) ContentOf(ctx context.Context, tag, event int64, pkg string, all bool) ([]RPM, error) {
	return m.rpms(ctx, tag, filter(pkg, all), event)
}

func (m models) Groups(ctx context.Context, tag, event int64) ([]repodata.Group, error) {
	return tagGroups(ctx, m.db, tag, event)
}

func (m models) Blocked(ctx context.Context, tag, event int64) ([]string, error) {
	entries, err := tagmodel.PackageList(ctx, m.db, tagmodel.PackageFilter{Tag: &tag, Inherited: true, NoOwners: true}, &event)
	var out []string
	for _, e := range entries {
		if e["blocked"] == true {
			out = append(out, e["package_name"].(string))
		}
	}
	return out, err
}

func (m models) Lineage(ctx context.Context, tag, event int64) ([]Ancestor, error) {
	links, err := tagmodel.FullInheritance(ctx, m.db, tag, &event, tagmodel.InheritanceOptions{})
	out := []Ancestor{{Tag: tag}}
	for _, l := range links {
		out = append(out, Ancestor{Tag: l.ID, Filter: strings.Join(l.Filters, "\n")})
	}
	return out, err
}

func (m models) PackageNames(ctx context.Context, ids []int64) ([]string, error) {
	return m.names(ctx, `select name from package where id = any($1) order by name`, ids)
}

func (m models) BuildPackages(ctx context.Context, builds []int64) ([]string, error) {
	return m.names(ctx, `select distinct p.name from build b join package p on p.id = b.pkg_id where b.id = any($1) order by 1`, builds)
}

func (m models) names(ctx context.Context, sql string, ids []int64) ([]string, error) {
	rows, err := m.db.Query(ctx, sql, ids)
	if err != nil {
		return nil, fmt.Errorf("names of packages: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// rpms gives the rpms of the tag's builds as of the event, and where their files are now.
func (m models) rpms(ctx context.Context, tag int64, f tagmodel.BuildFilter, event int64) ([]RPM, error) {
	builds, err := tagmodel.Builds(ctx, m.db, tag, f, &event)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, 0, len(builds))
	places := make(map[int64]storage.Build, len(builds))
	for _, b := range builds {
		id := b["build_id"].(int64)
		if _, twice := places[id]; twice {
			continue // in two tags of the inheritance, with all builds of a package wanted
		}
		ids = append(ids, id)
		places[id] = storage.Build{Volume: b["volume_name"].(string), Name: b["package_name"].(string), Version: b["version"].(string), Release: b["release"].(string)}
	}
	var out []RPM
	err = rpmmodel.EachOf(ctx, m.db, ids, func(r rpmmodel.OfBuild) error {
		if r.MetadataOnly {
			return nil
		}
		x := RPM{Name: r.Name, Version: r.Version, Release: r.Release, Arch: r.Arch, ID: r.ID, Epoch: r.Epoch, Draft: r.Draft, PayloadHash: r.PayloadHash,
			Size: r.Size, BuildTime: r.BuildTime, BuildrootID: r.BuildrootID, BuildID: r.BuildID, Build: places[r.BuildID]}
		if r.Extra != nil {
			x.Extra = json.RawMessage(*r.Extra)
		}
		if r.SHA256 != nil {
			x.SHA256 = *r.SHA256
		}
		out = append(out, x)
		return nil
	})
	return out, err
}

// Comps is the comps file of a tag's groups as of an event, as in the repositories that are made here; for those that builders make.
func Comps(ctx context.Context, db query.DB, tag, event int64) ([]byte, error) {
	groups, err := tagGroups(ctx, db, tag, event)
	if err != nil {
		return nil, err
	}
	return repodata.Comps(groups, true), nil
}

func tagGroups(ctx context.Context, db query.DB, tag, event int64) ([]repodata.Group, error) {
	rows, err := tagmodel.TagGroups(ctx, db, tag, &event, true, true, true, false)
	if err != nil {
		return nil, fmt.Errorf("groups of tag %d: %w", tag, err)
	}
	out := make([]repodata.Group, len(rows))
	for i, r := range rows {
		g := &out[i]
		*g = repodata.Group{Name: text(r["name"]), DisplayName: text(r["display_name"]), Description: text(r["description"]),
			IsDefault: r["is_default"] == true, UserVisible: r["uservisible"] == true, BiarchOnly: r["biarchonly"] == true}
		for _, p := range r["packagelist"].([]query.Row) {
			g.Packages = append(g.Packages, repodata.GroupPackage{Name: text(p["package"]), Type: text(p["type"]),
				BasearchOnly: p["basearchonly"] == true, RequiresOther: text(p["requires"])})
		}
		for _, q := range r["grouplist"].([]query.Row) {
			g.Requires = append(g.Requires, repodata.GroupRequire{Name: text(q["name"]), Type: text(q["type"]), IsMetapackage: q["is_metapkg"] == true})
		}
	}
	return out, nil
}

// fields are the words of a column that may be null.
func fields(v any) []string { return strings.Fields(text(v)) }

// text is a column that may be null.
func text(v any) string {
	s, _ := v.(string)
	return s
}
