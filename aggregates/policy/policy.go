// Package policy decides about the versions of one hub policy. What a policy's text means is not its business: commands/policy reads it.
package policy

import (
	"moromi/events"
	"moromi/internal/fault"
)

// Stream is the stream of the policy of a name.
func Stream(name string) string { return "policy-" + name }

// Policy is the folded state of one policy. The zero value was never set.
type Policy struct {
	Name    string
	Version int64
	Text    string
	Set     bool // false: the site has none of its own
}

// Apply takes an event of the stream.
func (p *Policy) Apply(e events.Event) {
	switch e := e.(type) {
	case events.PolicyChanged:
		*p = Policy{Name: e.Name, Version: e.Version, Text: e.Text, Set: true}
	case events.PolicyRemoved:
		*p = Policy{Name: e.Name, Version: e.Version}
	}
}

// Change gives the policy another text; no events if it has that already. Expected, if not nil, is the version that the change was made of.
func (p *Policy) Change(name, text string, expected *int64) ([]events.Event, error) {
	if err := p.at(name, expected); err != nil {
		return nil, err
	}
	if p.Set && p.Text == text {
		return nil, nil
	}
	return []events.Event{events.PolicyChanged{Name: name, Version: p.Version + 1, Text: text}}, nil
}

// Remove takes the site's own policy away.
func (p *Policy) Remove(name string, expected *int64) ([]events.Event, error) {
	if err := p.at(name, expected); err != nil {
		return nil, err
	}
	if !p.Set {
		return nil, fault.New(fault.Generic, "the site has no policy %s of its own", name)
	}
	return []events.Event{events.PolicyRemoved{Name: name, Version: p.Version + 1}}, nil
}

func (p *Policy) at(name string, expected *int64) error {
	if expected != nil && *expected != p.Version {
		return fault.New(fault.Lock, "policy %s is at version %d, not %d: somebody else changed it; look at it and try again", name, p.Version, *expected)
	}
	return nil
}
