package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"moromi/internal/hubclient"
)

// str is a member as Koji's formats show it: text as it is, nil as None.
func str(r row, key string) string { return pyStr(r[key]) }

// id is the member "id".
func id(r row) int64 { return hubclient.Int(r["id"]) }

// text is a member that is a string, or empty.
func text(r row, key string) string { return hubclient.String(r[key]) }

// nvr is name-version-release of a struct with these members.
func nvr(r row) string { return str(r, "name") + "-" + str(r, "version") + "-" + str(r, "release") }

// nvra is nvr with the architecture.
func nvra(r row) string { return nvr(r) + "." + str(r, "arch") }

// buildLabel names a build in a sentence; hubs call its name package_name or name.
func buildLabel(b row) string {
	name := text(b, "package_name")
	if name == "" {
		name = str(b, "name")
	}
	return name + "-" + str(b, "version") + "-" + str(b, "release")
}

// at is a moment of the hub, seconds since 1970.
func at(ts any, zone *time.Location) time.Time {
	s := hubclient.Float(ts)
	whole := math.Floor(s)
	return time.Unix(int64(whole), int64((s-whole)*1e6)*1000).In(zone)
}

// asctime is a moment as C's asctime shows it.
func (p *program) asctime(ts any) string { return at(ts, p.Zone).Format(time.ANSIC) }

// longTime is a moment with weekday and zone, empty for none.
func (p *program) longTime(ts any) string {
	if ts == nil {
		return ""
	}
	return at(ts, p.Zone).Format("Mon, 02 Jan 2006 15:04:05 MST")
}

// size shows a number of bytes.
func size(n float64) string {
	for _, unit := range []struct {
		bytes float64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.bytes {
			return fmt.Sprintf("%.2f %s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%.2f B", n)
}

// shorten cuts a text for a column and takes its line ends out.
func shorten(s string) string {
	const longest = 47
	s = strings.ReplaceAll(s, "\n", " ")
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return s
}

func yesNo(v any) string {
	if hubclient.Bool(v) {
		return "yes"
	}
	return "no"
}

// printSorted prints lines in order.
func (v *invocation) printSorted(lines []string) {
	slices.Sort(lines)
	for _, l := range lines {
		v.println(l)
	}
}

// sortBy orders rows by members, the first deciding. Equal ones keep their order.
func sortBy(rows []row, keys ...string) {
	slices.SortStableFunc(rows, byKeys(keys))
}

func byKeys(keys []string) func(a, b row) int {
	return func(a, b row) int {
		for _, k := range keys {
			if c := compare(a[k], b[k]); c != 0 {
				return c
			}
		}
		return 0
	}
}

// compare orders numbers and texts; nil comes first.
func compare(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	if s, ok := a.(string); ok {
		return strings.Compare(s, hubclient.String(b))
	}
	x, y := hubclient.Float(a), hubclient.Float(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// printJSON prints what the hub answered. Binary values are base64.
func (v *invocation) printJSON(value any) error {
	e := json.NewEncoder(v.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// arches makes one line of architectures of what a user wrote with commas or spaces.
func arches(s string) (string, error) {
	fields := strings.Fields(strings.ReplaceAll(s, ",", " "))
	for _, f := range fields {
		if strings.Trim(f, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return "", usagef("architecture %q: only letters, digits, - and _ are allowed", f)
		}
	}
	return strings.Join(fields, " "), nil
}

// dashes underlines headers: one run for each width.
func dashes(widths ...int) string {
	runs := make([]string, len(widths))
	for i, w := range widths {
		runs[i] = strings.Repeat("-", w)
	}
	return strings.Join(runs, " ")
}
