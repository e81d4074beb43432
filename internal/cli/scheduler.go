package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func schedulerCommands() []spec { return []spec{schedulerInfo(), schedulerLogs()} }

// defaultRuns is how many task runs scheduler-info shows, as in Koji.
const defaultRuns = 100

// schedulerHost finds a host's id; a number is taken for one.
func (v *invocation) schedulerHost(name string) (any, error) {
	if n, ok := reference(name).(int64); ok {
		return n, nil
	}
	h, err := v.need("host", "getHost", name)
	return h["id"], err
}

func schedulerInfo() spec {
	var task, limit int64
	var host, state string
	return spec{
		use: "scheduler-info", short: "Show which tasks were given to which hosts", group: groupMonitor, json: true,
		flags: func(f *pflag.FlagSet) {
			f.Int64VarP(&task, "task", "t", 0, "only this task")
			f.StringVar(&host, "host", "", "only this host")
			f.StringVar(&state, "state", "", "only tasks in this state: FREE, OPEN, CLOSED, CANCELED, ASSIGNED or FAILED")
			f.Int64Var(&limit, "limit", defaultRuns, "only the last so many")
		},
		run: func(v *invocation) error {
			clauses := []any{}
			if task != 0 {
				clauses = append(clauses, []any{"task_id", task})
			}
			var hostID any
			if host != "" {
				var err error
				if hostID, err = v.schedulerHost(host); err != nil {
					return err
				}
				clauses = append(clauses, []any{"host_id", hostID})
			}
			if state != "" {
				n, ok := taskState(state)
				if !ok {
					return usagef("--state: there is no state %q", state)
				}
				clauses = append(clauses, []any{"state", n})
			}
			runs, err := v.list("scheduler.getTaskRuns", kw{
				"clauses": clauses, "fields": []string{"id", "task_id", "host_name", "state", "create_ts", "start_ts", "completion_ts"},
				"opts": row{"order": "-id", "limit": limit},
			})
			if err != nil {
				return err
			}
			slices.Reverse(runs)
			var data []row
			if hostID != nil {
				if data, err = v.list("scheduler.getHostData", kw{"hostID": hostID}); err != nil {
					return err
				}
			}
			if v.json {
				return v.printJSON(row{"runs": runs, "host_data": data})
			}
			v.showRuns(runs)
			if hostID == nil {
				return nil
			}
			v.printf("Host data for %s:\n", host)
			if len(data) == 0 {
				v.println("-")
				return nil
			}
			v.println(str(data[0], "data"))
			return nil
		},
	}
}

// taskState is the state of a name.
func taskState(name string) (int, bool) {
	for s := koji.TaskFree; s <= koji.TaskFailed; s++ {
		if s.String() == strings.ToUpper(name) {
			return int(s), true
		}
	}
	return 0, false
}

func (v *invocation) showRuns(runs []row) {
	const mask = "%-9s %-20s %-7s %-17s %-17s %-17s"
	if !v.global.quiet {
		header := fmt.Sprintf(mask, "Task", "Host", "State", "Created", "Started", "Ended")
		v.printf("%s\n%s\n", header, dashes(len(header)))
	}
	for _, r := range runs {
		v.printf(mask+"\n", str(r, "task_id"), str(r, "host_name"), koji.TaskState(hubclient.Int(r["state"])),
			v.shortTime(r["create_ts"]), v.shortTime(r["start_ts"]), v.shortTime(r["completion_ts"]))
	}
}

// shortTime is a moment for a column, empty for none.
func (v *invocation) shortTime(ts any) string {
	if ts == nil {
		return ""
	}
	return at(ts, v.Zone).Format("06-01-02 15:04:05")
}

func schedulerLogs() spec {
	var task, limit int64
	var host string
	var from, to float64
	return spec{
		use: "scheduler-logs", short: "Show what the scheduler says about tasks and hosts", group: groupMonitor, login: true, json: true,
		flags: func(f *pflag.FlagSet) {
			f.Int64Var(&task, "task", 0, "only about this task")
			f.StringVar(&host, "host", "", "only about this host")
			f.Float64Var(&from, "from", 0, "from this `TIMESTAMP` on")
			f.Float64Var(&to, "to", 0, "until this `TIMESTAMP`")
			f.Int64Var(&limit, "limit", 0, "only the last so many")
		},
		run: func(v *invocation) error {
			limited := v.flags.Changed("limit")
			if from != 0 && to != 0 && limited {
				return usagef("--limit and both of --from and --to exclude each other")
			}
			clauses := []any{}
			if task != 0 {
				clauses = append(clauses, []any{"task_id", task})
			}
			if host != "" {
				hostID, err := v.schedulerHost(host)
				if err != nil {
					return err
				}
				clauses = append(clauses, []any{"host_id", hostID})
			}
			if from != 0 {
				clauses = append(clauses, []any{"msg_ts", ">=", from})
			}
			if to != 0 {
				clauses = append(clauses, []any{"msg_ts", "<", to})
			}
			opts := kw{"clauses": clauses, "fields": []string{"id", "task_id", "host_id", "host_name", "msg_ts", "msg"}}
			if limited {
				opts["opts"] = row{"order": "-id", "limit": limit}
			}
			logs, err := v.list("scheduler.getLogMessages", opts)
			if err != nil {
				return err
			}
			if limited {
				slices.Reverse(logs)
			}
			if v.json {
				return v.printJSON(logs)
			}
			const mask = "%-10s %-20s %-25s %-30s"
			if !v.global.quiet {
				header := fmt.Sprintf(mask, "Task", "Host", "Time", "Message")
				v.printf("%s\n%s\n", header, dashes(len(header)))
			}
			for _, l := range logs {
				v.printf(mask+"\n", str(l, "task_id"), str(l, "host_name"), v.asctime(l["msg_ts"]), str(l, "msg"))
			}
			return nil
		},
	}
}
