package migrations_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/internal/pgtest"
	"moromi/migrations"
)

var update = flag.Bool("update", false, "write schema.sql")

const schemaHead = `-- The whole of what Moromi keeps in PostgreSQL, as the numbered files and the read models' definition leave it.
-- For reading: it is made by a test from a migrated database (go test ./migrations -update), and nothing applies it.
-- The read models' schema is called rm_ and a digest of its definition.
`

// TestSchema holds schema.sql equal to what a migrated database has.
func TestSchema(t *testing.T) {
	t.Parallel()
	got := schemaHead + dump(t, pgtest.DB(t))
	if *update {
		if err := os.WriteFile("schema.sql", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("schema.sql is not what the migrations make: go test ./migrations -update\n%s", firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d: %q, want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// dump writes down the definitions from PostgreSQL's own catalogs.
func dump(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var b strings.Builder
	for _, s := range []struct{ name, title string }{{"ledger", "ledger"}, {"ops", "ops"}, {migrations.ReadModelSchema(), "read models"}} {
		fmt.Fprintf(&b, "\n-- schema: %s\n", s.title)
		for _, q := range []string{tables, indexes, functions, triggers} {
			for _, line := range lines(t, pool, q, s.name) {
				b.WriteString("\n" + strings.ReplaceAll(line, s.name+".", "") + "\n")
			}
		}
	}
	return b.String()
}

func lines(t *testing.T, pool *pgxpool.Pool, sql, schema string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, schema)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	tables = `
		select 'create table ' || c.relname || E' (\n' || (
			select string_agg(E'\t' || line, E',\n' order by kind, at, line) from (
				select 1 as kind, a.attnum::int as at, a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
					|| case when a.attnotnull then ' not null' else '' end
					|| case when a.attidentity <> '' then ' generated as identity'
						when a.attgenerated <> '' then ' generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ') stored'
						when d.adbin is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid) else '' end as line
				from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
				where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
				union all
				select 2, 0, pg_get_constraintdef(k.oid) from pg_constraint k where k.conrelid = c.oid and k.contype <> 'n'
			) as parts
		) || E'\n);' from pg_class c where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') order by c.relname`
	indexes = `
		select pg_get_indexdef(i.indexrelid) || ';' from pg_index i join pg_class c on c.oid = i.indexrelid
		where c.relnamespace = $1::regnamespace and not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
		order by i.indrelid::regclass::text collate "C", c.relname`
	functions = `
		select pg_get_functiondef(p.oid) || ';' from pg_proc p where p.pronamespace = $1::regnamespace and p.prokind = 'f' order by p.proname`
	triggers = `
		select pg_get_triggerdef(g.oid) || ';' from pg_trigger g join pg_class c on c.oid = g.tgrelid
		where c.relnamespace = $1::regnamespace and not g.tgisinternal order by c.relname, g.tgname`
)

// TestApply applies everything from two programs at once, and again.
func TestApply(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	errs := make(chan error)
	for range 2 {
		go func() { errs <- migrations.Apply(t.Context(), pool) }()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	before := lines(t, pool, `select name || sum || applied from public.moromi_migrations where name <> $1 order by name`, "")
	if err := migrations.Apply(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	after := lines(t, pool, `select name || sum || applied from public.moromi_migrations where name <> $1 order by name`, "")
	if len(before) == 0 || strings.Join(before, "\n") != strings.Join(after, "\n") {
		t.Errorf("a second time changed what was applied: %v, then %v", before, after)
	}
}

// TestEdited refuses a file that was edited after it was applied.
func TestEdited(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	if err := migrations.Apply(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(context.WithoutCancel(t.Context()), `update public.moromi_migrations set sum = 'other' where name = 'ledger/0001_ledger.sql'`); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Apply(t.Context(), pool); err == nil || !strings.Contains(err.Error(), "ledger/0001_ledger.sql") {
		t.Errorf("an edited migration was taken: %v", err)
	}
}
