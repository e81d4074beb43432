package native

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"moromi/builder/buildroot"
)

// mountRoot makes the root's tree: overlay or the directory itself, binds, and private /proc, /dev and /sys.
// All mounts are in the process's own mount namespace and vanish with it.
func mountRoot(j job) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if o := j.Overlay; o != nil {
		if err := mountOverlay(*o, j.Root); err != nil {
			return err
		}
	} else if err := unix.Mount(j.Root, j.Root, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind the root: %w", err)
	}
	for _, b := range j.Binds {
		if err := unix.Mount(b.Source, filepath.Join(j.Root, b.Target), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", b.Target, err)
		}
	}
	if j.Take != nil {
		return nil
	}
	if j.Inside {
		// A device node that a package brought must be of no use.
		if err := unix.Mount("", j.Root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("forbid devices in the root: %w", err)
		}
	}
	for _, m := range j.Mounts {
		if err := mountExtra(j.Root, m); err != nil {
			return err
		}
	}
	if !j.Inside {
		// The host's /proc shows another PID namespace; rpm and its scriptlets need their own.
		if err := mountProc("/proc"); err != nil {
			return err
		}
	}
	if err := mountProc(filepath.Join(j.Root, "proc")); err != nil {
		return err
	}
	if err := protectKernel(filepath.Join(j.Root, "proc")); err != nil {
		return err
	}
	if err := mountDev(filepath.Join(j.Root, "dev")); err != nil {
		return err
	}
	if !j.Inside {
		return nil // rpm sets the mode of the directory /sys, which a mounted sysfs refuses
	}
	const flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	if err := unix.Mount("sysfs", filepath.Join(j.Root, "sys"), "sysfs", flags, ""); err != nil {
		return fmt.Errorf("mount sys: %w", err)
	}
	return nil
}

func mountOverlay(o overlay, target string) error {
	for _, dir := range append([]string{o.Upper, o.Work}, o.Lower...) {
		if strings.ContainsAny(dir, ",:\\") {
			return fmt.Errorf("mount overlay: directory %q contains a character that overlay options cannot hold", dir)
		}
	}
	opts := "lowerdir=" + strings.Join(o.Lower, ":") + ",upperdir=" + o.Upper + ",workdir=" + o.Work
	if err := unix.Mount("overlay", target, "overlay", 0, opts); err != nil {
		return fmt.Errorf("mount overlay: %w", err)
	}
	return nil
}

func mountProc(target string) error {
	if err := unix.Mount("proc", target, "proc", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	return nil
}

// mountFlags are the options of bind mounts that are known, and their flags. bind and rw ask for nothing.
var mountFlags = map[string]uintptr{
	"bind": 0, "rw": 0, "ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC, "noatime": unix.MS_NOATIME,
}

// mountExtra makes a directory of the host visible in the root. What is there of the mount point may be links of a package's: none is followed out
// of the root. Device nodes and set-user-id programs do not work through such a mount.
func mountExtra(root string, m buildroot.Mount) error {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	for _, o := range m.Options {
		f, known := mountFlags[o]
		if !known || !m.Bind() {
			return fmt.Errorf("mount %s: a native root takes bind mounts with the options ro, rw, nosuid, nodev, noexec, noatime; mount it on the builder and bind it", m.Point)
		}
		flags |= f
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	defer r.Close()
	point := strings.TrimPrefix(filepath.Clean(m.Point), "/")
	if err := r.MkdirAll(point, 0o755); err != nil {
		return fmt.Errorf("make the mount point %s: %w", m.Point, err)
	}
	dir, err := r.Open(point)
	if err != nil {
		return fmt.Errorf("open the mount point %s: %w", m.Point, err)
	}
	defer dir.Close()
	at := fmt.Sprintf("/proc/self/fd/%d", dir.Fd())
	if err := unix.Mount(m.Source, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", m.Point, err)
	}
	over, err := r.Open(point) // what is mounted there now
	if err != nil {
		return fmt.Errorf("open the mount %s: %w", m.Point, err)
	}
	defer over.Close()
	if err := unix.Mount("", fmt.Sprintf("/proc/self/fd/%d", over.Fd()), "", unix.MS_BIND|unix.MS_REMOUNT|flags, ""); err != nil {
		return fmt.Errorf("set the options of the mount %s: %w", m.Point, err)
	}
	return nil
}

// protectKernel makes the kernel's settings below proc read-only: a package's scriptlet runs as root, and its
// sysctl must not change the build host.
func protectKernel(proc string) error {
	for _, name := range []string{"sys", "sysrq-trigger", "irq", "bus", "fs"} {
		path := filepath.Join(proc, name)
		if _, err := os.Stat(path); err != nil {
			continue // not part of this kernel
		}
		if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("protect proc/%s: %w", name, err)
		}
		const flags = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
		if err := unix.Mount("", path, "", flags, ""); err != nil {
			return fmt.Errorf("protect proc/%s: %w", name, err)
		}
	}
	return nil
}

// devices are the nodes of a root's /dev, all character devices readable and writable by anyone.
var devices = [...]struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}

// deviceLinks are the symbolic links of /dev, target and name.
var deviceLinks = [...][2]string{
	{"pts/ptmx", "ptmx"}, {"/proc/self/fd", "fd"}, {"fd/0", "stdin"}, {"fd/1", "stdout"}, {"fd/2", "stderr"},
}

// mountDev makes a /dev with nothing of the host's.
func mountDev(dev string) error {
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755"); err != nil {
		return fmt.Errorf("mount dev: %w", err)
	}
	old := unix.Umask(0)
	defer unix.Umask(old)
	for _, d := range devices {
		if err := unix.Mknod(filepath.Join(dev, d.name), unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor))); err != nil {
			return fmt.Errorf("make device %s: %w", d.name, err)
		}
	}
	for _, l := range deviceLinks {
		if err := os.Symlink(l[0], filepath.Join(dev, l[1])); err != nil {
			return fmt.Errorf("make dev/%s: %w", l[1], err)
		}
	}
	for _, name := range []string{"pts", "shm"} {
		if err := os.Mkdir(filepath.Join(dev, name), 0o755); err != nil {
			return fmt.Errorf("make dev/%s: %w", name, err)
		}
	}
	if err := unix.Mount("devpts", filepath.Join(dev, "pts"), "devpts", unix.MS_NOSUID|unix.MS_NOEXEC,
		"newinstance,ptmxmode=0666,mode=620"); err != nil {
		return fmt.Errorf("mount dev/pts: %w", err)
	}
	if err := unix.Mount("tmpfs", filepath.Join(dev, "shm"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
		return fmt.Errorf("mount dev/shm: %w", err)
	}
	return nil
}

// enter makes the root the process's whole file tree and sets the name it runs under.
func enter(j job) error {
	if err := unix.Sethostname([]byte(j.Hostname)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	// A loopback that is down breaks test suites; in the host's own network namespace it is up already.
	loopbackUp()
	if err := unix.Chdir(j.Root); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	// pivot_root onto itself stacks the old tree over the new one, from where it is detached.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the host's tree: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	return nil
}

// loopbackUp raises lo. Without it a build still works, so errors are of no consequence.
func loopbackUp() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	_ = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}
