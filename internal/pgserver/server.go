package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"moromi/internal/flock"
)

const (
	// defaultMaxConnections serves a hub's pool, its ledger's own connections and an operator's tools.
	defaultMaxConnections = 100
	// readyTimeout bounds the wait for a server that neither accepts connections nor ends. Recovery after a
	// crash replays at most max_wal_size of log, which takes well under this.
	readyTimeout = 5 * time.Minute
	// readyPoll is how often a starting server is tried.
	readyPoll = 15 * time.Millisecond
	// killTimeout is how long a server may take for an immediate shutdown before it is killed.
	killTimeout = 5 * time.Second
	// logTail is how much of the server's log an error quotes, in bytes.
	logTail = 2 << 10
)

// ErrInUse is in the error of a Start on a directory whose server another Start holds.
var ErrInUse = errors.New("the directory's PostgreSQL is in use")

// Config says where and how to run a server.
type Config struct {
	// Dir is where everything lives. It is made when it is not there.
	Dir string
	// Log gets what happens to the server as a whole; its own messages go to Dir/server.log. Nil discards.
	Log *slog.Logger
	// BinDir holds the server's programs. Empty looks in the distributions' places and in PATH.
	BinDir string
	// MaxConnections is PostgreSQL's max_connections; 0 means 100.
	MaxConnections int
	// Volatile gives up what survives a crash of the machine for speed (fsync off): for tests only.
	// What is committed still survives a crash of the server.
	Volatile bool
	// Detached lets the server outlive its program, and the directory stays unlocked after Start.
	// Callers then keep two Starts apart themselves, and end it by its process id.
	Detached bool
}

// Server is a running PostgreSQL. Its methods may be called from several goroutines.
type Server struct {
	cluster cluster
	log     *slog.Logger
	lock    *flock.File
	url     string
	process *os.Process

	stopping sync.Once
	asked    chan struct{} // closed by Stop
	done     chan struct{}
	err      error // why it ended; written before done is closed
}

// Start makes the cluster if there is none, ends what an earlier server left behind, starts the server and
// returns when it accepts connections and its database is there. Canceling ctx aborts a start under way and
// does not touch a running server.
func Start(ctx context.Context, c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = defaultMaxConnections
	}
	s, err := start(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, c Config) (_ *Server, err error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Server{log: c.Log, asked: make(chan struct{}), done: make(chan struct{})}
	if s.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil || c.Detached {
			s.lock.Close()
		}
	}()
	if s.cluster, err = prepare(ctx, c, dir); err != nil {
		return nil, err
	}
	s.url = connectionURL(s.cluster.socketDir, databaseName)
	if err := s.launch(c.Detached); err != nil {
		return nil, err
	}
	if err := s.makeReady(ctx); err != nil {
		s.stopping.Do(func() { close(s.asked) })
		s.kill()
		return nil, err
	}
	s.log.Info("PostgreSQL is running", "dir", dir, "version", s.cluster.programs.major, "pid", s.process.Pid, "user", s.cluster.own.name)
	return s, nil
}

// prepare brings the directory into the state in which a server can start on it.
func prepare(ctx context.Context, c Config, dir string) (cluster, error) {
	cl := cluster{dir: dir, data: filepath.Join(dir, "data")}
	major, err := clusterMajor(cl.data)
	if err != nil {
		return cl, err
	}
	installed, err := findPrograms(ctx, c.BinDir)
	if err != nil {
		return cl, err
	}
	if cl.programs, err = choosePrograms(installed, major); err != nil {
		return cl, err
	}
	if cl.own, err = serverAccount(cl.data); err != nil {
		return cl, err
	}
	if err := stopOrphans(ctx, c.Log, cl.data); err != nil {
		return cl, err
	}
	if err := cl.clearSocketDir(); err != nil {
		return cl, err
	}
	if err := cl.create(ctx, c); err != nil {
		return cl, err
	}
	if err := cl.makeSocketDir(); err != nil {
		return cl, err
	}
	return cl, cl.configure(c)
}

// launch starts the postmaster and the goroutine that waits for its end.
func (s *Server) launch(detached bool) error {
	data, err := os.Open(s.cluster.data)
	if err != nil {
		return err
	}
	defer data.Close()
	sockets, err := os.Open(s.cluster.socketDir)
	if err != nil {
		return err
	}
	defer sockets.Close()
	out, logged, err := s.cluster.openLog()
	if err != nil {
		return err
	}
	defer out.Close()

	cmd := exec.Command(filepath.Join(s.cluster.programs.dir, "postgres"), "-D", dataFD)
	cmd.Dir = "/"
	cmd.Env = s.cluster.environment()
	cmd.ExtraFiles = []*os.File{data, sockets}
	cmd.Stdout, cmd.Stderr = out, out
	// A process group of its own: the terminal's Ctrl-C goes to the program, which decides when its database ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cluster.own.credential()}
	if detached {
		cmd.SysProcAttr.Setsid = true
	} else {
		cmd.SysProcAttr.Setpgid = true
		cmd.SysProcAttr.Pdeathsig = syscall.SIGINT // a fast shutdown when the program dies
	}
	started := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread ends that started the child, so this one must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		s.ended(cmd.Wait(), logged)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	s.process = cmd.Process
	return nil
}

// ended notes why the server ended and tells everyone who waits.
func (s *Server) ended(err error, logged int64) {
	select {
	case <-s.asked:
		s.log.Info("PostgreSQL has ended", "dir", s.cluster.dir)
	default:
		reason := "it shut down"
		if err != nil {
			reason = err.Error()
		}
		s.err = fmt.Errorf("PostgreSQL in %s ended by itself: %s: %s", s.cluster.dir, reason, s.cluster.logSince(logged))
		s.log.Error("PostgreSQL ended by itself", "dir", s.cluster.dir, "reason", reason)
	}
	close(s.done)
}

// makeReady waits until the server accepts connections, makes its database and notes its URL.
func (s *Server) makeReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not ready after %s, see %s", readyTimeout, filepath.Join(s.cluster.dir, "server.log")))
	defer cancel()
	var conn *pgx.Conn
	for tick := time.NewTicker(readyPoll); conn == nil; {
		var err error
		if conn, err = pgx.Connect(ctx, connectionURL(s.cluster.socketDir, "postgres")); err == nil {
			tick.Stop()
			break
		}
		if refused(err) {
			return err
		}
		select {
		case <-s.done:
			return s.err
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var there bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, databaseName).Scan(&there); err != nil {
		return fmt.Errorf("look up database: %w", err)
	}
	if !there {
		if _, err := conn.Exec(ctx, `create database `+databaseName); err != nil {
			return fmt.Errorf("create database: %w", err)
		}
	}
	return os.WriteFile(filepath.Join(s.cluster.dir, "url"), []byte(s.url+"\n"), 0o600)
}

// refused tells an answer of the server that will not change from one that comes while it starts
// (class 57P03, cannot_connect_now) or when it does not listen yet.
func refused(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code != "57P03"
}

// URL is the connection URL of the program's database; it holds no password.
func (s *Server) URL() string { return s.url }

// PID is the postmaster's process id.
func (s *Server) PID() int { return s.process.Pid }

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says why the server ended, once Done is closed: nil when Stop ended it.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Stop ends the server with a fast shutdown: open transactions are rolled back, everything is written. When ctx
// ends first the server stops at once and recovers at its next start, and Stop says so. A second Stop waits for the first.
func (s *Server) Stop(ctx context.Context) error {
	var result error
	s.stopping.Do(func() {
		close(s.asked)
		defer s.lock.Close()
		if err := s.process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			result = fmt.Errorf("stop PostgreSQL: %w", err)
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			s.kill()
			result = fmt.Errorf("stop PostgreSQL: it did not shut down in time and was stopped at once; it recovers at its next start: %w", context.Cause(ctx))
		}
		if err := s.cluster.clearSocketDir(); err != nil && result == nil {
			result = err
		}
	})
	<-s.done
	return result
}

// kill ends the server without a checkpoint.
func (s *Server) kill() {
	s.process.Signal(syscall.SIGQUIT)
	select {
	case <-s.done:
	case <-time.After(killTimeout):
		s.process.Kill()
		<-s.done
	}
}

// Running returns the connection URL of the server that another program runs in dir, and whether there is one.
// It is how an operator's command reaches the database of a running `moromid up`.
func Running(ctx context.Context, dir string) (string, bool) {
	text, err := os.ReadFile(filepath.Join(dir, "url"))
	if err != nil {
		return "", false
	}
	address := strings.TrimSpace(string(text))
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return "", false
	}
	return address, conn.Close(ctx) == nil
}

// connectionURL names a database on the socket in dir.
func connectionURL(dir, database string) string {
	u := url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: url.Values{
		"host": {dir}, "port": {socketPort}, "user": {roleName}, "sslmode": {"disable"},
	}.Encode()}
	return u.String()
}

// logSince is the end of what the server logged after offset, for an error message.
func (cl cluster) logSince(offset int64) string {
	f, err := os.Open(filepath.Join(cl.dir, "server.log"))
	if err != nil {
		return "its log cannot be read"
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		offset = max(offset, info.Size()-logTail)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, offset, logTail))
	if err != nil {
		return "its log cannot be read"
	}
	return strings.Join(strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' }), "; ")
}
