package builder

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"moromi/internal/xmlrpc"
)

// hostReadInterval is how old the hub's record of this host may be: an admin's "disable-host" works within it, and
// at once where the hub pushes nothing more.
const hostReadInterval = 5 * time.Second

// hostState is what the hub was told last.
type hostState struct {
	load  float64
	ready bool
}

// ready tells whether the host can take another task.
func (d *daemon) ready(ctx context.Context) (bool, error) {
	if now := d.settings.Now(); d.host == nil || now.Sub(d.hostRead) >= hostReadInterval {
		res, err := d.session.Call(ctx, "host.getHost")
		if err != nil {
			return false, fmt.Errorf("ask for the host's record: %w", err)
		}
		host, ok := res.(map[string]any)
		if !ok {
			return false, fmt.Errorf("the hub gave %v as the host's record", res)
		}
		d.host, d.hostRead = host, now
	}
	reason := d.unready()
	if reason != "" {
		d.log.Info("not ready for a task", "reason", reason)
	}
	return reason == "", nil
}

// unready says why the host cannot take another task, "" if it can.
func (d *daemon) unready() string {
	if enabled, _ := d.host["enabled"].(bool); !enabled {
		return "the host is disabled"
	}
	if c := number(d.host["capacity"]); d.load > c {
		return fmt.Sprintf("task load %.2f exceeds the capacity %.2f", d.load, c)
	}
	if len(d.running) >= d.cfg.MaxJobs {
		return fmt.Sprintf("%d tasks run, maxjobs is %d", len(d.running), d.cfg.MaxJobs)
	}
	if reason := d.lacksSpace(); reason != "" {
		return reason
	}
	if avg, limit := loadAverage(), d.cfg.MaxLoad*float64(runtime.NumCPU()); limit > 0 && avg > limit {
		return fmt.Sprintf("load average %.2f exceeds %.2f", avg, limit)
	}
	return ""
}

// lacksSpace says why the disk of the work directory is too full for another task, "" if it is not.
func (d *daemon) lacksSpace() string {
	const mib = 1 << 20
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.cfg.WorkDir, &st); err != nil {
		return fmt.Sprintf("the free space of %s is unknown: %v", d.cfg.WorkDir, err)
	}
	if free := int64(st.Bavail) * st.Bsize / mib; free < d.cfg.MinSpace {
		return fmt.Sprintf("%d MiB free at %s, minspace is %d", free, d.cfg.WorkDir, d.cfg.MinSpace)
	}
	return ""
}

// loadAverage is the machine's, of one minute. Unknown is 0.
func loadAverage() float64 {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(data), " ")
	avg, _ := strconv.ParseFloat(first, 64)
	return avg
}

// tell sends the heartbeat, if anything has changed or it is time.
func (d *daemon) tell(ctx context.Context, ready bool) error {
	now := d.settings.Now()
	state := hostState{load: math.Round(d.load*1000) / 1000, ready: ready}
	// The loop comes by at least every half of it; the next time must not be too late.
	if state == d.told && now.Sub(d.toldAt) < heartbeat/2 {
		return nil
	}
	methods := []any{}
	for _, name := range slices.Sorted(maps.Keys(d.handlers)) {
		methods = append(methods, name)
	}
	data := map[string]any{"methods": methods, "maxjobs": d.cfg.MaxJobs}
	if _, err := d.session.Call(ctx, "host.updateHost", state.load, ready, xmlrpc.Kwargs{"data": data}); err != nil {
		return fmt.Errorf("send the heartbeat: %w", err)
	}
	d.told, d.toldAt = state, now
	return nil
}
