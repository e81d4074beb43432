package conformance_test

import (
	"maps"
	"slices"
	"sort"
)

// numbers is a correspondence of recorded numbers and ours, in the same order: Koji's sequences skip the numbers of calls that were rolled
// back, ours need not.
type numbers struct {
	ours     map[int64]int64
	recorded []int64 // sorted
}

// same tells whether ours may stand for recorded, and remembers that it does.
func (n *numbers) same(recorded, ours int64) bool {
	if known, ok := n.ours[recorded]; ok {
		return known == ours
	}
	i := sort.Search(len(n.recorded), func(i int) bool { return n.recorded[i] > recorded })
	if i > 0 && n.ours[n.recorded[i-1]] > ours || i < len(n.recorded) && n.ours[n.recorded[i]] < ours {
		return false
	}
	if n.ours == nil {
		n.ours = map[int64]int64{}
	}
	n.recorded = slices.Insert(n.recorded, i, recorded)
	n.ours[recorded] = ours
	return true
}

// get gives our number for a recorded one, the same if it is not known.
func (n *numbers) get(recorded int64) int64 {
	if ours, ok := n.ours[recorded]; ok {
		return ours
	}
	return recorded
}

// farAhead is how far beyond the last known event a number is meant not to be one: a time, or an event that never was.
const farAhead = 500

// event gives our event for a recorded one: the last known one before it if nothing happened there that we know of.
func (n *numbers) event(recorded int64) int64 {
	if ours, ok := n.ours[recorded]; ok {
		return ours
	}
	i := sort.Search(len(n.recorded), func(i int) bool { return n.recorded[i] > recorded })
	if i > 0 && recorded-n.recorded[len(n.recorded)-1] < farAhead {
		return n.ours[n.recorded[i-1]]
	}
	return recorded
}

// vocabulary says what the parts of calls and answers mean.
type vocabulary struct {
	eventKeys, eventParams, eventResults, eventScalars map[string]bool
	idKeys, idScalars                                  map[string]string // to a kind of ids
	ordered                                            map[string]bool
}

func newVocabulary() *vocabulary {
	set := func(names ...string) map[string]bool {
		m := map[string]bool{}
		for _, n := range names {
			m[n] = true
		}
		return m
	}
	kinds := func(m map[string][]string) map[string]string {
		out := map[string]string{}
		for kind, names := range m {
			for _, n := range names {
				out[n] = kind
			}
		}
		return out
	}
	return &vocabulary{
		eventKeys: set("create_event", "revoke_event", "creation_event_id", "creation_event", "begin_event", "end_event", "event_id", "event", "min_event",
			"at_event", "retire_event", "create_event_id", "revoke_event_id", "promotion_event", "retire_event_id", "repo_create_event_id", "tag_event"),
		eventParams: set("event", "eventID", "event_id", "afterEvent", "beforeEvent", "after", "before", "min_event", "at_event", "create_event",
			"newer_than_event"),
		eventResults: set("getLastEvent", "getEvent"), // whose "id" is an event
		eventScalars: set("tagLastChangeEvent", "tagFirstChangeEvent"),
		idKeys: kinds(map[string][]string{
			"tag":       {"tag_id", "build_tag", "dest_tag", "parent_id", "tagID", "taginfo", "tagInfo", "tag", "fromtag"},
			"build":     {"build_id", "buildID", "buildInfo", "build", "build_info"},
			"rpm":       {"rpm_id", "rpmID", "rpminfo"},
			"buildroot": {"buildroot_id", "br_id", "brootID", "brootid", "buildrootID", "buildrootId"},
			"task":      {"task_id", "taskID", "taskId", "task", "parent"},
		}),
		idScalars: kinds(map[string][]string{
			"tag":       {"createTag"},
			"buildroot": {"host.newBuildRoot"},
			"build":     {"host.initBuild", "createEmptyBuild"},
			"task": {"makeTask", "build", "tagBuild", "newRepo", "chainBuild", "host.subtask", "host.subtask2", "resubmitTask", "distRepo",
				"wrapperRPM", "moveBuild"},
		}),
		ordered: set("listTagged", "getLatestBuilds", "readFullInheritance", "getFullInheritance", "getInheritanceData", "listTaggedRPMS", "multiCall",
			"system.multicall"),
	}
}

// kindOfID is what a record's "id" is the id of, empty if that is not known.
func kindOfID(record map[string]any) string {
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := record[n]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case has("nvr", "package_id"):
		return "build"
	case has("payloadhash", "build_id"):
		return "rpm"
	case has("method", "host_id"):
		return "task"
	case has("arches", "locked"):
		return "tag"
	case has("container_arch"), has("br_type"):
		return "buildroot"
	}
	return ""
}

// unionKeys are the keys of both, sorted.
func unionKeys(a, b map[string]any) []string {
	keys := slices.Collect(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}
