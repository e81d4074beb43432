package pgserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// childEnv names the directory in which a child of the test runs a server until it is killed.
const childEnv = "MOROMI_PGSERVER_TEST_DIR"

// testTimeout is far more than any of these starts and stops takes.
const testTimeout = 2 * time.Minute

func startTest(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Config{Dir: dir, Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopTest(t, s) })
	return s
}

func stopTest(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var value string
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func waitDone(t *testing.T, s *Server) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(testTimeout):
		t.Fatal("the server did not end")
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // of mode 0700 and, for root, out of the server account's reach
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := startTest(t, dir)
	for sql, want := range map[string]string{
		`show server_encoding`:  "UTF8",
		`show listen_addresses`: "",
		`show data_checksums`:   "on",
		`select current_user`:   roleName,
		`select datcollate from pg_database where datname = current_database()`: "C",
	} {
		if got := query(t, s.URL(), sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	for _, private := range []string{s.cluster.data, s.cluster.socketDir} {
		info, err := os.Stat(private)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v, want 0700", private, info.Mode().Perm())
		}
	}
	if url, ok := Running(t.Context(), dir); !ok || url != s.URL() {
		t.Errorf("Running: %q, %v, want %q", url, ok, s.URL())
	}

	if _, err := Start(t.Context(), Config{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("second start: %v, want ErrInUse", err)
	}

	execute(t, s.URL(), `create table kept (n int); insert into kept values (1), (2)`)
	stopTest(t, s)
	if err := s.Err(); err != nil {
		t.Errorf("after Stop: %v", err)
	}
	if url, ok := Running(t.Context(), dir); ok {
		t.Errorf("still running at %s", url)
	}
	stopTest(t, s) // a second Stop is harmless

	again := startTest(t, dir)
	if got := query(t, again.URL(), `select count(*)::text from kept`); got != "2" {
		t.Errorf("%s rows after a restart, want 2", got)
	}
}

func TestPostmasterDies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startTest(t, dir)
	execute(t, s.URL(), `create table kept (n int)`)
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitDone(t, s)
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "ended by itself: signal: killed") {
		t.Errorf("Err: %v", err)
	}
	stopTest(t, s) // gives the directory back
	again := startTest(t, dir)
	query(t, again.URL(), `select count(*)::text from kept`)
}

// TestChild is the program that TestParentKilled kills. It is no test of its own.
func TestChild(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("runs only as a child process")
	}
	s, err := Start(t.Context(), Config{Dir: dir, Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("url", s.URL())
	<-s.Done()
}

// runChild starts a program that runs a server in dir and returns when the server is ready.
func runChild(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "url "); ok {
			return child, url
		}
	}
	t.Fatalf("the child did not start a server: %v", lines.Err())
	return nil, ""
}

func TestParentKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child, url := runChild(t, dir)
	if _, err := Start(t.Context(), Config{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Fatalf("start beside the child: %v, want ErrInUse", err)
	}
	execute(t, url, `create table kept (n int)`)
	child.Process.Kill()
	child.Wait()
	left, err := waitGone(t.Context(), filepath.Join(dir, "data"), testTimeout)
	if err != nil || len(left) > 0 {
		t.Fatalf("the server outlived its program: processes %v, %v", left, err)
	}
	again := startTest(t, dir)
	query(t, again.URL(), `select count(*)::text from kept`)
}

// TestOrphans starts over servers that an earlier program left running, in whole or in part.
func TestOrphans(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]bool{"postmaster runs": false, "only backends run": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			orphan, err := Start(t.Context(), Config{Dir: dir, Volatile: true, Detached: true})
			if err != nil {
				t.Fatal(err)
			}
			execute(t, orphan.URL(), `create table kept (n int)`)
			if kill {
				// Stopped processes cannot notice that their postmaster is gone, as busy ones do not at once.
				pids, err := serverProcesses(orphan.cluster.data)
				if err != nil {
					t.Fatal(err)
				}
				for _, pid := range pids {
					if pid != orphan.PID() {
						syscall.Kill(pid, syscall.SIGSTOP)
						defer syscall.Kill(pid, syscall.SIGKILL)
					}
				}
				syscall.Kill(orphan.PID(), syscall.SIGKILL)
				waitDone(t, orphan)
				go func() { // they act on the signals that the new server sends them once they run again
					<-time.After(100 * time.Millisecond)
					for _, pid := range pids {
						syscall.Kill(pid, syscall.SIGCONT)
					}
				}()
			}
			again := startTest(t, dir)
			waitDone(t, orphan)
			query(t, again.URL(), `select count(*)::text from kept`)
		})
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	s := startTest(t, dir)
	if got := query(t, s.URL(), `select 'here'`); got != "here" {
		t.Error(got)
	}
	short := s.cluster.socketDir
	stopTest(t, s)
	if _, err := os.Stat(short); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket directory %s is left: %v", short, err)
	}
}

func TestStartRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(t *testing.T, dir string)
		binDir  string
		want    string
	}{
		"data of another version": {
			prepare: func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "data", "PG_VERSION"), "9\n") },
			want:    "the data was made by PostgreSQL 9",
		},
		"data that is no cluster": {
			prepare: func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "data", "mine.txt"), "precious") },
			want:    "holds no PostgreSQL cluster",
		},
		"no programs": {binDir: "/nonexistent", want: "/nonexistent/initdb"},
		"directory is a file": {
			prepare: func(t *testing.T, dir string) { os.Remove(dir); writeFile(t, dir, "") },
			want:    "not a directory",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "dir")
			if tt.prepare != nil {
				tt.prepare(t, dir)
			}
			s, err := Start(t.Context(), Config{Dir: dir, BinDir: tt.binDir, Volatile: true})
			if err == nil {
				stopTest(t, s)
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}
}

// TestBadSetting shows that the reason of a failed start, which only the server's log has, is in the error.
func TestBadSetting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startTest(t, dir)
	stopTest(t, s)
	writeFile(t, filepath.Join(dir, "data", "postgresql.auto.conf"), "max_connections = 'many'\n")
	_, err := Start(t.Context(), Config{Dir: dir, Volatile: true})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "max_connections": "many"`) {
		t.Errorf("error: %v", err)
	}
}

func TestStopAtOnce(t *testing.T) {
	t.Parallel()
	s := startTest(t, t.TempDir())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ended); err == nil || !errors.Is(err, context.Canceled) {
		// A server may be gone before its stop is given up.
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	waitDone(t, s)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
