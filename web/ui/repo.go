package ui

import (
	"io/fs"
	"strconv"
	"strings"

	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/query"
	"moromi/projections/rpm"
)

// repos is the list of repositories, the newest first.
func repos(r *request) (*page, error) {
	q := repoQuery(r).OrderBy("repo.id desc")
	if t := r.arg("tag"); t != "" {
		q.Where("tag.name = ?", t)
	}
	state := r.one("state", "", "ready", "init", "expired", "deleted")
	if state != "" {
		states := map[string]koji.RepoState{"ready": koji.RepoReady, "init": koji.RepoInit, "expired": koji.RepoExpired, "deleted": koji.RepoDeleted}
		q.Where("repo.state = ?", int64(states[state]))
	}
	list, err := r.newest(q, "repo.id", "/repos")
	if err != nil {
		return nil, err
	}
	return &page{Title: "Repositories", Template: "repos", Data: map[string]any{"list": list, "tag": r.arg("tag"), "state": state}}, nil
}

func repoPage(r *request) (*page, error) {
	p, err := repoQuery(r).Where("repo.id = ?", r.id("repo")).One(r, r.db)
	if err == nil && p == nil {
		err = r.missing("repository", r.name("repo"))
	}
	if err != nil {
		return nil, err
	}
	id := p["id"].(int64)
	data := map[string]any{"repo": p, "href": "", "arches": []string{}, "fresh": freshness(p, 0)}
	if name, ok := p["tag_name"].(string); ok && p["state"] != int64(koji.RepoDeleted) {
		if dir, err := (storage.Repo{Tag: name, ID: id, Dist: p["dist"] == true}).Dir(); err == nil {
			if entries, err := fs.ReadDir(r.ui.cfg.Storage.FS(), dir.String()); err == nil { // a dist repository may be on another volume
				data["href"], data["arches"] = fileHref(dir)+"/", dirsOf(entries)
			}
		}
	}
	roots, _, err := r.rows(rootQuery(r).Where("buildroot.repo_id = ?", id).OrderBy("buildroot.id desc"), pageSize)
	if err != nil {
		return nil, err
	}
	data["roots"] = roots
	return &page{Title: "Repository " + strconv.FormatInt(id, 10), Template: "repo", Data: data}, nil
}

func dirsOf(entries []fs.DirEntry) []string {
	out := []string{}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	archOrder(out)
	return out
}

// rootQuery gives buildroots with what they were made of and for.
func rootQuery(r *request) *query.Query {
	return r.stateful("buildroot", cols("id", "buildroot.id", "state", "buildroot.state", "arch", "buildroot.container_arch", "type", "buildroot.container_type",
		"host_name", "host.name", "task_id", "buildroot.task_id", "repo_id", "buildroot.repo_id", "tag_name", "tag.name", "create_event", "buildroot.create_event", "create_time", "made.time",
		"retire_time", "retired.time", "cg_name", "content_generator.name", "host_os", "buildroot.host_os", "host_arch", "buildroot.host_arch")).
		Join("left join host on host.id = buildroot.host_id").Join("left join repo on repo.id = buildroot.repo_id").Join("left join tag on tag.id = repo.tag_id").
		Join("left join events made on made.id = buildroot.create_event").Join("left join events retired on retired.id = buildroot.retire_event").
		Join("left join content_generator on content_generator.id = buildroot.cg_id")
}

// buildrootPage shows a buildroot and exactly what was in it.
func buildrootPage(r *request) (*page, error) {
	b, err := rootQuery(r).Where("buildroot.id = ?", r.id("buildroot")).One(r, r.db)
	if err == nil && b == nil {
		err = r.missing("buildroot", r.name("buildroot"))
	}
	if err != nil {
		return nil, err
	}
	id := b["id"].(int64)
	content, err := rpm.OfBuildroot(r, r.db, id, r.event())
	if err != nil {
		return nil, err
	}
	total := len(content)
	byName(content, "name")
	if q := strings.ToLower(r.arg("q")); q != "" {
		kept := content[:0]
		for _, p := range content {
			if strings.Contains(strings.ToLower(p["name"].(string)), q) {
				kept = append(kept, p)
			}
		}
		content = kept
	}
	tools, err := query.New(cols("tool", "tool", "version", "version"), "buildroot_tools_info").Where("buildroot_id = ?", id).OrderBy("tool").All(r, r.db)
	if err != nil {
		return nil, err
	}
	built, _, err := r.rows(r.stateful("rpminfo", cols("id", "rpminfo.id", "nvra", "rpminfo.name || '-' || rpminfo.version || '-' || rpminfo.release || '.' || rpminfo.arch",
		"build_id", "rpminfo.build_id")).Where("rpminfo.buildroot_id = ?", id).OrderBy("rpminfo.id"), 500)
	if err != nil {
		return nil, err
	}
	return &page{Title: "Buildroot " + strconv.FormatInt(id, 10), Template: "buildroot",
		Data: map[string]any{"root": b, "content": content, "total": total, "tools": tools, "built": built, "q": r.arg("q")}}, nil
}
