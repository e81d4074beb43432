package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"moromi/builder/buildroot"
	"moromi/internal/fault"
)

const (
	// home is the build user's home, and the parent of %_topdir.
	home = "/builddir"
	// scmDir is where a checkout is seen in the root, as in Koji.
	scmDir = "/chroot_tmpdir/scmroot"
)

// buildDirs are the directories of %_topdir.
var buildDirs = []string{"BUILD", "BUILDROOT", "RPMS", "SOURCES", "SPECS", "SRPMS", "originals"}

// root is one buildroot. Below Spec.Dir it has
//
//	mount           where the root is seen while a step runs (a plain directory without overlays)
//	upper, work     the overlay's own
//	checkout        a checkout, seen in the root as Koji has it
//	builddir        /builddir of the root, a plain directory so that results can be read without mounting
//	result          logs and results
type root struct {
	b       *Backend
	spec    buildroot.Spec
	base    image
	used    []string // keys of images to release
	layer   layer
	macros  string
	groups  controlGroup
	logs    logs
	pkgs    []buildroot.Package
	pkgsNew bool // pkgs is what the rpm database holds
}

func (b *Backend) newRoot(spec buildroot.Spec) (*root, error) {
	if len(spec.Repos) == 0 {
		return nil, errors.New("make a buildroot: no repository")
	}
	macros, err := spec.MacroFile()
	if err != nil {
		return nil, fault.Wrap(err, fault.Buildroot, "%s", err)
	}
	if _, set := spec.Macros["_buildhost"]; !set {
		macros += "%_buildhost " + b.cfg.Hostname + "\n" // there is no name service to ask for it in the root
	}
	r := &root{b: b, spec: spec, macros: macros, layer: layer{root: filepath.Join(spec.Dir, "mount")}}
	if err := os.MkdirAll(r.ResultDir(), 0o700); err != nil {
		return nil, fmt.Errorf("make a buildroot: %w", err)
	}
	if r.logs, err = openLogs(r.ResultDir(), b.cfg.Now); err != nil {
		return nil, err
	}
	return r, nil
}

// init fills the root.
func (r *root) init(ctx context.Context) error {
	finish := r.logs.journal.Phase("installing minimal buildroot with dnf")
	bs, fresh, err := r.b.useBase(ctx, r.spec, r.logs.root)
	if err != nil {
		return inPhase(err, "installing the "+r.spec.Group+" group")
	}
	r.base, r.used = bs, append(r.used, bs.key)
	if !fresh {
		fmt.Fprintf(r.logs.root, "Base root %s from the cache: group %s of %s, %d packages, same repository content\n%s",
			bs.key, bs.Group, bs.Repo, len(bs.Packages), buildroot.InstalledLog(bs.Packages))
	}
	finish()
	if err := r.addLayer(); err != nil {
		return fmt.Errorf("make a buildroot: %w", err)
	}
	if r.groups, err = r.b.newControlGroup(r.spec.Name); err != nil {
		return err
	}
	r.pkgs, r.pkgsNew = bs.Packages, true
	return nil
}

// addLayer makes what is writable in the root.
func (r *root) addLayer() error {
	dir := r.spec.Dir
	if r.b.overlay {
		if err := makeDir(r.layer.root); err != nil {
			return err
		}
		if err := r.standOn(r.base); err != nil {
			return err
		}
	} else if err := copyTree(r.base.root(), r.layer.root); err != nil {
		return err
	}
	top := filepath.Join(dir, "builddir")
	dirs := []string{top, filepath.Join(top, "build")}
	for _, d := range buildDirs {
		dirs = append(dirs, filepath.Join(top, "build", d))
	}
	for _, d := range dirs {
		if err := makeDir(d); err != nil {
			return err
		}
		if err := os.Chown(d, buildUID, buildGID); err != nil {
			return err
		}
	}
	name := filepath.Join(top, ".rpmmacros")
	if err := os.WriteFile(name, []byte(r.macros), 0o644); err != nil {
		return err
	}
	return os.Chown(name, buildUID, buildGID)
}

// standOn gives the root an empty writable layer over an image.
func (r *root) standOn(img image) error {
	o := &overlay{Lower: img.lowers, Upper: filepath.Join(r.spec.Dir, "upper"), Work: filepath.Join(r.spec.Dir, "work")}
	for _, d := range []string{o.Upper, o.Work} {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
		if err := makeDir(d); err != nil {
			return err
		}
	}
	r.layer.overlay = o
	r.pkgs, r.pkgsNew = img.Packages, true
	return nil
}

// makeDir makes a directory that others may read whatever the umask: an overlay takes its own mode from the upper directory.
func makeDir(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// ResultDir holds logs and results.
func (r *root) ResultDir() string { return filepath.Join(r.spec.Dir, "result") }

// LogPatterns matches the root's logs.
func (r *root) LogPatterns() []string { return []string{filepath.Join(r.ResultDir(), "*.log")} }

// Config describes the root in the place of mock's configuration.
func (r *root) Config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Koji buildroot id: %d\n# Koji buildroot name: %s\n# Koji repo id: %d\n# Koji tag: %s\n\n",
		r.spec.ID, r.spec.Name, r.spec.RepoID, r.spec.Tag)
	fmt.Fprintf(&b, "# Made by the native backend: dnf --installroot with this configuration, install @%s\n", r.spec.Group)
	fmt.Fprintf(&b, "# target_arch: %s  rpmbuild_timeout: %s  overlay: %t\n\n%s\n# ~/.rpmmacros\n%s",
		r.spec.Arch, r.spec.Timeout, r.b.overlay, r.b.dnfConf(r.spec), r.macros)
	for _, e := range sortedEnv(r.spec.Env) {
		fmt.Fprintf(&b, "# environment: %s\n", e)
	}
	return b.String()
}

// Packages lists the rpm database.
func (r *root) Packages(ctx context.Context) ([]buildroot.Package, error) {
	if !r.pkgsNew {
		list, err := r.b.listPackages(ctx, r.layer, r.base.DBPath)
		if err != nil {
			return nil, err
		}
		r.pkgs, r.pkgsNew = list, true
	}
	return append([]buildroot.Package(nil), r.pkgs...), nil
}

// Destroy removes the root's files but for ResultDir. No process is left: each step's died with its namespace.
func (r *root) Destroy() error {
	errs := []error{r.logs.close(), r.groups.remove()}
	for _, d := range []string{"mount", "upper", "work", "builddir", "checkout"} {
		errs = append(errs, os.RemoveAll(filepath.Join(r.spec.Dir, d)))
	}
	for _, key := range r.used {
		r.b.release(key)
	}
	r.used = nil
	return errors.Join(errs...)
}

// step is one command in the root.
type step struct {
	phase   string
	argv    []string
	dir     string // in the root
	mounts  []buildroot.Mount
	super   bool // as the root's root
	binds   []bind
	network bool
	log     io.Writer
	notes   io.Writer // what is said of the command; log if nil
	logName string
}

// inside runs a step as the build user, or as the root's own superuser.
func (r *root) inside(ctx context.Context, s step) error {
	var cause error
	if r.spec.Timeout > 0 {
		var cancel context.CancelFunc
		cause = &buildroot.PhaseError{Phase: s.phase, Tool: tool(s.argv), Log: s.logName, Timeout: r.spec.Timeout}
		ctx, cancel = context.WithTimeoutCause(ctx, r.spec.Timeout, cause)
		defer cancel()
	}
	j := job{
		Root: r.layer.root, Overlay: r.layer.overlay, Inside: true, Hostname: r.b.cfg.Hostname, Groups: r.groups.files,
		Binds: append([]bind{{filepath.Join(r.spec.Dir, "builddir"), home}}, s.binds...),
		// A login shell reads the root's profile, as mock's does; the command's words pass through it as they are.
		Argv: append([]string{"/bin/bash", "--login", "-c", `exec "$@"`, "bash"}, s.argv...),
		Env:  insideEnv(buildUser, home, r.b.cfg.Hostname, r.spec.Env), Dir: s.dir, Superuser: s.super, Mounts: s.mounts,
	}
	if s.super {
		j.Env = insideEnv("root", "/root", r.b.cfg.Hostname, r.spec.Env)
	}
	if s.network {
		j.Files = resolverFiles()
	}
	if s.notes == nil {
		s.notes = s.log
	}
	fmt.Fprintf(s.notes, "Executing command: %q\n", s.argv)
	err := r.b.run(ctx, j, s.network, s.log)
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		fmt.Fprintf(s.notes, "Child return code was: %d\n", exit.code)
		return &buildroot.PhaseError{Phase: s.phase, Tool: tool(s.argv), Exit: exit.code, Signal: exit.signal(), Log: s.logName}
	case err == nil:
		fmt.Fprintf(s.notes, "Child return code was: 0\n")
	}
	return err
}

// tool is the program's name for messages.
func tool(argv []string) string { return filepath.Base(argv[0]) }

// inPhase names the phase of a transaction's error.
func inPhase(err error, phase string) error {
	var pe *buildroot.PhaseError
	if errors.As(err, &pe) {
		pe.Phase = phase
	}
	return err
}

// insideEnv is the whole environment of commands in a root.
func insideEnv(user, home, hostname string, extra map[string]string) []string {
	env := []string{"HOME=" + home, "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "TERM=vt100", "SHELL=/bin/bash",
		"USER=" + user, "LOGNAME=" + user, "HOSTNAME=" + hostname, "LANG=C.UTF-8"}
	return append(env, sortedEnv(extra)...)
}

// resolverFiles are the host's files for name look-ups, as mock copies them with use_host_resolv.
func resolverFiles() map[string][]byte {
	files := map[string][]byte{}
	for _, name := range []string{"etc/resolv.conf", "etc/hosts"} {
		if data, err := os.ReadFile("/" + name); err == nil {
			files[name] = data
		}
	}
	return files
}

// copyTree copies a base root where overlays do not work: links, modes, owners, times.
func copyTree(from, to string) error {
	links := map[uint64]string{}
	type stamp struct {
		path string
		time time.Time
	}
	var dirs []stamp
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			dirs = append(dirs, stamp{target, info.ModTime()})
		}
		return copyNode(path, target, links)
	})
	for _, d := range dirs {
		err = errors.Join(err, os.Chtimes(d.path, d.time, d.time))
	}
	return err
}
