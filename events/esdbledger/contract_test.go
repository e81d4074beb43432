package esdbledger_test

import (
	"context"
	"os"
	"testing"

	"moromi/events"
	"moromi/events/esdbledger"
	"moromi/events/esdbledger/testnode"
	"moromi/events/storetest"
)

func openAt(t testing.TB, url string) *esdbledger.Ledger {
	t.Helper()
	l, err := esdbledger.Open(context.Background(), url, esdbledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func open(t testing.TB) events.Store { return openAt(t, testnode.Start(t).URL()) }

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}

// TestDiscovered reaches the node by gossip, as a site with a cluster does.
func TestDiscovered(t *testing.T) {
	t.Parallel()
	l := openAt(t, testnode.Start(t).DiscoverURL())
	e := event("a")
	a := mustAppend(t, l, "task-1", events.NoStream, e)
	for r, err := range l.ReadAll(bounded(t), 0, 0) {
		if err != nil || r.ID != e.ID || r.Position != a.Position {
			t.Errorf("%+v, %v, want %s at %d", r, err, e.ID, a.Position)
		}
	}
}

// realServer is the server named by MOROMI_TEST_ESDB, on which the contract must hold as well.
func realServer(t testing.TB) string {
	url := os.Getenv("MOROMI_TEST_ESDB")
	if url == "" {
		t.Skip("MOROMI_TEST_ESDB names no server")
	}
	return url
}

func TestContractRealServer(t *testing.T) {
	t.Parallel()
	url := realServer(t)
	storetest.Run(t, func(t testing.TB) events.Store { return openAt(t, url) })
}

func TestOutage(t *testing.T) {
	t.Parallel()
	storetest.Outage(t, func(t testing.TB) storetest.Breakable {
		n := testnode.Start(t)
		return storetest.Breakable{Store: openAt(t, n.URL()), Down: n.Down, Up: n.Up}
	})
}

// The benchmarks take a real server if one is named; over the node in memory they measure the client and its protocol only.
func benchmarked(t testing.TB) events.Store {
	if url := os.Getenv("MOROMI_TEST_ESDB"); url != "" {
		return openAt(t, url)
	}
	return open(t)
}

func BenchmarkLedgerAppend(b *testing.B) { storetest.BenchAppend(b, benchmarked) }

func BenchmarkLedgerReplay(b *testing.B) { storetest.BenchReplay(b, benchmarked) }
