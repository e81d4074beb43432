package pgserver

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	mib = 1 << 20
	gib = 1 << 30

	// assumedMemory is used when the machine does not tell its memory: small enough to start anywhere.
	assumedMemory = 1 * gib
	// smallSharedMemory is the size of /dev/shm below which parallel queries could run out of it (containers
	// get 64 MiB by default); dynamic shared memory then lives in files.
	smallSharedMemory = 256 * mib
)

// settings are the server's parameters, by name. They stand in postgresql.conf, which is written anew at every
// start; an operator's ALTER SYSTEM goes to postgresql.auto.conf and wins.
func settings(c Config, memory int64, sharedMemory uint64, socketDir string) map[string]string {
	s := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": socketDir,
		"unix_socket_permissions": "0700",
		"max_connections":         strconv.Itoa(c.MaxConnections),

		// One machine also runs the hub and builds, so the server takes an eighth of it, not the usual quarter.
		"shared_buffers":       megabytes(min(max(memory/8, 64*mib), 8*gib)),
		"effective_cache_size": megabytes(memory / 2),
		"work_mem":             megabytes(min(max(memory/1024, 4*mib), 64*mib)),
		"maintenance_work_mem": megabytes(min(max(memory/64, 64*mib), 1*gib)),
		"random_page_cost":     "1.1", // solid state disks
		"jit":                  "off", // the queries are short; compiling them costs more than they do

		"synchronous_commit":           "on",
		"wal_compression":              "on",
		"min_wal_size":                 "128MB",
		"max_wal_size":                 "2GB",
		"checkpoint_timeout":           "15min",
		"checkpoint_completion_target": "0.9",

		// A transaction left open holds back vacuum for every table; no code of ours idles in one.
		"idle_in_transaction_session_timeout": "5min",
		"log_line_prefix":                     "%m [%p] ",
		"log_min_messages":                    "warning",
		"log_checkpoints":                     "off",
		"timezone":                            "UTC",
		"log_timezone":                        "UTC",
		"lc_messages":                         "C",
		"password_encryption":                 "scram-sha-256",
		"dynamic_shared_memory_type":          "posix",
	}
	if sharedMemory < smallSharedMemory {
		s["dynamic_shared_memory_type"] = "mmap"
	}
	if c.Volatile {
		s["fsync"] = "off"
		s["full_page_writes"] = "off"
		s["wal_level"] = "minimal"
		s["max_wal_senders"] = "0"
		s["shared_buffers"] = megabytes(min(max(memory/32, 64*mib), 512*mib))
		s["max_wal_size"] = "512MB"
	}
	return s
}

// renderSettings writes the parameters in postgresql.conf's form, sorted by name.
func renderSettings(s map[string]string) string {
	names := make([]string, 0, len(s))
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString("# Written at every start. Use ALTER SYSTEM to change a value: postgresql.auto.conf wins over this file.\n")
	for _, name := range names {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(s[name], "'", "''"))
	}
	return b.String()
}

func megabytes(n int64) string { return strconv.FormatInt(n/mib, 10) + "MB" }

// usableMemory is the machine's memory in bytes, or the control group's limit where that is lower.
func usableMemory() int64 {
	memory := int64(assumedMemory)
	if f, err := os.Open("/proc/meminfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) >= 2 && fields[0] == "MemTotal:" {
				if kb, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
					memory = kb << 10
				}
				break
			}
		}
	}
	for _, limit := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(limit)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			memory = min(memory, n)
		}
	}
	return memory
}

// sharedMemorySize is the size of /dev/shm in bytes, 0 when there is none.
func sharedMemorySize() uint64 {
	var fs unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &fs); err != nil {
		return 0
	}
	return fs.Blocks * uint64(fs.Bsize)
}
