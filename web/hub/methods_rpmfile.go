package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/rpm"
	"moromi/internal/storage"
	"moromi/projections/build"
	"moromi/projections/query"
	rpmmodel "moromi/projections/rpm"
)

// rpmFileMethods tell what stands in the headers of rpms; they read the files.
func rpmFileMethods(d Deps) []Method {
	return []Method{
		{Name: "getRPMDeps", Params: "rpmID, depType=None, queryOpts=None, strict=False", Auth: Anonymous, Help: "An rpm's dependencies, of one type or all.", Func: d.getRPMDeps},
		{Name: "listRPMFiles", Params: "rpmID, queryOpts=None", Auth: Anonymous, Help: "The files of an rpm.", Func: d.listRPMFiles},
		{Name: "getRPMFile", Params: "rpmID, filename, strict=False", Auth: Anonymous, Help: "One file of an rpm.", Func: d.getRPMFile},
		{Name: "getRPMHeaders", Params: "rpmID=None, taskID=None, filepath=None, headers=None, strict=False", Auth: Anonymous, Help: "Header fields of an rpm, or of a file in a task's output.", Func: d.getRPMHeaders},
		{Name: "getChangelogEntries", Params: "buildID=None, taskID=None, filepath=None, author=None, before=None, after=None, queryOpts=None, strict=False", Auth: Anonymous, Help: "The changelog of a build, or of a source rpm in a task's output.", Func: d.getChangelogEntries},
	}
}

// readHeader reads an rpm's header; nil if the file is not there.
func (d Deps) readHeader(p storage.Path) (*rpm.Header, error) {
	f, err := d.Storage.Open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	defer f.Close()
	h, err := rpm.ReadHeader(f)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "%s is not an rpm that can be read", p.Base())
	}
	return h, nil
}

// rpmHeader reads the header of an rpm of a build. It is nil, or with strict a fault, when there is no such rpm, it is external, its build was
// deleted or its file is missing.
func (d Deps) rpmHeader(c *Call, info any, strict bool) (query.Row, *rpm.Header, error) {
	row, err := d.findRPM(c, info)
	if err != nil {
		return nil, nil, err
	}
	refuse := func(format string) (query.Row, *rpm.Header, error) {
		if strict {
			return nil, nil, fault.New(fault.Generic, format, clip(pyRepr(info)))
		}
		return nil, nil, nil
	}
	if row == nil {
		return refuse("No such rpm: %s")
	}
	if row["external_repo_id"] != int64(0) {
		return refuse("The rpm is not internal: %s")
	}
	b, err := d.theBuild(c, row["build_id"])
	if err != nil {
		return nil, nil, err
	}
	if koji.BuildState(b["state"].(int64)) == koji.BuildDeleted {
		return refuse("The build of the rpm is deleted: %s")
	}
	p, err := treeOf(b).RPM(row["arch"].(string), fmt.Sprintf("%s-%s-%s.%s.rpm", row["name"], row["version"], row["release"], row["arch"]))
	if err != nil {
		return nil, nil, err
	}
	h, err := d.readHeader(p)
	if err == nil && h == nil {
		return refuse("Missing rpm file: %s")
	}
	return row, h, err
}

func (d Deps) getRPMDeps(c *Call, a Args) (any, error) {
	_, h, err := d.rpmHeader(c, a.Get("rpmID"), a.Bool("strict"))
	if err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	kind, err := a.IntOrNil("depType")
	if err != nil {
		return nil, err
	}
	rows := []query.Row{}
	if h != nil {
		var deps []rpm.Dependency
		if kind == nil {
			deps = h.Dependencies()
		} else {
			deps = h.Dependencies(rpm.DepType(*kind))
		}
		for _, x := range deps {
			rows = append(rows, query.Row{"name": x.Name, "version": x.Version, "flags": int64(x.Flags), "type": int64(x.Type)})
		}
	}
	return applyOpts(rows, o, []string{"name", "version", "flags", "type"})
}

// fileRows are the files of an rpm in listRPMFiles' shape.
func fileRows(h *rpm.Header) ([]query.Row, error) {
	files, err := h.Files()
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "the rpm's files cannot be read")
	}
	algo := h.DigestAlgo()
	rows := make([]query.Row, len(files))
	for i, f := range files {
		rows[i] = query.Row{"name": f.Name, "digest": f.Digest, "md5": f.Digest, "digest_algo": algo, "size": int64(f.Size), "flags": int64(f.Flags),
			"user": f.User, "group": f.Group, "mtime": int64(f.MTime), "mode": int64(f.Mode)}
	}
	return rows, nil
}

func (d Deps) listRPMFiles(c *Call, a Args) (any, error) {
	_, h, err := d.rpmHeader(c, a.Get("rpmID"), false)
	if err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	rows := []query.Row{}
	if h != nil {
		if rows, err = fileRows(h); err != nil {
			return nil, err
		}
	}
	return applyOpts(rows, o, []string{"name", "digest", "size", "flags", "digest_algo", "user", "group", "mtime", "mode"})
}

func (d Deps) getRPMFile(c *Call, a Args) (any, error) {
	row, h, err := d.rpmHeader(c, a.Get("rpmID"), a.Bool("strict"))
	if err != nil {
		return nil, err
	}
	name := a.Get("filename") // what is no text is no file's name
	if h != nil {
		rows, err := fileRows(h)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if r["name"] == name {
				r["rpm_id"] = row["id"]
				return r, nil
			}
		}
	}
	if a.Bool("strict") {
		return nil, fault.New(fault.Generic, "No file: %s found in RPM: %s", clip(pyRepr(name)), clip(pyRepr(a.Get("rpmID"))))
	}
	return query.Row{}, nil
}

// taskRPM is a file in a task's output, as taskID and filepath name it.
func taskRPM(a Args) (storage.Path, error) {
	id, err := a.Int("taskID")
	if err != nil {
		return storage.Path{}, err
	}
	rel, err := a.StringOr("filepath", "")
	if err != nil {
		return storage.Path{}, err
	}
	if rel == "" {
		return storage.Path{}, fault.New(fault.Generic, "filepath must be specified with taskID")
	}
	if strings.HasPrefix(rel, "/") || strings.Contains(rel, "../") {
		return storage.Path{}, fault.New(fault.Generic, "Invalid filepath: %s", clip(rel))
	}
	dir, err := storage.TaskDir(storage.DefaultVolume, id)
	if err != nil {
		return storage.Path{}, err
	}
	return storage.Parse(dir.String() + "/" + rel)
}

func (d Deps) getRPMHeaders(c *Call, a Args) (any, error) {
	h, err := d.namedHeader(c, a)
	if err != nil || h == nil {
		return query.Row{}, err
	}
	names := h.FieldNames()
	if !a.IsNil("headers") {
		if names, err = a.Reject(fault.Generic).Strings("headers"); err != nil {
			return nil, err
		}
	}
	out := query.Row{}
	for _, n := range names {
		v, err := h.Field(n)
		if err != nil {
			return nil, fault.New(fault.Generic, "No such rpm header field: %s", clip(n))
		}
		out[n] = printable(v)
	}
	return out, nil
}

// namedHeader reads the header that getRPMHeaders asks for, nil if it is not there and strict is not set.
func (d Deps) namedHeader(c *Call, a Args) (*rpm.Header, error) {
	strict := a.Bool("strict")
	switch {
	case a.Bool("rpmID"):
		_, h, err := d.rpmHeader(c, a.Get("rpmID"), strict)
		return h, err
	case a.Bool("taskID"):
		p, err := taskRPM(a)
		if err != nil {
			return nil, err
		}
		h, err := d.readHeader(p)
		if err == nil && h == nil && strict {
			err = fault.New(fault.Generic, "Missing rpm file: %s", p)
		}
		return h, err
	}
	return nil, fault.New(fault.Generic, "either rpmID or taskID and filepath must be specified")
}

// printable takes out of texts what cannot be shown (koji.removeNonprintable): XML could not carry it.
func printable(v any) any {
	switch v := v.(type) {
	case string:
		return strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
				return -1
			}
			return r
		}, v)
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = printable(s)
		}
		return out
	}
	return v
}

func (d Deps) getChangelogEntries(c *Call, a Args) (any, error) {
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	if o.Order == "date" || o.Order == "-date" {
		o.Order += "_ts" // by the time, not by its text
	}
	h, err := d.changelogHeader(c, a)
	if err != nil {
		return nil, err
	}
	rows := []query.Row{}
	if h == nil {
		return applyOpts(rows, o, nil)
	}
	keep, err := changeFilter(a)
	if err != nil {
		return nil, err
	}
	for _, ch := range h.Changelog() {
		if !keep(ch) {
			continue
		}
		rows = append(rows, query.Row{"date": time.Unix(ch.Time, 0).UTC().Format("2006-01-02 15:04:05"), "date_ts": ch.Time,
			"author": printable(ch.Author), "text": printable(ch.Text)})
	}
	return applyOpts(rows, o, []string{"date", "author", "text"})
}

// changeFilter reads author, before and after.
func changeFilter(a Args) (func(rpm.Change) bool, error) {
	author, err := a.StringOr("author", "")
	if err != nil {
		return nil, err
	}
	var before, after *time.Time
	for name, to := range map[string]**time.Time{"before": &before, "after": &after} {
		if !a.Bool(name) {
			continue
		}
		if *to, err = a.Reject(fault.Generic).Time(name); err != nil {
			return nil, err
		}
	}
	return func(ch rpm.Change) bool {
		return (author == "" || ch.Author == author) && (before == nil || ch.Time < before.Unix()) && (after == nil || ch.Time > after.Unix())
	}, nil
}

// changelogHeader reads the source rpm that getChangelogEntries asks for, nil if it is not there and strict is not set.
func (d Deps) changelogHeader(c *Call, a Args) (*rpm.Header, error) {
	strict := a.Bool("strict")
	if !a.Bool("buildID") {
		if !a.Bool("taskID") {
			return nil, fault.New(fault.Generic, "either buildID or taskID and filepath must be specified")
		}
		p, err := taskRPM(a)
		if err != nil {
			return nil, err
		}
		h, err := d.readHeader(p)
		if err == nil && h == nil && strict {
			err = fault.New(fault.Generic, "SRPM %s doesn't exist", p)
		}
		return h, err
	}
	s, err := build.ParseSpec(a.Get("buildID"))
	if err != nil {
		return nil, err
	}
	b, err := build.Get(c.Context(), d.DB, s, nil)
	if err != nil {
		return nil, err
	}
	if b == nil {
		if strict {
			return nil, fault.New(fault.Generic, "No such build: %s", s)
		}
		return nil, nil
	}
	id := b["build_id"].(int64)
	res, err := rpmmodel.List(c.Context(), d.DB, rpmmodel.Filter{Build: &id, Arches: []string{"src"}}, nil, query.Opts{})
	if err != nil {
		return nil, err
	}
	rows := res.([]query.Row)
	if len(rows) == 0 {
		if strict {
			return nil, fault.New(fault.Generic, "Build %s doesn't have srpms", s)
		}
		return nil, nil
	}
	_, h, err := d.rpmHeader(c, rows[0]["id"], strict)
	return h, err
}
