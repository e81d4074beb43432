package pgledger_test

import (
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

// The shared test server has fsync off. For figures that mean something, name a server that has it on in MOROMI_TEST_POSTGRES.
func BenchmarkLedgerAppend(b *testing.B) {
	storetest.BenchAppend(b, open)
}

func BenchmarkLedgerReplay(b *testing.B) { storetest.BenchReplay(b, open) }
