package mock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"moromi/builder/buildroot"
	"moromi/internal/fault"
)

// tmpDir is a directory in the root that mock does not empty between its runs, kojid's chroot_tmpdir.
const tmpDir = "chroot_tmpdir"

// CheckoutDir is in the root, so that the source command can run there.
func (r *root) CheckoutDir() (string, error) { return r.makeDir("scmroot") }

// makeDir makes a directory below tmpDir for mock's user. Links in the root are not followed out of it.
func (r *root) makeDir(name string) (string, error) {
	in, err := os.OpenRoot(r.rootDir())
	if err != nil {
		return "", fmt.Errorf("open the root: %w", err)
	}
	defer in.Close()
	path := tmpDir + "/" + name
	if err := in.MkdirAll(path, 0o755); err != nil {
		return "", fmt.Errorf("make a directory in the root: %w", err)
	}
	for _, p := range []string{tmpDir, path} {
		if err := in.Lchown(p, r.b.ids[0], r.b.ids[1]); err != nil {
			return "", fmt.Errorf("make a directory in the root: %w", err)
		}
	}
	return filepath.Join(r.rootDir(), path), nil
}

// BuildSRPM runs the source command in the root and mock --buildsrpm.
func (r *root) BuildSRPM(ctx context.Context, tree buildroot.SourceTree) error {
	dir, err := r.CheckoutDir()
	if err != nil {
		return err
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, r.b.ids[0], r.b.ids[1])
	})
	if err != nil {
		return fmt.Errorf("give the checkout to mock's user: %w", err)
	}
	if len(tree.Command) > 0 {
		args := []string{"--no-clean", "--unpriv", "--cwd", "/" + filepath.Join(tmpDir, "scmroot", tree.WorkDir), "--chroot"}
		if err := r.mock(ctx, "retrieving sources", "", append(args, tree.Command...)...); err != nil {
			return err
		}
	}
	return r.mock(ctx, "building srpm", "", "--no-clean", "--buildsrpm", "--spec", filepath.Join(dir, tree.Spec),
		"--sources", filepath.Join(dir, tree.Sources), "--target", "noarch")
}

// RebuildSRPM unpacks and packs the source package in the root, as kojid's rebuild_srpm.
func (r *root) RebuildSRPM(ctx context.Context, srpm string) error {
	if _, err := r.makeDir("srpm"); err != nil {
		return err
	}
	unpacked, err := r.makeDir("srpm_unpacked")
	if err != nil {
		return err
	}
	const inside = "/" + tmpDir + "/srpm/source.src.rpm"
	if err := r.copyIn(srpm, inside[1:]); err != nil {
		return fmt.Errorf("copy the source package into the root: %w", err)
	}
	const top = "_topdir /" + tmpDir + "/srpm_unpacked"
	err = r.mock(ctx, "unpacking srpm", "", "--no-clean", "--target", "noarch", "--chroot", "--", "rpm", "--define", top, "-iv", inside)
	if err != nil {
		return err
	}
	own, err := os.OpenRoot(unpacked)
	if err != nil {
		return fmt.Errorf("open the unpacked source package: %w", err)
	}
	defer own.Close()
	specs, err := fs.Glob(own.FS(), "SPECS/*.spec")
	if err != nil {
		return fmt.Errorf("look for the spec file: %w", err)
	}
	switch len(specs) {
	case 1:
	case 0:
		return fault.New(fault.Build, "No spec file found")
	default:
		return fault.New(fault.Build, "Multiple spec files found: %v", specs)
	}
	err = r.mock(ctx, "building srpm", "", "--no-clean", "--target", "noarch", "--chroot", "--", "rpmbuild", "--define", top, "-bs", "--nodeps",
		"/"+tmpDir+"/srpm_unpacked/"+specs[0])
	if err != nil {
		return err
	}
	made, err := fs.Glob(own.FS(), "SRPMS/*.src.rpm")
	if err != nil {
		return fmt.Errorf("look for the source package: %w", err)
	}
	for _, name := range made {
		if err := r.moveResult(own, name); err != nil {
			return fmt.Errorf("collect the source package: %w", err)
		}
	}
	return nil
}

// moveResult copies a file of the root to ResultDir.
func (r *root) moveResult(from *os.Root, name string) error {
	if st, err := from.Lstat(name); err != nil || !st.Mode().IsRegular() {
		return errors.Join(err, fmt.Errorf("%s is not a plain file", name))
	}
	src, err := from.Open(name)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(filepath.Join(r.ResultDir(), filepath.Base(name)))
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close(), from.Remove(name))
}

// copyIn copies a file of the host into the root.
func (r *root) copyIn(from, to string) error {
	in, err := os.OpenRoot(r.rootDir())
	if err != nil {
		return err
	}
	defer in.Close()
	return copyFile(in, from, to, r.b.ids)
}

// copyFile copies a file of the host into a directory, for the user that ids are.
func copyFile(in *os.Root, from, to string, ids [2]int) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := in.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close(), in.Lchown(to, ids[0], ids[1]))
}

// Build is mock --rebuild, on a copy of the source package that mock's user can read.
func (r *root) Build(ctx context.Context, srpm, target string) error {
	dir := filepath.Join(r.dir(), "source")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make a directory for the source package: %w", err)
	}
	own, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the directory of the source package: %w", err)
	}
	defer own.Close()
	name := filepath.Base(srpm)
	if err := copyFile(own, srpm, name, r.b.ids); err != nil {
		return fmt.Errorf("copy the source package: %w", err)
	}
	args := []string{"--no-clean"}
	if target != "" {
		args = append(args, "--target", target)
	}
	return r.mock(ctx, "building package", "", append(args, "--rebuild", filepath.Join(dir, name))...)
}
