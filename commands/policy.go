package commands

import (
	"context"
	"strings"

	"moromi/internal/fault"
)

// Policies are the site's rules by name (Koji's hub policies). An implementation is safe for concurrent use.
type Policies interface {
	// Apply gives the action of the first rule of the named policy that holds for the data, "" if none does, and whether there is such a
	// policy. Data has Koji's keys; user_id is who the rules are asked about.
	Apply(ctx context.Context, name string, data map[string]any) (action string, err error)
	// Has tells whether the site has a policy of that name.
	Has(name string) bool
}

// CheckPolicy asks whether the policy lets the action happen. A policy that the site does not have allows; a rule set of which no rule holds
// denies. The reason is the rule's, for the refusal.
func (s *Service) CheckPolicy(ctx context.Context, policy string, data map[string]any) (allowed bool, reason string, err error) {
	if !s.Policies.Has(policy) {
		return true, "missing policy", nil
	}
	action, err := s.Policies.Apply(ctx, policy, data)
	if err != nil {
		return false, "", err
	}
	verdict, rest, _ := strings.Cut(strings.TrimSpace(action), " ")
	switch strings.ToLower(verdict) {
	case "allow":
		return true, strings.TrimSpace(rest), nil
	case "deny":
		return false, strings.TrimSpace(rest), nil
	case "":
		return false, "not covered by policy", nil
	}
	return false, "error in policy", nil
}

// AssertPolicy is CheckPolicy as a refusal. Force lets an administrator pass.
func (s *Service) AssertPolicy(ctx context.Context, a Actor, policy string, data map[string]any, force bool) error {
	if force && a.Admin {
		return nil
	}
	if _, ok := data["user_id"]; !ok {
		data["user_id"] = a.UserID
	}
	allowed, reason, err := s.CheckPolicy(ctx, policy, data)
	if err != nil || allowed {
		return err
	}
	if reason != "" {
		reason = ": " + reason
	}
	return fault.New(fault.ActionNotAllowed, "policy violation (%s)%s", policy, reason)
}
