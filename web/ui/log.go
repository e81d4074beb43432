package ui

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/build"
	"moromi/projections/query"
)

// What of a log is read and shown.
const (
	// logWindow is how much of a log a page shows at once.
	logWindow = 256 << 10
	// lineMost is how much of one line is shown; what is left out is said.
	lineMost = 4 << 10
	// countMost is how much of a log is read to number its lines: a tenth of a second from the page cache. Beyond it lines have no numbers.
	countMost = 512 << 20
	// findMost is how much of a log's end is searched for a line: what the diagnosis of a failure looks at, and as much again.
	findMost = 2 << 20
	// findBefore is how much of the window is before a line that was searched for.
	findBefore = 64 << 10
	// stampsMost bounds the notes of timestamps that are read: about a day of a busy log.
	stampsMost = 4 << 20
)

// logLine is one line of a log.
type logLine struct {
	N     int64  `json:"n,omitempty"` // from 1; 0 if not known
	Text  string `json:"t"`
	Cut   int    `json:"cut,omitempty"` // how many bytes of it are not shown
	Class string `json:"c,omitempty"`   // "error", "warning" or ""
	Time  string `json:"s,omitempty"`   // when it was written, "" if not known
	Found bool   `json:"-"`
}

// logView is a window on a log.
type logView struct {
	Lines []logLine
	// Start and End are the window's place in bytes, Size the file's.
	Start, End, Size int64
	// Next is the number of the line after the window, 0 if not known.
	Next int64
	// AtEnd tells that nothing whole comes after the window.
	AtEnd bool
}

// stamp says that a log had reached an offset at a time.
type stamp struct{ at, offset int64 }

// readStamps reads the notes beside a log, lines of Unix time and offset (kojid's log_timestamps). Lines of another form are left out.
func readStamps(r io.Reader) []stamp {
	data, err := io.ReadAll(io.LimitReader(r, stampsMost))
	if err != nil {
		return nil
	}
	var out []stamp
	for line := range bytes.Lines(data) {
		a, b, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
		at, err1 := strconv.ParseInt(a, 10, 64)
		offset, err2 := strconv.ParseInt(b, 10, 64)
		if ok && err1 == nil && err2 == nil {
			out = append(out, stamp{at, offset})
		}
	}
	return out
}

// clockOf gives the time of the line at an offset: of the first note that the log had gone past it. stamps is cut to what later lines need.
func clockOf(stamps *[]stamp, offset int64) string {
	for len(*stamps) > 0 && (*stamps)[0].offset <= offset {
		*stamps = (*stamps)[1:]
	}
	if len(*stamps) == 0 {
		return ""
	}
	return time.Unix((*stamps)[0].at, 0).UTC().Format("15:04:05")
}

// readLog gives a window of a log that ends at end (0: the file's end) or, with find, is around a line that begins with that. With growing, a
// last line that is not ended yet is left out: it will come whole.
func readLog(f io.ReaderAt, size, end int64, find string, growing bool, stamps []stamp) (*logView, error) {
	start, found := int64(0), int64(-1)
	if find != "" {
		var err error
		if found, err = findLine(f, size, find); err != nil {
			return nil, err
		}
	}
	switch {
	case found >= 0:
		start, end = max(0, found-findBefore), min(size, found-findBefore+logWindow)
	case end <= 0 || end > size:
		start, end = max(0, size-logWindow), size
	default:
		start = max(0, end-logWindow)
	}
	data := make([]byte, end-start)
	n, err := f.ReadAt(data, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read log: %w", err)
	}
	data = data[:n]
	if start > 0 { // begin with a whole line
		if i := bytes.IndexByte(data, '\n'); i >= 0 && int64(i+1) < int64(len(data)) {
			data, start = data[i+1:], start+int64(i)+1
		}
	}
	atEnd := start+int64(len(data)) == size
	if growing && atEnd {
		data = data[:bytes.LastIndexByte(data, '\n')+1]
	}
	first, err := lineNumber(f, start)
	if err != nil {
		return nil, err
	}
	v := &logView{Start: start, End: start + int64(len(data)), Size: size, AtEnd: atEnd}
	v.Lines, v.Next = splitLog(data, start, first, stamps)
	offset := start
	for i, raw := range bytes.SplitAfter(data, []byte("\n")) {
		if offset == found && i < len(v.Lines) {
			v.Lines[i].Found = true
		}
		offset += int64(len(raw))
	}
	return v, nil
}

// lineNumber is the number of the line that begins at an offset, 0 if that would mean to read too much.
func lineNumber(f io.ReaderAt, offset int64) (int64, error) {
	if offset > countMost {
		return 0, nil
	}
	n := int64(1)
	buf := make([]byte, 256<<10)
	for at := int64(0); at < offset; {
		k, err := f.ReadAt(buf[:min(int64(len(buf)), offset-at)], at)
		n += int64(bytes.Count(buf[:k], []byte{'\n'}))
		at += int64(k)
		if errors.Is(err, io.EOF) || k == 0 {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("count lines: %w", err)
		}
	}
	return n, nil
}

// splitLog makes lines of a piece of a log that begins at an offset with the line of the number n, and tells the number after them.
func splitLog(data []byte, offset, n int64, stamps []stamp) (lines []logLine, next int64) {
	for raw := range bytes.Lines(data) {
		text := cleanLine(raw)
		l := logLine{N: n, Time: clockOf(&stamps, offset)}
		if len(text) > lineMost {
			at := lineMost
			for !utf8.RuneStart(text[at]) {
				at--
			}
			l.Cut, text = len(text)-at, text[:at]
		}
		l.Text, l.Class = text, classify(text)
		lines = append(lines, l)
		offset += int64(len(raw))
		if n > 0 {
			n++
		}
	}
	return lines, n
}

// colour matches terminal sequences.
var colour = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)")

// cleanLine is a line as valid text without control characters. Of a progress display that goes back to the line's start, the end is kept.
func cleanLine(raw []byte) string {
	s := strings.TrimRight(string(raw), "\r\n")
	if i := strings.LastIndexByte(s, '\r'); i >= 0 {
		s = s[i+1:]
	}
	s = strings.ToValidUTF8(colour.ReplaceAllString(s, ""), "\uFFFD")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// What lines stand out: compilers, linkers, make, rpmbuild, dnf, test suites. Words in file names and options do not count.
var (
	errorLine = regexp.MustCompile(`(?i)(?:^|[\s:\]>])(?:fatal |internal compiler )?error(?:\[\w+\])?:|^error\b|^e: |undefined reference to|multiple definition of|: command not found$|cannot find -l|` +
		`No such file or directory$|^\s*(?:g?make|ninja)(?:\[\d+\])?: (?:\*\*\*|stopped)|^(?:FAIL|FAILED|XPASS):? |^--- FAIL|^not ok |^panic: |Traceback \(most recent|Bad exit status|No matching package|` +
		`nothing provides|No space left on device|Segmentation fault|^Child return code was: [1-9]|Exception\(`)
	warningLine = regexp.MustCompile(`(?i)\bwarning(?:\[\w+\])?:|^warn(?:ing)?\b|\bdeprecated\b`)
	harmless    = regexp.MustCompile(`(?i)\b0 errors?\b|no errors?\b|ignored\)$|^checking |^\+ `)
)

// hints returns texts of which every line that errorLine or warningLine takes has one, in lower case: looking for them is a hundred times
// quicker than the expressions, and most lines have none.
func hints() []string {
	return []string{"err", "e: ", "fail", "xpass", "undefined ref", "multiple def", "not found", "cannot find", "no such file", ": ***", "stopped", "not ok", "panic", "traceback",
		"bad exit", "no matching", "nothing provides", "no space", "segmentation", "child return", "exception(", "warn", "deprecated"}
}

func hinted(text string) bool {
	text = strings.ToLower(text)
	for _, h := range hints() {
		if strings.Contains(text, h) {
			return true
		}
	}
	return false
}

func classify(text string) string {
	switch {
	case !hinted(text):
		return ""
	case errorLine.MatchString(text) && !harmless.MatchString(text):
		return "error"
	case warningLine.MatchString(text):
		return "warning"
	}
	return ""
}

// findLine gives the offset of the first line in a log's end that begins with the text once blanks are taken off, -1 if there is none.
func findLine(f io.ReaderAt, size int64, text string) (int64, error) {
	text = strings.TrimSpace(strings.TrimSuffix(text, " …")) // the mark of a line that the diagnosis cut
	from := max(0, size-findMost)
	data := make([]byte, size-from)
	n, err := f.ReadAt(data, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return -1, fmt.Errorf("search log: %w", err)
	}
	offset := from
	for raw := range bytes.Lines(data[:n]) {
		line := strings.TrimSpace(cleanLine(raw))
		if line != "" && (strings.HasPrefix(line, text) || len(line) > 20 && strings.HasPrefix(text, line)) {
			return offset, nil
		}
		offset += int64(len(raw))
	}
	return -1, nil
}

// openLog opens a log for reading.
func (r *request) openLog(dir storage.Path, name string) (*os.File, error) {
	gone := r.missing("log", name)
	if name == "" {
		return nil, gone
	}
	p, err := dir.Join(strings.Split(name, "/")...)
	if err != nil {
		return nil, gone
	}
	f, err := r.ui.cfg.Storage.Open(p)
	if err != nil {
		return nil, gone
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		_ = f.Close() // it was only read
		return nil, gone
	}
	return f, nil
}

// stamps gives the notes of timestamps beside a log, none if there are none.
func (r *request) stamps(dir storage.Path, name string) []stamp {
	p, err := dir.Join(strings.Split(name+"-ts.log", "/")...)
	if err != nil {
		return nil
	}
	f, err := r.ui.cfg.Storage.Open(p)
	if err != nil {
		return nil // most logs have none
	}
	defer f.Close()
	return readStamps(f)
}

// logData is what the log page shows. growing tells that the log may still be written.
func (r *request) logData(dir storage.Path, name, path string, growing bool) (map[string]any, error) {
	f, err := r.openLog(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat log: %w", err)
	}
	stamps := r.stamps(dir, name)
	end := int64(0)
	if e := r.number("end"); e != nil {
		end = *e
	}
	v, err := readLog(f, st.Size(), end, r.arg("find"), growing, stamps)
	if err != nil {
		return nil, err
	}
	p, err := dir.Join(strings.Split(name, "/")...)
	if err != nil {
		return nil, err
	}
	data := map[string]any{"log": v, "name": name, "raw": fileHref(p), "earlier": "", "latest": "", "follow": "", "find": r.arg("find"), "stamped": len(stamps) > 0, "path": path}
	link := frame{At: r.at}
	kept := r.keep("end", "find")
	if v.Start > 0 {
		data["earlier"] = link.link(path, append(kept[:len(kept):len(kept)], "end", strconv.FormatInt(v.Start, 10)))
	}
	if !v.AtEnd {
		data["latest"] = link.link(path, kept)
	}
	return data, nil
}

func taskLog(r *request) (*page, error) {
	t, err := r.findTask()
	if err != nil {
		return nil, err
	}
	id := t["id"].(int64)
	dir, err := storage.TaskDir(r.arg("volume"), id)
	if err != nil {
		return nil, r.missing("log", r.arg("file"))
	}
	files, err := r.output(id)
	if err != nil {
		return nil, err
	}
	path := join([]any{"task", id, "log"})
	name := r.arg("file")
	growing := r.at == nil && !koji.TaskState(t["state"].(int64)).Finished()
	data, err := r.logData(dir, name, path, growing)
	if p := (*problem)(nil); errors.As(err, &p) {
		if to, berr := r.movedLog(t, name); berr != nil || to != "" {
			return &page{Redirect: to}, berr
		}
	}
	if err != nil {
		return nil, err
	}
	data["task"], data["build"], data["files"] = t, nil, files
	v := data["log"].(*logView)
	p := &page{Title: name + " of task " + strconv.FormatInt(id, 10), Template: "log", Data: data, Scripts: []string{"log.js"}}
	if growing && v.AtEnd {
		data["follow"] = (&frame{}).link(path+"/live", append(r.keep("end", "find"), "offset", strconv.FormatInt(v.End, 10), "line", strconv.FormatInt(v.Next, 10)))
	}
	return p, nil
}

// movedLog is where a log of a task is shown that was moved to the build that the task made: under the task's label or architecture. It is ""
// if there is no such log.
func (r *request) movedLog(t query.Row, name string) (string, error) {
	root, err := r.root(t["id"].(int64))
	if err != nil {
		return "", err
	}
	found, _, err := r.rows(r.builds().Where("build.task_id = ? and build.state = ?", root, int64(koji.BuildComplete)).OrderBy("build.id desc"), 1)
	if err != nil || len(found) == 0 {
		return "", err
	}
	b, err := build.Get(r, r.db, build.Spec{ID: found[0]["id"].(int64)}, r.event())
	if err != nil {
		return "", err
	}
	label, _ := t["label"].(string)
	for _, arch := range []string{label, t["arch"].(string)} {
		dir, err := buildPlace(b).Logs(arch)
		if err != nil {
			continue
		}
		f, err := r.openLog(dir, name)
		if err == nil {
			link := frame{At: r.at}
			return link.link(join([]any{"build", b["build_id"], "log"}), append(r.keep("file", "volume", "end"), "file", arch+"/"+name)), f.Close()
		}
	}
	return "", nil
}

func buildLog(r *request) (*page, error) {
	b, err := r.findBuild()
	if err != nil {
		return nil, err
	}
	dir, err := buildPlace(b).Dir()
	if err != nil {
		return nil, r.missing("log", r.arg("file"))
	}
	if dir, err = dir.Join("data", "logs"); err != nil {
		return nil, err
	}
	files, err := r.listFiles(dir, "")
	if err != nil {
		return nil, err
	}
	data, err := r.logData(dir, r.arg("file"), join([]any{"build", b["id"], "log"}), false)
	if err != nil {
		return nil, err
	}
	data["task"], data["build"], data["files"] = nil, b, files
	return &page{Title: r.arg("file") + " of " + b["nvr"].(string), Template: "log", Data: data, Scripts: []string{"log.js"}}, nil
}
