package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"moromi/internal/pgtest"
)

// TestFsckFindsDamage changes rows of a ledger behind its back, as a superuser can who switches the trigger off.
func TestFsckFindsDamage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sql, want string }{
		{"a row is gone", `delete from ledger.events where position = 2`, "position 3 follows 1"},
		{"a row has another number", `update ledger.events set revision = 7 where position = 2`, "has revision 7 where 0 is due"},
		{"a row is of an unknown type", `update ledger.events set type = 'name.forgotten' where position = 2`, "name.forgotten"},
		{"a row is no JSON", `update ledger.events set data = 'x' where position = 2`, "event 2"},
		{"a row says when it cannot have been", `update ledger.events set at = at - interval '1 hour' where position = 2`, "event 2: its time"},
		{"the end is gone", `delete from ledger.events where position >= 2`, "the last event is 1, and the read models have seen event "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.EmptyURL(t)
			for _, name := range []string{"alice", "bob"} {
				mustVerb(t, "", "user", "add", name, "--database-url", url)
			}
			if out := mustVerb(t, "", "fsck", "--database-url", url); !strings.HasPrefix(out, "whole: ") {
				t.Fatalf("before the damage fsck says %q", out)
			}
			harm(t, url, c.sql)
			out, complaint, status := verb(t, "", "fsck", "--database-url", url)
			if status != exitFailed || !strings.Contains(out+complaint, c.want) || !strings.Contains(complaint, "damaged") {
				t.Errorf("status %d, says %q and %q; want status %d, %q and that it is damaged", status, out, complaint, exitFailed, c.want)
			}
		})
	}
}

func harm(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the test is over for it
	if _, err := conn.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
		t.Errorf("with the trigger on: %v, want a refusal", err)
	}
	tag, err := conn.Exec(t.Context(), `alter table ledger.events disable trigger events_append_only; `+sql)
	if err != nil || tag.RowsAffected() == 0 {
		t.Fatalf("damage: %s, %v", tag, err)
	}
}

// TestReplayFindsDifference changes a row of a read model behind the engine's back.
func TestReplayFindsDifference(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	mustVerb(t, "", "user", "add", "alice", "--database-url", url)
	mustVerb(t, "", "replay", "--verify", "--database-url", url)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the test is over for it
	var schema string
	if err := conn.QueryRow(t.Context(), `select schemaname from pg_tables where tablename = 'users'`).Scan(&schema); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `update `+pgx.Identifier{schema, "users"}.Sanitize()+` set status = 1`); err != nil {
		t.Fatal(err)
	}
	out, complaint, status := verb(t, "", "replay", "--verify", "--database-url", url)
	if status != exitFailed || !strings.Contains(out, "users: 1 rows only in the live read model, 1 only in the rebuilt one") || !strings.Contains(complaint, "1 of ") {
		t.Errorf("status %d, says %q and %q", status, out, complaint)
	}
}
