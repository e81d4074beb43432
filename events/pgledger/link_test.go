package pgledger_test

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/events/pgledger"
	"moromi/internal/pgtest"
)

// link is the network between a ledger and its database, for a test to break.
type link struct {
	mu    sync.Mutex
	down  bool
	conns map[*cable]bool
	// loseAnswerOf counts the sendings until the one whose answer is lost, over all connections; 0: none is.
	loseAnswerOf int
}

var errCut = errors.New("cut by the test")

// plug makes a pool whose configuration leads over the link.
func (k *link) plug(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	k.conns = map[*cable]bool{}
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.down {
			return nil, errCut
		}
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		w := &cable{Conn: c, link: k}
		k.conns[w] = true
		return w, nil
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = true
	for c := range k.conns {
		_ = c.Conn.Close() // the test wants it broken
	}
	clear(k.conns)
}

func (k *link) mend() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = false
}

func (k *link) loseAnswer(of int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.loseAnswerOf = of
}

func (k *link) losesStill() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.loseAnswerOf > 0
}

// cable is one connection over the link.
type cable struct {
	net.Conn
	link *link
	lose bool // under link.mu
}

func (c *cable) Write(b []byte) (int, error) {
	c.link.mu.Lock()
	if c.link.loseAnswerOf > 0 {
		c.link.loseAnswerOf--
		c.lose = c.link.loseAnswerOf == 0
	}
	c.link.mu.Unlock()
	return c.Conn.Write(b)
}

// Read loses an answer after it has come: the server has done what it was asked.
func (c *cable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.lose && n > 0 {
		_ = c.Conn.Close() // the test wants it broken
		return 0, errCut
	}
	return n, err
}

func openAt(t testing.TB, c pgledger.Config) *pgledger.Ledger {
	t.Helper()
	l, err := pgledger.Open(context.Background(), c)
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

// database makes a database with the ledger's schema and nothing else.
func database(t testing.TB) *pgxpool.Pool {
	t.Helper()
	sql, err := os.ReadFile("../../migrations/ledger/0001_ledger.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := pgtest.Empty(t)
	if _, err := db.Exec(context.Background(), string(sql)); err != nil {
		t.Fatal(err)
	}
	return db
}

func address(t testing.TB) string { t.Helper(); return database(t).Config().ConnString() }
