package cli

import (
	"math"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// timeHelp goes into the help of options that take a time.
const timeHelp = "seconds since 1970, or a date as 2026-01-31, \"2026-01-31 12:35\" or 2026-01-31T12:35:00Z"

// timeValue is an option that takes a time.
type timeValue struct {
	text string
	ts   float64
}

func (t *timeValue) String() string { return t.text }
func (t *timeValue) Type() string   { return "TIME" }

func (t *timeValue) Set(s string) error {
	ts, err := parseTime(s, time.Local)
	if err != nil {
		return err
	}
	t.text, t.ts = s, ts
	return nil
}

func (t *timeValue) set() bool { return t.text != "" }

// parseTime reads a time; without a zone it is local.
func parseTime(s string, zone *time.Location) (float64, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		return f, nil
	}
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 MST", "2006-01-02T15:04:05", "2006-01-02T15:04",
		"2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly, "2006/01/02 15:04:05", "2006/01/02 15:04", "2006/01/02", "02 Jan 2006 15:04:05", "02 Jan 2006 15:04",
		"2 Jan 2006", "2 January 2006", "Jan 2 2006 15:04", "Jan 2 2006", "January 2 2006 15:04", "January 2 2006", "Jan 2, 2006", "January 2, 2006",
		time.ANSIC, time.UnixDate, time.RFC1123, time.RFC1123Z,
	} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return float64(t.UnixMicro()) / 1e6, nil
		}
	}
	return 0, usagef("cannot read the time %q: give %s", s, timeHelp)
}

// momentValue is --at: an event's number, or a time.
type momentValue struct {
	timeValue
	event int64
}

func (m *momentValue) Type() string { return "MOMENT" }

func (m *momentValue) Set(s string) error {
	if n, ok := reference(s).(int64); ok && n > 0 {
		m.text, m.event = s, n
		return nil
	}
	m.event = 0
	return m.timeValue.Set(s)
}

// asOf is the event that --at chooses, {id, ts}, or nil for now.
func (v *invocation) asOf() (row, error) {
	switch {
	case !v.past.set():
		return nil, nil
	case v.past.event != 0:
		return v.one("getEvent", v.past.event)
	}
	return v.one("getLastEvent", kw{"before": v.past.ts})
}

// eventOptions choose a moment of the past as Koji's commands do: --event, --ts, --before or --repo, besides --at.
type eventOptions struct {
	event, ts, repo int64
	before          timeValue
}

func (o *eventOptions) register(f *pflag.FlagSet) {
	f.Int64Var(&o.event, "event", 0, "ask as of this `EVENT`")
	f.Int64Var(&o.ts, "ts", 0, "ask as of the last event before this `TIMESTAMP`")
	f.Int64Var(&o.repo, "repo", 0, "ask as of the event of this `REPO`")
	f.Var(&o.before, "before", "ask as of the last event before this time: "+timeHelp)
}

// moment is the event chosen, or nil for now. Koji's getLastEvent and getEvent answer it as {id, ts}.
func (v *invocation) moment(o *eventOptions) (row, error) {
	switch {
	case v.past.set() && (o.event != 0 || v.flags.Changed("ts") || o.before.set() || o.repo != 0):
		return nil, usagef("--at and --event, --ts, --before or --repo exclude each other")
	case v.past.set():
		return v.asOf()
	case o.event != 0:
		return v.one("getEvent", o.event)
	case v.flags.Changed("ts"):
		return v.one("getLastEvent", kw{"before": o.ts})
	case o.before.set():
		return v.one("getLastEvent", kw{"before": o.before.ts})
	case o.repo != 0:
		r, err := v.one("repoInfo", o.repo, kw{"strict": true})
		if err != nil {
			return nil, err
		}
		return row{"id": r["create_event"], "ts": r["create_ts"]}, nil
	}
	return nil, nil
}

// showMoment says which event is asked about.
func (v *invocation) showMoment(e row, what string) {
	if e != nil && !v.json && !v.global.quiet {
		v.printf("%s at event %d (%s)\n", what, id(e), v.asctime(e["ts"]))
	}
}

// withEvent adds the event to named arguments, if there is one.
func withEvent(args kw, e row) kw {
	if e != nil {
		args["event"] = e["id"]
	}
	return args
}
