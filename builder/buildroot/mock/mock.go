// Package mock makes buildroots with mock, called as kojid calls it: the same configuration, the same commands in the
// same order, the same reading of exit statuses (kojid's BuildRoot of 1.35, mock 6.7).
package mock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moromi/builder/buildroot"
)

// Defaults of Config, which are kojid's.
const (
	DefaultProgram   = "/usr/bin/mock"
	DefaultDir       = "/var/lib/mock"
	DefaultConfigDir = "/etc/mock/koji"
	DefaultUser      = "kojibuilder"
)

// Config says how to call mock. The zero value has kojid's defaults, but StateDir is required.
type Config struct {
	// Program is mock; Dir its base directory; ConfigDir where configurations go, a directory named koji in /etc/mock.
	Program, Dir, ConfigDir string
	// User runs mock, a member of the group mock. "-" runs it as the daemon's own user.
	User string
	// StateDir remembers running mocks, so that a later daemon can end them.
	StateDir string
	// RPM lists packages; /usr/bin/rpm if empty.
	RPM string
	// BootstrapImage allows tags to ask for a bootstrap image.
	BootstrapImage bool
	Proxy          string
	Log            *slog.Logger
}

// Backend makes roots with mock.
type Backend struct {
	cfg  Config
	cred *syscall.Credential
	ids  [2]int // owner of what is put into roots, -1 for the daemon's own
}

// Missing tells why mock cannot be used here, nil if it can.
func Missing(cfg Config) error {
	program := cfg.Program
	if program == "" {
		program = DefaultProgram
	}
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("mock is not installed at %s", program)
	}
	return nil
}

// New checks the configuration and looks the user up.
func New(cfg Config) (*Backend, error) {
	for _, d := range []struct {
		field *string
		def   string
	}{{&cfg.Program, DefaultProgram}, {&cfg.Dir, DefaultDir}, {&cfg.ConfigDir, DefaultConfigDir}, {&cfg.User, DefaultUser}, {&cfg.RPM, "/usr/bin/rpm"}} {
		if *d.field == "" {
			*d.field = d.def
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := Missing(cfg); err != nil {
		return nil, err
	}
	b := &Backend{cfg: cfg, ids: [2]int{-1, -1}}
	if cfg.User != "-" {
		var err error
		if b.cred, err = credential(cfg.User); err != nil {
			return nil, err
		}
		b.ids = [2]int{int(b.cred.Uid), int(b.cred.Groups[0])}
	}
	for _, d := range []string{cfg.ConfigDir, cfg.StateDir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("make mock's directories: %w", err)
		}
	}
	return b, nil
}

// credential is the user with the one group that mock demands.
func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("mock's user: %w", err)
	}
	g, err := user.LookupGroup("mock")
	if err != nil {
		return nil, fmt.Errorf("mock's group: %w", err)
	}
	uid, errU := strconv.ParseUint(u.Uid, 10, 32)
	gid, errG := strconv.ParseUint(u.Gid, 10, 32)
	mgid, errM := strconv.ParseUint(g.Gid, 10, 32)
	if err := errors.Join(errU, errG, errM); err != nil {
		return nil, fmt.Errorf("mock's user %s: %w", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{uint32(mgid)}}, nil
}

// Name is "mock".
func (b *Backend) Name() string { return "mock" }

// leftover is a root that a daemon made, as StateDir remembers it.
type leftover struct {
	Name  string
	PID   int
	Start string // the process's start time, so that a reused number is not killed
}

func (b *Backend) statePath(name string) string { return filepath.Join(b.cfg.StateDir, name+".json") }

func (b *Backend) remember(l leftover) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return os.WriteFile(b.statePath(l.Name), data, 0o600)
}

// Clean ends the mocks of an earlier daemon and removes their roots.
func (b *Backend) Clean(context.Context) error {
	states, err := filepath.Glob(filepath.Join(b.cfg.StateDir, "*.json"))
	if err != nil {
		return fmt.Errorf("look for leftovers of mock: %w", err)
	}
	var errs []error
	for _, path := range states {
		var l leftover
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, &l)
		}
		if err != nil || path != b.statePath(l.Name) {
			errs = append(errs, fmt.Errorf("read %s: %w", path, err))
			continue
		}
		if l.PID > 1 && l.Start != "" && startTime(l.PID) == l.Start {
			b.cfg.Log.Info("killing a mock of an earlier run", "root", l.Name, "pid", l.PID)
			_ = syscall.Kill(-l.PID, syscall.SIGKILL)
		}
		errs = append(errs, b.remove(l.Name))
	}
	return errors.Join(errs...)
}

// startTime is field 22 of /proc/PID/stat, "" if there is no such process.
func startTime(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(data), ") ") // the name before may hold spaces
	const field = 22 - 3
	if f := strings.Fields(rest); len(f) > field {
		return f[field]
	}
	return ""
}

// remove takes a root's mounts and files away, and forgets it.
func (b *Backend) remove(name string) error {
	dir := filepath.Join(b.cfg.Dir, name)
	errs := []error{unmountBelow(dir)}
	if errs[0] == nil { // never delete through a mount
		errs = append(errs, os.RemoveAll(dir))
	}
	for _, p := range []string{b.configPath(name), b.statePath(name)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// unmountBelow takes away every mount below dir, the deepest first.
func unmountBelow(dir string) error {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return fmt.Errorf("read mounts: %w", err)
	}
	var points []string
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			points = append(points, strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(f[1]))
		}
	}
	for i := len(points) - 1; i >= 0; i-- {
		if err := unix.Unmount(points[i], unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", points[i], err)
		}
	}
	return nil
}

func (b *Backend) configPath(name string) string {
	return filepath.Join(b.cfg.ConfigDir, name+".cfg")
}

// Create writes the configuration, lets mock fill the root and asks for the kernel's version, as kojid does.
func (b *Backend) Create(ctx context.Context, spec buildroot.Spec) (buildroot.Root, error) {
	text, err := b.configText(spec)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(b.configPath(spec.Name), []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("write mock's configuration: %w", err)
	}
	r := &root{b: b, spec: spec, config: text}
	if err := b.remember(leftover{Name: spec.Name}); err != nil {
		return r, fmt.Errorf("remember the root: %w", err)
	}
	if err := r.mock(ctx, "installing the "+spec.Group+" group", "", "--init"); err != nil {
		return r, err
	}
	return r, r.mock(ctx, "asking for the kernel's version", "", "--chroot", "uname -r")
}

// root is one root of mock. Below Dir/NAME: root, result.
type root struct {
	b      *Backend
	spec   buildroot.Spec
	config string
}

func (r *root) dir() string     { return filepath.Join(r.b.cfg.Dir, r.spec.Name) }
func (r *root) rootDir() string { return filepath.Join(r.dir(), "root") }

// ResultDir is mock's.
func (r *root) ResultDir() string { return filepath.Join(r.dir(), "result") }

// LogPatterns are kojid's.
func (r *root) LogPatterns() []string {
	return []string{filepath.Join(r.ResultDir(), "*.log"), filepath.Join(r.rootDir(), "var/log/dnf*.log"), filepath.Join(r.spec.Dir, "mock_output.log")}
}

// Config is mock's configuration.
func (r *root) Config() string { return r.config }

// mock runs mock and reads its exit status. logName is empty for Koji's guess by the status.
func (r *root) mock(ctx context.Context, phase, logName string, args ...string) error {
	out, err := os.OpenFile(filepath.Join(r.spec.Dir, "mock_output.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open mock_output.log: %w", err)
	}
	defer out.Close()
	argv := []string{"-r", filepath.Base(r.b.cfg.ConfigDir) + "/" + r.spec.Name}
	if on, set := r.spec.ExtraBool("mock.new_chroot"); set {
		argv = append(argv, map[bool]string{true: "--new-chroot", false: "--old-chroot"}[on])
	}
	if on, _ := r.spec.ExtraBool("mock.bootstrap_image_ready"); on {
		argv = append(argv, "--bootstrap-image-ready")
	}
	cmd := exec.Command(r.b.cfg.Program, append(argv, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: r.b.cred}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run mock: %w", err)
	}
	pid := cmd.Process.Pid
	if err := r.b.remember(leftover{Name: r.spec.Name, PID: pid, Start: startTime(pid)}); err != nil {
		r.b.cfg.Log.Warn("running mock not noted; a crash of the daemon would leave it", "root", r.spec.Name, "err", err)
	}
	err = waitOrKill(ctx, cmd)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	pe := &buildroot.PhaseError{Phase: phase, Tool: "mock", Exit: exit.ExitCode(), Log: logName}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		pe.Signal = unix.SignalName(ws.Signal())
	}
	if pe.Log == "" {
		pe.Log = logFor(pe.Exit)
	}
	return pe
}

// logFor is kojid's guess which log explains an exit status of mock.
func logFor(status int) string {
	switch status {
	case 10:
		return "build.log"
	case 1:
		return "build.log or root.log"
	default:
		return "root.log"
	}
}

// Time that mock gets to unmount and clean up at each signal, as kojid gives it.
const interruptDelay, termDelay = 5 * time.Second, 3 * time.Second

// waitOrKill waits for the command. When ctx ends it asks the whole process group to stop, then kills it.
func waitOrKill(ctx context.Context, cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	for _, s := range []struct {
		sig   syscall.Signal
		delay time.Duration
	}{{syscall.SIGINT, interruptDelay}, {syscall.SIGTERM, termDelay}} {
		_ = syscall.Kill(-cmd.Process.Pid, s.sig)
		select {
		case err := <-done:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what mock left behind
			return err
		case <-time.After(s.delay):
		}
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return <-done
}

// Packages reads the root's rpm database with the host's rpm.
func (r *root) Packages(ctx context.Context) ([]buildroot.Package, error) {
	var db string
	for _, d := range []string{"usr/lib/sysimage/rpm", "var/lib/rpm"} {
		path := filepath.Join(r.rootDir(), d)
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			db = path
			break
		}
	}
	if db == "" {
		return nil, errors.New("list the root's packages: it has no rpm database")
	}
	var out, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, r.b.cfg.RPM, "--dbpath", db, "-qa", "--qf", buildroot.QueryFormat)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("list the root's packages: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return buildroot.ParsePackages(out.Bytes())
}

// Destroy removes the root and its configuration.
func (r *root) Destroy() error { return r.b.remove(r.spec.Name) }
