// Package diagnosis finds, in the logs of a failed build, the lines that a packager would look for: why it failed.
// It reads text that a build wrote, so it treats it as data only, with bounds on everything.
package diagnosis

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Limits of what is read and told.
const (
	// maxRead is how much of a log's end is read: parallel builds go on for a while after the first error.
	maxRead = 512 << 10
	// maxLines and maxLine bound the answer: it becomes part of a task's fault text.
	maxLines, maxLine = 3, 300
	// maxScan is how much of a line is looked at: errors stand at its beginning, command lines of kilobytes are no errors.
	maxScan = 2 << 10
)

// Cause is what a log says about a failure.
type Cause struct {
	// Phase is the part of the spec that failed: "%prep", "%build", "%install", "%check" …, "" if the log does not say.
	Phase string
	// Lines are the lines that look like the cause, in the log's order; none if nothing was recognised.
	Lines []string
}

// String is the cause in one line: "in %build: /usr/bin/ld: cannot find -lfoo". Empty if nothing is known.
func (c Cause) String() string {
	text := strings.Join(c.Lines, "; ")
	switch {
	case c.Phase == "":
		return text
	case text == "":
		return "in " + c.Phase
	default:
		return "in " + c.Phase + ": " + text
	}
}

// rule recognises one kind of line. Rules stand in order of how likely such a line is the cause and not a consequence.
type rule struct {
	match *regexp.Regexp
	// follow takes the indented lines after the match instead of the match itself.
	follow bool
}

// rules are compiled for each Find: they are few, and a failed build is rare.
func rules() []rule {
	r := func(expr string) rule { return rule{match: regexp.MustCompile(expr)} }
	return []rule{
		// The machine, not the package.
		r(`No space left on device|Cannot allocate memory|virtual memory exhausted|out of memory|Killed signal terminated program|^Killed$|(?i)internal compiler error`),
		// Build dependencies.
		r(`No matching package to install:|No match for argument:|nothing provides .+ needed by`),
		{match: regexp.MustCompile(`error: Failed build dependencies:`), follow: true},
		// Repository and transaction.
		r(`^Error: (?:Failed to download|Cannot download|Transaction|Error downloading)|Curl error|Status code: [45]\d\d|conflicts with file from package`),
		// Linkers.
		r(`\bld(?:\.\w+)?: (?:cannot find|unrecognized|.*undefined reference)|undefined reference to|multiple definition of|^ld: library not found|rust-lld: error`),
		// Compilers: file:line:column: error.
		r(`^\S+:\d+(?::\d+)?: (?:fatal )?error: `),
		r(`^error(?:\[E\d+\])?: (?:could not compile|cannot find|expected|unresolved|mismatched|the trait|no method|failed to (?:resolve|select|load|run custom))|^error\[E\d+\]: `),
		r(`^\S+\.go:\d+:\d+: |^\S+\.java:\d+: error: |^.*\.hs:\d+:\d+: error|^\S+\(\d+\): error`),
		// Configuration.
		r(`^(?:checking .*)?configure: error: |^CMake Error|^\S*meson\.build:\d+:\d+: ERROR: |^Package '?\S+'?,? (?:required by .* )?(?:not found|was not found)|^Could NOT find `),
		// Sources and patches.
		r(`^error: Bad (?:source|file): |^error: File .*: No such file or directory|^\d+ out of \d+ hunks? (?:FAILED|failed)|^Hunk #\d+ FAILED|can't find file to patch|patch: \*\*\*\* |^tar: .*(?:Cannot open|not found in archive|not look like)|^(?:gzip|xz|bzip2|unzip|cpio): .*(?:not in|corrupt|cannot|invalid|premature)`),
		// The spec itself.
		r(`^error: (?:line \d+: |Unknown (?:tag|option)|Macro %|query of specfile|Empty %|No compatible architectures|Architecture is|.* parse error|Failed to (?:read|parse)|Unable to open|Could not (?:open|canonicalize)|Recognition of file|Dependency tokens|Invalid |Bad package|%changelog|Package has no)`),
		{match: regexp.MustCompile(`Installed \(but unpackaged\) file\(s\) found:`), follow: true},
		r(`^(?:error:\s+)?(?:\s*)(?:File not found|Directory not found|File must begin|Explicit file attributes|Symlink points to BuildRoot)\b`),
		r(`^\s+(?:File not found|Directory not found|File not found by glob): `),
		r(`^error: (?:Arch dependent binaries in noarch|Duplicate build-ids|.*build-id)|^ERROR: No build ID|ERROR\s+000\d: |^Arch dependent binaries in noarch`),
		// Languages' tools.
		r(`^(?:\w+\.)*(?:ModuleNotFoundError|ImportError|SyntaxError|NameError|AttributeError|TypeError|ValueError|FileNotFoundError|RuntimeError|KeyError|AssertionError): |^(?:\w+\.)+\w*(?:Error|Exception): `),
		r(`^Can't locate \S+ in @INC|^syntax error at |^npm ERR! |^Error: Cannot find module|^\[ERROR\] |^BUILD FAILED|go: .*(?:missing|cannot|not found)|^panic: |^thread '.*' panicked at`),
		// Shell.
		r(`: command not found$|: No such file or directory$|: Permission denied$|: cannot (?:stat|create|open|remove|access|execute)|: Is a directory$|: not found$`),
		// Tests.
		r(`^(?:FAIL|FAILED|XPASS|ERROR):? \S|^\d+ tests? failed|^=+ .*\d+ failed|^--- FAIL: |The following tests FAILED|^not ok \d+`),
		// What is left.
		r(`(?i)^\S*(?:fatal|error): `),
		r(`^(?:g?make|ninja)(?:\[\d+\])?: (?:\*\*\* |stopped: )`),
	}
}

var (
	badExit  = regexp.MustCompile(`^\s*(?:error: )?Bad exit status from \S+ \((%\w+)\)`)
	harmless = regexp.MustCompile(`(?i)^conftest\.|-Werror|errors?=0|0 errors|no error|error\.[ch]\b|lerror|^checking |^\s*#|^\+ |^warning: |ignored\)$|^warning:`)
	// executing are the shell's and rpm's echo lines between phases.
	executing = regexp.MustCompile(`^Executing\((%\w+)\): `)
)

// FindFile reads the end of a log file.
func FindFile(path string) (Cause, error) {
	f, err := os.Open(path)
	if err != nil {
		return Cause{}, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > maxRead {
		if _, err := f.Seek(-maxRead, io.SeekEnd); err != nil {
			return Cause{}, err
		}
	}
	return Find(f)
}

// Find reads a log. It never fails on content; the error is the reader's.
func Find(r io.Reader) (Cause, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxRead))
	if err != nil {
		return Cause{}, err
	}
	lines := split(data)
	var c Cause
	for i := len(lines) - 1; i >= 0 && c.Phase == ""; i-- {
		if m := badExit.FindStringSubmatch(lines[i]); m != nil {
			c.Phase = m[1]
		}
	}
	// Only the failed phase's own output counts: configure prints errors of probes that are meant to fail.
	if c.Phase != "" {
		for i := len(lines) - 1; i >= 0; i-- {
			if m := executing.FindStringSubmatch(lines[i]); m != nil && m[1] == c.Phase {
				lines = lines[i:]
				break
			}
		}
	}
	// The lines after a candidate may be its list.
	near := make([]string, 0, len(lines))
	for i, keep := 0, 0; i < len(lines); i++ {
		if candidate(lines[i]) {
			keep = 1 + maxLines
		}
		if keep > 0 {
			keep--
			near = append(near, lines[i])
		} else if len(near) > 0 && near[len(near)-1] != "" {
			near = append(near, "") // what was left out ends a list
		}
	}
	for _, rl := range rules() {
		if c.Lines = apply(rl, near); len(c.Lines) > 0 {
			break
		}
	}
	return c, nil
}

// split gives the lines as valid text without control characters.
func split(data []byte) []string {
	var lines []string
	for line := range bytes.Lines(data) {
		line = bytes.TrimRight(line, "\r\n")
		lines = append(lines, clean(string(line[:min(len(line), maxScan)])))
	}
	return lines
}

// colour matches terminal sequences, which compilers print when they believe in a terminal.
var colour = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

func clean(s string) string {
	s = strings.ToValidUTF8(colour.ReplaceAllString(s, ""), "?")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// keywords are what every line that a rule matches has in it, in lower case. Looking for words is fifty times faster than the rules.
var keywords = [...]string{"error", "fail", "cannot", "can't", "could not", "no ", "not ", "nothing", "kill", "undefined", "multiple", "conflict", "status code",
	"curl", "denied", "exception", "panic", "*** ", "stopped", "is a directory", "memory", "exhausted", "fatal", "must", "points to", "duplicate", "xpass", ".go:",
	"corrupt", "invalid", "premature", "unrecognized", "installed (but", "arch dependent"}

func candidate(line string) bool {
	// Every compiler's command line has this one.
	lower := strings.ReplaceAll(strings.ToLower(line), "-werror", "")
	for _, k := range keywords {
		if strings.Contains(lower, k) {
			return true
		}
	}
	return false
}

func apply(rl rule, lines []string) []string {
	var found []string
	seen := map[string]bool{}
	add := func(line string) {
		line = cut(strings.TrimSpace(line))
		// rpm says everything again at the end, without the word.
		if key := strings.TrimPrefix(line, "error: "); key != "" && !seen[key] && len(found) < maxLines {
			seen[key] = true
			found = append(found, line)
		}
	}
	for i, line := range lines {
		if !rl.match.MatchString(line) || badExit.MatchString(line) {
			continue
		}
		if !rl.follow {
			if !harmless.MatchString(line) {
				add(line)
			}
			continue
		}
		head := cut(strings.TrimSpace(line))
		var tail []string
		for _, next := range lines[i+1:] {
			if len(tail) == maxLines || next == "" || next[0] != ' ' && next[0] != '\t' {
				break
			}
			tail = append(tail, strings.TrimSpace(next))
		}
		add(head + " " + strings.Join(tail, ", "))
	}
	return found
}

func cut(s string) string {
	if len(s) <= maxLine {
		return s
	}
	end := maxLine
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + " …"
}
