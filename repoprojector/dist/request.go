package dist

import (
	"context"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/internal/xmlrpc"
	"moromi/projections/event"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
	tagmodel "moromi/projections/tag"
	taskmodel "moromi/projections/task"
	"moromi/repoprojector/repodata"
)

// request is what a distRepo task asks for.
type request struct {
	// tag, keys and opts are as the task has them, for its children.
	tag        any
	rawKeys    []any
	rawOpts    map[string]any
	order      *xmlrpc.Order
	repo       int64
	tagID      int64
	tagName    string // under which the repository's directory is
	event      int64
	made       time.Time       // that of the repository's event: made again, it has the same revision
	format     repodata.Format // of the metadata
	volume     string
	keys       []string // in lower case, the preferred ones first
	arches     []string // canonical
	state      koji.RepoState
	inherit    bool
	latest     int64 // builds of a package; 0: all
	split      bool  // debuginfo packages have a repository of their own
	skip       bool  // rpms without a signature of the keys are left out
	allow      bool  // they are there without
	write      bool  // signed copies are written
	multilib   storage.Path
	zck        bool
	zckDictDir string
	delta      []int64 // dist repositories that delta rpms are made against
}

// read reads the parameters of a distRepo task: tag, repo_id, keys, task_opts. Errors are faults, but for those of the database.
func (m *Maker) read(ctx context.Context, task int64) (*request, error) {
	doc, _, err := taskmodel.Documents(ctx, m.DB, task)
	if err != nil {
		return nil, err
	}
	_, params, order, err := xmlrpc.DecodeCallInOrder(strings.NewReader(doc), xmlrpc.Limits{})
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "the task's parameters cannot be read")
	}
	params, named := xmlrpc.SplitKwargs(params)
	args := map[string]any{}
	for i, name := range []string{"tag", "repo_id", "keys", "task_opts"} {
		if i < len(params) {
			args[name] = params[i]
		} else if v, ok := named[name]; ok {
			args[name] = v
		}
	}
	r := &request{tag: args["tag"], order: order}
	var ok bool
	if r.repo, ok = args["repo_id"].(int64); !ok {
		return nil, fault.New(fault.Parameter, "Invalid repo_id: %v", args["repo_id"])
	}
	r.rawKeys, _ = args["keys"].([]any)
	if r.rawOpts, ok = args["task_opts"].(map[string]any); !ok {
		return nil, fault.New(fault.Parameter, "Invalid task_opts: %v", args["task_opts"])
	}
	if err := r.readKeys(); err != nil {
		return nil, err
	}
	row, err := repomodel.Get(ctx, m.DB, r.repo, nil)
	if err != nil {
		return nil, err
	}
	if row == nil || row["dist"] != true {
		return nil, fault.New(fault.Generic, "No such dist repo: %d", r.repo)
	}
	return r, m.readRest(ctx, r, row)
}

// readRest reads the options, and what is known of the repository and its tag.
func (m *Maker) readRest(ctx context.Context, r *request, row query.Row) error {
	r.tagID, r.tagName, r.event = row["tag_id"].(int64), row["tag_name"].(string), row["create_event"].(int64)
	r.state = koji.RepoState(row["state"].(int64))
	if n, ok := r.rawOpts["event"].(int64); ok && n > 0 {
		r.event = n
	}
	if err := r.readOptions(); err != nil {
		return err
	}
	var err error
	if r.made, err = event.Time(ctx, m.DB, row["create_event"].(int64)); err != nil {
		return err
	}
	if len(r.arches) > 0 {
		return nil
	}
	tag, err := tagmodel.Get(ctx, m.DB, tagmodel.Spec{ID: r.tagID}, &r.event, false)
	if err != nil {
		return err
	}
	if tag == nil {
		return tagmodel.Missing(r.tagID)
	}
	arches, _ := tag["arches"].(string)
	for _, a := range strings.Fields(arches) {
		if err := r.addArch(a); err != nil {
			return err
		}
	}
	if len(r.arches) == 0 {
		return fault.New(fault.Generic, "No arches specified nor for the tag!")
	}
	return nil
}

func (r *request) readKeys() error {
	for _, v := range r.rawKeys {
		s, ok := v.(string)
		if !ok {
			return fault.New(fault.Parameter, "Invalid key: %v", v)
		}
		if s = strings.ToLower(s); s != "" { // that is how rpms without a signature are noted
			r.keys = append(r.keys, s)
		}
	}
	return nil
}

// readOptions reads the options by themselves. Those that were not given are as Koji's command line has them by default.
func (r *request) readOptions() error {
	o := r.rawOpts
	is := func(name string) bool { return xmlrpc.Truthy(o[name]) }
	r.split, r.skip, r.allow, r.write, r.zck = is("split_debuginfo"), is("skip_missing_signatures"), is("allow_missing_signatures"), is("write_signed_rpms"), is("zck")
	r.inherit, r.latest = true, 1
	if v, given := o["inherit"]; given {
		r.inherit = xmlrpc.Truthy(v)
	}
	if v, given := o["latest"]; given {
		r.latest = 0
		if n, ok := v.(int64); ok && n > 0 {
			r.latest = n
		} else if !ok && xmlrpc.Truthy(v) {
			r.latest = 1
		}
	}
	r.volume, _ = o["volume"].(string)
	r.zckDictDir, _ = o["zck_dict_dir"].(string)
	if is("multilib") {
		s, ok := o["multilib"].(string)
		if !ok {
			return fault.New(fault.Parameter, "Invalid multilib: the name of an uploaded file is expected")
		}
		dir, err := storage.Parse("work")
		if err != nil {
			return err
		}
		if r.multilib, err = storage.Under(dir, s); err != nil {
			return err
		}
	}
	if is("delta") {
		list, _ := o["delta"].([]any)
		for _, v := range list {
			id, ok := v.(int64)
			if !ok {
				return fault.New(fault.Parameter, "Invalid delta: %v", v)
			}
			r.delta = append(r.delta, id)
		}
		if len(list) == 0 {
			return fault.New(fault.Parameter, "Invalid delta: a list of repo ids is expected")
		}
	}
	if r.zckDictDir != "" && !r.zck {
		return fault.New(fault.Generic, "--zck-dict-dir makes no sense without --zck")
	}
	list, _ := o["arch"].([]any)
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return fault.New(fault.Parameter, "Invalid arch: %v", v)
		}
		if err := r.addArch(s); err != nil {
			return err
		}
	}
	return nil
}

// addArch adds an architecture, by its canonical name, if it is not there yet.
func (r *request) addArch(arch string) error {
	arch = koji.CanonArch(arch)
	if compatible(arch) == nil {
		return fault.New(fault.Generic, "Invalid arch: %s", arch)
	}
	for _, a := range r.arches {
		if a == arch {
			return nil
		}
	}
	r.arches = append(r.arches, arch)
	return nil
}

// place is the repository's directory.
func (r *request) place() (storage.Path, error) {
	return storage.Repo{Volume: r.volume, Tag: r.tagName, ID: r.repo, Dist: true}.Dir()
}
