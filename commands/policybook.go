package commands

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands/policy"
	"moromi/events"
	"moromi/projections"
	"moromi/projections/event"
	policymodel "moromi/projections/policy"
	"moromi/projections/query"
)

// Policies are the rules that hold: the site's own, as the read models have them, and Koji's defaults where it has none. A change is obeyed by
// every hub from the moment that its read models show it. They are safe for concurrent use.
type Policies struct {
	db       *pgxpool.Pool
	log      *slog.Logger
	defaults policy.Policies
	admin    *policy.Set // holds for administrators

	changes projections.Changes
	mu      sync.Mutex
	current *policyBook
	asOf    events.Position // the read models were at least so far when current was right
}

// policyBook is all policies at one moment. It is immutable.
type policyBook struct {
	at       int64 // position of the last change
	sets     policy.Policies
	versions map[string]int64 // of the site's own
}

// hasTimeout bounds Has, which has no context of a caller's.
const hasTimeout = 5 * time.Second

// NewPolicies are the policies of the site whose read models db reads and changes tells of.
func NewPolicies(db *pgxpool.Pool, changes projections.Changes, log *slog.Logger) *Policies {
	defaults := policy.Policies{}
	for name, text := range defaultPolicies() {
		set, err := policy.Parse(name, text)
		if err != nil {
			panic(err) // the text is this program's own, whatever the site
		}
		defaults[name] = set
	}
	admin, err := policy.Parse("", "has_perm admin :: allow")
	if err != nil {
		panic(err) // as above
	}
	return &Policies{db: db, changes: changes, log: log, defaults: defaults, admin: admin}
}

// book gives the policies as they are now. They are looked for only after they may have changed.
func (p *Policies) book(ctx context.Context) (*policyBook, error) {
	last := p.changes.LastChange("policy")
	p.mu.Lock()
	have, asOf := p.current, p.asOf
	p.mu.Unlock()
	if have != nil && asOf >= last {
		return have, nil
	}
	asOf = p.changes.Position()
	at, err := policymodel.Changed(ctx, p.db)
	if err != nil {
		return nil, err
	}
	if have == nil || have.at != at {
		if have, err = p.read(ctx, at); err != nil { // as of the change: what comes after it is the next book
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || p.current.at <= at {
		p.current, p.asOf = have, max(p.asOf, asOf)
	}
	return have, nil
}

// read makes the book as of an event.
func (p *Policies) read(ctx context.Context, at int64) (*policyBook, error) {
	rows, err := policymodel.List(ctx, p.db, &at)
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	b := &policyBook{at: at, sets: policy.Policies{}, versions: map[string]int64{}}
	for name, set := range p.defaults {
		b.sets[name] = set
	}
	for _, r := range rows {
		name := r["name"].(string)
		set, err := policy.Parse(name, r["text"].(string))
		if err != nil { // it was read when it was set: by a program that knew more
			return nil, fmt.Errorf("read policies: %w", err)
		}
		b.sets[name], b.versions[name] = set, r["version"].(int64)
	}
	return b, nil
}

// List gives all policies that hold, as of an event if one is given, by name: getPolicy's rows.
func (p *Policies) List(ctx context.Context, at *int64) ([]query.Row, error) {
	own, err := policymodel.List(ctx, p.db, at)
	if err != nil {
		return nil, err
	}
	for _, name := range p.defaults.Names() {
		if !slices.ContainsFunc(own, func(r query.Row) bool { return r["name"] == name }) {
			own = append(own, defaultRow(name))
		}
	}
	for _, r := range own {
		r["default"] = r["version"] == int64(0)
	}
	slices.SortFunc(own, func(a, b query.Row) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
	return own, nil
}

// Get gives one policy, as of an event or of a version, if one is given; nil if there is none. Besides what the read model knows of it a row has
// default, true for Koji's default, whose version is 0.
func (p *Policies) Get(ctx context.Context, name string, at, version *int64) (query.Row, error) {
	var row query.Row
	var err error
	switch {
	case version == nil:
		row, err = policymodel.Get(ctx, p.db, name, at)
	case *version > 0:
		row, err = policymodel.Version(ctx, p.db, name, *version)
	}
	if err != nil {
		return nil, err
	}
	if row != nil {
		row["default"] = false
		return row, nil
	}
	if p.defaults[name] == nil || version != nil && *version != 0 {
		return nil, nil
	}
	return defaultRow(name), nil
}

// History gives all versions that the site had of a policy, or of all, the oldest first.
func (p *Policies) History(ctx context.Context, name string) ([]query.Row, error) {
	return policymodel.History(ctx, p.db, name)
}

// EventBefore gives the last event before a time, 0 if there was none.
func (p *Policies) EventBefore(ctx context.Context, t time.Time) (int64, error) {
	ts := float64(t.UnixMicro()) / 1e6
	row, err := event.Last(ctx, p.db, &ts)
	if err != nil || row == nil {
		return 0, err
	}
	return row["id"].(int64), nil
}

// defaultRow is a default as if the read model had it.
func defaultRow(name string) query.Row {
	return query.Row{"name": name, "version": int64(0), "text": defaultPolicies()[name], "default": true, "create_event": nil, "create_time": nil, "create_ts": nil, "creator_id": nil,
		"creator_name": nil, "revoke_event": nil, "revoke_time": nil, "revoke_ts": nil, "revoker_id": nil, "revoker_name": nil}
}

// Has tells whether there is a policy of that name, the site's own or a default; if the database does not answer, whether there was one.
func (p *Policies) Has(name string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), hasTimeout)
	defer cancel()
	b, err := p.book(ctx)
	if err != nil {
		p.log.Warn("policies are not current", "error", err)
		p.mu.Lock()
		b = p.current
		p.mu.Unlock()
		if b == nil {
			return p.defaults[name] != nil
		}
	}
	return b.sets[name] != nil
}
