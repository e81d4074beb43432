package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestUnwritten picks the mappings that may be given back out of what the kernel says of a program that was relocated when it
// was loaded.
func TestUnwritten(t *testing.T) {
	t.Parallel()
	const smaps = `00400000-012b7000 r-xp 00000000 fe:00 10118085                           /usr/bin/moromid
Size:              15068 kB
Rss:                9500 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
012b7000-02262000 r--p 00eb7000 fe:00 10118085                           /usr/bin/moromid
Rss:                9500 kB
Anonymous:           136 kB
02262000-0233f000 rw-p 01e62000 fe:00 10118085                           /usr/bin/moromid
Anonymous:             0 kB
0233f000-0438c000 rw-p 00000000 00:00 0 
Anonymous:           136 kB
05000000-06000000 r--p 00eb7000 fe:00 10118085                           /usr/bin/moromid
Anonymous:             0 kB
7fa368020000-7fa368400000 r--p 00000000 fe:00 1 /usr/lib/other moromid
Anonymous:             0 kB
7ffe5b1f8000-7ffe5b1fa000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
`
	want := []addresses{{0x400000, 0x12b7000}, {0x5000000, 0x6000000}}
	if got, err := unwritten(strings.NewReader(smaps), "/usr/bin/moromid"); err != nil || !slices.Equal(got, want) {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
	if got, err := unwritten(strings.NewReader("nonsense\n"), "/usr/bin/moromid"); err == nil {
		t.Errorf("nonsense is %x", got)
	}
}

// TestReleaseProgram goes on after all of its code was given back.
func TestReleaseProgram(t *testing.T) {
	t.Parallel()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if found, err := unwritten(f, exe); err != nil || len(found) == 0 {
		t.Errorf("the program's own mappings: %x, %v", found, err)
	}
	if err := releaseProgram(); err != nil {
		t.Error(err)
	}
}
