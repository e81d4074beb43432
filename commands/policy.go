package commands

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"moromi/commands/policy"
	"moromi/internal/fault"
)

// Ruling is what a policy said.
type Ruling struct {
	policy.Verdict
	Policy  string
	Version int64 // of the site's own policy; 0: a default, or none
	Missing bool  // there is no such policy
	Allowed bool  // what CheckPolicy made of the action
	Reason  string

	judged bool // the action is a verdict
}

// notCovered is Koji's reason where no rule holds.
const notCovered = "not covered by policy"

// EvalPolicy asks a policy without deciding anything: nothing is kept. A policy that does not exist is a fault.
func (s *Service) EvalPolicy(ctx context.Context, r policy.Request) (Ruling, error) {
	book, err := s.Policies.book(ctx)
	if err != nil {
		return Ruling{}, err
	}
	v, err := book.sets.Apply(ctx, policyFacts{db: s.DB}, r)
	return Ruling{Verdict: v, Policy: r.Policy, Version: book.versions[r.Policy]}, err
}

// ExplainPolicy is EvalPolicy for a request with Trace; text, if given, stands in for the policy's own.
func (s *Service) ExplainPolicy(ctx context.Context, r policy.Request, text *string) (Ruling, error) {
	if text == nil {
		return s.EvalPolicy(ctx, r)
	}
	set, err := policy.Parse(r.Policy, *text)
	if err != nil {
		return Ruling{}, unreadable(err)
	}
	book, err := s.Policies.book(ctx)
	if err != nil {
		return Ruling{}, err
	}
	sets := maps.Clone(book.sets)
	sets[r.Policy] = set
	v, err := sets.Apply(ctx, policyFacts{db: s.DB}, r)
	return Ruling{Verdict: v, Policy: r.Policy}, err
}

// ApplyPolicy gives the action that a policy has for something that is about to happen, and keeps the decision. The policy must exist.
func (s *Service) ApplyPolicy(ctx context.Context, a Actor, name string, data map[string]any) (Ruling, error) {
	r, err := s.EvalPolicy(ctx, policy.Request{Policy: name, Data: data, Caller: a.UserID})
	if err == nil {
		s.Decisions.keep(a, r, data, s.Models.Position())
	}
	return r, err
}

// CheckPolicy asks whether a policy lets something happen. A policy that the site does not have allows. Where no rule holds, otherwise is the
// action: "deny" unless a builder asks for another.
func (s *Service) CheckPolicy(ctx context.Context, a Actor, name string, data map[string]any, otherwise string) (Ruling, error) {
	book, err := s.Policies.book(ctx)
	if err != nil {
		return Ruling{}, err
	}
	if book.sets[name] == nil {
		return Ruling{Policy: name, Missing: true, Allowed: true, Reason: "missing policy"}, nil
	}
	v, err := book.sets.Apply(ctx, policyFacts{db: s.DB}, policy.Request{Policy: name, Data: data, Caller: a.UserID})
	if err != nil {
		return Ruling{}, err
	}
	r := Ruling{Verdict: v, Policy: name, Version: book.versions[name], judged: true}
	r.Allowed, r.Reason = judge(v, otherwise)
	s.Decisions.keep(a, r, data, s.Models.Position())
	return r, nil
}

// judge reads an action as Koji's check_policy does: its first word, allow or deny, and the rest as the reason.
func judge(v policy.Verdict, otherwise string) (allowed bool, reason string) {
	word, reason := otherwise, notCovered
	if v.Matched {
		action := strings.TrimSpace(v.Action)
		word, reason = action, ""
		if i := strings.IndexAny(action, " \t"); i > 0 {
			word, reason = action[:i], strings.TrimSpace(action[i:])
		}
		word = strings.ToLower(word)
	}
	switch word {
	case "allow":
		return true, reason
	case "deny":
		return false, reason
	}
	return false, "error in policy"
}

// Refusal is the fault by which a policy refuses: Koji's words, and then which rule said so.
func (r Ruling) Refusal() error {
	text := fmt.Sprintf("policy violation (%s)", r.Policy)
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return fault.New(fault.ActionNotAllowed, "%s [%s]", text, r.Because())
}

// Because names the rule that decided: "rule 3: tag *-locked :: deny …", with the blocks around it before.
func (r Ruling) Because() string {
	if !r.Matched {
		return "no rule holds"
	}
	var texts []string
	for _, rule := range r.Rules {
		texts = append(texts, strings.TrimSpace(strings.TrimSuffix(rule.Text, "{")))
	}
	return "rule " + r.Rule().Number + ": " + strings.Join(texts, " … ")
}

// AssertPolicy is CheckPolicy as a refusal. Force lets pass an administrator: whoever the data is about.
func (s *Service) AssertPolicy(ctx context.Context, a Actor, name string, data map[string]any, force bool) error {
	r, err := s.CheckPolicy(ctx, a, name, data, "deny")
	if err != nil || r.Allowed {
		return err
	}
	if force {
		over, err := s.overrides(ctx, a, data)
		if err != nil {
			return err
		}
		if over {
			s.Log.InfoContext(ctx, "policy overridden by force", "policy", name, "user", a.UserID, "reason", r.Reason, "rule", r.Rule().Number)
			return nil
		}
	}
	s.Log.InfoContext(ctx, "refused by policy", "policy", name, "version", r.Version, "rule", r.Rule().Number, "user", a.UserID, "reason", r.Reason)
	return r.Refusal()
}

// overrides tells whether the user that the data is about, or who calls, is an administrator.
func (s *Service) overrides(ctx context.Context, a Actor, data map[string]any) (bool, error) {
	v, err := policy.Policies{"": s.Policies.admin}.Apply(ctx, policyFacts{db: s.DB}, policy.Request{Data: data, Caller: a.UserID})
	return v.Matched, err
}
