package commands_test

import (
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
)

// BenchmarkPolicyDecision is a decision that asks the site about the user's permissions, and its keeping.
func BenchmarkPolicyDecision(b *testing.B) {
	s := commandtest.New(b)
	data := map[string]any{"tag": int64(1), "action": "add", "package": "foo", "force": false}
	for b.Loop() {
		if err := s.AssertPolicy(b.Context(), commands.Actor{UserID: 1, Admin: true}, "package_list", data, false); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPolicyStay is a decision of a default that asks nothing, as every new task has.
func BenchmarkPolicyStay(b *testing.B) {
	s := commandtest.New(b)
	for b.Loop() {
		if _, err := s.ApplyPolicy(b.Context(), commands.Actor{UserID: 1}, "priority", map[string]any{"method": "build"}); err != nil {
			b.Fatal(err)
		}
	}
}
