package pgserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// minMajor is the oldest PostgreSQL that the migrations are written for: 13 has DROP DATABASE … WITH (FORCE)
// and incremental sorts, and is what the oldest supported Enterprise Linux module offers.
const minMajor = 13

// programs is one installation of PostgreSQL's server programs.
type programs struct {
	dir   string // holds postgres and initdb
	major int
}

// binaryPatterns are where distributions put server programs: Debian, PGDG on Fedora and EL, source installs.
func binaryPatterns() []string {
	return []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"}
}

// findPrograms lists the usable installations, newest first. A non-empty dir names the only candidate.
func findPrograms(ctx context.Context, dir string) ([]programs, error) {
	var candidates []string
	if dir != "" {
		candidates = []string{dir}
	} else {
		for _, pattern := range binaryPatterns() {
			found, err := filepath.Glob(pattern)
			if err != nil {
				return nil, fmt.Errorf("look for PostgreSQL in %s: %w", pattern, err)
			}
			candidates = append(candidates, found...)
		}
		if path, err := exec.LookPath("postgres"); err == nil {
			if real, err := filepath.EvalSymlinks(path); err == nil {
				candidates = append(candidates, filepath.Dir(real))
			}
		}
	}
	var usable []programs
	var old []string
	for _, c := range candidates {
		p, err := inspectPrograms(ctx, c)
		if err != nil {
			if dir != "" {
				return nil, err
			}
			continue // a directory without both programs is no installation
		}
		if p.major < minMajor {
			old = append(old, fmt.Sprintf("%s (version %d)", p.dir, p.major))
			continue
		}
		at := len(usable)
		for at > 0 && usable[at-1].major < p.major {
			at--
		}
		usable = append(usable[:at], append([]programs{p}, usable[at:]...)...)
	}
	if len(usable) == 0 {
		if len(old) > 0 {
			return nil, fmt.Errorf("PostgreSQL %d or newer is needed, found only %s", minMajor, strings.Join(old, ", "))
		}
		return nil, fmt.Errorf("no PostgreSQL server programs found in %s or PATH: install the postgresql (Debian) or postgresql-server (Fedora, EL) package",
			strings.Join(binaryPatterns(), ", "))
	}
	return usable, nil
}

// inspectPrograms asks the postgres in dir for its version and requires initdb beside it.
func inspectPrograms(ctx context.Context, dir string) (programs, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return programs{}, fmt.Errorf("PostgreSQL programs: %w", err)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "-V").Output()
	if err != nil {
		return programs{}, fmt.Errorf("ask %s for its version: %w", filepath.Join(dir, "postgres"), err)
	}
	major, err := parseMajor(string(out))
	if err != nil {
		return programs{}, err
	}
	return programs{dir: dir, major: major}, nil
}

// parseMajor reads the major version from what `postgres -V` prints, for instance
// "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)" or "postgres (PostgreSQL) 18beta1".
func parseMajor(version string) (int, error) {
	_, rest, ok := strings.Cut(version, "(PostgreSQL) ")
	if !ok {
		return 0, fmt.Errorf("unexpected version text of postgres: %q", version)
	}
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	major, err := strconv.Atoi(rest[:end])
	if err != nil {
		return 0, fmt.Errorf("unexpected version text of postgres: %q", version)
	}
	return major, nil
}

// choosePrograms picks the installation for a cluster: the newest for a new one, the same major version as its
// files for one that exists (PostgreSQL does not read another major version's files).
func choosePrograms(installed []programs, clusterMajor int) (programs, error) {
	if clusterMajor == 0 {
		return installed[0], nil
	}
	var have []string
	for _, p := range installed {
		if p.major == clusterMajor {
			return p, nil
		}
		have = append(have, strconv.Itoa(p.major))
	}
	return programs{}, fmt.Errorf("the data was made by PostgreSQL %d and only version %s is installed: install version %d, or dump and restore",
		clusterMajor, strings.Join(have, " and "), clusterMajor)
}
