package events

// PolicyChanged: from here on the hub policy of this name has these rules. Stream policy-NAME.
type PolicyChanged struct {
	Name    string `json:"name"`
	Version int64  `json:"version"` // counted from 1, removals included
	Text    string `json:"text"`    // the rules, one a line
}

// PolicyRemoved: from here on the default of this name holds, if there is one.
type PolicyRemoved struct {
	Name    string `json:"name"`
	Version int64  `json:"version"`
}

func (PolicyChanged) EventType() string { return "policy.changed" }
func (PolicyRemoved) EventType() string { return "policy.removed" }

func policyEvents() []registration {
	return []registration{of[PolicyChanged](), of[PolicyRemoved]()}
}
