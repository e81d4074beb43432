package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"moromi/internal/flock"
)

const (
	// roleName is the superuser that initdb makes and that the program connects as.
	roleName = "moromi"
	// databaseName is the program's database.
	databaseName = "moromi"
	// socketPort names the socket's file; there is no TCP port.
	socketPort = "5432"
	// maxSocketPath is sun_path of struct sockaddr_un less its final NUL (unix(7)).
	maxSocketPath = 107
	// shortPrefix begins the name of a socket directory that is not Dir/run.
	shortPrefix = "moromi-pg-"
	// maxLog is the size from which server.log is moved to server.log.1 at a start, in bytes.
	maxLog = 16 * mib
	// The descriptors of the data and the socket directory in the server (see the package comment).
	dataFD   = "/proc/self/fd/3"
	socketFD = "/proc/self/fd/4"
)

// cluster is one data directory and what is needed to start a server on it.
type cluster struct {
	dir       string // Config.Dir, absolute
	data      string
	socketDir string
	own       account
	programs  programs
}

// clusterMajor is the major version of the cluster in data, 0 when there is none.
func clusterMajor(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read cluster version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read cluster version: %w", err)
	}
	return major, nil
}

// create runs initdb, if there is no cluster. A cluster appears under its name only when it is whole.
func (cl cluster) create(ctx context.Context, c Config) error {
	if _, err := os.Stat(cl.data); err == nil {
		if _, err := os.Stat(filepath.Join(cl.data, "PG_VERSION")); err != nil {
			return fmt.Errorf("%s is there and holds no PostgreSQL cluster: %w", cl.data, err)
		}
		return nil
	}
	fresh := cl.data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear unfinished cluster: %w", err)
	}
	if err := cl.makeDir(fresh); err != nil {
		return err
	}
	dir, err := os.Open(fresh)
	if err != nil {
		return err
	}
	defer dir.Close()
	args := []string{"-D", dataFD, "-U", roleName, "-E", "UTF8", "--locale=C", "--data-checksums", "--auth-local=peer", "--auth-host=reject"}
	if c.Volatile {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(cl.programs.dir, "initdb"), args...)
	cmd.Dir = "/"
	cmd.Env = cl.environment()
	cmd.ExtraFiles = []*os.File{dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cl.own.credential(), Setpgid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w: %s", fresh, err, bytes.TrimSpace(out))
	}
	if err := os.Rename(fresh, cl.data); err != nil {
		return fmt.Errorf("name the new cluster: %w", err)
	}
	return syncDir(cl.dir)
}

// configure writes the files that decide who gets in and with which settings.
func (cl cluster) configure(c Config) error {
	caller, err := lookupAccount(user.Current())
	if err != nil {
		return err
	}
	socketDir := cl.socketDir
	if socketDir == cl.runDir() {
		socketDir = socketFD
	}
	var ident strings.Builder
	for _, name := range dedupe(caller.name, cl.own.name) {
		fmt.Fprintf(&ident, "owner \"%s\" %s\n", strings.ReplaceAll(name, `"`, `""`), roleName)
	}
	files := map[string]string{
		"postgresql.conf": renderSettings(settings(c, usableMemory(), sharedMemorySize(), socketDir)),
		"pg_hba.conf":     "# Written at every start.\nlocal all " + roleName + " peer map=owner\n",
		"pg_ident.conf":   "# Written at every start.\n" + ident.String(),
	}
	for name, text := range files {
		path := filepath.Join(cl.data, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("configure PostgreSQL: %w", err)
		}
		if err := cl.give(path); err != nil {
			return err
		}
	}
	return nil
}

func (cl cluster) runDir() string { return filepath.Join(cl.dir, "run") }

// makeSocketDir makes the socket's directory: Dir/run, or one with a short path where that is too long for a socket.
func (cl *cluster) makeSocketDir() error {
	if err := os.RemoveAll(cl.runDir()); err != nil {
		return fmt.Errorf("clear socket directory: %w", err)
	}
	if len(socketPath(cl.runDir())) <= maxSocketPath {
		cl.socketDir = cl.runDir()
		return cl.makeDir(cl.socketDir)
	}
	short, err := os.MkdirTemp("", shortPrefix)
	if err != nil {
		return fmt.Errorf("make socket directory: %w", err)
	}
	if len(socketPath(short)) > maxSocketPath {
		os.Remove(short)
		return fmt.Errorf("%s and %s are both too long for the path of a Unix socket: set TMPDIR to a short one", cl.runDir(), short)
	}
	cl.socketDir = short
	// The link tells the next start what to clear if this server does not end in order.
	if err := os.Symlink(short, cl.runDir()); err != nil {
		return fmt.Errorf("note socket directory: %w", err)
	}
	return cl.give(short)
}

// clearSocketDir removes what makeSocketDir made.
func (cl cluster) clearSocketDir() error {
	if target, err := os.Readlink(cl.runDir()); err == nil && strings.HasPrefix(filepath.Base(target), shortPrefix) {
		if err := os.RemoveAll(target); err != nil {
			return fmt.Errorf("clear socket directory: %w", err)
		}
	}
	if err := os.RemoveAll(cl.runDir()); err != nil {
		return fmt.Errorf("clear socket directory: %w", err)
	}
	return nil
}

// makeDir makes a directory of mode 0700 that the server's account owns.
func (cl cluster) makeDir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return cl.give(path)
}

// give makes the server's account the owner of path, where that is another than the caller's.
func (cl cluster) give(path string) error {
	if cl.own.credential() == nil {
		return nil
	}
	if err := os.Lchown(path, int(cl.own.uid), int(cl.own.gid)); err != nil {
		return fmt.Errorf("give %s to %s: %w", path, cl.own.name, err)
	}
	return nil
}

// environment is what PostgreSQL's programs get: nothing of the caller's PG* variables or locale.
func (cl cluster) environment() []string {
	return []string{"LC_ALL=C", "TZ=UTC", "PATH=" + cl.programs.dir + ":/usr/bin:/bin", "USER=" + cl.own.name, "LOGNAME=" + cl.own.name, "HOME=/"}
}

// openLog opens server.log for appending and returns it with its present size.
func (cl cluster) openLog() (*os.File, int64, error) {
	path := filepath.Join(cl.dir, "server.log")
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, 0, fmt.Errorf("rotate server log: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open server log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("open server log: %w", err)
	}
	return f, info.Size(), nil
}

// lockDir takes the directory's lock, which the kernel gives back when the program ends, however it ends.
func lockDir(dir string) (*flock.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	held, err := flock.Take(f, flock.Exclusive|flock.NoWait)
	if err != nil {
		holder, _ := os.ReadFile(path) // only makes the message more helpful
		f.Close()
		if errors.Is(err, flock.ErrHeld) {
			return nil, fmt.Errorf("%w: %s, by process %s", ErrInUse, dir, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := f.Truncate(0); err != nil {
		held.Close()
		return nil, fmt.Errorf("write lock: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		held.Close()
		return nil, fmt.Errorf("write lock: %w", err)
	}
	return held, nil
}

func socketPath(dir string) string { return filepath.Join(dir, ".s.PGSQL."+socketPort) }

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

func dedupe(a, b string) []string {
	if a == b {
		return []string{a}
	}
	return []string{a, b}
}
