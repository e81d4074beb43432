package diagnosis

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, log, want string }{
		{"linker", `Executing(%build): /bin/sh -e /var/tmp/rpm-tmp.x
+ gcc -o x x.c -lreadline
/usr/bin/ld: cannot find -lreadline: No such file or directory
collect2: error: ld returned 1 exit status
error: Bad exit status from /var/tmp/rpm-tmp.x (%build)

RPM build errors:
    Bad exit status from /var/tmp/rpm-tmp.x (%build)
`, "in %build: /usr/bin/ld: cannot find -lreadline: No such file or directory"},
		{"undefined reference", `Executing(%build): x
/usr/bin/ld: /tmp/ccx.o: in function ` + "`main':" + `
x.c:(.text+0x9): undefined reference to ` + "`frob'" + `
collect2: error: ld returned 1 exit status
make: *** [Makefile:3: x] Error 1
error: Bad exit status from /var/tmp/rpm-tmp.x (%build)
`, "in %build: x.c:(.text+0x9): undefined reference to `frob'"},
		{"compiler", `Executing(%build): x
x.c: In function 'main':
x.c:3:12: warning: unused variable 'error' [-Wunused-variable]
x.c:4:5: error: 'foo' undeclared (first use in this function)
x.c:4:5: note: each undeclared identifier is reported only once for each function it appears in
make[1]: *** [Makefile:12: x.o] Error 1
make: *** [Makefile:5: all] Error 2
error: Bad exit status from /var/tmp/rpm-tmp.x (%build)
`, "in %build: x.c:4:5: error: 'foo' undeclared (first use in this function)"},
		{"colours and header", "Executing(%build): x\n\x1b[01m\x1b[Kx.c:1:10:\x1b[m\x1b[K \x1b[01;31m\x1b[Kfatal error: \x1b[m\x1b[Kreadline.h: No such file or directory\ncompilation terminated.\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n",
			"in %build: x.c:1:10: fatal error: readline.h: No such file or directory"},
		{"configure", `Executing(%build): x
checking for gcc... gcc
conftest.c:9:10: fatal error: ac_nonexistent.h: No such file or directory
checking for zlib... no
configure: error: zlib not found
error: Bad exit status from /var/tmp/rpm-tmp.x (%build)
`, "in %build: configure: error: zlib not found"},
		{"configure alone", `Executing(%build): x
checking for zlib... no
configure: error: zlib not found
error: Bad exit status from /var/tmp/rpm-tmp.x (%build)
`, "in %build: configure: error: zlib not found"},
		{"cmake", "Executing(%build): x\nCMake Error at CMakeLists.txt:3 (find_package):\n  Could not find ZLIB\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n",
			"in %build: CMake Error at CMakeLists.txt:3 (find_package):"},
		{"meson", "Executing(%build): x\nmeson.build:12:0: ERROR: Dependency \"glib-2.0\" not found, tried pkgconfig\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n",
			"in %build: meson.build:12:0: ERROR: Dependency \"glib-2.0\" not found, tried pkgconfig"},
		{"missing packages, mock", "No matching package to install: 'foo-devel >= 2'\nNot all dependencies satisfied\nError: Some packages could not be found.\n",
			"No matching package to install: 'foo-devel >= 2'"},
		{"missing packages, dnf", "Last metadata expiration check: 0:00:08 ago\nNo match for argument: foo\nError: Unable to find a match: foo\n", "No match for argument: foo"},
		{"unsatisfiable", "Error: \n Problem: conflicting requests\n  - nothing provides libx.so.1()(64bit) needed by x-1-1.x86_64\n", "- nothing provides libx.so.1()(64bit) needed by x-1-1.x86_64"},
		{"failed build dependencies", "error: Failed build dependencies:\n\tzlib-devel is needed by x-1-1.x86_64\n\tgcc >= 99 is needed by x-1-1.x86_64\n",
			"error: Failed build dependencies: zlib-devel is needed by x-1-1.x86_64, gcc >= 99 is needed by x-1-1.x86_64"},
		{"file lists", `Processing files: x-1-1.noarch
error: File not found: /builddir/build/BUILDROOT/x/usr/bin/y

RPM build errors:
    File not found: /builddir/build/BUILDROOT/x/usr/bin/y
`, "error: File not found: /builddir/build/BUILDROOT/x/usr/bin/y"},
		{"unpackaged", "error: Installed (but unpackaged) file(s) found:\n   /usr/bin/a\n   /usr/bin/b\n   /usr/bin/c\n   /usr/bin/d\n\nRPM build errors:\n",
			"error: Installed (but unpackaged) file(s) found: /usr/bin/a, /usr/bin/b, /usr/bin/c"},
		{"patch", "Executing(%prep): x\nPatch #1 (fix.patch):\n+ /usr/bin/patch -p1 -s\n1 out of 2 hunks FAILED -- saving rejects to file a.c.rej\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%prep)\n",
			"in %prep: 1 out of 2 hunks FAILED -- saving rejects to file a.c.rej"},
		{"missing source", "error: Bad source: /builddir/build/SOURCES/x-1.0.tar.gz: No such file or directory\n", "error: Bad source: /builddir/build/SOURCES/x-1.0.tar.gz: No such file or directory"},
		{"spec", "error: line 12: Unknown tag: Foo: bar\n", "error: line 12: Unknown tag: Foo: bar"},
		{"spec dependency", "error: line 5: Dependency tokens must begin with alpha-numeric, '_' or '/': BuildRequires: --x\n", "error: line 5: Dependency tokens must begin with alpha-numeric, '_' or '/': BuildRequires: --x"},
		{"command", "Executing(%install): x\n+ frobnicate\n/var/tmp/rpm-tmp.x: line 33: frobnicate: command not found\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%install)\n",
			"in %install: /var/tmp/rpm-tmp.x: line 33: frobnicate: command not found"},
		{"python", "Executing(%build): x\nTraceback (most recent call last):\n  File \"setup.py\", line 1, in <module>\n    import setuptools\nModuleNotFoundError: No module named 'setuptools'\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n",
			"in %build: ModuleNotFoundError: No module named 'setuptools'"},
		{"rust", "Executing(%build): x\nerror[E0433]: failed to resolve: use of undeclared crate or module `serde`\n --> src/main.rs:1:5\nerror: could not compile `x` (bin \"x\") due to 1 previous error\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n",
			"in %build: error[E0433]: failed to resolve: use of undeclared crate or module `serde`; error: could not compile `x` (bin \"x\") due to 1 previous error"},
		{"go", "Executing(%build): x\n# x\n./main.go:4:2: undefined: foo\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n", "in %build: ./main.go:4:2: undefined: foo"},
		{"java", "Executing(%build): x\n/x/A.java:3: error: ';' expected\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n", "in %build: /x/A.java:3: error: ';' expected"},
		{"tests", "Executing(%check): x\nPASS: a\nFAIL: test_b\n# TOTAL: 2\nmake: *** [Makefile:1: check] Error 1\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%check)\n", "in %check: FAIL: test_b"},
		{"disk", "Executing(%build): x\nx.c:4:5: error: bad\n/usr/bin/as: cannot write: No space left on device\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n",
			"in %build: /usr/bin/as: cannot write: No space left on device"},
		{"memory", "Executing(%build): x\ngcc: fatal error: Killed signal terminated program cc1plus\ncompilation terminated.\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n",
			"in %build: gcc: fatal error: Killed signal terminated program cc1plus"},
		{"make only", "Executing(%build): x\nmake: *** No rule to make target 'all'.  Stop.\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n", "in %build: make: *** No rule to make target 'all'.  Stop."},
		{"earlier phases do not count", "Executing(%prep): x\na.c:1:1: error: old\nExecuting(%build): x\nmake: *** [Makefile:1: all] Error 2\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n",
			"in %build: make: *** [Makefile:1: all] Error 2"},
		{"noarch with binaries", "error: Arch dependent binaries in noarch package\n", "error: Arch dependent binaries in noarch package"},
		{"download", "Errors during downloading metadata for repository 'build':\n  - Curl error (7): Couldn't connect to server for http://x/repodata/repomd.xml\nError: Failed to download metadata for repo 'build'\n",
			"- Curl error (7): Couldn't connect to server for http://x/repodata/repomd.xml; Error: Failed to download metadata for repo 'build'"},
		{"phase only", "Executing(%build): x\n+ exit 3\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n", "in %build"},
		{"nothing", "all is well\n", ""},
		{"empty", "", ""},
		{"control characters", "Executing(%build): x\na.c:1:1: error: a\x00\x07b\r\nerror: Bad exit status from /x (%build)\n", "in %build: a.c:1:1: error: ab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := Find(strings.NewReader(tt.log))
			if got := c.String(); err != nil || got != tt.want {
				t.Errorf("\n got %s (%v)\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestFindIsBounded(t *testing.T) {
	t.Parallel()
	c, err := Find(strings.NewReader(strings.Repeat("x.c:1:1: error: "+strings.Repeat("é", 500)+"\n", 1000)))
	if err != nil || len(c.String()) > maxLines*(maxLine+10) {
		t.Errorf("%d bytes, %v", len(c.String()), err)
	}
	if _, err := Find(strings.NewReader(strings.Repeat("x", 3<<20))); err != nil {
		t.Error(err)
	}
}

func FuzzFind(f *testing.F) {
	f.Add("Executing(%build): x\nerror: Bad exit status from /x (%build)\n")
	f.Add("error: Failed build dependencies:\n\ta\n")
	f.Fuzz(func(t *testing.T, log string) {
		c, err := Find(strings.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		if s := c.String(); strings.ContainsAny(s, "\n\x00\x1b") || len(s) > 2*maxLines*maxLine {
			t.Errorf("%q", s)
		}
	})
}

// BenchmarkFind reads a whole log in which nothing looks like a cause: the slowest case.
func BenchmarkFind(b *testing.B) {
	log := strings.Repeat("gcc -O2 -g -pipe -Wall -Werror=format-security -Wp,-D_FORTIFY_SOURCE=3 -c -o src/module.o src/module.c\n", maxRead/104)
	b.SetBytes(int64(len(log)))
	for b.Loop() {
		if _, err := Find(strings.NewReader(log)); err != nil {
			b.Fatal(err)
		}
	}
}
