package commands

import (
	"fmt"
	"slices"
	"strings"

	"moromi/internal/rpm"
)

// noarchTags are the single fields that must be the same in a noarch rpm whichever architecture built it (koji.rpmdiff.Rpmdiff.TAGS).
func noarchTags() []string {
	return []string{"NAME", "SUMMARY", "DESCRIPTION", "GROUP", "LICENSE", "URL", "PREIN", "POSTIN", "PREUN", "POSTUN"}
}

// maxDifferences bounds how many differences a refusal lists: enough to see what went wrong.
const maxDifferences = 50

// noarchDifference lists how two builds of a noarch package differ, "" if they do not: in fields, dependencies and files, but for the files'
// sizes, digests and times, which may hold the time of the build (koji.rpmdiff with ignore S5TN).
func noarchDifference(a, b *rpm.Header) (string, error) {
	var diff []string
	for _, name := range noarchTags() {
		x, err := a.Field(name)
		if err != nil {
			return "", err
		}
		y, err := b.Field(name)
		if err != nil {
			return "", err
		}
		if x != y {
			diff = append(diff, "changed "+name)
		}
	}
	for _, t := range []rpm.DepType{rpm.DepRequire, rpm.DepProvide, rpm.DepConflict, rpm.DepObsolete} {
		diff = append(diff, different(t.String(), dependencies(a, t), dependencies(b, t))...)
	}
	x, err := files(a)
	if err != nil {
		return "", err
	}
	y, err := files(b)
	if err != nil {
		return "", err
	}
	diff = append(diff, different("file", x, y)...)
	if len(diff) > maxDifferences {
		diff = append(diff[:maxDifferences], fmt.Sprintf("and %d more", len(diff)-maxDifferences))
	}
	return strings.Join(diff, "\n"), nil
}

func dependencies(h *rpm.Header, t rpm.DepType) []string {
	var out []string
	for _, d := range h.Dependencies(t) {
		out = append(out, fmt.Sprintf("%s (flags %d)", d, d.Flags))
	}
	return out
}

func files(h *rpm.Header) ([]string, error) {
	list, err := h.Files()
	if err != nil {
		return nil, err
	}
	out := make([]string, len(list))
	for i, f := range list {
		out[i] = fmt.Sprintf("%s (mode %o, flags %d, %s:%s)", f.Name, f.Mode, f.Flags, f.User, f.Group)
	}
	return out, nil
}

// different lists what only one of the two has.
func different(what string, a, b []string) []string {
	slices.Sort(a)
	slices.Sort(b)
	var out []string
	for _, x := range a {
		if _, found := slices.BinarySearch(b, x); !found {
			out = append(out, "removed "+what+" "+x)
		}
	}
	for _, x := range b {
		if _, found := slices.BinarySearch(a, x); !found {
			out = append(out, "added "+what+" "+x)
		}
	}
	return out
}
