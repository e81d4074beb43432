package hub

import (
	"strconv"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/maven"
)

// rootCall is what the calls about a buildroot have in common: the host whose it is and, if it names one, the task that it was made for.
type rootCall struct {
	actor    commands.Actor
	host, id int64
	task     *int64
}

// rootCall reads who calls about which buildroot. As in Koji, the task is looked at first, then the buildroot and whose it is, and only then
// what is said about it.
func (d Deps) rootCall(c *Call, a Args) (r rootCall, err error) {
	if r.host, r.task, err = d.hostTask(c, a); err != nil {
		return r, err
	}
	if r.id, err = a.Int("brootid"); err != nil {
		return r, err
	}
	if r.actor, err = d.actor(c); err != nil {
		return r, err
	}
	return r, d.Service.OwnsBuildroot(c.Context(), r.actor, r.host, r.id, r.task)
}

// hostTask gives the calling host and the task that it names, which it must have open; nil if it names none.
func (d Deps) hostTask(c *Call, a Args) (host int64, task *int64, err error) {
	if host, err = c.RequireHost(); err != nil {
		return 0, nil, err
	}
	if task, err = a.IntOrNil("task_id"); err != nil || task == nil {
		return host, nil, err
	}
	return host, task, d.Service.OwnsTask(c.Context(), *task, host)
}

// taskRootCall is rootCall where a task must be named.
func (d Deps) taskRootCall(c *Call, a Args) (rootCall, error) {
	if _, err := a.Int("task_id"); err != nil {
		return rootCall{}, err
	}
	return d.rootCall(c, a)
}

func (d Deps) hostListRootArchives(c *Call, a Args) (any, error) {
	root, err := d.taskRootCall(c, a)
	if err != nil {
		return nil, err
	}
	if d.NoMaven && d.NoWin {
		return nil, fault.New(fault.Generic, "non-rpm support is not enabled")
	}
	list, err := a.List("archives")
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(list))
	for i, v := range list {
		r := resultsOf(v)
		if r.err == nil {
			ids[i] = r.int("id")
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	return nil, d.Service.ListRootArchives(c.Context(), root.actor, root.host, *root.task, root.id, ids, a.Bool("project"))
}

func (d Deps) hostListMavenRoot(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	root, err := d.taskRootCall(c, a)
	if err != nil {
		return nil, err
	}
	in := commands.MavenRoot{HostID: root.host, TaskID: *root.task, BuildrootID: root.id, Project: a.Bool("project"), IgnoreUnknown: a.Bool("ignore_unknown")}
	if in.Files, err = mavenFiles(a, "mavenlist"); err != nil {
		return nil, err
	}
	if in.Ignore, err = mavenFiles(a, "ignore"); err != nil {
		return nil, err
	}
	extra, err := a.List("extra_deps")
	if err != nil {
		return nil, err
	}
	for _, v := range extra {
		if id, ok := v.(int64); ok { // a task; a build is named
			in.ExtraTasks = append(in.ExtraTasks, id)
		} else {
			in.ExtraBuilds = append(in.ExtraBuilds, v)
		}
	}
	return nil, d.Service.ListMavenRoot(c.Context(), root.actor, in)
}

// mavenFiles reads lists of files by artifact: structs of maven_info and files, these structs of path, filename and size.
func mavenFiles(a Args, param string) ([]commands.MavenFiles, error) {
	list, err := a.List(param)
	if err != nil {
		return nil, err
	}
	out := make([]commands.MavenFiles, len(list))
	for i, v := range list {
		r := resultsOf(v)
		if r.err != nil {
			return nil, r.err
		}
		c, ok := maven.FromRow(r.struc("maven_info"))
		if !ok {
			r.wrong("maven_info")
		}
		out[i].Coordinates = c
		for _, f := range r.anything("files") {
			file := resultsOf(f)
			if file.err != nil {
				return nil, file.err
			}
			path, _ := file.row["path"].(string) // only for messages
			out[i].Files = append(out[i].Files, commands.MavenFile{Path: path, Name: file.text("filename"), Size: file.size("size")})
			if file.err != nil {
				return nil, file.err
			}
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	return out, nil
}

// size is a number of bytes, as text where it may pass 32 bits.
func (r *results) size(key string) int64 {
	if s, ok := r.row[key].(string); ok {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			r.wrong(key)
		}
		return n
	}
	return r.int(key)
}
