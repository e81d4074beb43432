package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moromi/internal/pgserver"
)

const (
	// serverEnv names a server to use instead of one of our own.
	serverEnv = "MOROMI_TEST_POSTGRES"
	// maxConnections serves as many test programs at once as a large machine runs, each with some parallel tests.
	maxConnections = 500
	// startTimeout bounds the wait for a server, a machine under full load included.
	startTimeout = 3 * time.Minute
	// memoryRoom is how much must be free in memory for the databases of many tests at once, in bytes.
	memoryRoom = 8 << 30
	// idleSeconds is how long the server stays after the last test program has ended, watchSeconds how often its
	// watcher looks.
	idleSeconds, watchSeconds = 300, 10
)

// instance is the server that this process uses.
type instance struct {
	url string
	err error
}

// shared finds or starts the server, once per process. It is the one thing in the package that lives as long as the
// process does: a test program is one user of the machine's server, and must count as one until it ends.
var shared = sync.OnceValue(func() instance {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if url := os.Getenv(serverEnv); url != "" {
		return instance{url: url}
	}
	url, err := join(ctx, filepath.Join(baseDir(), "moromi-pgtest-"+strconv.Itoa(os.Getuid())))
	return instance{url, err}
})

// join makes this process a user of the server in dir until it ends, and starts the server when there is none.
//
// Two locks keep it right with any number of processes. `start` is held while somebody starts, cleans or ends the
// server. `users` is held shared by every process that uses it, so who gets it exclusively knows that nobody does.
func join(ctx context.Context, dir string) (string, error) {
	if err := ownDir(dir); err != nil {
		return "", err
	}
	start, err := lock(filepath.Join(dir, "start"), unix.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer start.Close()
	alone := true
	users, err := lock(filepath.Join(dir, "users"), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		alone = false
		users, err = lock(filepath.Join(dir, "users"), unix.LOCK_SH)
	}
	if err != nil {
		return "", err
	}
	url, running := pgserver.Running(ctx, dir)
	if !running {
		if url, err = startServer(ctx, dir); err != nil {
			return "", err
		}
	} else if alone {
		if err := dropAbandoned(ctx, url); err != nil {
			return "", err
		}
	}
	// From here on the lock only says "in use". The kernel gives it back when the process ends; the descriptor is
	// kept from the garbage collector, which would close it, by a duplicate that no os.File owns.
	if _, err := unix.FcntlInt(users.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return "", fmt.Errorf("keep lock: %w", err)
	}
	defer users.Close()
	if err := unix.Flock(int(users.Fd()), unix.LOCK_SH); err != nil {
		return "", fmt.Errorf("share lock: %w", err)
	}
	return url, nil
}

// startServer starts the server and the process that ends it after its last use. Files that a crash of the machine
// left in no usable state are made anew: they hold nothing of worth.
func startServer(ctx context.Context, dir string) (string, error) {
	config := pgserver.Config{Dir: dir, MaxConnections: maxConnections, Volatile: true, Detached: true}
	server, err := pgserver.Start(ctx, config)
	if err != nil {
		if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
			return "", err
		}
		if server, err = pgserver.Start(ctx, config); err != nil {
			return "", err
		}
	} else if err := dropAbandoned(ctx, server.URL()); err != nil {
		return "", err
	}
	return server.URL(), watch(dir, server.PID(), idleSeconds, watchSeconds)
}

// watchScript ends the server ($2) when nobody has used it for $3 seconds, looking every $4 seconds. It takes the
// locks in join's order.
const watchScript = `
exec 8>>"$1/users" 9>>"$1/start"
idle=0
while kill -0 "$2" 2>/dev/null; do
	sleep "$4"
	flock -x 9
	if flock -n -x 8; then
		flock -u 8
		idle=$((idle + $4))
	else
		idle=0
	fi
	if [ "$idle" -ge "$3" ]; then
		kill -INT "$2"
		while kill -0 "$2" 2>/dev/null; do sleep 1; done
	fi
	flock -u 9
done`

// watch starts a process in a session of its own that ends the server after its last use.
func watch(dir string, pid, idle, every int) error {
	cmd := exec.Command("/bin/sh", "-c", watchScript, "moromi-pgtest-watch", dir, strconv.Itoa(pid), strconv.Itoa(idle), strconv.Itoa(every))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("watch PostgreSQL: %w", err)
	}
	return cmd.Process.Release()
}

// baseDir is /dev/shm where that has room, else os.TempDir: a database is some 300 files, and copying those is what a
// test waits for.
func baseDir() string {
	const memory = "/dev/shm"
	var fs unix.Statfs_t
	if unix.Statfs(memory, &fs) == nil && fs.Bavail*uint64(fs.Bsize) >= memoryRoom && unix.Access(memory, unix.W_OK|unix.X_OK) == nil {
		return memory
	}
	return os.TempDir()
}

// ownDir makes dir, or requires that the one which is there is ours alone: its name can be guessed.
func ownDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err == nil || !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if stat := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm() != 0o700 || int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a directory of mode 0700 of this user: remove it", dir)
	}
	return nil
}

func lock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), how)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}
