package pgledger_test

import (
	"sync"
	"testing"

	"moromi/events"
	"moromi/events/pgledger"
	"moromi/events/storetest"
)

func open(t testing.TB) events.Store { return openAt(t, pgledger.Config{URL: address(t)}) }

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}

func TestOutage(t *testing.T) {
	t.Parallel()
	storetest.Outage(t, func(t testing.TB) storetest.Breakable {
		k := &link{}
		return storetest.Breakable{Store: openAt(t, pgledger.Config{Pool: k.plug(t, address(t))}), Down: k.cut, Up: k.mend}
	})
}

// A server that was away for a moment leaves dead connections behind: nobody who reads afterwards is told of them.
func TestReadersOutliveTheirConnections(t *testing.T) {
	t.Parallel()
	k := &link{}
	l := openAt(t, pgledger.Config{Pool: k.plug(t, address(t))})
	for round := range 3 {
		var warm sync.WaitGroup
		for range pgledger.DefaultReaders {
			warm.Go(func() {
				if _, err := l.Head(t.Context()); err != nil {
					t.Errorf("round %d: head before: %v", round, err)
				}
			})
		}
		warm.Wait()
		k.cut()
		k.mend()
		if _, err := l.Head(t.Context()); err != nil {
			t.Errorf("round %d: head: %v", round, err)
		}
		for _, err := range l.ReadAll(t.Context(), 0, 0) {
			t.Errorf("round %d: read: %v", round, err)
		}
	}
}

// The shared test server has fsync off. For figures that mean something, name a server that has it on in MOROMI_TEST_POSTGRES.
func BenchmarkLedgerAppend(b *testing.B) {
	storetest.BenchAppend(b, open)
}

func BenchmarkLedgerReplay(b *testing.B) { storetest.BenchReplay(b, open) }
