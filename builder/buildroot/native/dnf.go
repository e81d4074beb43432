package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"moromi/builder/buildroot"
)

const (
	rpmProgram = "/usr/bin/rpm"
	// hostRPM is where the host's rpm keeps its configuration.
	hostRPM = "/usr/lib/rpm"
	// defaultDBPath is where dnf puts the rpm database of a new root; settleDatabase moves it if the root's rpm wants another place.
	defaultDBPath = "/var/lib/rpm"
	// maxRepoCaches is how many repositories' metadata and packages a dnf cache keeps. Each generation of a tag's repository is one.
	maxRepoCaches = 12
)

// layer is a root as the host's tools see it: a directory, or an overlay to be mounted over it.
type layer struct {
	root    string
	overlay *overlay
}

// dnf runs one transaction on a root from outside. out has what dnf printed.
func (b *Backend) dnf(ctx context.Context, l layer, spec buildroot.Spec, dbpath string, out io.Writer, args ...string) error {
	cache, err := b.caches.take()
	if err != nil {
		return err
	}
	defer b.caches.give(cache)
	conf := filepath.Join(cache, "dnf.conf")
	if err := os.WriteFile(conf, []byte(b.dnfConf(spec)), 0o600); err != nil {
		return fmt.Errorf("write dnf's configuration: %w", err)
	}
	env, err := b.rpmEnv(dbpath)
	if err != nil {
		return err
	}
	argv := []string{b.cfg.DNF, "-y", "-c", conf, "--installroot=" + l.root, "--releasever=" + releaseVer(spec),
		// On the command line, since in the file it would be a place in the root.
		"--setopt=cachedir=" + cache}
	if !nativeArch(spec.Arch) {
		argv = append(argv, "--forcearch="+spec.Arch)
	}
	argv = append(argv, args...)
	fmt.Fprintf(out, "Executing command: %q\n", argv)
	var tail tailBuffer
	err = b.run(ctx, job{Root: l.root, Overlay: l.overlay, Argv: argv, Env: env, Dir: "/"}, true, io.MultiWriter(out, &tail))
	var exit *exitError
	if errors.As(err, &exit) {
		return &buildroot.PhaseError{Phase: "installing packages", Tool: "dnf", Exit: exit.code, Signal: exit.signal(),
			Log: "root.log", Detail: unmatched(tail.buf)}
	}
	return err
}

// dnfConf is a configuration with one repository and nothing of the host's: the options that mock's configuration
// by Koji sets, in dnf's words.
func (b *Backend) dnfConf(spec buildroot.Spec) string {
	var s strings.Builder
	// The repository of an id never changes, so its metadata never expires.
	s.WriteString("[main]\nreposdir=/dev/null\nvarsdir=/dev/null\npluginconfpath=/dev/null\nplugins=0\n" +
		"logdir=/var/log\nlogfilelevel=0\ngpgcheck=0\nassumeyes=1\nkeepcache=1\nobsoletes=1\ninstall_weak_deps=0\nstrict=1\nretries=5\nmetadata_expire=-1\n" +
		"debuglevel=2\nprotected_packages=\n")
	if b.cfg.Proxy != "" {
		fmt.Fprintf(&s, "proxy=%s\n", b.cfg.Proxy)
	}
	s.WriteString("\n[build]\nname=build\nbaseurl=" + strings.Join(spec.Repos, "\n        ") + "\n")
	if b.cfg.CAFile != "" {
		fmt.Fprintf(&s, "sslcacert=%s\n", b.cfg.CAFile)
	}
	if on, _ := spec.ExtraBool("mock.yum.module_hotfixes"); on {
		s.WriteString("module_hotfixes=1\n")
	}
	if on, set := spec.ExtraBool("mock.yum.best"); set {
		fmt.Fprintf(&s, "best=%t\n", on)
	}
	return s.String()
}

// releaseWord is what $releasever may be: it becomes part of paths and addresses.
var releaseWord = regexp.MustCompile(`^[A-Za-z0-9._~^+]+$`)

func releaseVer(spec buildroot.Spec) string {
	if v := spec.ExtraString("mock.releasever"); releaseWord.MatchString(v) {
		return v
	}
	return defaultReleaseVer
}

// nativeArch tells whether the host runs packages of the architecture without being forced.
func nativeArch(arch string) bool {
	names := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}
	return names[runtime.GOARCH] == arch
}

// missingPackage matches dnf's ways of saying that nothing provides a package.
var missingPackage = regexp.MustCompile(`(?m)^(?:No match for argument|Error: Unable to find a match|No package|.*nothing provides) ?:? ?(.+?)(?: available\.| needed by .*)?$`)

// unmatched names the packages that dnf did not find, in the words of mock.
func unmatched(out []byte) string {
	var names []string
	seen := map[string]bool{}
	for _, m := range missingPackage.FindAllSubmatch(out, -1) {
		name := strings.TrimSpace(string(m[1]))
		if bytes.HasPrefix(m[0], []byte("Error:")) && len(names) > 0 || seen[name] {
			continue // the summary line repeats them
		}
		seen[name] = true
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return "No matching package to install: '" + strings.Join(names, "', '") + "'"
}

// settleDatabase moves the rpm database to where the root's own rpm looks for it, so that rpm in the root sees what was installed.
// It returns that place. A root without rpm keeps the default.
func (b *Backend) settleDatabase(ctx context.Context, l layer) (string, error) {
	if _, err := os.Lstat(filepath.Join(l.root, rpmProgram)); err != nil {
		return defaultDBPath, nil
	}
	var out bytes.Buffer
	err := b.run(ctx, job{Root: l.root, Inside: true, Hostname: b.cfg.Hostname,
		Argv: []string{rpmProgram, "--eval", "%{_dbpath}"}, Env: insideEnv(buildUser, home, b.cfg.Hostname, nil), Dir: "/"}, false, &out)
	path := filepath.Clean(strings.TrimSpace(out.String()))
	if err != nil || !filepath.IsAbs(path) || strings.ContainsAny(path, "\n ") {
		return "", fmt.Errorf("ask the root's rpm for its database (%q): %w", out.String(), err)
	}
	if path == defaultDBPath {
		return path, nil
	}
	r, err := os.OpenRoot(l.root)
	if err != nil {
		return "", fmt.Errorf("move the rpm database: %w", err)
	}
	defer r.Close()
	from, to := defaultDBPath[1:], path[1:]
	if a, errA := r.Stat(from); errA == nil {
		if c, errC := r.Stat(to); errC == nil && os.SameFile(a, c) {
			return path, nil // one is a link to the other
		}
	}
	if err := r.RemoveAll(to); err != nil {
		return "", fmt.Errorf("move the rpm database: %w", err)
	}
	if err := r.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", fmt.Errorf("move the rpm database: %w", err)
	}
	if err := r.Rename(from, to); err != nil {
		return "", fmt.Errorf("move the rpm database: %w", err)
	}
	return path, nil
}

// listPackages reads the root's rpm database with the host's rpm.
func (b *Backend) listPackages(ctx context.Context, l layer, dbpath string) ([]buildroot.Package, error) {
	env, err := b.rpmEnv(dbpath)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	argv := []string{rpmProgram, "--root", l.root, "-qa", "--qf", buildroot.QueryFormat}
	if err := b.run(ctx, job{Root: l.root, Overlay: l.overlay, Argv: argv, Env: env, Dir: "/"}, false, &out); err != nil {
		return nil, fmt.Errorf("list the root's packages: %w", err)
	}
	return buildroot.ParsePackages(out.Bytes())
}

// rpmEnv is the environment of the host's dnf and rpm: nothing of the daemon's, and a configuration of rpm that differs from the host's in the
// place of the database (Debian's is in the user's home).
func (b *Backend) rpmEnv(dbpath string) ([]string, error) {
	name := strings.ReplaceAll(strings.Trim(dbpath, "/"), "/", "-")
	dir := filepath.Join(b.cfg.Dir, "rpm", name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := os.Stat(filepath.Join(dir, "macros")); err != nil {
		if err := writeRPMConfig(dir, dbpath); err != nil {
			return nil, fmt.Errorf("configure rpm: %w", err)
		}
	}
	return []string{"HOME=" + dir, "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8", "RPM_CONFIGDIR=" + dir}, nil
}

// writeRPMConfig makes a directory of links to the host's configuration, with macros of its own.
func writeRPMConfig(dir, dbpath string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(hostRPM)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "macros" {
			continue
		}
		if err := os.Symlink(filepath.Join(hostRPM, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	macros, err := os.ReadFile(filepath.Join(hostRPM, "macros"))
	if err != nil {
		return err
	}
	macros = append(macros, "\n%_dbpath "+dbpath+"\n%_db_backend sqlite\n"...)
	return os.WriteFile(filepath.Join(dir, "macros"), macros, 0o600)
}

// slots are dnf's cache directories. dnf locks its cache and waits in whole seconds for the lock, so every running
// dnf has one of its own; the first is taken first, so that a builder with little to do has one warm cache.
type slots struct {
	dir  string
	mu   sync.Mutex
	used []bool
}

func (s *slots) take() (string, error) {
	s.mu.Lock()
	i := 0
	for i < len(s.used) && s.used[i] {
		i++
	}
	if i == len(s.used) {
		s.used = append(s.used, false)
	}
	s.used[i] = true
	s.mu.Unlock()
	dir := filepath.Join(s.dir, fmt.Sprint(i))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.give(dir)
		return "", fmt.Errorf("make dnf's cache: %w", err)
	}
	// A killed dnf leaves its lock, with a process number that means nothing in the next namespace.
	locks, _ := filepath.Glob(filepath.Join(dir, "*.pid"))
	for _, l := range locks {
		os.Remove(l)
	}
	prune(dir)
	return dir, nil
}

func (s *slots) give(dir string) {
	var i int
	fmt.Sscan(filepath.Base(dir), &i)
	s.mu.Lock()
	s.used[i] = false
	s.mu.Unlock()
}

// prune removes the oldest repositories of a dnf cache beyond maxRepoCaches.
func prune(dir string) {
	repos, _ := filepath.Glob(filepath.Join(dir, "build-*"))
	age := map[string]time.Time{}
	dirs := repos[:0]
	for _, r := range repos {
		if st, err := os.Stat(r); err == nil && st.IsDir() {
			age[r] = st.ModTime()
			dirs = append(dirs, r)
		}
	}
	sort.Slice(dirs, func(i, j int) bool { return age[dirs[i]].After(age[dirs[j]]) })
	for i := maxRepoCaches; i < len(dirs); i++ {
		os.RemoveAll(dirs[i])
		for _, suffix := range []string{".solv", "-filenames.solvx", "-updateinfo.solvx"} {
			os.Remove(dirs[i] + suffix)
		}
	}
}

// tailBuffer keeps the last part of what is written to it.
type tailBuffer struct{ buf []byte }

// maxTail is enough for dnf's errors.
const maxTail = 64 << 10

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxTail; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}
