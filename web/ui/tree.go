package ui

import (
	"io"
	"regexp"
	"slices"
	"strings"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/query"
	"moromi/projections/task"
)

// treeTask is a task with what it made, for the tree.
type treeTask struct {
	query.Row
	Children []*treeTask
	Current  bool // the page is about this one
}

// State is the task's.
func (t *treeTask) State() koji.TaskState { return koji.TaskState(t.Row["state"].(int64)) }

// ids adds the ids of a tree to a set.
func (t *treeTask) ids(set map[int64]bool) {
	set[t.Row["id"].(int64)] = true
	for _, c := range t.Children {
		c.ids(set)
	}
}

// maxTree bounds the tasks of a tree that is shown: image and container builds make hundreds at most.
const maxTree = 1000

// tree gives a task with all below it, empty if it is not there.
func (r *request) tree(root int64) ([]*treeTask, error) {
	q := r.tasks().Where(`task.id in (with recursive tree(id) as (
		select ?::bigint union select t.id from task t join tree on t.parent = tree.id) select id from tree)`, root).OrderBy("task.id")
	rows, _, err := r.rows(q, maxTree)
	if err != nil {
		return nil, err
	}
	subjects(rows)
	all := map[int64]*treeTask{}
	top := []*treeTask{}
	for _, row := range rows { // children have higher ids than their parents
		t := &treeTask{Row: row}
		all[row["id"].(int64)] = t
		parent, _ := row["parent"].(int64)
		if p := all[parent]; p != nil {
			p.Children = append(p.Children, t)
		} else {
			top = append(top, t)
		}
	}
	return top, nil
}

// touchesTask tells whether a commit is about one of the tasks or makes a child of one.
func touchesTask(c *events.Commit, tasks map[int64]bool) bool {
	if !strings.HasPrefix(c.Stream, "task-") {
		return false
	}
	for _, e := range c.Events {
		switch e := e.(type) {
		case events.TaskCreated:
			if tasks[e.Parent] || tasks[e.ID] {
				return true
			}
		case events.TaskAssigned:
			return tasks[e.ID]
		case events.TaskOpened:
			return tasks[e.ID]
		case events.TaskFreed:
			return tasks[e.ID]
		case events.TaskClosed:
			return tasks[e.ID]
		case events.TaskFailed:
			return tasks[e.ID]
		case events.TaskCanceled:
			return tasks[e.ID]
		case events.TaskWaitStarted:
			return tasks[e.ID]
		case events.TaskWaitEnded:
			return tasks[e.ID]
		}
	}
	return false
}

// failure says why a task failed, as far as its fault tells.
type failure struct {
	Task  *treeTask
	Text  string   // the whole fault
	What  string   // the fault without cause and advice
	Phase string   // of the spec file: %build; "" if not known
	Lines []string // of a log that look like the cause
	Logs  []string // names of the logs to look into, the first one being where Lines are from
	// Guessed tells that the fault named no lines, and these were picked from the log's end.
	Guessed bool
}

// failures gives the failed tasks of a tree that did not fail only because a child did.
func (r *request) failures(tree []*treeTask) ([]failure, error) {
	out := []failure{}
	var walk func(t *treeTask) (bool, error)
	walk = func(t *treeTask) (bool, error) {
		below := false
		for _, c := range t.Children {
			f, err := walk(c)
			if err != nil {
				return false, err
			}
			below = below || f
		}
		if below || t.State() != koji.TaskFailed {
			return below, nil
		}
		f, err := r.failure(t)
		if err == nil {
			out = append(out, f)
		}
		return true, err
	}
	for _, t := range tree {
		if _, err := walk(t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *request) failure(t *treeTask) (failure, error) {
	_, err := task.Result(r, r.db, t.Row["id"].(int64))
	f := fault.Of(err)
	if f == nil && err != nil {
		r.unreadable(t.Row["id"].(int64), "fault", err)
	}
	text := ""
	if f != nil {
		text = f.Message
	}
	out := readFault(text)
	out.Task = t
	if len(out.Lines) == 0 {
		r.guess(&out)
	}
	return out, nil
}

// guessed is how many lines of a log are shown where the fault names none, as those of Koji's builders do.
const guessed = 3

// guess picks the last lines that stand out in the first log that has any, and puts that log first.
func (r *request) guess(f *failure) {
	dir, err := storage.TaskDir("", f.Task.Row["id"].(int64))
	if err != nil {
		return
	}
	for i, name := range f.Logs {
		file, err := r.openLog(dir, name)
		if err != nil {
			continue
		}
		st, err := file.Stat()
		if err == nil {
			f.Lines = standing(file, st.Size())
		}
		_ = file.Close() // it was only read
		if f.Guessed = len(f.Lines) > 0; f.Guessed {
			f.Logs[0], f.Logs[i] = f.Logs[i], f.Logs[0]
			return
		}
	}
}

// standing gives the last lines of a log that look like errors, each once, in their order.
func standing(file io.ReaderAt, size int64) []string {
	v, err := readLog(file, size, 0, "", false, nil)
	if err != nil {
		return nil
	}
	var out []string
	for i := len(v.Lines) - 1; i >= 0 && len(out) < guessed; i-- {
		text := strings.TrimSpace(v.Lines[i].Text)
		if v.Lines[i].Class == "error" && text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	slices.Reverse(out)
	return out
}

// The parts of a fault as our builder and Koji's word it:
//
//	error building package (arch x86_64), rpmbuild exited with status 1 in %build: first line; second line; see build.log for more information
var (
	seeLogs  = regexp.MustCompile(`[;,] see (\S+\.log(?: or \S+\.log)*) for more information\.?\s*$`)
	atPhase  = regexp.MustCompile(`^(.*?(?:status \d+|signal \d+|signal \S+)) in (%\w+)(?:: (.*))?$`)
	atStatus = regexp.MustCompile(`^(.*?(?:status \d+|signal \d+|signal \S+)): (.*)$`)
)

// readFault takes a fault apart.
func readFault(text string) failure {
	f := failure{Text: text, What: strings.TrimSpace(text)}
	if m := seeLogs.FindStringSubmatchIndex(f.What); m != nil {
		f.Logs = strings.Split(f.What[m[2]:m[3]], " or ")
		f.What = f.What[:m[0]]
	}
	cause := ""
	if m := atPhase.FindStringSubmatch(f.What); m != nil {
		f.What, f.Phase, cause = m[1], m[2], m[3]
	} else if m := atStatus.FindStringSubmatch(f.What); m != nil {
		f.What, cause = m[1], m[2]
	}
	for line := range strings.SplitSeq(cause, "; ") {
		if line = strings.TrimSpace(line); line != "" {
			f.Lines = append(f.Lines, line)
		}
	}
	return f
}
