package task

import (
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"moromi/builder/scm"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/rpm"
)

func canonArches(list string) []string {
	var out []string
	for a := range strings.FieldsSeq(list) {
		out = append(out, koji.CanonArch(a))
	}
	return out
}

// archList is the architectures to build a source package for, in order, each once.
// tag is the build tag's configuration, extra the package's own additional architectures, override a scratch build's wish.
func archList(tag map[string]any, h *rpm.Header, extra, override string) ([]string, error) {
	arches := asString(tag["arches"])
	if arches == "" {
		return nil, fault.New(fault.Build, "No arches for tag %s [%d]", asString(tag["name"]), asInt(tag["id"]))
	}
	canonical := canonArches(arches)
	list := strings.Fields(arches + " " + extra)
	build, exclusive, exclude := h.BuildArchs(), h.ExclusiveArch(), h.ExcludeArch()
	if len(build) > 0 {
		list = slices.Clone(build)
	}
	if len(exclusive) > 0 {
		list = slices.DeleteFunc(list, func(a string) bool { return !slices.Contains(exclusive, a) })
	}
	if len(exclude) > 0 {
		list = slices.DeleteFunc(list, func(a string) bool { return slices.Contains(exclude, a) })
	}
	if !slices.Contains(exclude, "noarch") && (slices.Contains(build, "noarch") || slices.Contains(exclusive, "noarch")) {
		list = append(list, "noarch")
	}
	if override != "" {
		list = strings.Fields(override)
	}
	var out []string
	for _, a := range list {
		// An architecture of another family could not be built in the tag's roots.
		if (a == "noarch" || slices.Contains(canonical, koji.CanonArch(a))) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Build, "No matching arches were found")
	}
	return out, nil
}

// taskArch is the architecture of the task that builds arch. A noarch package whose spec or tag excludes
// architectures gets one of the rest. h may be nil: then only the tag counts.
func taskArch(arch, literal string, tag map[string]any, h *rpm.Header) (string, error) {
	if scm.MatchAny(literal, arch) {
		return arch, nil
	}
	if arch != "noarch" {
		return koji.CanonArch(arch), nil
	}
	var exclusive, exclude []string
	if h != nil {
		exclusive, exclude = canonArches(strings.Join(h.ExclusiveArch(), " ")), canonArches(strings.Join(h.ExcludeArch(), " "))
	}
	limit := asString(asMap(tag["extra"])["noarch_arches"])
	if len(exclusive) == 0 && len(exclude) == 0 && limit == "" {
		return "noarch", nil
	}
	tagArches := canonArches(asString(tag["arches"]))
	list := slices.Clone(tagArches)
	if limit != "" {
		list = slices.DeleteFunc(canonArches(limit), func(a string) bool { return !slices.Contains(tagArches, a) })
	}
	if len(exclusive) > 0 {
		list = slices.DeleteFunc(list, func(a string) bool { return !slices.Contains(exclusive, a) })
	}
	list = slices.DeleteFunc(list, func(a string) bool { return slices.Contains(exclude, a) })
	if len(list) == 0 {
		return "", fault.New(fault.Build, "No valid arches were found. tag %v, extra %q, exclusive %v, exclude %v", tagArches, limit, exclusive, exclude)
	}
	if sameSet(list, tagArches) {
		return "noarch", nil
	}
	return list[rand.IntN(len(list))], nil
}

func sameSet(a, b []string) bool {
	unique := func(l []string) []string {
		l = slices.Clone(l)
		sort.Strings(l)
		return slices.Compact(l)
	}
	return slices.Equal(unique(a), unique(b))
}

// rootArch is the architecture of the root for a build of arch: for noarch, one that host and tag share, the preferred if it is among them.
func rootArch(arch string, host, tag map[string]any, preferred string) (string, error) {
	if arch != "noarch" {
		return arch, nil
	}
	hostArches, tagArches := asString(host["arches"]), asString(tag["arches"])
	if hostArches == "" {
		return "", fault.New(fault.Build, "No arch list for this host: %s", asString(host["name"]))
	}
	if tagArches == "" {
		return "", fault.New(fault.Build, "No arch list for tag: %s", asString(tag["name"]))
	}
	common := sharedArches(hostArches, tagArches)
	switch {
	case len(common) == 0:
		return "", fault.New(fault.Build, "host %s (%s) does not support any arches of tag %s (%s)",
			asString(host["name"]), hostArches, asString(tag["name"]), tagArches)
	case slices.Contains(common, preferred):
		return preferred, nil
	}
	return common[rand.IntN(len(common))], nil
}

// sharedArches are the families that two lists share.
func sharedArches(a, b string) []string {
	inB := canonArches(b)
	var out []string
	for _, x := range canonArches(a) {
		if slices.Contains(inB, x) && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// HostFits tells whether a host has an architecture of a build tag's configuration. A tag without any is not the host's fault: the task fails by itself.
func HostFits(hostArches string, tag any) bool {
	arches := asString(asMap(tag)["arches"])
	return arches == "" || len(sharedArches(hostArches, arches)) > 0
}
