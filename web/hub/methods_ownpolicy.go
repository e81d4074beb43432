package hub

import (
	"iter"
	"strings"

	"moromi/commands"
	"moromi/commands/policy"
	"moromi/internal/fault"
)

// ownPolicyMethods look at the site's policies and change them. Koji has nothing of the kind: they are in this hub's own module, which is not in
// the lists of methods.
func ownPolicyMethods(d Deps) []Method {
	return []Method{
		{Name: "moromi.listPolicies", Params: "event=None", Auth: Anonymous, Help: "All policies that hold, defaults included, as of an event if one is given.", Func: d.listPolicies},
		{Name: "moromi.getPolicy", Params: "name, event=None, version=None", Auth: Anonymous, Help: "One policy as of an event, or a version of it; nil if there is none.", Func: d.getPolicy},
		{Name: "moromi.policyHistory", Params: "name=None", Auth: Anonymous, Help: "All versions of a policy, or of all, the oldest first: who made them, and when.", Func: d.policyHistory},
		{Name: "moromi.checkPolicies", Params: "text", Auth: Session, Help: "Reads the [policy] section of a hub.conf and tells what is in it; nothing is changed.", Func: d.checkPolicies},
		{Name: "moromi.explainPolicy", Params: "name, data", Auth: Anonymous, Help: "Evaluates a policy and tells every rule and test that was tried.", Func: d.explainPolicy},
		{Name: "moromi.explainText", Params: "name, text, data", Auth: Admin, Help: "explainPolicy, as if the policy had this text.", Func: d.explainPolicy},
		{Name: "moromi.setPolicy", Params: "name, text, expected=None", Auth: Admin, Write: true,
			Help: "Gives the site a policy; expected is the version that it was changed from, 0 for none. Answers the version.", Func: d.setPolicy},
		{Name: "moromi.removePolicy", Params: "name, expected=None", Auth: Admin, Write: true, Help: "Takes a policy of the site's own away: the default holds again.", Func: d.removePolicy},
		{Name: "moromi.policyDecisions", Params: "policy=None, since_event=None, since_ts=None, user=None, refused=False, limit=100", Auth: Admin,
			Help: "What policies decided, the newest first: rule, action, data and what was asked about the site.", Func: d.policyDecisions},
		{Name: "moromi.tryPolicies", Params: "text, since_event=None, since_ts=None, limit=1000", Auth: Admin,
			Help: "What the policies of a [policy] section would have decided otherwise than was decided: a list, its last entry being the sum.", Func: d.tryPolicies},
	}
}

func (d Deps) listPolicies(c *Call, a Args) (any, error) {
	event, err := a.IntOrNil("event")
	if err != nil {
		return nil, err
	}
	return d.Service.Policies.List(c.Context(), event)
}

func (d Deps) getPolicy(c *Call, a Args) (any, error) {
	name, err := a.String("name")
	if err != nil {
		return nil, err
	}
	event, err := a.IntOrNil("event")
	if err != nil {
		return nil, err
	}
	version, err := a.IntOrNil("version")
	if err != nil {
		return nil, err
	}
	row, err := d.Service.Policies.Get(c.Context(), strings.ToLower(name), event, version)
	if err != nil || row == nil {
		return nil, err
	}
	return row, nil
}

func (d Deps) policyHistory(c *Call, a Args) (any, error) {
	name, err := a.StringOr("name", "")
	if err != nil {
		return nil, err
	}
	return d.Service.Policies.History(c.Context(), strings.ToLower(name))
}

// policyFile reads the argument text as a file of policies.
func policyFile(a Args) ([]policy.Section, error) {
	text, err := a.String("text")
	if err != nil {
		return nil, err
	}
	file, err := policy.ReadFile(strings.NewReader(text))
	if err != nil {
		return nil, fault.New(fault.Parameter, "%s", err.Error())
	}
	return file, nil
}

func (d Deps) checkPolicies(c *Call, a Args) (any, error) {
	file, err := policyFile(a)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, s := range file {
		out = append(out, map[string]any{"name": s.Name, "text": s.Text, "rules": int64(s.Set.Len()), "notes": noteRows(s.Set.Notes)})
	}
	return out, nil
}

func noteRows(notes []*policy.Note) []any {
	out := []any{}
	for _, n := range notes {
		out = append(out, map[string]any{"line": int64(n.Line), "column": int64(n.Column), "message": n.Message})
	}
	return out
}

func ruleRow(r policy.RuleRef) map[string]any {
	return map[string]any{"number": r.Number, "line": int64(r.Line), "text": r.Text}
}

func (d Deps) explainPolicy(c *Call, a Args) (any, error) {
	r, err := policyRequest(c, a)
	if err != nil {
		return nil, err
	}
	r.Trace = true
	var text *string
	if c.Method() == "moromi.explainText" {
		if text, err = a.StringOrNil("text"); err != nil {
			return nil, err
		}
	}
	ruling, err := d.Service.ExplainPolicy(c.Context(), r, text)
	if err != nil {
		return nil, err
	}
	tried := []any{}
	for _, s := range ruling.Trace {
		tests := []any{}
		for _, t := range s.Tests {
			tests = append(tests, map[string]any{"test": t.Text, "holds": t.Holds})
		}
		tried = append(tried, map[string]any{"policy": s.Policy, "rule": ruleRow(s.Rule), "holds": s.Holds, "tests": tests})
	}
	out := map[string]any{"policy": r.Policy, "version": ruling.Version, "action": nil, "rule": nil, "because": ruling.Because(), "tried": tried}
	if ruling.Matched {
		out["action"], out["rule"] = ruling.Action, ruleRow(ruling.Rule())
	}
	return out, nil
}

func (d Deps) setPolicy(c *Call, a Args) (any, error) {
	name, err := a.String("name")
	if err != nil {
		return nil, err
	}
	text, err := a.String("text")
	if err != nil {
		return nil, err
	}
	expected, err := a.IntOrNil("expected")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	out, err := d.Service.SetPolicy(c.Context(), actor, commands.SetPolicy{Name: name, Text: text, Expected: expected})
	return outcomeRow(out), err
}

func (d Deps) removePolicy(c *Call, a Args) (any, error) {
	name, err := a.String("name")
	if err != nil {
		return nil, err
	}
	expected, err := a.IntOrNil("expected")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	out, err := d.Service.RemovePolicy(c.Context(), actor, name, expected)
	return outcomeRow(out), err
}

// outcomeRow tells the version and the event; changed is false if nothing had to be done.
func outcomeRow(out commands.PolicyOutcome) map[string]any {
	return map[string]any{"version": out.Version, "event": int64(out.Event), "changed": out.Event != 0, "notes": noteRows(out.Notes)}
}

// decisionsSince reads from when on a call asks about decisions.
func decisionsSince(a Args) (q commands.DecisionQuery, err error) {
	if q.Event, err = a.IntOrNil("since_event"); err != nil {
		return q, err
	}
	q.Since, err = a.Time("since_ts")
	return q, err
}

// mostDecisions bounds one answer of policyDecisions.
const mostDecisions = 10_000

func (d Deps) policyDecisions(c *Call, a Args) (any, error) {
	q, err := decisionsSince(a)
	if err != nil {
		return nil, err
	}
	name, err := a.StringOr("policy", "")
	if err != nil {
		return nil, err
	}
	if name != "" {
		q.Policies = []string{strings.ToLower(name)}
	}
	if !a.IsNil("user") {
		u, err := d.theUser(c, a.Get("user"))
		if err != nil {
			return nil, err
		}
		id, _ := u["id"].(int64)
		q.User = &id
	}
	q.Refused = a.Bool("refused")
	if q.Limit, err = a.Int("limit"); err != nil {
		return nil, err
	}
	q.Limit = max(0, min(q.Limit, mostDecisions))
	return d.Service.Decisions.Latest(c.Context(), q)
}

func (d Deps) tryPolicies(c *Call, a Args) (any, error) {
	file, err := policyFile(a)
	if err != nil {
		return nil, err
	}
	q, err := decisionsSince(a)
	if err != nil {
		return nil, err
	}
	if q.Limit, err = a.Int("limit"); err != nil {
		return nil, err
	}
	q.Limit = max(0, min(q.Limit, mostDecisions))
	return iter.Seq2[any, error](d.Service.TryPolicies(c.Context(), file, q)), nil
}
