package commands

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	hostmodel "moromi/projections/host"
	"moromi/projections/query"
)

// RunRoot is a command to be run in a buildroot of a tag (Koji's plugin runroot_hub).
type RunRoot struct {
	Tag     query.Row // as tagmodel.Get gives it
	TagInfo any       // the tag as the caller named it: the task's first parameter
	Arch    string    // noarch: one that the tag and a host have
	Command any       // text for a shell, or a list of words
	Channel any       // nil: runroot
	Opts    map[string]any
}

// runRootPriority puts these tasks ahead of builds.
const runRootPriority = 15

// runRootChannel is the channel of these tasks, unless the caller or the policy channel names another. A site makes it when it wants such tasks.
const runRootChannel = "runroot"

// RunRoot makes the task and answers its id.
func (s *Service) RunRoot(ctx context.Context, a Actor, in RunRoot) (int64, error) {
	switch in.Command.(type) {
	case string, []any:
	default:
		return 0, fault.New(fault.Generic, "Invalid type for the command: it is text or a list")
	}
	arch, err := koji.ParseArches(in.Arch)
	if err != nil {
		return 0, err
	}
	priority := int64(runRootPriority)
	t := MakeTask{Method: "runroot", Params: []any{in.TagInfo, arch, in.Command}, Arch: arch, Priority: &priority, Channel: in.Channel}
	if len(in.Opts) > 0 {
		t.Params = append(t.Params, xmlrpc.Kwargs(in.Opts))
	}
	if !xmlrpc.Truthy(t.Channel) {
		t.Channel = runRootChannel
	}
	if arch == "noarch" {
		if t.Arch, err = s.anyRunRootArch(ctx, in.Tag, t.Channel); err != nil {
			return 0, err
		}
	}
	return s.MakeTask(ctx, a, t)
}

// anyRunRootArch chooses the arch of a task that any arch would do for: noarch where the tag has every arch that there is, else one that both the
// tag and a host of the channel have. Which one is left to chance, so that the hosts share the work.
func (s *Service) anyRunRootArch(ctx context.Context, t query.Row, channel any) (string, error) {
	text, _ := t["arches"].(string)
	arches := strings.Fields(text)
	if len(arches) == 0 {
		return "", fault.New(fault.Generic, "no arches defined for tag %s", t["name"])
	}
	all, err := s.hostArches(ctx, hostmodel.Filter{})
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(all, func(arch string) bool { return !slices.Contains(arches, arch) }) {
		return "noarch", nil
	}
	ch, err := s.enabledChannel(ctx, channel)
	if err != nil {
		return "", err
	}
	enabled := true
	near, err := s.hostArches(ctx, hostmodel.Filter{Channel: &ch, Enabled: &enabled})
	if err != nil {
		return "", err
	}
	for i, arch := range near {
		near[i] = koji.CanonArch(arch)
	}
	arches = slices.DeleteFunc(arches, func(arch string) bool { return !slices.Contains(near, koji.CanonArch(arch)) })
	if len(arches) == 0 {
		return "", fault.New(fault.Generic, "no common arches for tag/channel: %s/%v", t["name"], channel)
	}
	return koji.CanonArch(arches[rand.IntN(len(arches))]), nil
}

// hostArches are the arches of the hosts, some of them more than once.
func (s *Service) hostArches(ctx context.Context, f hostmodel.Filter) ([]string, error) {
	out, err := hostmodel.List(ctx, s.DB, f, query.Opts{})
	if err != nil {
		return nil, err
	}
	var arches []string
	for _, h := range out.([]query.Row) {
		own, _ := h["arches"].(string)
		arches = append(arches, strings.Fields(own)...)
	}
	return arches, nil
}
