package commands_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/events/pgledger"
	"moromi/internal/fault"
	"moromi/internal/pgtest"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// line is a ledger that can lose appends that are started, once, in ways that a test asks for.
type line struct {
	*pgledger.Ledger
	lose atomic.Pointer[func(p events.Pipeline, ctx context.Context, after []events.Started, writes []events.Write) events.Started]
}

func (l *line) Start(ctx context.Context, after []events.Started, writes ...events.Write) events.Started {
	for i, a := range after {
		if o, ok := a.(outcome); ok {
			after[i] = o.Started
		}
	}
	if f := l.lose.Swap(nil); f != nil {
		return (*f)(l.Ledger, ctx, after, writes)
	}
	return l.Ledger.Start(ctx, after, writes...)
}

// outcome is an append whose Wait is told by a test.
type outcome struct {
	events.Started
	wait func(ctx context.Context) ([]events.Appended, error)
}

func (o outcome) Wait(ctx context.Context) ([]events.Appended, error) { return o.wait(ctx) }

// newLine gives a service over such a ledger.
func newLine(t *testing.T) (*commands.Service, *line) {
	t.Helper()
	pool := pgtest.DB(t)
	l := &line{Ledger: openLedger(t, pool)}
	return commandtest.Over(t, context.Background(), l, pool), l
}

func openLedger(t *testing.T, pool *pgxpool.Pool) *pgledger.Ledger {
	t.Helper()
	ledger, err := pgledger.Open(context.Background(), pgledger.Config{Pool: pool, Readers: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ledger.Close(); err != nil {
			t.Errorf("close ledger: %v", err)
		}
	})
	return ledger
}

// tagNames are the ids of all tags by name.
func tagNames(t *testing.T, s *commands.Service) map[string]int64 {
	t.Helper()
	rows, err := tag.List(t.Context(), s.DB, tag.ListFilter{}, nil, query.Opts{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, r := range rows.([]query.Row) {
		out[r["name"].(string)] = r["id"].(int64)
	}
	return out
}

// TestMakersOfOneName: of many that make things of the same names at once one each succeeds, whoever shares a commit with whom, also when
// another hub makes such things meanwhile.
func TestMakersOfOneName(t *testing.T) {
	t.Parallel()
	const names, makers = 20, 8
	for _, hubs := range []int{1, 2} {
		t.Run(fmt.Sprint(hubs, " hubs"), func(t *testing.T) {
			t.Parallel()
			s := commandtest.New(t)
			all := []*commands.Service{s}
			if hubs == 2 {
				all = append(all, commandtest.Over(t, context.Background(), openLedger(t, s.DB), s.DB))
			}
			var made, refused atomic.Int64
			var wg sync.WaitGroup
			for m := range makers {
				wg.Go(func() {
					for n := range names {
						_, err := all[m%hubs].CreateTag(t.Context(), commands.Actor{UserID: 1}, commands.CreateTag{Name: fmt.Sprintf("t%d", n)})
						switch {
						case err == nil:
							made.Add(1)
						case fault.Is(err, fault.Generic):
							refused.Add(1)
						default:
							t.Errorf("t%d: %v", n, err)
						}
					}
				})
			}
			wg.Wait()
			if made.Load() != names || refused.Load() != names*(makers-1) {
				t.Errorf("%d made, %d refused", made.Load(), refused.Load())
			}
			ids := map[int64]bool{}
			for _, id := range tagNames(t, s) {
				ids[id] = true
			}
			for id := range int64(names) {
				if !ids[id+1] {
					t.Errorf("no tag has the id %d", id+1)
				}
			}
		})
	}
}

// TestIDsOfAnotherHub: an id that another hub gave away is not given away again, though the thing is known here and its name is not.
func TestIDsOfAnotherHub(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	other := commandtest.Over(t, context.Background(), openLedger(t, s.DB), s.DB)
	admin := commands.Actor{UserID: 1, Admin: true}
	create := func(s *commands.Service, name string) int64 {
		t.Helper()
		id, err := s.CreateTag(t.Context(), admin, commands.CreateTag{Name: name})
		if err != nil {
			t.Fatalf("create %s: %v", name, err)
		}
		return id
	}
	create(s, "here") // the names are known here now
	there := create(other, "there")
	if err := s.EditTag(t.Context(), admin, there, commands.EditTag{Settings: &events.TagSettings{Locked: true}}); err != nil {
		t.Fatal(err)
	}
	if id := create(s, "new"); id != there+1 {
		t.Errorf("the new tag has the id %d, want %d", id, there+1)
	}
}

// TestRefusalsAfterAnotherHub: what is refused because of something that another hub has changed since is not refused.
func TestRefusalsAfterAnotherHub(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	other := commandtest.Over(t, context.Background(), openLedger(t, s.DB), s.DB)
	admin := commands.Actor{UserID: 1, Admin: true}
	create := func(name string) int64 {
		t.Helper()
		id, err := s.CreateTag(t.Context(), admin, commands.CreateTag{Name: name})
		if err != nil {
			t.Errorf("create %s: %v", name, err)
		}
		return id
	}
	gone, renamed := create("gone"), create("renamed")
	if err := other.DeleteTag(t.Context(), admin, gone); err != nil {
		t.Fatal(err)
	}
	if err := other.EditTag(t.Context(), admin, renamed, commands.EditTag{Name: "now"}); err != nil {
		t.Fatal(err)
	}
	if id := create("gone"); id != gone {
		t.Errorf("the tag that was deleted came back with the id %d, want %d", id, gone)
	}
	if id := create("renamed"); id != renamed+1 {
		t.Errorf("a tag with a name that was given up has the id %d, want %d", id, renamed+1)
	}
}

// TestLostCommits: what was decided on top of a commit that did not get into the ledger is decided again, and nothing of it happens twice.
func TestLostCommits(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(p events.Pipeline, ctx context.Context, after []events.Started, writes []events.Write) events.Started{
		"nobody knows, and it was made": func(p events.Pipeline, ctx context.Context, after []events.Started, writes []events.Write) events.Started {
			st := p.Start(ctx, after, writes...)
			return outcome{st, func(ctx context.Context) ([]events.Appended, error) {
				_, _ = st.Wait(ctx)
				return nil, events.ErrUnavailable
			}}
		},
		"nobody knows, and it was not made": func(p events.Pipeline, _ context.Context, after []events.Started, writes []events.Write) events.Started {
			return started(p, after, writes, events.ErrUnavailable)
		},
		"another came in between": func(p events.Pipeline, ctx context.Context, after []events.Started, writes []events.Write) events.Started {
			return started(p, after, writes, &events.Conflict{Stream: writes[0].Stream})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, l := newLine(t)
			create := func(n string) error {
				_, err := s.CreateTag(t.Context(), commands.Actor{UserID: 1}, commands.CreateTag{Name: n})
				return err
			}
			for round := range 10 {
				l.lose.Store(&lose)
				var wg sync.WaitGroup
				var made, refused atomic.Int64
				for range 4 { // the same name: the refusals rest on a commit that may be lost
					wg.Go(func() {
						switch err := create(fmt.Sprintf("same-%d", round)); {
						case err == nil:
							made.Add(1)
						case fault.Is(err, fault.Generic):
							refused.Add(1)
						default:
							t.Errorf("the same: %v", err)
						}
					})
				}
				for i := range 4 {
					wg.Go(func() {
						if err := create(fmt.Sprintf("other-%d-%d", round, i)); err != nil {
							t.Errorf("another: %v", err)
						}
					})
				}
				wg.Wait()
				if made.Load() != 1 || refused.Load() != 3 {
					t.Errorf("round %d: %d made, %d refused", round, made.Load(), refused.Load())
				}
			}
			if got := len(tagNames(t, s)); got != 50 {
				t.Errorf("%d tags, want 50", got)
			}
		})
	}
}

// started is an append that the ledger has not made, for those that come after it too.
func started(p events.Pipeline, after []events.Started, writes []events.Write, err error) events.Started {
	gone, leave := context.WithCancel(context.Background())
	leave()
	return outcome{p.Start(gone, after, writes...), func(context.Context) ([]events.Appended, error) { return nil, err }}
}
