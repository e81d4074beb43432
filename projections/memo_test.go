package projections_test

import (
	"errors"
	"testing"

	"moromi/events"
	"moromi/projections"
)

// ledgerOf counts events of two families.
type ledgerOf struct{ user, host events.Position }

func (l *ledgerOf) Position() events.Position { return max(l.user, l.host) }

func (l *ledgerOf) LastChange(families ...string) events.Position {
	if families[0] == "user" {
		return l.user
	}
	return l.host
}

func TestMemo(t *testing.T) {
	t.Parallel()
	ledger := &ledgerOf{user: 3, host: 5}
	m := projections.NewMemo[int64, string](ledger, "user")
	reads := 0
	want := func(step string, key int64, value string, read int) {
		t.Helper()
		got, err := m.Get(key, func() (string, error) { reads++; return value, nil })
		if err != nil || got != value || reads != read {
			t.Errorf("%s: %q, %v after %d readings, want %q after %d", step, got, err, reads, value, read)
		}
	}
	want("first", 1, "alice", 1)
	want("again", 1, "alice", 1)
	want("another", 2, "bob", 2)
	ledger.host = 6
	want("a change of something else", 1, "alice", 2)
	ledger.user = 7
	want("a change", 1, "alicia", 3)
	want("after it", 1, "alicia", 3)
	ledger.user = 8
	away := errors.New("away")
	if _, err := m.Get(1, func() (string, error) { return "", away }); !errors.Is(err, away) {
		t.Errorf("error %v", err)
	}
	want("after an error", 1, "alicia", 4)
	_, err := m.Get(3, func() (string, error) { ledger.user = 9; return "carol as she was", nil })
	if err != nil {
		t.Fatal(err)
	}
	want("changed while it was read", 3, "carol", 5)
}
