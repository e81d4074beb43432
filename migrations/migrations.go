// Package migrations holds the SQL of everything Moromi keeps in PostgreSQL.
//
// Three kinds, three ways. ledger/ (schema ledger) and ops/ (schema ops: sessions, passwords, heartbeats, id counters) hold what cannot be
// made again: numbered files, each applied once, in order, never edited after a release. readmodel/ is what replaying the ledger gives: no
// migrations, only its present definition; another definition is another schema, built beside the live one from position 0 and switched to.
package migrations

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed ledger/*.sql ops/*.sql readmodel/*.sql
var files embed.FS

// lockID is the advisory lock that keeps two hubs from migrating at once. The number means nothing.
const lockID = 0x6d6f726f6d69

// file is one SQL file with what identifies it.
type file struct{ name, sql, sum string }

func list(dir string) ([]file, error) {
	entries, err := fs.ReadDir(files, dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var out []file
	for _, e := range entries {
		b, err := files.ReadFile(dir + "/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", e.Name(), err)
		}
		sum := sha256.Sum256(b)
		out = append(out, file{dir + "/" + e.Name(), string(b), hex.EncodeToString(sum[:])})
	}
	return out, nil
}

// Apply brings a database up to date: the ledger's and the operational schema by their numbered files, and the read models' schema of this
// program's definition, empty if it was not there. It is safe to call from several processes at once and costs one query when nothing is to do.
func Apply(ctx context.Context, pool *pgxpool.Pool) error {
	numbered, err := numberedFiles()
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, int64(lockID)); err != nil {
			return fmt.Errorf("lock for migration: %w", err)
		}
		if _, err := tx.Exec(ctx, `create table if not exists public.moromi_migrations (
			name text primary key, sum text not null, applied timestamptz not null default now())`); err != nil {
			return fmt.Errorf("create migration table: %w", err)
		}
		for _, f := range numbered {
			if err := applyOnce(ctx, tx, f); err != nil {
				return err
			}
		}
		return CreateReadModels(ctx, tx, ReadModelSchema())
	})
}

func numberedFiles() ([]file, error) {
	var all []file
	for _, dir := range []string{"ledger", "ops"} {
		fs, err := list(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, fs...)
	}
	return all, nil
}

func applyOnce(ctx context.Context, tx pgx.Tx, f file) error {
	var sum string
	err := tx.QueryRow(ctx, `select sum from public.moromi_migrations where name = $1`, f.name).Scan(&sum)
	if err == nil {
		if sum != f.sum {
			return fmt.Errorf("migration %s was applied with another content (%.12s, now %.12s): it was edited after its release", f.name, sum, f.sum)
		}
		return nil
	}
	if err != pgx.ErrNoRows {
		return fmt.Errorf("look up migration %s: %w", f.name, err)
	}
	if _, err := tx.Exec(ctx, f.sql); err != nil {
		return fmt.Errorf("apply migration %s: %w", f.name, err)
	}
	if _, err := tx.Exec(ctx, `insert into public.moromi_migrations (name, sum) values ($1, $2)`, f.name, f.sum); err != nil {
		return fmt.Errorf("record migration %s: %w", f.name, err)
	}
	return nil
}

// ReadModelSchema is the name of the schema that holds the read models of this program's definition: rm_ and a digest of that definition.
func ReadModelSchema() string { return "rm_" + readModelDigest()[:10] }

// Digest identifies the whole of the SQL; test databases are kept by it.
func Digest() string {
	h := sha256.New()
	numbered, err := numberedFiles()
	if err != nil {
		panic(err) // embedded files are always readable
	}
	for _, f := range numbered {
		h.Write([]byte(f.name + f.sum))
	}
	h.Write([]byte(readModelDigest()))
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func readModelDigest() string {
	fs, err := list("readmodel")
	if err != nil {
		panic(err) // embedded files are always readable
	}
	h := sha256.New()
	for _, f := range fs {
		h.Write([]byte(f.name + f.sum))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// CreateReadModels makes a schema with empty read models at position 0, if it is not there. The schema's name must be one of
// ReadModelSchema or of the program's own making: it is used as an identifier.
func CreateReadModels(ctx context.Context, tx pgx.Tx, schema string) error {
	var there bool
	if err := tx.QueryRow(ctx, `select exists (select from pg_namespace where nspname = $1)`, schema).Scan(&there); err != nil {
		return fmt.Errorf("look up schema %s: %w", schema, err)
	}
	if there {
		return nil
	}
	fs, err := list("readmodel")
	if err != nil {
		return err
	}
	ident := pgx.Identifier{schema}.Sanitize()
	var b strings.Builder
	fmt.Fprintf(&b, "create schema %s; set local search_path = %s, public;\n", ident, ident)
	for _, f := range fs {
		b.WriteString(f.sql + "\n")
	}
	if _, err := tx.Exec(ctx, b.String()); err != nil {
		return fmt.Errorf("create read models in %s: %w", schema, err)
	}
	return nil
}
