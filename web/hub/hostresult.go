package hub

import (
	"maps"
	"slices"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
)

// results reads a struct that a builder sends; get… methods read its members and keep the first mistake.
type results struct {
	row query.Row
	err error
}

func resultsOf(v any) *results {
	row, ok := v.(map[string]any)
	if !ok {
		return &results{err: fault.New(fault.Parameter, "Invalid type for results: %s", pyType(v))}
	}
	return &results{row: row}
}

func (r *results) wrong(key string) {
	if r.err == nil {
		r.err = fault.New(fault.Parameter, "Invalid value for %s: %s", key, clip(pyRepr(r.row[key])))
	}
}

func (r *results) int(key string) int64 {
	n, ok := r.row[key].(int64)
	if !ok {
		r.wrong(key)
	}
	return n
}

func (r *results) text(key string) string {
	s, ok := r.row[key].(string)
	if !ok {
		r.wrong(key)
	}
	return s
}

// texts is a list of texts.
func (r *results) texts(key string) []string {
	list, ok := r.row[key].([]any)
	if !ok {
		r.wrong(key)
	}
	return r.list(key, list)
}

func (r *results) list(key string, list []any) []string {
	out := make([]string, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			r.wrong(key)
		}
		out[i] = s
	}
	return out
}

func (r *results) struc(key string) map[string]any {
	m, ok := r.row[key].(map[string]any)
	if !ok {
		r.wrong(key)
	}
	return m
}

func (r *results) delivered() commands.Delivered { return commands.Delivered{TaskID: r.int("task_id")} }

func mavenResults(a Args) (commands.MavenResults, error) {
	r := resultsOf(a.Get("maven_results"))
	m := commands.MavenResults{Delivered: r.delivered(), BuildrootID: r.int("buildroot_id"), Logs: r.texts("logs"), Files: map[string][]string{}}
	for dir, v := range r.struc("files") {
		list, ok := v.([]any)
		if !ok {
			r.wrong("files")
		}
		m.Files[dir] = r.list("files", list)
	}
	return m, r.err
}

func winResults(a Args) (commands.WinResults, error) {
	r := resultsOf(a.Get("results"))
	w := commands.WinResults{Delivered: r.delivered(), BuildrootID: r.int("buildroot_id"), Logs: r.texts("logs"), Output: map[string]events.WinInfo{}}
	for rel, v := range r.struc("output") {
		m, ok := v.(map[string]any)
		if !ok {
			r.wrong("output")
			break
		}
		m = maps.Clone(m)
		m["relpath"] = "" // the path has it
		info, err := commands.ReadWinInfo(m)
		if err != nil {
			return w, err
		}
		w.Output[rel] = *info
	}
	return w, r.err
}

// wrapperResults reads the rpms that wrap a build; nil for none.
func wrapperResults(v any) (*commands.WrapperRPMs, error) {
	if !xmlrpc.Truthy(v) {
		return nil, nil
	}
	r := resultsOf(v)
	w := &commands.WrapperRPMs{Delivered: r.delivered(), SRPM: r.text("srpm"), RPMs: r.texts("rpms"), Logs: r.texts("logs")}
	if id := r.row["buildroot_id"]; id != nil {
		n := r.int("buildroot_id")
		w.BuildrootID = &n
	}
	return w, r.err
}

// imageResults reads the images of a build by architecture. One without a task failed and was allowed to.
func imageResults(c *Call, a Args) ([]commands.ImageResult, error) {
	all, err := a.Map("results")
	if err != nil {
		return nil, err
	}
	if all == nil {
		return nil, a.wrong("results", "dict")
	}
	var out []commands.ImageResult
	for _, key := range slices.Sorted(maps.Keys(all)) {
		r := resultsOf(all[key])
		if r.err != nil {
			return nil, r.err
		}
		if _, there := r.row["task_id"]; !there {
			continue
		}
		img := commands.ImageResult{Delivered: r.delivered(), Arch: r.text("arch"), Files: r.texts("files")}
		for _, v := range r.anything("rpmlist") {
			x, err := listedRPM(v)
			if err != nil {
				return nil, err
			}
			img.RPMs = append(img.RPMs, x)
		}
		if img.Wrapper, err = wrapperResults(r.row["rpmresults"]); err != nil {
			return nil, err
		}
		if r.err != nil {
			return nil, r.err
		}
		out = append(out, img)
	}
	return out, nil
}

// anything is a list of whatever.
func (r *results) anything(key string) []any {
	list, ok := r.row[key].([]any)
	if !ok {
		r.wrong(key)
	}
	return list
}
