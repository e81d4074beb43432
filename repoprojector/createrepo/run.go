package createrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"moromi/repoprojector/repodata"
)

// run is one run of the program.
type run struct {
	Options
	out        *os.Root // the output directory
	state      *os.Root // the directory of the state, nil if none is kept
	now        int64    // the time of files in repomd.xml
	compressor *repodata.Compressor
	report     Report
	total      int          // rpms to read
	read       atomic.Int64 // rpms that were read
	mu         sync.Mutex
	told       map[string]bool // of which packages Problem was told
	// step, if set, is called before each change on disk: a test ends the process there.
	onStep func(what string)
}

func (r *run) step(what string) {
	if r.onStep != nil {
		r.onStep(what)
	}
}

func (r *run) problem(name string, err error) {
	r.mu.Lock()
	again := r.told[name]
	r.told[name] = true
	r.mu.Unlock()
	if r.Problem != nil && !again {
		r.Problem(name, err)
	}
}

func (r *run) warn(err error) {
	if r.Warn != nil {
		r.Warn(err)
	}
}

func (r *run) done() {
	n := int(r.read.Add(1))
	if r.Progress != nil {
		r.Progress(min(n, r.total), r.total)
	}
}

// Run makes the repository. Packages that cannot be read are left out and counted in the report. If it returns an
// error, the old repository is as it was.
func Run(ctx context.Context, o Options) (*Report, error) { return start(ctx, o, nil) }

func start(ctx context.Context, o Options, onStep func(string)) (rep *Report, err error) {
	r := &run{Options: o, onStep: onStep, told: map[string]bool{}}
	if err := r.complete(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(r.Dir); err != nil {
		return nil, fmt.Errorf("open the rpms' directory: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", r.Dir)
	}
	r.now = r.Clock().Unix()
	if r.Revision == "" {
		r.Revision = strconv.FormatInt(r.now, 10)
	}
	if r.TimestampRevision {
		r.now, _ = strconv.ParseInt(r.Revision, 0, 64) // checked by complete
	}
	if r.compressor, err = repodata.NewCompressor(r.Compression); err != nil {
		return nil, err
	}
	unlock, err := r.lock()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if r.Update {
		if r.state, err = r.openState(); err != nil {
			return nil, err
		}
		defer r.state.Close()
	}
	if err := r.make(ctx); err != nil {
		return nil, err
	}
	r.report.Bad = len(r.told)
	return &r.report, nil
}

// make writes the repository beside the old one, and puts it in its place.
func (r *run) make(ctx context.Context) error {
	names, err := r.list()
	if err != nil {
		return err
	}
	temp, err := r.makeTemp()
	if err != nil {
		return err
	}
	defer func() { _ = r.out.RemoveAll(temp) }() // the next run would do it
	dir := temp + "/" + repodataDir
	files, next, err := r.writeLists(ctx, dir, names)
	if err != nil {
		return err
	}
	group, err := r.writeGroup(dir)
	if err != nil {
		return err
	}
	if err := r.writeIndex(ctx, temp, append(files, group...)); err != nil {
		return err
	}
	if next != nil {
		if err := r.saveTable(next); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.publish(temp); err != nil {
		return err
	}
	if r.state == nil {
		return nil
	}
	return r.cleanState(next)
}

// writeLists writes the files that list packages: with the kept state as far as it goes, else without.
func (r *run) writeLists(ctx context.Context, dir string, names []string) ([]file, *table, error) {
	if !r.Update {
		return r.attempt(ctx, dir, names, nil)
	}
	old, err := r.load()
	if err == nil {
		var files []file
		var next *table
		files, next, err = r.attempt(ctx, dir, names, old)
		old.close()
		if err == nil {
			return files, next, nil
		}
	}
	if !errors.Is(err, errState) && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	r.report.Whole = err
	return r.attempt(ctx, dir, names, nil)
}

// attempt writes the files that list packages; again without them if rpms turn out to be unreadable.
func (r *run) attempt(ctx context.Context, dir string, names []string, old *kept) ([]file, *table, error) {
	var t *table
	if old != nil {
		t = old.table
	}
	entries, err := r.plan(ctx, names, t)
	if err != nil {
		return nil, nil, err
	}
	for {
		r.read.Store(0)
		r.total = 0
		for i := range entries {
			if entries[i].old == unknown {
				r.total++
			}
		}
		files, next, err := r.assemble(ctx, dir, entries, old)
		if err != nil {
			return nil, nil, err
		}
		if files != nil {
			if next != nil {
				next.finish(entries)
			}
			return files, next, nil
		}
		entries = slices.DeleteFunc(entries, func(e entry) bool { return e.bad })
	}
}
