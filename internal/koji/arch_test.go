package koji

import "testing"

// TestCanonArch has the families of koji.canonArch.
func TestCanonArch(t *testing.T) {
	t.Parallel()
	for arch, want := range map[string]string{"i686": "i386", "i386": "i386", "athlon": "i386", "ia32e": "x86_64", "x86_64": "x86_64", "ppc64le": "ppc64le",
		"ppc64p7": "ppc64", "ppc64": "ppc64", "sparc64v": "sparc64", "sparcv9": "sparc", "alphaev6": "alpha", "armv7hl": "armhfp", "armv5tel": "arm",
		"aarch64": "aarch64", "noarch": "noarch", "src": "src", "riscv64": "riscv64"} {
		if got := CanonArch(arch); got != want {
			t.Errorf("CanonArch(%s) is %s, not %s", arch, got, want)
		}
	}
}

// TestIsDebuginfo has the names of koji.is_debuginfo.
func TestIsDebuginfo(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"foo-debuginfo": true, "foo-debugsource": true, "kernel-debuginfo-common": true, "foo": false, "debuginfo": false,
		"foo-debuginfod": false} {
		if got := IsDebuginfo(name); got != want {
			t.Errorf("IsDebuginfo(%s) is %t", name, got)
		}
	}
}
