// Package builder is the build daemon: it takes the tasks that a hub assigns to its host, does them and reports.
//
// It is a client and nothing else: it talks to the hub by XML-RPC, fetches files over HTTP and uploads results, as kojid does,
// and works with a Koji hub as well. With a Moromi hub it also holds a stream open over which it is told at once
// that there is something to do; the stream is only a hint, and whatever it says is asked for again.
//
// The packages below: task has the handlers of task methods, scm gets sources, buildroot is the seam to what makes roots (buildroot/mock,
// buildroot/native), logstream sends logs while they grow, diagnosis finds out why a build failed.
package builder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"moromi/builder/buildroot"
	"moromi/builder/buildroot/mock"
	"moromi/builder/buildroot/native"
	"moromi/builder/scm"
	"moromi/builder/task"
	"moromi/internal/flock"
)

// Hub is what task handlers need of a session at the hub.
type Hub = task.Hub

// Session is a login at the hub. It is safe for concurrent use.
type Session interface {
	Hub
	// ID is the session's number.
	ID() int64
	// Exclusive makes this the user's only session, with force by ending another exclusive one.
	Exclusive(ctx context.Context, force bool) error
	// Child opens a sub-session, for one task.
	Child(ctx context.Context) (Session, error)
	// EndChild ends a sub-session; Logout ends this one.
	EndChild(ctx context.Context, id int64) error
	Logout(ctx context.Context) error
	// Notices is the hub's push stream. It reconnects by itself and is closed when ctx ends. An error means that the hub has none.
	Notices(ctx context.Context) (<-chan Notice, error)
}

// Notice is a hint of the hub's.
type Notice struct {
	// Reason is assigned, awaited, canceled or hello.
	Reason string
	// Task is the task it is about, 0 for none. For awaited it is the one that waits.
	Task int64
}

// headerTimeout is how long a file server may think before it answers. The transfer itself may take its time.
const headerTimeout = time.Minute

// Run works as a builder until ctx ends; then it stops its tasks, gives them back to the hub, logs out and returns nil.
// Any other end is an error: a configuration that cannot work, a refused login, a session that was taken over.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("the builder's configuration: %w", err)
	}
	s, err := login(ctx, &cfg)
	if err != nil {
		return err
	}
	return Serve(ctx, cfg, s)
}

// Serve is Run with a session that is logged in. It logs out at the end.
func Serve(ctx context.Context, cfg Config, s Session) error {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.HTTP == nil {
		files, err := fileHTTP(&cfg)
		if err != nil {
			return err
		}
		cfg.HTTP = files
	}
	dir, err := filepath.Abs(cfg.WorkDir)
	if err != nil {
		return fmt.Errorf("resolve the work directory: %w", err)
	}
	cfg.WorkDir = dir
	lock, err := lockWorkDir(cfg.WorkDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	backend, err := newBackend(ctx, &cfg)
	if err != nil {
		return err
	}
	if err := cleanWorkDir(ctx, &cfg, backend); err != nil {
		return err
	}
	settings, err := newSettings(&cfg, backend)
	if err != nil {
		return err
	}
	d := &daemon{cfg: &cfg, session: s, settings: settings, handlers: task.Handlers(), log: cfg.Log, running: map[int64]*running{}, finished: make(chan *running, cfg.MaxJobs)}
	return d.run(ctx)
}

// lockWorkDir makes sure that one daemon works in a directory.
func lockWorkDir(dir string) (*flock.File, error) {
	if err := os.MkdirAll(filepath.Join(dir, "tasks"), 0o755); err != nil {
		return nil, fmt.Errorf("make the work directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the work directory: %w", err)
	}
	held, err := flock.Take(f, flock.Exclusive|flock.NoWait)
	if errors.Is(err, flock.ErrHeld) {
		err = fmt.Errorf("another builder works in %s; give this one a workdir of its own", dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return held, nil
}

// newBackend chooses what makes roots.
func newBackend(ctx context.Context, cfg *Config) (buildroot.Backend, error) {
	mc := mock.Config{Program: cfg.MockPath, Dir: cfg.MockDir, User: cfg.MockUser, StateDir: filepath.Join(cfg.WorkDir, "mock"),
		BootstrapImage: cfg.MockBootstrapImage, Proxy: cfg.Proxy, Log: cfg.Log}
	const mib = 1 << 20
	authorities, err := writeAuthorities(cfg)
	if err != nil {
		return nil, err
	}
	nc := native.Config{CAFile: authorities, Dir: filepath.Join(cfg.WorkDir, "native"), Program: cfg.InitProgram, DNF: cfg.DNF, Proxy: cfg.Proxy,
		MaxBases: cfg.MaxRoots, MemoryLimit: cfg.MemoryLimit * mib, PIDLimit: cfg.PIDLimit, HTTP: cfg.HTTP, Log: cfg.Log}
	kind := cfg.Buildroot
	if kind == "auto" {
		kind = "mock"
		if noMock := mock.Missing(mc); noMock != nil {
			kind = "native"
			if noNative := native.Missing(nc); noNative != nil {
				return nil, fmt.Errorf("nothing here makes buildroots: %w; %w", noMock, noNative)
			}
		}
	}
	cfg.Log.Info("buildroots", "backend", kind)
	if kind == "mock" {
		b, err := mock.New(mc)
		if err != nil {
			return nil, err
		}
		return b, nil
	}
	b, err := native.New(ctx, nc)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// cleanWorkDir removes what an earlier run left. Its processes first: they could write into what is removed.
func cleanWorkDir(ctx context.Context, cfg *Config, b buildroot.Backend) error {
	if err := b.Clean(ctx); err != nil {
		return fmt.Errorf("clean up after an earlier run: %w", err)
	}
	old, err := os.ReadDir(filepath.Join(cfg.WorkDir, "tasks"))
	if err != nil {
		return fmt.Errorf("clean up after an earlier run: %w", err)
	}
	var errs []error
	for _, e := range old {
		errs = append(errs, os.RemoveAll(filepath.Join(cfg.WorkDir, "tasks", e.Name())))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clean up after an earlier run: %w", err)
	}
	return nil
}

// readRunRoot reads what runroot tasks may have.
func readRunRoot(cfg *Config) (task.RunRootConfig, error) {
	var c task.RunRootConfig
	if cfg.RunRootConfig != "" {
		data, err := os.ReadFile(cfg.RunRootConfig)
		if err == nil {
			c, err = task.ParseRunRoot(data)
		}
		if err != nil {
			return c, fmt.Errorf("the builder's configuration: runroot_config: %w", err)
		}
	}
	c.Network = cfg.RunRootNetwork
	return c, nil
}

// newSettings is the part of the configuration that tasks see.
func newSettings(cfg *Config, b buildroot.Backend) (*task.Settings, error) {
	rules, bad := scm.ParseRules(cfg.AllowedSCMs)
	for _, entry := range bad {
		cfg.Log.Warn("ignoring an entry of allowed_scms that is not host:repository", "entry", entry)
	}
	if cfg.Lookaside != "" {
		if err := (scm.Lookaside{Pattern: cfg.Lookaside}).Check(); err != nil {
			return nil, fmt.Errorf("the builder's configuration: %w", err)
		}
	}
	var tops []string
	for top := range strings.FieldsSeq(cfg.TopURL) {
		tops = append(tops, strings.TrimRight(top, "/"))
	}
	if len(tops) == 0 {
		return nil, errors.New("the builder's configuration: the setting topurl is required")
	}
	runRoot, err := readRunRoot(cfg)
	if err != nil {
		return nil, err
	}
	const mib = 1 << 20
	return &task.Settings{
		Shelf: task.NewShelf(cfg.FailedRootLife, cfg.FailedRoots, time.Now, cfg.Log), FailedTrees: cfg.FailedRoots, FailedTreeLife: cfg.FailedRootLife,
		FailedTreeSize: cfg.FailedTreeSize * mib, FailedTreeOmit: strings.Fields(cfg.FailedTreeOmit), RunRoot: runRoot,
		TopURL: tops[0], TopURLs: tops, TopDir: cfg.TopDir,
		Packager: cfg.Packager, Vendor: cfg.Vendor, Distribution: cfg.Distribution, HostVendor: cfg.MockHost, BuildTimeout: cfg.BuildTimeout,
		Backend: b, SCMRules: rules, SCMByRules: cfg.AllowedSCMsUseConfig, SCMByPolicy: cfg.AllowedSCMsUsePolicy, SCMPasswords: cfg.AllowSCMPassword, SCMCheckoutPolicy: cfg.SCMPolicy,
		Lookaside: cfg.Lookaside, SourceLayout: cfg.SourceLayout, LiteralTaskArches: cfg.LiteralTaskArches, ArchCanFail: cfg.BuildArchCanFail,
		LogTimestamps: cfg.LogTimestamps, RepoPoll: task.DefaultRepoPoll,
		Mail: task.Mail{Host: cfg.SMTPHost, User: cfg.SMTPUser, Password: cfg.SMTPPassword, From: cfg.From}, HTTP: cfg.HTTP, Now: time.Now,
	}, nil
}
