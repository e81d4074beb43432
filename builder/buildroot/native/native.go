// Package native makes buildroots without mock: dnf installs a root from the build tag's repository, and the kernel's
// namespaces keep what runs in it apart from the host.
//
// What a build can and cannot do: it runs as an unprivileged user with no capability and no way to gain one, sees only
// its own root, processes, IPC and host name, and no network but its own loopback. Only the command that fetches sources may use the host's network,
// when the caller allows it. When a step ends, for whatever reason, the kernel kills every process it left.
//
// A root is an overlay over a cached base and a cached layer of build dependencies, or a copy of a base where overlays do not work.
// The key of what is cached is a digest of all that went into it, the repository's own digest first, so a root is what a fresh installation would have been. All mounts live in the step's own
// mount namespace: a daemon that is killed leaves files behind, never mounts or processes.
package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"moromi/builder/buildroot"
)

// Defaults of Config.
const (
	// DefaultMaxBases is how many base roots stay cached: a few tags with two groups each, at 40 to 500 MB apiece,
	// and twice as many layers of build dependencies.
	DefaultMaxBases = 8
	// DefaultDNF is the package manager.
	DefaultDNF = "/usr/bin/dnf"
	// defaultReleaseVer is $releasever where the tag says nothing: repositories of a build system do not use it,
	// but dnf wants one for an empty root.
	defaultReleaseVer = "1"
)

// Config says where the backend keeps its files and what it may use. Only Dir is required.
type Config struct {
	// Dir holds the cache of base roots and of dnf. It must be for this process alone.
	Dir string
	// Program is the executable whose main calls Init for InitVerb; the running one if empty.
	Program string
	// DNF is the path of dnf.
	DNF string
	// Hostname is the name builds see; the host's own if empty.
	Hostname string
	// Proxy is an HTTP proxy for dnf.
	Proxy string
	// CAFile holds the certificates that dnf trusts when it fetches from repositories (PEM); the machine's own if empty.
	CAFile string
	// MaxBases is the number of base roots that stay cached.
	MaxBases int
	// MemoryLimit in bytes and PIDLimit bound all processes of one step, if the kernel has the control groups; zero is no limit.
	MemoryLimit, PIDLimit int64
	// NoOverlay copies the base instead of mounting an overlay over it.
	NoOverlay bool
	// HTTP fetches repomd.xml; http.DefaultClient if nil.
	HTTP *http.Client
	Log  *slog.Logger
	// Now is the clock of logs; time.Now if nil.
	Now func() time.Time
}

// Backend makes native roots.
type Backend struct {
	cfg     Config
	program string
	overlay bool
	caches  slots

	making singleflight.Group
	mu     sync.Mutex
	inUse  map[string]int // images by key: roots above them
}

// Missing tells what this machine lacks for native roots, nil if nothing.
func Missing(cfg Config) error {
	if os.Geteuid() != 0 {
		return errors.New("native buildroots need root: they mount and change user")
	}
	if runtime.GOOS != "linux" {
		return errors.New("native buildroots need Linux namespaces")
	}
	for _, tool := range []string{orDefault(cfg.DNF, DefaultDNF), rpmProgram} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("native buildroots need %s, which is not installed", tool)
		}
	}
	return nil
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// New makes the backend and tries whether overlays work below cfg.Dir.
func New(ctx context.Context, cfg Config) (*Backend, error) {
	if err := Missing(cfg); err != nil {
		return nil, err
	}
	cfg.DNF = orDefault(cfg.DNF, DefaultDNF)
	if cfg.MaxBases <= 0 {
		cfg.MaxBases = DefaultMaxBases
	}
	if cfg.HTTP == nil {
		cfg.HTTP = http.DefaultClient
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("read the host's name: %w", err)
		}
		cfg.Hostname = name
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", cfg.Dir, err)
	}
	cfg.Dir = dir
	b := &Backend{cfg: cfg, program: orDefault(cfg.Program, "/proc/self/exe"), inUse: map[string]int{}}
	b.caches.dir = filepath.Join(dir, "dnf")
	// Only root may look in: the uppers of other builds and packages' files with strange modes are below.
	for _, d := range []string{dir, b.baseDir(), b.layerDir(), b.caches.dir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make the cache directory: %w", err)
		}
	}
	if !cfg.NoOverlay {
		b.overlay = b.tryOverlay(ctx)
	}
	return b, nil
}

// Name is "native".
func (b *Backend) Name() string { return "native" }

// tryOverlay mounts a small overlay as a root would.
func (b *Backend) tryOverlay(ctx context.Context) bool {
	dir, err := os.MkdirTemp(b.cfg.Dir, "try-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{"root", "upper", "work", "base/proc", "base/dev", "base/sys"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return false
		}
	}
	err = b.run(ctx, job{
		Root:    filepath.Join(dir, "root"),
		Overlay: &overlay{Lower: []string{filepath.Join(dir, "base")}, Upper: filepath.Join(dir, "upper"), Work: filepath.Join(dir, "work")},
		Argv:    []string{"/bin/true"}, Dir: "/",
	}, false, nil)
	if err != nil {
		b.cfg.Log.Warn("overlays do not work here; roots will be copied", "dir", dir, "err", err)
	}
	return err == nil
}

// Clean removes half-made base roots of an earlier run. Finished ones stay: their keys say what they are.
func (b *Backend) Clean(context.Context) error {
	for _, pattern := range []string{filepath.Join(b.baseDir(), "*"+partSuffix), filepath.Join(b.layerDir(), "*"+partSuffix), filepath.Join(b.cfg.Dir, "try-*")} {
		stale, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("look for leftovers: %w", err)
		}
		for _, dir := range stale {
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("remove leftovers: %w", err)
			}
		}
	}
	return nil
}

// Create makes a root: the base from the cache or a fresh installation, and a writable layer over it.
func (b *Backend) Create(ctx context.Context, spec buildroot.Spec) (buildroot.Root, error) {
	r, err := b.newRoot(spec)
	if err != nil {
		return nil, err
	}
	if err := r.init(ctx); err != nil {
		return r, err
	}
	return r, nil
}
