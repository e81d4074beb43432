package commands

import (
	"context"
	"slices"
	"strings"

	"moromi/aggregates/task"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/buildroot"
	hostmodel "moromi/projections/host"
	"moromi/projections/query"
	taskmodel "moromi/projections/task"
)

// FailedTreeConfig says which failed tasks' buildroots may be kept (Koji's plugin save_failed_tree).
type FailedTreeConfig struct {
	// Methods of tasks; "*" stands for all.
	Methods []string
}

// DefaultFailedTreeConfig is Koji's.
func DefaultFailedTreeConfig() FailedTreeConfig {
	return FailedTreeConfig{Methods: []string{"buildArch"}}
}

// SaveFailedTree makes the task that packs the buildroot of a failed task on the host that has it, and answers the task's id. Without full it is the
// build directory only.
func (s *Service) SaveFailedTree(ctx context.Context, a Actor, id int64, full bool, opts map[string]any) (int64, error) {
	root, err := buildroot.Get(ctx, s.DB, id, nil)
	if err != nil || root == nil {
		return 0, orFault(err, fault.New(fault.Generic, "No such buildroot: %d", id))
	}
	failed, ok := root["task_id"].(int64)
	if !ok {
		return 0, fault.New(fault.Generic, "buildroot %d is not that of a task", id)
	}
	t, err := taskmodel.ByID(ctx, s.DB, failed, false, nil)
	if err == nil && t == nil {
		err = task.Missing(failed)
	}
	if err != nil {
		return 0, err
	}
	if err := s.mayBeSaved(ctx, a, t); err != nil {
		return 0, err
	}
	params := []any{id, full}
	if len(opts) > 0 {
		params = append(params, xmlrpc.Kwargs(opts))
	}
	host, _ := root["host_id"].(int64)
	return s.MakeTask(ctx, a, MakeTask{Method: "saveFailedTree", Params: params, HostID: host})
}

// mayBeSaved tells by the failed task why its buildroot is not to be kept.
func (s *Service) mayBeSaved(ctx context.Context, a Actor, t query.Row) error {
	allowed, method := s.FailedTree.Methods, t["method"].(string)
	switch {
	case koji.TaskState(t["state"].(int64)) != koji.TaskFailed:
		return fault.New(fault.PreBuild, "Task %d has not failed. Only failed tasks can upload their buildroots.", t["id"])
	case !slices.Contains(allowed, "*") && !slices.Contains(allowed, method):
		return fault.New(fault.PreBuild, "Only %s tasks can upload their buildroots (Task %d is %s).", strings.Join(allowed, ", "), t["id"], method)
	case !a.Admin && t["owner"] != a.UserID:
		return fault.New(fault.ActionNotAllowed, "Only owner of failed task or 'admin' can run this task.")
	}
	id, _ := t["host_id"].(int64)
	h, err := hostmodel.ByID(ctx, s.DB, id, nil)
	if err == nil && (h == nil || h["enabled"] != true) {
		err = fault.New(fault.PreBuild, "Host is disabled.")
	}
	return err
}
