package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"moromi/builder/buildroot"
	"moromi/internal/fault"
	"moromi/internal/rpm"
)

const rpmbuild = "/usr/bin/rpmbuild"

// CheckoutDir is where a checkout for this root goes.
func (r *root) CheckoutDir() (string, error) {
	dir := filepath.Join(r.spec.Dir, "checkout")
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make the checkout's directory: %w", err)
	}
	return dir, nil
}

// BuildSRPM runs the source command, then rpmbuild -bs on the checkout.
func (r *root) BuildSRPM(ctx context.Context, tree buildroot.SourceTree) error {
	dir, err := r.CheckoutDir()
	if err != nil {
		return err
	}
	if err := chownTree(dir); err != nil {
		return fmt.Errorf("give the checkout to the build user: %w", err)
	}
	binds := []bind{{dir, scmDir}}
	if len(tree.Command) > 0 {
		finish := r.logs.journal.Phase("fetching sources")
		err := r.inside(ctx, step{phase: "fetching sources", argv: tree.Command, binds: binds, network: r.spec.Network,
			dir: filepath.Join(scmDir, tree.WorkDir), log: r.logs.root, logName: "root.log"})
		if err != nil {
			return err
		}
		finish()
	}
	defer r.logs.journal.Phase("buildsrpm")()
	err = r.inside(ctx, step{phase: "building the source package", dir: "/", binds: binds, log: r.logs.build, logName: "build.log",
		argv: []string{rpmbuild, "-bs", "--noclean", "--target", "noarch", "--nodeps",
			"--define", "_sourcedir " + filepath.Join(scmDir, tree.Sources), filepath.Join(scmDir, tree.Spec)}})
	if err != nil {
		return err
	}
	return r.collect("SRPMS")
}

// RebuildSRPM unpacks a source package and packs it again.
func (r *root) RebuildSRPM(ctx context.Context, srpm string) error {
	defer r.logs.journal.Phase("rebuilding the source package")()
	if _, err := r.sourcePackage(ctx, srpm, "noarch"); err != nil {
		return err
	}
	return r.collect("SRPMS")
}

// Build does what mock --rebuild does: the source package is made anew in the root, its requirements are installed,
// and it is built.
func (r *root) Build(ctx context.Context, srpm, target string) error {
	if err := r.writeHardware(); err != nil {
		return err
	}
	finish := r.logs.journal.Phase("rebuilding the source package")
	spec, err := r.sourcePackage(ctx, srpm, target)
	if err != nil {
		return err
	}
	finish()
	finish = r.logs.journal.Phase("build dependencies")
	if err := r.installRequires(ctx); err != nil {
		return err
	}
	finish()
	pkgs, err := r.Packages(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.ResultDir(), "installed_pkgs.log"), []byte(buildroot.InstalledLog(pkgs)), 0o644); err != nil {
		return fmt.Errorf("write installed_pkgs.log: %w", err)
	}
	defer r.logs.journal.Phase("rpmbuild " + filepath.Base(srpm))()
	// Dependencies were solved by dnf; the root's rpm may not even read the database that the host's dnf wrote.
	err = r.inside(ctx, step{phase: "building the package", dir: home + "/build", log: r.logs.build, logName: "build.log",
		argv: []string{rpmbuild, "-ba", "--noclean", "--target", target, "--nodeps", spec}})
	if err != nil {
		return err
	}
	if err := r.collect("SRPMS"); err != nil {
		return err
	}
	return r.collect("RPMS")
}

// sourcePackage unpacks srpm into %_topdir and makes it anew there, which evaluates the spec with the root's macros.
// It returns the spec's path in the root.
func (r *root) sourcePackage(ctx context.Context, srpm, target string) (spec string, err error) {
	const name = "originals/source.src.rpm"
	if err := r.putFile(srpm, name); err != nil {
		return "", fmt.Errorf("copy the source package into the root: %w", err)
	}
	err = r.inside(ctx, step{phase: "unpacking the source package", dir: "/", log: r.logs.root, logName: "root.log",
		argv: []string{rpmProgram, "-Uv", "--nodeps", home + "/build/" + name}})
	if err != nil {
		return "", err
	}
	specs, err := r.files("SPECS", ".spec")
	if err != nil {
		return "", err
	}
	switch len(specs) {
	case 1:
	case 0:
		return "", fault.New(fault.Build, "No spec file found")
	default:
		return "", fault.New(fault.Build, "Multiple spec files found: %s", strings.Join(specs, ", "))
	}
	spec = home + "/build/SPECS/" + specs[0]
	return spec, r.inside(ctx, step{phase: "building the source package", dir: "/", log: r.logs.build, logName: "build.log",
		argv: []string{rpmbuild, "-bs", "--noclean", "--target", target, "--nodeps", spec}})
}

// installRequires installs what the remade source package requires and then removes that package: the build makes it again.
func (r *root) installRequires(ctx context.Context) error {
	names, err := r.files("SRPMS", ".src.rpm")
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return fault.New(fault.Build, "rpmbuild made %d source packages, not one", len(names))
	}
	top, err := os.OpenRoot(r.top())
	if err != nil {
		return fmt.Errorf("open the build directory: %w", err)
	}
	defer top.Close()
	path := "SRPMS/" + names[0]
	f, err := top.Open(path)
	if err != nil {
		return fmt.Errorf("read the source package: %w", err)
	}
	defer f.Close()
	header, err := rpm.ReadHeader(f)
	if err != nil {
		return fmt.Errorf("read the source package: %w", err)
	}
	if err := top.Remove(path); err != nil {
		return fmt.Errorf("remove the intermediate source package: %w", err)
	}
	var requires []string
	for _, d := range header.BuildRequires() {
		// A word that dnf could take for an option or a file of the host's is none of the packages in the repository.
		if text := d.String(); strings.HasPrefix(text, "-") || strings.HasSuffix(text, ".rpm") || strings.Contains(text, "://") {
			return &buildroot.PhaseError{Phase: "installing build dependencies", Tool: "dnf", Exit: 1, Log: "root.log",
				Detail: "No matching package to install: '" + text + "'"}
		}
		requires = append(requires, d.String())
	}
	if len(requires) == 0 {
		fmt.Fprintln(r.logs.root, "No build dependencies")
		return nil
	}
	const phase = "installing build dependencies"
	if !r.b.overlay {
		r.pkgsNew = false
		args := append([]string{"install", "--"}, requires...)
		return inPhase(r.b.dnf(ctx, r.layer, r.spec, r.base.DBPath, r.logs.root, args...), phase)
	}
	img, fresh, err := r.b.useLayer(ctx, r.base, r.spec, requires, r.logs.root)
	if err != nil {
		return inPhase(err, phase)
	}
	r.used = append(r.used, img.key)
	if !fresh {
		fmt.Fprintf(r.logs.root, "Build dependencies %q from the cache %s, same repository content:\n%s",
			requires, img.key, buildroot.InstalledLog(img.Packages))
	}
	// What the steps so far wrote outside of /builddir are temporary files.
	if err := r.standOn(img); err != nil {
		return fmt.Errorf("put the build dependencies below the root: %w", err)
	}
	return nil
}

// top is %_topdir on the host.
func (r *root) top() string { return filepath.Join(r.spec.Dir, "builddir", "build") }

// files lists the regular files of a directory of %_topdir by suffix. The build user made them: links are not followed.
func (r *root) files(dir, suffix string) ([]string, error) {
	top, err := os.OpenRoot(r.top())
	if err != nil {
		return nil, fmt.Errorf("open the build directory: %w", err)
	}
	defer top.Close()
	entries, err := fs.ReadDir(top.FS(), dir)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// collect moves the packages of a directory of %_topdir into ResultDir. The step that made them is over, so they
// cannot be exchanged between the look and the move.
func (r *root) collect(dir string) error {
	names, err := r.files(dir, ".rpm")
	if err != nil {
		return err
	}
	own, err := os.OpenRoot(r.spec.Dir)
	if err != nil {
		return fmt.Errorf("collect results: %w", err)
	}
	defer own.Close()
	for _, name := range names {
		to := "result/" + name
		if err := own.Rename("builddir/build/"+dir+"/"+name, to); err != nil {
			return fmt.Errorf("collect results: %w", err)
		}
		if err := own.Lchown(to, 0, 0); err != nil {
			return fmt.Errorf("collect results: %w", err)
		}
		if err := own.Chmod(to, 0o644); err != nil {
			return fmt.Errorf("collect results: %w", err)
		}
	}
	return nil
}

// putFile copies a file of the host into %_topdir for the build user.
func (r *root) putFile(from, name string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	top, err := os.OpenRoot(r.top())
	if err != nil {
		return err
	}
	defer top.Close()
	dst, err := top.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, dst.Close()); err != nil {
		return err
	}
	return top.Lchown(name, buildUID, buildGID)
}

func (r *root) writeHardware() error {
	f, err := os.Create(filepath.Join(r.ResultDir(), "hw_info.log"))
	if err != nil {
		return fmt.Errorf("write hw_info.log: %w", err)
	}
	if err := errors.Join(buildroot.WriteHardware(f, r.spec.Dir), f.Close()); err != nil {
		return fmt.Errorf("write hw_info.log: %w", err)
	}
	return nil
}

// chownTree gives a tree to the build user without following links.
func chownTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, buildUID, buildGID)
	})
}
