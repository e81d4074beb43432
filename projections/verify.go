package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/events"
	"moromi/migrations"
)

// verifyTries bounds how often Verify compares anew because the live read models moved on between its last event and the comparison.
const verifyTries = 50

// Difference is a table whose rebuilt rows are not the live ones.
type Difference struct {
	Table             string
	OnlyLive, OnlyNew int64 // rows that only one of the two has
}

// Verification is what Verify found.
type Verification struct {
	Position    events.Position // up to which both were built
	Tables      int
	Rows        int64
	Elapsed     time.Duration
	Differences []Difference
}

// Verify rebuilds every read model from the first event on in a schema of its own, compares all tables with the live ones, row for row, in
// one snapshot, and drops the schema again. The hub may run meanwhile. progress, if not nil, is told how far the rebuild is.
func Verify(ctx context.Context, store events.Store, pool *pgxpool.Pool, live string, log *slog.Logger, progress func(at, head events.Position), ps ...Projection) (*Verification, error) {
	start := time.Now()
	scratch := fmt.Sprintf("verify_%d", start.UnixNano())
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return migrations.CreateReadModels(ctx, tx, scratch) }); err != nil {
		return nil, err
	}
	defer func() {
		_, err := pool.Exec(context.WithoutCancel(ctx), "drop schema "+pgx.Identifier{scratch}.Sanitize()+" cascade")
		if err != nil {
			log.Warn("verification schema not dropped", "schema", scratch, "error", err)
		}
	}()
	e, err := NewEngine(store, pool, scratch, log, ps...)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(run) }()
	defer func() { stop(); <-ended }()
	if err := e.report(ctx, progress); err != nil {
		return nil, err
	}
	for range verifyTries {
		if err := e.CatchUp(ctx); err != nil {
			return nil, err
		}
		v, err := compare(ctx, pool, live, scratch)
		if err != nil {
			return nil, err
		}
		if v != nil {
			v.Elapsed = time.Since(start)
			return v, nil
		}
	}
	return nil, errors.New("the read models never stood still long enough to be compared; try again when less is going on")
}

// report tells progress until the engine is where the ledger ended when it began.
func (e *Engine) report(ctx context.Context, progress func(at, head events.Position)) error {
	head, err := e.store.Head(ctx)
	if err != nil {
		return err
	}
	for progress != nil && e.Position() < head {
		short, cancel := context.WithTimeout(ctx, time.Second)
		err := e.Wait(short, head)
		cancel()
		progress(e.Position(), head)
		if errors.Is(err, ErrStopped) || ctx.Err() != nil {
			return err
		}
	}
	return e.Wait(ctx, head)
}

// compare gives nil if the two schemas are not at the same position in its snapshot.
func compare(ctx context.Context, pool *pgxpool.Pool, live, rebuilt string) (*Verification, error) {
	a, b := pgx.Identifier{live}.Sanitize(), pgx.Identifier{rebuilt}.Sanitize()
	v := &Verification{}
	same := false
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var other events.Position
		if err := tx.QueryRow(ctx, `select l.position, r.position from `+a+`.checkpoint l, `+b+`.checkpoint r`).Scan(&v.Position, &other); err != nil {
			return fmt.Errorf("read checkpoints: %w", err)
		}
		if same = v.Position == other; !same {
			return nil
		}
		rows, err := tx.Query(ctx, `select tablename from pg_tables where schemaname = $1 order by tablename`, live)
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		for _, t := range tables {
			if err := v.table(ctx, tx, a, b, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !same {
		return nil, err
	}
	return v, nil
}

func (v *Verification) table(ctx context.Context, tx pgx.Tx, a, b, table string) error {
	t := pgx.Identifier{table}.Sanitize()
	d := Difference{Table: table}
	var n int64
	// compared as text: json has no equality
	err := tx.QueryRow(ctx, `select (select count(*) from `+a+`.`+t+`),
		(select count(*) from (select l::text from `+a+`.`+t+` l except all select r::text from `+b+`.`+t+` r) x),
		(select count(*) from (select r::text from `+b+`.`+t+` r except all select l::text from `+a+`.`+t+` l) x)`).Scan(&n, &d.OnlyLive, &d.OnlyNew)
	if err != nil {
		return fmt.Errorf("compare %s: %w", table, err)
	}
	v.Tables++
	v.Rows += n
	if d.OnlyLive != 0 || d.OnlyNew != 0 {
		v.Differences = append(v.Differences, d)
	}
	return nil
}
