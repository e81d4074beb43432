package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"moromi/internal/pgserver"
	"moromi/migrations"
)

// childEnv makes a run of this test program a child: it joins the server in that directory.
const childEnv = "MOROMI_PGTEST_CHILD_DIR"

func TestDB(t *testing.T) {
	t.Parallel()
	var name string
	t.Run("is migrated and a database of its own", func(t *testing.T) {
		one, two := DB(t), DB(t)
		if err := migrations.Apply(t.Context(), one); err != nil {
			t.Errorf("apply migrations again: %v", err)
		}
		if _, err := one.Exec(t.Context(), `create table public.mine (n int)`); err != nil {
			t.Fatal(err)
		}
		var there bool
		if err := two.QueryRow(t.Context(), `select to_regclass('public.mine') is not null`).Scan(&there); err != nil || there {
			t.Errorf("the other test's database has the table: %v, %v", there, err)
		}
		var schema string
		if err := one.QueryRow(t.Context(), `select current_database(), current_schema()`).Scan(&name, &schema); err != nil {
			t.Fatal(err)
		}
		if schema != migrations.ReadModelSchema() {
			t.Errorf("current schema %q, want %q", schema, migrations.ReadModelSchema())
		}
	})
	if exists(t, server(t), name) {
		t.Errorf("database %s is left", name)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	var tables int
	if err := Empty(t).QueryRow(t.Context(), `select count(*) from pg_tables where schemaname !~ '^pg_|^information_schema$'`).Scan(&tables); err != nil {
		t.Fatal(err)
	}
	if tables != 0 {
		t.Errorf("%d tables in an empty database", tables)
	}
}

// TestChild is what the child processes of TestJoin run.
func TestChild(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("runs only as a child process")
	}
	url, err := join(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	err = withConn(t.Context(), url, func(conn *pgx.Conn) error {
		return createDatabase(t.Context(), conn, fmt.Sprintf("%schild_%d", prefix, os.Getpid()), "")
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("url", url)
}

// TestJoin lets many processes want the server at once, then kills it, then lets one more come.
func TestJoin(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "shared")
	child := func() (string, error) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		_, rest, _ := strings.Cut(string(out), "url ")
		url, _, _ := strings.Cut(rest, "\n")
		return url, nil
	}
	const children = 6
	urls, errs := make([]string, children), make([]error, children)
	var group sync.WaitGroup
	for i := range children {
		group.Go(func() { urls[i], errs[i] = child() })
	}
	group.Wait()
	t.Cleanup(func() { killServer(t, dir) })
	for i := range children {
		if errs[i] != nil {
			t.Fatalf("child %d: %v", i, errs[i])
		}
		if urls[i] != urls[0] || urls[i] == "" {
			t.Fatalf("child %d uses %q, the first %q", i, urls[i], urls[0])
		}
	}
	killServer(t, dir)
	if _, ok := pgserver.Running(t.Context(), dir); ok {
		t.Fatal("still running")
	}
	url, err := child()
	if err != nil {
		t.Fatalf("after the server was killed: %v", err)
	}
	err = withConn(t.Context(), url, func(conn *pgx.Conn) error {
		var left int
		err := conn.QueryRow(t.Context(), `select count(*) from pg_database where datname like 'moromi\_test\_%'`).Scan(&left)
		if left != 1 {
			t.Errorf("%d databases, want only the last child's: those that were abandoned go", left)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWatch ends a server once the last process that uses it is gone, and not before.
func TestWatch(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "shared")
	server, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir, Volatile: true, Detached: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { killServer(t, dir) })
	use, err := lock(filepath.Join(dir, "users"), unix.LOCK_SH)
	if err != nil {
		t.Fatal(err)
	}
	if err := watch(dir, server.PID(), 1, 1); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Done():
		t.Fatal("ended while it was in use")
	case <-time.After(3 * time.Second): // longer than a server without users stays
	}
	use.Close()
	select {
	case <-server.Done():
	case <-time.After(startTimeout):
		t.Fatal("not ended after its last use")
	}
}

// killServer kills the server in dir as a crash would.
func killServer(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	for {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil {
			return
		}
	}
}

func exists(t *testing.T, base, name string) bool {
	t.Helper()
	var there bool
	err := withConn(context.Background(), base, func(conn *pgx.Conn) error {
		return conn.QueryRow(context.Background(), `select exists (select from pg_database where datname = $1)`, name).Scan(&there)
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}

// BenchmarkDB measures what a test pays for a database: its creation from the template and its removal.
func BenchmarkDB(b *testing.B) {
	base := server(b)
	template, err := makeTemplate(b.Context(), base)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := withConn(b.Context(), base, func(conn *pgx.Conn) error {
			if err := createDatabase(b.Context(), conn, prefix+"benchmark", template); err != nil {
				return err
			}
			return drop(b.Context(), conn, prefix+"benchmark")
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
