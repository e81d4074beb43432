package buildroot

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// WriteHardware writes hw_info.log: processor, memory and the storage of dir, read from the kernel.
func WriteHardware(w io.Writer, dir string) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "CPU info:\nArchitecture: %s\nCPU(s): %d\n", runtime.GOARCH, runtime.NumCPU())
	copyFields(b, "/proc/cpuinfo", "vendor_id", "model name", "cpu MHz", "cache size", "flags", "Features", "bogomips")
	fmt.Fprintf(b, "\n\nMemory info:\n")
	copyFields(b, "/proc/meminfo", "MemTotal", "MemFree", "MemAvailable", "SwapTotal", "SwapFree")
	fmt.Fprintf(b, "\n\nStorage:\n")
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err == nil {
		const mib = 1 << 20
		size := st.Blocks * uint64(st.Bsize) / mib
		avail := st.Bavail * uint64(st.Bsize) / mib
		fmt.Fprintf(b, "buildroot: %d MiB, %d MiB available\n", size, avail)
	}
	return b.Flush()
}

// copyFields copies the first line of each named field of a "name : value" file.
func copyFields(w io.Writer, path string, names ...string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		name, _, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !ok || seen[name] {
			continue
		}
		for _, want := range names {
			if want == name {
				seen[name] = true
				io.WriteString(w, strings.TrimRight(line, "\n")+"\n")
			}
		}
	}
}
