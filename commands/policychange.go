package commands

import (
	"context"
	"errors"
	"strings"
	"unicode"

	aggregate "moromi/aggregates/policy"
	"moromi/commands/policy"
	"moromi/events"
	"moromi/internal/fault"
	policymodel "moromi/projections/policy"
)

// longestPolicyName bounds a policy's name in characters: it is part of a stream's name.
const longestPolicyName = 100

// SetPolicy says what a policy of the site is to be.
type SetPolicy struct {
	Name string
	Text string // the rules, one a line
	// Expected, if not nil, is the version that the change was made of; 0: the site had none. Another one is a conflict.
	Expected *int64
}

// PolicyOutcome tells what became of a policy.
type PolicyOutcome struct {
	Version int64
	Event   events.Position // 0: the policy was like that already
	Notes   []*policy.Note
}

// SetPolicy gives the site a policy of its own, or another version of it. A text that cannot be read is refused, and nothing is changed.
func (s *Service) SetPolicy(ctx context.Context, a Actor, in SetPolicy) (PolicyOutcome, error) {
	name, err := policyName(in.Name)
	if err != nil {
		return PolicyOutcome{}, err
	}
	set, err := policy.Parse(name, in.Text)
	if err != nil {
		return PolicyOutcome{}, unreadable(err)
	}
	out := PolicyOutcome{Notes: set.Notes}
	out.Event, err = Decide(ctx, s, a, "set policy", aggregate.Stream(name), func(p *aggregate.Policy) ([]events.Event, error) {
		evs, err := p.Change(name, policy.Normal(in.Text), in.Expected)
		out.Version = p.Version + int64(len(evs))
		return evs, err
	})
	return out, err
}

// RemovePolicy takes the site's own policy away: the default of that name holds again, if there is one.
func (s *Service) RemovePolicy(ctx context.Context, a Actor, name string, expected *int64) (PolicyOutcome, error) {
	name, err := policyName(name)
	if err != nil {
		return PolicyOutcome{}, err
	}
	var out PolicyOutcome
	out.Event, err = Decide(ctx, s, a, "remove policy", aggregate.Stream(name), func(p *aggregate.Policy) ([]events.Event, error) {
		out.Version = p.Version + 1
		return p.Remove(name, expected)
	})
	return out, err
}

// policyName checks a policy's name, which Koji has in lower case.
func policyName(name string) (string, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || len([]rune(name)) > longestPolicyName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '\ufffd' }) {
		return "", fault.New(fault.Parameter, "a policy's name has 1 to %d printable characters", longestPolicyName)
	}
	return name, nil
}

// unreadable makes a fault of what is wrong with a policy's text.
func unreadable(err error) error {
	var note *policy.Note
	if errors.As(err, &note) {
		return fault.New(fault.Parameter, "%s", note.Error())
	}
	return fault.New(fault.Parameter, "%s", err.Error())
}

// LoadPolicies makes the policies of a file the site's own, as the system: what differs from the ledger is another version there. Policies that the
// file does not have stay as they are.
func (s *Service) LoadPolicies(ctx context.Context, file []policy.Section) error {
	for _, section := range file {
		for _, n := range section.Set.Notes {
			s.Log.WarnContext(ctx, "policy file", "note", n.Error())
		}
		out, err := s.SetPolicy(ctx, Actor{}, SetPolicy{Name: section.Name, Text: section.Text})
		if err != nil {
			return err
		}
		if out.Event == 0 {
			continue
		}
		s.Log.InfoContext(ctx, "the policy file made another version of a policy", "policy", section.Name, "version", out.Version)
		before, err := policymodel.Version(ctx, s.DB, section.Name, out.Version-1)
		if err == nil && before != nil && before["creator_name"] != nil {
			s.Log.WarnContext(ctx, "the policy file replaced what a user had set", "policy", section.Name, "version", before["version"], "user", before["creator_name"])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
