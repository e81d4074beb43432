// Package pgtest gives each test a PostgreSQL database of its own.
//
// All test programs of one account share one server. It lives in memory (/dev/shm) where that has room, else in
// os.TempDir, under a stable name, has fsync off, and ends by itself some minutes after its last use: no place to
// measure what a disk costs. The first test program that needs it starts it; test programs that start at the same
// time wait for that one. A database is a copy of a template to which all migrations were applied, so it costs tens
// of milliseconds, and is dropped when its test ends.
//
// MOROMI_TEST_POSTGRES=postgres://… uses that server instead; its user must be allowed to create databases.
package pgtest
