package commands

import (
	"context"
	"slices"
	"strings"

	"moromi/aggregates/task"
	"moromi/events"
	"moromi/internal/koji"
	hostmodel "moromi/projections/host"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// archBound are the tasks of arch noarch that must run where the build tag's arches are at home: where their parameter for that tag, or for a
// target with that tag, is.
var archBound = map[string]string{"buildArch": "root", "rebuildSRPM": "build_tag", "buildSRPMFromSCM": "build_tag", "buildMaven": "build_tag",
	"wrapperRPM": "build_target"}

// refuseByArch notes for each host of the task's channel that cannot run anything of the build tag's arches that it will not take the
// task. It only helps the scheduler: whatever goes wrong here is logged, and the host would refuse by itself.
func (s *Service) refuseByArch(ctx context.Context, t *events.TaskCreated, params []any) {
	key := archBound[t.Method]
	if key == "" || t.Arch != "noarch" {
		return
	}
	root := namedParams(t.Method, params)[key]
	if t.Method == "wrapperRPM" {
		root = s.targetRoot(ctx, root)
	}
	arches, err := s.buildArches(ctx, root)
	if err != nil || len(arches) == 0 {
		s.Log.Debug("no arches known for task", "task", t.ID, "error", err)
		return
	}
	enabled := true
	out, err := hostmodel.List(ctx, s.DB, hostmodel.Filter{Channel: &t.ChannelID, Enabled: &enabled}, query.Opts{})
	if err != nil {
		s.Log.Warn("list hosts for task", "task", t.ID, "error", err)
		return
	}
	const reason = "automatic arch refusal"
	var evs []events.Event
	for _, h := range out.([]query.Row) {
		own, _ := h["arches"].(string)
		if !slices.ContainsFunc(strings.Fields(own), func(a string) bool { return slices.Contains(arches, a) }) {
			evs = append(evs, events.TaskRefused{ID: t.ID, HostID: h["id"].(int64), Message: reason})
		}
	}
	pos, err := Decide(ctx, s, Actor{}, "refuse by arch", task.Stream(t.ID), func(t *task.Task) ([]events.Event, error) {
		if t.State != koji.TaskFree {
			return nil, nil
		}
		return evs, nil
	})
	if err != nil {
		s.Log.Warn("note arch refusals", "task", t.ID, "error", err)
		return
	}
	for _, e := range evs {
		if pos != 0 {
			s.Scheduler.noteRefusal(ctx, reason, t.ID, e.(events.TaskRefused).HostID)
		}
	}
}

// targetRoot is the id of the build tag of a target, nil if there is no such target.
func (s *Service) targetRoot(ctx context.Context, ref any) any {
	id, n, err := reference(ref)
	if err != nil {
		return nil
	}
	t, err := tagmodel.Target(ctx, s.DB, tagmodel.Spec{ID: id, Name: n}, nil)
	if err != nil || t == nil {
		return nil
	}
	return t["build_tag"]
}
