package pgserver

import (
	"strings"
	"testing"
)

func TestParseMajor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n": 15,
		"postgres (PostgreSQL) 18beta1\n":                        18,
		"postgres (PostgreSQL) 9.6.24\n":                         9,
	} {
		if got, err := parseMajor(text); err != nil || got != want {
			t.Errorf("parseMajor(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "postgres", "postgres (PostgreSQL) devel", "mysqld 8.0"} {
		if got, err := parseMajor(text); err == nil {
			t.Errorf("parseMajor(%q) = %d, want an error", text, got)
		}
	}
}

func TestChoosePrograms(t *testing.T) {
	t.Parallel()
	installed := []programs{{"/17", 17}, {"/15", 15}}
	for major, want := range map[int]string{0: "/17", 17: "/17", 15: "/15"} {
		if got, err := choosePrograms(installed, major); err != nil || got.dir != want {
			t.Errorf("choosePrograms(%d) = %v, %v, want %s", major, got, err, want)
		}
	}
	if _, err := choosePrograms(installed, 16); err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 16 and only version 17 and 15") {
		t.Errorf("error: %v", err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config       Config
		memory       int64
		sharedMemory uint64
		want         map[string]string
	}{
		"small machine":  {Config{}, 512 * mib, 64 * mib, map[string]string{"shared_buffers": "64MB", "work_mem": "4MB", "dynamic_shared_memory_type": "mmap"}},
		"usual machine":  {Config{}, 24 * gib, 12 * gib, map[string]string{"shared_buffers": "3072MB", "work_mem": "24MB", "dynamic_shared_memory_type": "posix", "synchronous_commit": "on", "fsync": ""}},
		"large machine":  {Config{}, 512 * gib, 256 * gib, map[string]string{"shared_buffers": "8192MB", "maintenance_work_mem": "1024MB"}},
		"volatile":       {Config{Volatile: true}, 24 * gib, 12 * gib, map[string]string{"shared_buffers": "512MB", "fsync": "off"}},
		"no TCP, ever":   {Config{}, 24 * gib, 12 * gib, map[string]string{"listen_addresses": ""}},
		"private socket": {Config{}, 24 * gib, 12 * gib, map[string]string{"unix_socket_directories": "/run/it's", "unix_socket_permissions": "0700"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := settings(tt.config, tt.memory, tt.sharedMemory, "/run/it's")
			for key, want := range tt.want {
				if got[key] != want {
					t.Errorf("%s = %q, want %q", key, got[key], want)
				}
			}
			if text := renderSettings(got); !strings.Contains(text, "unix_socket_directories = '/run/it''s'\n") {
				t.Errorf("quote not doubled in\n%s", text)
			}
		})
	}
}

// FuzzParseMajor requires an answer or an error for any text, and never a negative version.
func FuzzParseMajor(f *testing.F) {
	f.Add("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)")
	f.Add("postgres (PostgreSQL) 99999999999999999999")
	f.Fuzz(func(t *testing.T, text string) {
		if major, err := parseMajor(text); err == nil && major < 0 {
			t.Errorf("parseMajor(%q) = %d", text, major)
		}
	})
}
