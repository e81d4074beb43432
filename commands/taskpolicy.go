package commands

import (
	"strconv"
	"strings"

	"moromi/events"
	"moromi/internal/fault"
)

// taskParams names the positional parameters of the tasks that policies and the scheduler look into (koji.tasks.LEGACY_SIGNATURES).
var taskParams = map[string][]string{
	"build":             {"src", "target", "opts"},
	"chainbuild":        {"srcs", "target", "opts"},
	"buildSRPMFromSCM":  {"url", "build_tag", "opts"},
	"rebuildSRPM":       {"srpm", "build_tag", "opts"},
	"buildArch":         {"pkg", "root", "arch", "keep_srpm", "opts"},
	"runroot":           {"root", "arch", "command", "keep", "packages", "mounts", "repo_id", "skip_setarch", "weight", "upload_logs", "new_chroot"},
	"saveFailedTree":    {"buildrootID", "full"},
	"newRepo":           {"tag", "event", "src", "debuginfo", "separate_src", "opts"},
	"distRepo":          {"tag", "repo_id", "keys", "task_opts"},
	"waitrepo":          {"tag", "newer_than", "nvrs", "min_event"},
	"wrapperRPM":        {"spec_url", "build_target", "build", "task", "opts"},
	"maven":             {"url", "target", "opts"},
	"buildMaven":        {"url", "build_tag", "opts"},
	"winbuild":          {"name", "source_url", "target", "opts"},
	"image":             {"name", "version", "arches", "target", "inst_tree", "opts"},
	"livecd":            {"name", "version", "arch", "target", "ksfile", "opts"},
	"appliance":         {"name", "version", "arch", "target", "ksfile", "opts"},
	"livemedia":         {"name", "version", "arches", "target", "ksfile", "opts"},
	"chainmaven":        {"builds", "target", "opts"},
	"indirectionimage":  {"opts"},
	"createLiveCD":      {"name", "version", "release", "arch", "target_info", "build_tag", "repo_info", "ksfile", "opts"},
	"createAppliance":   {"name", "version", "release", "arch", "target_info", "build_tag", "repo_info", "ksfile", "opts"},
	"createLiveMedia":   {"name", "version", "release", "arch", "target_info", "build_tag", "repo_info", "ksfile", "opts"},
	"createImage":       {"name", "version", "release", "arch", "target_info", "build_tag", "repo_info", "inst_tree", "opts"},
	"createdistrepo":    {"tag", "repo_id", "arch", "keys", "opts"},
	"tagBuild":          {"tag_id", "build_id", "force", "fromtag", "ignore_success"},
	"buildNotification": {"recipients", "build", "target", "weburl"},
	"tagNotification":   {"recipients", "is_successful", "tag_info", "from_info", "build_info", "user_info", "ignore_success", "failure_msg"},
}

// namedParams gives a task's parameters by name, nil for a method that is not known.
func namedParams(method string, params []any) map[string]any {
	names := taskParams[method]
	if names == nil {
		return nil
	}
	out := map[string]any{}
	for i, v := range params {
		if kw, ok := v.(map[string]any); ok && i == len(params)-1 && (kw["__starstar"] == true || kw["__method__"] != nil) {
			for k, v := range kw {
				out[k] = v
			}
			break
		}
		if i < len(names) {
			out[names[i]] = v
		}
	}
	return out
}

// applyPriority does what the priority policy says: stay, set N, adjust N; nothing if no rule holds.
func applyPriority(ev *events.TaskCreated, r Ruling) error {
	words := strings.Fields(r.Action)
	if !r.Matched || len(words) > 0 && words[0] == "stay" {
		return nil
	}
	if len(words) > 1 {
		if n, err := strconv.ParseInt(words[1], 10, 32); err == nil {
			switch words[0] {
			case "set":
				ev.Priority = n
				return nil
			case "adjust":
				ev.Priority += n
				return nil
			}
		}
	}
	return fault.New(fault.Generic, "invalid priority policy (%s)", r.Because())
}
