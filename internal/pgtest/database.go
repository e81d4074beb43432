package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/migrations"
)

const (
	// prefix begins the name of every database of a test, templatePrefix that of every template.
	prefix         = "moromi_test_"
	templatePrefix = "moromi_template_"
	// templateLock is the advisory lock that keeps two processes from making one template. The number means nothing.
	templateLock = 0x6d6f726f74
	// poolSize is enough for the concurrency within one test and keeps many tests within maxConnections.
	poolSize = 10
	// dropTimeout bounds the removal of a database.
	dropTimeout = time.Minute
	// copyTries is how often a copy is tried while somebody is connected to the template.
	copyTries = 20
)

// DB returns a pool of connections to a fresh database with all migrations applied. Its search_path names the
// schema of the read models. The pool is closed and the database dropped when the test ends.
func DB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return open(t, URL(t))
}

// Empty returns a pool of connections to a fresh database without anything in it.
func Empty(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return open(t, create(t, server(t), ""))
}

// URL returns the connection URL of a fresh database with all migrations applied, which is dropped when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	base := server(t)
	template, err := makeTemplate(t.Context(), base)
	if err != nil {
		t.Fatalf("pgtest: make template database: %v", err)
	}
	address, err := url.Parse(create(t, base, template))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	values := address.Query()
	values.Set("search_path", migrations.ReadModelSchema()+",public")
	address.RawQuery = values.Encode()
	return address.String()
}

// EmptyURL returns the connection URL of a fresh database without anything in it.
func EmptyURL(t testing.TB) string {
	t.Helper()
	return create(t, server(t), "")
}

func server(t testing.TB) string {
	t.Helper()
	s := shared()
	if s.err != nil {
		t.Fatalf("pgtest: %v", s.err)
	}
	return s.url
}

func open(t testing.TB, address string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// create makes a database, a copy of template unless that is empty, and returns its URL.
func create(t testing.TB, base, template string) string {
	t.Helper()
	name := prefix + strings.ToLower(rand.Text())
	err := withConn(t.Context(), base, func(conn *pgx.Conn) error { return createDatabase(t.Context(), conn, name, template) })
	if err != nil {
		t.Fatalf("pgtest: create database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), dropTimeout)
		defer cancel()
		if err := withConn(ctx, base, func(conn *pgx.Conn) error { return drop(ctx, conn, name) }); err != nil {
			t.Errorf("pgtest: drop database: %v", err)
		}
	})
	address, err := withDatabase(base, name)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return address
}

// createDatabase copies template or, when that is empty, PostgreSQL's own pristine template0.
func createDatabase(ctx context.Context, conn *pgx.Conn, name, template string) error {
	if template == "" {
		template = "template0"
	}
	sql := fmt.Sprintf("create database %s template %s", pgx.Identifier{name}.Sanitize(), pgx.Identifier{template}.Sanitize())
	major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	if n, err := strconv.Atoi(major); err == nil && n >= 15 {
		sql += " strategy file_copy" // half the time of writing the copy to the log, without fsync
	}
	for try := 1; ; try++ {
		_, err := conn.Exec(ctx, sql)
		var answer *pgconn.PgError
		// 55006 object_in_use: autovacuum, for one, may be in the template.
		if err == nil || try == copyTries || !errors.As(err, &answer) || answer.Code != "55006" {
			return err
		}
		if _, err := conn.Exec(ctx, `select pg_sleep(0.05)`); err != nil {
			return err
		}
	}
}

// makeTemplate makes the template for the present migrations, if there is none, and returns its name.
func makeTemplate(ctx context.Context, base string) (string, error) {
	name := templatePrefix + migrations.Digest()
	return name, withConn(ctx, base, func(conn *pgx.Conn) error {
		const isThere = `select exists (select from pg_database where datname = $1)`
		var there bool
		if err := conn.QueryRow(ctx, isThere, name).Scan(&there); err != nil || there {
			return err
		}
		if _, err := conn.Exec(ctx, `select pg_advisory_lock($1)`, int64(templateLock)); err != nil {
			return err
		} // the lock ends with the connection
		if err := conn.QueryRow(ctx, isThere, name).Scan(&there); err != nil || there {
			return err
		}
		unfinished := name + "_new"
		if err := drop(ctx, conn, unfinished); err != nil {
			return err
		}
		if err := createDatabase(ctx, conn, unfinished, ""); err != nil {
			return err
		}
		address, err := withDatabase(base, unfinished)
		if err != nil {
			return err
		}
		if err := migrate(ctx, address); err != nil {
			return err
		}
		// It gets its name when it is whole, and from then on nobody can connect, so it can always be copied.
		from, to := pgx.Identifier{unfinished}.Sanitize(), pgx.Identifier{name}.Sanitize()
		if _, err := conn.Exec(ctx, `alter database `+from+` with allow_connections false is_template true`); err != nil {
			return err
		}
		_, err = conn.Exec(ctx, `alter database `+from+` rename to `+to)
		return err
	})
}

func migrate(ctx context.Context, address string) error {
	pool, err := pgxpool.New(ctx, address)
	if err != nil {
		return err
	}
	defer pool.Close()
	return migrations.Apply(ctx, pool)
}

// dropAbandoned removes the databases that killed test programs left, and the templates of other migrations.
// The caller knows that no other process uses the server.
func dropAbandoned(ctx context.Context, base string) error {
	return withConn(ctx, base, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select datname from pg_database
			where datname like $1 || '%' or (datname like $2 || '%' and datname <> $2 || $3)`,
			likeLiteral(prefix), likeLiteral(templatePrefix), migrations.Digest())
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("list abandoned databases: %w", err)
		}
		for _, name := range names {
			if err := drop(ctx, conn, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func drop(ctx context.Context, conn *pgx.Conn, name string) error {
	if strings.HasPrefix(name, templatePrefix) {
		if _, err := conn.Exec(ctx, `update pg_database set datistemplate = false where datname = $1`, name); err != nil {
			return fmt.Errorf("drop template %s: %w", name, err)
		}
	}
	if _, err := conn.Exec(ctx, `drop database if exists `+pgx.Identifier{name}.Sanitize()+` with (force)`); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// withConn runs f on a connection to the server's own database.
func withConn(ctx context.Context, base string, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return f(conn)
}

// withDatabase is base with another database.
func withDatabase(base, name string) (string, error) {
	address, err := url.Parse(base)
	if err != nil {
		return "", fmt.Errorf("parse database URL: %w", err)
	}
	address.Path = "/" + name
	return address.String(), nil
}

// likeLiteral escapes what has a meaning in a LIKE pattern.
func likeLiteral(s string) string { return strings.ReplaceAll(s, "_", `\_`) }
