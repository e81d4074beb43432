package hub

import (
	"strings"
	"testing"

	"moromi/events"
)

// TestReads holds the table of what answers are made from to the methods and events that there are. An answer may only be given to another caller
// if the method is open to everyone and changes nothing.
func TestReads(t *testing.T) {
	t.Parallel()
	methods := map[string]Method{}
	for _, m := range DomainMethods(Deps{}) {
		methods[m.Name] = m
	}
	families := map[string]bool{}
	for _, name := range events.Types() {
		family, _, _ := strings.Cut(name, ".")
		families[family] = true
	}
	for name, reads := range readsOf {
		m, there := methods[name]
		if !there || m.Auth != Anonymous || m.Write {
			t.Errorf("%s: there %v, for %v, writes %v; it must be a method that everyone may call and that only reads", name, there, m.Auth, m.Write)
		}
		for family := range strings.FieldsSeq(reads) {
			if !families[family] {
				t.Errorf("%s reads %q, which is no family of events", name, family)
			}
		}
	}
	for name := range passOn {
		if _, there := readsOf[name]; there {
			t.Errorf("%s passes on and reads", name)
		}
	}
}
