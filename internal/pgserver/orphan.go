package pgserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// orphanFast is how long an orphaned server may take for its clean shutdown, which ends with a checkpoint.
	orphanFast = 60 * time.Second
	// orphanImmediate is how long it may take after it was told to stop at once.
	orphanImmediate = 5 * time.Second
	// orphanPoll is how often its processes are looked at: they are not our children, so nothing else tells.
	orphanPoll = 20 * time.Millisecond
)

// stopOrphans ends the PostgreSQL processes that still work on dataDir after the program that started them died,
// and removes the pid file that they left. The caller holds the directory's lock, so no program uses them.
//
// The processes are recognised by their working directory, not by the pid file: a pid may have gone to another
// program, and backends can outlive a killed postmaster, whose pid file then is all that keeps a second one out.
func stopOrphans(ctx context.Context, log *slog.Logger, dataDir string) error {
	steps := []struct {
		signal syscall.Signal
		wait   time.Duration
	}{
		{syscall.SIGINT, orphanFast}, // fast shutdown for a postmaster; a backend cancels its query
		{syscall.SIGQUIT, orphanImmediate},
		{syscall.SIGKILL, orphanImmediate},
	}
	pids, err := serverProcesses(dataDir)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if len(pids) == 0 {
			break
		}
		log.Warn("stopping a PostgreSQL that outlived its program", "dir", dataDir, "processes", len(pids), "signal", step.signal.String())
		for _, pid := range pids {
			if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stop orphaned PostgreSQL process %d: %w", pid, err)
			}
		}
		if pids, err = waitGone(ctx, dataDir, step.wait); err != nil {
			return err
		}
	}
	if len(pids) > 0 {
		return fmt.Errorf("PostgreSQL processes %v still use %s and do not end", pids, dataDir)
	}
	if err := os.Remove(filepath.Join(dataDir, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove stale pid file: %w", err)
	}
	return nil
}

// waitGone waits until no process works on dataDir, at most for limit, and returns those that are left.
func waitGone(ctx context.Context, dataDir string, limit time.Duration) ([]int, error) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(orphanPoll)
	defer tick.Stop()
	for {
		pids, err := serverProcesses(dataDir)
		if err != nil || len(pids) == 0 {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-deadline.C:
			return pids, nil
		case <-tick.C:
		}
	}
}

// serverProcesses lists the processes called postgres whose working directory is dataDir.
// Processes of other accounts cannot be examined and are passed over; dataDir is ours alone.
func serverProcesses(dataDir string) ([]int, error) {
	want, err := os.Stat(dataDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		proc := filepath.Join("/proc", entry.Name())
		comm, err := os.ReadFile(filepath.Join(proc, "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != "postgres" {
			continue
		}
		if cwd, err := os.Stat(filepath.Join(proc, "cwd")); err == nil && os.SameFile(cwd, want) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
