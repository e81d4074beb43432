package ui

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"moromi/events"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/build"
	"moromi/projections/query"
)

// builds is the list of builds, the newest first.
func builds(r *request) (*page, error) {
	q := r.builds().OrderBy("build.id desc")
	states := map[string]int{"building": 0, "complete": 1, "deleted": 2, "failed": 3, "canceled": 4}
	state := r.one("state", "", "building", "complete", "failed", "canceled", "deleted")
	if state != "" {
		q.Where("build.state = ?", states[state])
	}
	if p := r.arg("package"); p != "" {
		q.Where("package.name = ?", p)
	}
	if o := r.arg("owner"); o != "" {
		q.Where("users.name = ?", o)
	}
	list, err := r.newest(q, "build.id", "/builds")
	if err != nil {
		return nil, err
	}
	return &page{Title: "Builds", Template: "builds", Data: map[string]any{"list": list, "state": state, "package": r.arg("package"), "owner": r.arg("owner")}}, nil
}

// newest gives a page of a list that is ordered by falling ids: what comes before the parameter before.
func (r *request) newest(q *query.Query, column, path string) (more, error) {
	if b := r.number("before"); b != nil {
		q.Where(column+" < ?", *b)
	}
	rows, left, err := r.rows(q, pageSize)
	m := more{Rows: rows}
	if err != nil {
		return m, err
	}
	f := frame{At: r.at}
	if left {
		m.Next = f.link(path, append(r.keep("before"), "before", strconv.FormatInt(rows[len(rows)-1]["id"].(int64), 10)))
	}
	if r.arg("before") != "" {
		m.Back = f.link(path, r.keep("before"))
	}
	return m, nil
}

// named gives a page of a list that is ordered by name: what comes after the parameter after.
func (r *request) named(q *query.Query, column, path string) (more, error) {
	if a := r.arg("after"); a != "" {
		q.Where(column+" > ?", a)
	}
	rows, left, err := r.rows(q.OrderBy(column), pageSize)
	m := more{Rows: rows}
	if err != nil {
		return m, err
	}
	f := frame{At: r.at}
	if left {
		m.Next = f.link(path, append(r.keep("after"), "after", rows[len(rows)-1]["name"].(string)))
	}
	if r.arg("after") != "" {
		m.Back = f.link(path, r.keep("after"))
	}
	return m, nil
}

// findBuild gives the build that the path names, by id or N-V-R.
func (r *request) findBuild() (query.Row, error) {
	name := r.name("build")
	s := build.Spec{ID: r.id("build")}
	if s.ID == 0 {
		var err error
		if s.NVR, err = koji.ParseNVR(name); err != nil {
			return nil, r.missing("build", name)
		}
	}
	row, err := build.Get(r, r.db, s, r.event())
	if err == nil && row == nil {
		err = r.missing("build", name)
	}
	return row, err
}

func buildPage(r *request) (*page, error) {
	b, err := r.findBuild()
	if err != nil {
		return nil, err
	}
	head, err := buildHead(r, b)
	if err != nil {
		return nil, err
	}
	data := map[string]any{"build": b, "head": head}
	for _, p := range []struct {
		key  string
		load func(*request, query.Row) (any, error)
	}{{"tags", buildTags}, {"rpms", buildRPMs}, {"logs", buildLogs}} {
		if data[p.key], err = p.load(r, b); err != nil {
			return nil, err
		}
	}
	p := &page{Title: b["nvr"].(string), Template: "build", Data: data}
	if b["state"] == int64(koji.BuildBuilding) {
		p.Live = join([]any{"build", b["id"], "live"})
	}
	return p, nil
}

// buildHead is what changes while a build runs: its state, the tree of its task, and why it failed.
func buildHead(r *request, b query.Row) (map[string]any, error) {
	head := map[string]any{"build": b, "tree": []*treeTask{}, "failures": []failure{}}
	id, ok := b["task_id"].(int64)
	if !ok {
		return head, nil
	}
	tree, err := r.tree(id)
	if err != nil {
		return nil, err
	}
	head["tree"] = tree
	if s := koji.BuildState(b["state"].(int64)); s == koji.BuildFailed || s == koji.BuildCanceled || s == koji.BuildBuilding {
		if head["failures"], err = r.failures(tree); err != nil {
			return nil, err
		}
	}
	return head, nil
}

func liveBuild(r *request, s *eventStream) error {
	var id int64
	err := r.ui.snapshot(r, r, func(r *request) error {
		b, err := r.findBuild()
		if err == nil {
			id = b["id"].(int64)
		}
		return err
	})
	if err != nil {
		return err
	}
	own := "build-" + strconv.FormatInt(id, 10)
	return r.ui.follow(r, s, source{key: own, touched: func(c *events.Commit, tasks map[int64]bool) bool { return c.Stream == own || touchesTask(c, tasks) },
		load: func(r *request) (*view, error) {
			b, err := build.Get(r, r.db, build.Spec{ID: id}, nil)
			if err != nil {
				return nil, err
			}
			head, err := buildHead(r, b)
			if err != nil {
				return nil, err
			}
			v := &view{page: "build", parts: []part{{"head", "build-head", head}}, tasks: map[int64]bool{}, done: b["state"] != int64(koji.BuildBuilding)}
			for _, t := range head["tree"].([]*treeTask) {
				t.ids(v.tasks)
			}
			return v, nil
		}})
}

// tagging is one time that a build was in a tag.
func taggings(r *request) *query.Query {
	q := query.New(cols("tag_id", "l.tag_id", "tag_name", "tag.name", "build_id", "l.build_id", "create_event", "l.create_event", "create_time", "made.time", "creator_name", "creator.name",
		"revoke_event", "l.revoke_event", "revoke_time", "ended.time", "revoker_name", "revoker.name"), "tag_listing l").Join("join tag on tag.id = l.tag_id").
		Join("left join events made on made.id = l.create_event").Join("left join events ended on ended.id = l.revoke_event").
		Join("left join users creator on creator.id = l.creator_id").Join("left join users revoker on revoker.id = l.revoker_id")
	if r.at != nil {
		q.Where("l.create_event <= ?", r.at.Event)
	}
	return q
}

// maxTaggings bounds a build's history of tags; ordinary builds are moved a dozen times.
const maxTaggings = 200

// buildTags gives the tags that the build is in under "now", and those that it was in under "past".
func buildTags(r *request, b query.Row) (any, error) {
	rows, _, err := r.rows(taggings(r).Where("l.build_id = ?", b["id"]).OrderBy("l.create_event desc, l.tag_id"), maxTaggings)
	if err != nil {
		return nil, err
	}
	out := map[string][]query.Row{"now": {}, "past": {}}
	for _, t := range rows {
		if e, gone := t["revoke_event"].(int64); gone && (r.at == nil || e <= r.at.Event) {
			out["past"] = append(out["past"], t)
		} else {
			out["now"] = append(out["now"], t)
		}
	}
	return out, nil
}

// archRPMs are the rpms of a build on one architecture.
type archRPMs struct {
	Arch string
	RPMs []query.Row
	Size int64
}

// buildRPMs gives the rpms by architecture, debuginfo last, each with the address of its file if there is one.
func buildRPMs(r *request, b query.Row) (any, error) {
	rows, err := r.stateful("rpminfo", cols("id", "rpminfo.id", "name", "rpminfo.name", "version", "rpminfo.version", "release", "rpminfo.release", "arch", "rpminfo.arch",
		"size", "rpminfo.size", "metadata_only", "rpminfo.metadata_only", "buildroot_id", "rpminfo.buildroot_id")).
		Where("rpminfo.build_id = ?", b["id"]).OrderBy("rpminfo.name ~ '-debug(info|source)$', rpminfo.name, rpminfo.id").All(r, r.db)
	if err != nil {
		return nil, err
	}
	byArch := map[string]*archRPMs{}
	var arches []string
	for _, p := range rows {
		arch := p["arch"].(string)
		if byArch[arch] == nil {
			byArch[arch] = &archRPMs{Arch: arch}
			arches = append(arches, arch)
		}
		byArch[arch].RPMs = append(byArch[arch].RPMs, p)
		byArch[arch].Size += p["size"].(int64)
		p["href"] = rpmHref(b, p)
	}
	archOrder(arches)
	out := []*archRPMs{}
	for _, a := range arches {
		out = append(out, byArch[a])
	}
	return out, nil
}

func buildPlace(b query.Row) storage.Build {
	volume, _ := b["volume_name"].(string)
	return storage.Build{Volume: volume, Name: b["package_name"].(string), Version: b["version"].(string), Release: b["release"].(string)}
}

// rpmHref is the address of an rpm's file, "" if there is no file: the build was deleted, or only its metadata was imported.
func rpmHref(b, p query.Row) string {
	if s, _ := b["state"].(int64); p["metadata_only"] == true || s == int64(koji.BuildDeleted) {
		return ""
	}
	arch := p["arch"].(string)
	place, err := buildPlace(b).RPM(arch, p["name"].(string)+"-"+p["version"].(string)+"-"+p["release"].(string)+"."+arch+".rpm")
	if err != nil {
		return ""
	}
	return fileHref(place)
}

// fileHref is the address of a file of the topdir.
func fileHref(p storage.Path) string {
	var elem []any
	for _, e := range strings.Split(p.String(), "/") {
		elem = append(elem, e)
	}
	return "/kojifiles" + join(elem)
}

// file is a file as lists of logs and of task output show it.
type file struct {
	Name   string // below its directory
	Volume string
	Size   int64
	Href   string // of the file itself
	Log    bool   // the log page can show it
}

// maxFiles bounds a listing: a task that puts out more is out of the ordinary, and all of it can be had through its directory.
const maxFiles = 500

// errEnough ends a walk.
var errEnough = errors.New("enough")

// listFiles gives the files under a directory, sorted by name; the notes of timestamps beside logs are left out.
func (r *request) listFiles(dir storage.Path, volume string) ([]file, error) {
	var out []file
	err := r.ui.cfg.Storage.Walk(dir, func(rel string, _ fs.DirEntry) error {
		if strings.HasSuffix(rel, "-ts.log") {
			return nil
		}
		if len(out) == maxFiles {
			return errEnough
		}
		f := file{Name: rel, Volume: volume, Log: isLog(rel)}
		p, err := dir.Join(strings.Split(rel, "/")...)
		if err != nil {
			return nil // no name that the file server would serve
		}
		st, err := r.ui.cfg.Storage.Stat(p)
		if err != nil || !st.Mode().IsRegular() {
			return nil // gone meanwhile, or a symlink to nowhere
		}
		f.Size, f.Href = st.Size(), fileHref(p)
		out = append(out, f)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// isLog tells whether a file is text that the log page shows.
func isLog(name string) bool {
	for _, s := range []string{".log", ".txt", ".cfg", ".json", ".spec", ".ini", ".conf", "/pkglist"} {
		if strings.HasSuffix("/"+name, s) {
			return true
		}
	}
	return false
}

// buildLogs gives the logs that were kept with the build.
func buildLogs(r *request, b query.Row) (any, error) {
	dir, err := buildPlace(b).Dir()
	if err != nil {
		return []file{}, nil // a name that no directory can have
	}
	if dir, err = dir.Join("data", "logs"); err != nil {
		return nil, err
	}
	return r.listFiles(dir, "")
}
