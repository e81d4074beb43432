package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"moromi/commands/policy"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	policymodel "moromi/projections/policy"
	"moromi/projections/query"
)

// decisionsAtOnce bounds how many decisions are read, and held, at once.
const decisionsAtOnce = 200

// DecisionQuery chooses decisions. The zero value is all.
type DecisionQuery struct {
	Event    *int64     // those after this event
	Since    *time.Time // those from then on
	Policies []string
	User     *int64 // who asked
	Refused  bool   // only refusals
	Limit    int64  // how many to list
}

// decisionRow is a decision as it is read back.
type decisionRow struct {
	ID            int64
	Time          time.Time
	Event         int64
	UserID        *int64
	UserName      *string
	Policy        string
	Version       int64
	Rule, Because string
	Action        *string
	Allowed       *bool
	Data, Facts   []byte
}

const decisionColumns = `select d.id, d.time, d.event, d.user_id, u.name, d.policy, d.version, d.rule, d.because, d.action, d.allowed, d.data, d.facts
	from ops.policy_decision d left join users u on u.id = d.user_id
	where d.id > $1 and ($2::bigint is null or d.event > $2) and ($3::timestamptz is null or d.time >= $3) and ($4::text[] is null or d.policy = any($4))
		and ($5::bigint is null or d.user_id = $5) and (not $6 or not d.allowed) `

func (d *Decisions) rows(ctx context.Context, q DecisionQuery, after int64, order string, limit int64) ([]decisionRow, error) {
	rows, err := d.db.Query(ctx, decisionColumns+order+` limit $7`, after, q.Event, q.Since, q.Policies, q.User, q.Refused, limit)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[decisionRow])
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return out, nil
}

// Latest gives decisions, the newest first: id, time and ts, event, user_id, user_name, policy, version (0: a default), rule (its number), because, action and
// allowed (nil where it is no verdict), data and facts (nil if they were too much to keep).
func (d *Decisions) Latest(ctx context.Context, q DecisionQuery) ([]query.Row, error) {
	if err := d.Flush(ctx); err != nil {
		return nil, err
	}
	rows, err := d.rows(ctx, q, 0, "order by d.id desc", q.Limit)
	if err != nil {
		return nil, err
	}
	out := []query.Row{}
	for _, r := range rows {
		row, err := r.row()
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

func (r *decisionRow) row() (query.Row, error) {
	row := query.Row{"id": r.ID, "time": r.Time, "ts": float64(r.Time.UnixMicro()) / 1e6, "event": r.Event, "user_id": orNil(r.UserID), "user_name": orNil(r.UserName), "policy": r.Policy, "version": r.Version,
		"rule": r.Rule, "because": r.Because, "action": orNil(r.Action), "allowed": orNil(r.Allowed), "data": nil, "facts": nil}
	for key, raw := range map[string][]byte{"data": r.Data, "facts": r.Facts} {
		if raw == nil {
			continue
		}
		v, err := xmlrpc.FromJSON(string(raw))
		if err != nil {
			return nil, fmt.Errorf("decision %d: %w", r.ID, err)
		}
		row[key] = v
	}
	return row, nil
}

func orNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// TryPolicies evaluates the policies of a file for what was decided, with what was known then, and yields every decision that they would have
// made otherwise, as many as the limit says: Latest's row with new_action, new_rule, new_because and problem (why it cannot be told, or nil). The last row is the sum: decisions, different and untold.
// Facts that were asked for then are those of then; others are looked up as of the decision's event. Policies that the file does not have are those of then.
func (s *Service) TryPolicies(ctx context.Context, file []policy.Section, q DecisionQuery) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		t := &trial{s: s, file: file, query: q}
		if err := t.run(ctx, func(row query.Row) error {
			if !yield(row, nil) {
				return errEnough
			}
			return nil
		}); err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

var errEnough = errors.New("nobody wants more")

// trial is one run of TryPolicies.
type trial struct {
	s       *Service
	file    []policy.Section
	query   DecisionQuery
	changes []int64     // positions of all changes of policies
	book    *policyBook // as of the last decision, with the file's policies in it

	decisions, different, untold int64
}

func (t *trial) run(ctx context.Context, yield func(query.Row) error) error {
	err := t.s.Decisions.Flush(ctx)
	if err != nil {
		return err
	}
	history, err := policymodel.History(ctx, t.s.DB, "")
	if err != nil {
		return err
	}
	for _, v := range history {
		for _, key := range []string{"create_event", "revoke_event"} {
			if at, ok := v[key].(int64); ok {
				t.changes = append(t.changes, at)
			}
		}
	}
	slices.Sort(t.changes)
	for after := int64(0); ; {
		rows, err := t.s.Decisions.rows(ctx, t.query, after, "order by d.id", decisionsAtOnce)
		if err != nil {
			return err
		}
		for _, r := range rows {
			after = r.ID
			if err := t.try(ctx, &r, yield); err != nil {
				return err
			}
		}
		if len(rows) < decisionsAtOnce {
			return yield(query.Row{"decisions": t.decisions, "different": t.different, "untold": t.untold})
		}
	}
}

// bookAt makes the book of the policies as of an event, with the file's instead of those of then.
func (t *trial) bookAt(ctx context.Context, event int64) error {
	i, _ := slices.BinarySearch(t.changes, event+1)
	at := int64(0)
	if i > 0 {
		at = t.changes[i-1]
	}
	if t.book != nil && t.book.at == at {
		return nil
	}
	b, err := t.s.Policies.read(ctx, at)
	if err != nil {
		return err
	}
	for _, section := range t.file {
		b.sets[section.Name] = section.Set
	}
	t.book = b
	return nil
}

// touches tells whether the file has a say in what a policy decides: whether it has the policy, or one that it asks.
func (t *trial) touches(name string, seen map[string]bool) bool {
	if slices.ContainsFunc(t.file, func(s policy.Section) bool { return s.Name == name }) {
		return true
	}
	set := t.book.sets[name]
	if set == nil || seen[name] {
		return false
	}
	seen[name] = true
	return slices.ContainsFunc(set.Asks(), func(other string) bool { return t.touches(other, seen) })
}

func (t *trial) try(ctx context.Context, r *decisionRow, yield func(query.Row) error) error {
	if err := t.bookAt(ctx, r.Event); err != nil {
		return err
	}
	if !t.touches(r.Policy, map[string]bool{}) {
		return nil
	}
	t.decisions++
	row, err := r.row()
	if err != nil {
		return err
	}
	v, problem, err := t.decide(ctx, r, row)
	switch {
	case err != nil:
		return err
	case problem != "":
		t.untold++
	case !differs(r, v):
		return nil
	default:
		t.different++
	}
	if t.different+t.untold > t.query.Limit {
		return nil
	}
	delete(row, "facts")
	row["problem"], row["new_action"], row["new_rule"], row["new_because"] = nil, nil, "", ""
	if problem != "" {
		row["problem"] = problem
		return yield(row)
	}
	row["new_rule"], row["new_because"] = v.Rule().Number, Ruling{Verdict: v}.Because()
	if v.Matched {
		row["new_action"] = v.Action
	}
	return yield(row)
}

// decide gives the file's verdict, or why there is none.
func (t *trial) decide(ctx context.Context, r *decisionRow, row query.Row) (v policy.Verdict, problem string, err error) {
	data, ok := row["data"].(map[string]any)
	if !ok {
		return v, "what the policy was told was too much to keep", nil
	}
	var facts []policy.Fact
	if err := json.Unmarshal(r.Facts, &facts); err != nil {
		return v, "", fmt.Errorf("decision %d: facts: %w", r.ID, err)
	}
	known, err := policy.NewRecorded(facts, policyFacts{db: t.s.DB, event: &r.Event})
	if err != nil {
		return v, "", err
	}
	req := policy.Request{Policy: r.Policy, Data: data}
	if r.UserID != nil {
		req.Caller = *r.UserID
	}
	v, err = t.book.sets.Apply(ctx, known, req)
	if f := fault.Of(err); f != nil {
		return v, f.Message, nil
	}
	return v, "", err
}

// differs tells whether the new verdict is another than the decision: for verdicts, whether allowed became refused or the reverse.
func differs(r *decisionRow, v policy.Verdict) bool {
	if r.Allowed != nil {
		allowed, _ := judge(v, "deny")
		return allowed != *r.Allowed
	}
	return v.Matched != (r.Action != nil) || v.Matched && v.Action != *r.Action
}
