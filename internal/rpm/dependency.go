package rpm

import (
	"slices"
	"strings"
)

// DepType is the kind of a dependency, with Koji's numbers (koji.DEP_…).
type DepType int

// Kinds of dependencies.
const (
	DepRequire DepType = iota
	DepProvide
	DepObsolete
	DepConflict
	DepSuggest
	DepEnhance
	DepSupplement
	DepRecommend
)

// String is the kind's name in the singular: "require", "provide" …
func (t DepType) String() string {
	names := [...]string{"require", "provide", "obsolete", "conflict", "suggest", "enhance", "supplement", "recommend"}
	if t < 0 || int(t) >= len(names) {
		return "unknown"
	}
	return names[t]
}

// Bits of a dependency's flags (rpm's rpmsenseFlags).
const (
	SenseLess           = 1 << 1
	SenseGreater        = 1 << 2
	SenseEqual          = 1 << 3
	SensePosttrans      = 1 << 5
	SensePrereq         = 1 << 6
	SensePretrans       = 1 << 7
	SenseInterp         = 1 << 8
	SenseScriptPre      = 1 << 9
	SenseScriptPost     = 1 << 10
	SenseMissingOK      = 1 << 19
	SenseRPMLib         = 1 << 24
	senseComparisonMask = SenseLess | SenseGreater | SenseEqual
)

// Dependency is one dependency of a package: the fields of Koji's getRPMDeps.
type Dependency struct {
	Type    DepType
	Name    string
	Version string // [epoch:]version[-release], "" when any
	Flags   uint32 // Sense bits
}

// Comparison is the operator of the dependency: "<", "<=", "=", ">=", ">" or "".
func (d Dependency) Comparison() string {
	switch d.Flags & senseComparisonMask {
	case SenseLess:
		return "<"
	case SenseLess | SenseEqual:
		return "<="
	case SenseEqual:
		return "="
	case SenseGreater | SenseEqual:
		return ">="
	case SenseGreater:
		return ">"
	}
	return ""
}

// String is the dependency as a spec file writes it: "name >= version".
func (d Dependency) String() string {
	if op := d.Comparison(); op != "" && d.Version != "" {
		return d.Name + " " + op + " " + d.Version
	}
	return d.Name
}

// DepTags are the three parallel arrays that hold one kind of dependency.
type DepTags struct {
	Type                 DepType
	Name, Version, Flags Tag
}

// DepTables gives the arrays of all kinds of dependencies, in the order of Koji's getRPMDeps.
func DepTables() [8]DepTags {
	return [8]DepTags{
		{DepRequire, TagRequireName, TagRequireVersion, TagRequireFlags},
		{DepProvide, TagProvideName, TagProvideVersion, TagProvideFlags},
		{DepConflict, TagConflictName, TagConflictVersion, TagConflictFlags},
		{DepObsolete, TagObsoleteName, TagObsoleteVersion, TagObsoleteFlags},
		{DepSuggest, TagSuggestName, TagSuggestVersion, TagSuggestFlags},
		{DepEnhance, TagEnhanceName, TagEnhanceVersion, TagEnhanceFlags},
		{DepSupplement, TagSupplementName, TagSupplementVersion, TagSupplementFlags},
		{DepRecommend, TagRecommendName, TagRecommendVersion, TagRecommendFlags},
	}
}

// Dependencies gives the dependencies of the kinds asked for, all when none is named: kinds in the order of
// Koji's getRPMDeps, each in the header's order.
func (h *Header) Dependencies(types ...DepType) []Dependency {
	var out []Dependency
	for _, t := range DepTables() {
		if len(types) > 0 && !slices.Contains(types, t.Type) {
			continue
		}
		names, versions := h.Strings(t.Name), h.Strings(t.Version)
		for i := range min(len(names), len(versions), h.Count(t.Flags)) {
			flags, _ := h.Uint(t.Flags, i)
			out = append(out, Dependency{t.Type, names[i], versions[i], uint32(flags)})
		}
	}
	return out
}

// BuildRequires gives what a source package needs to be built: its requirements without rpm's own features. Nil
// for other packages.
func (h *Header) BuildRequires() []Dependency {
	if !h.IsSource() {
		return nil
	}
	all := h.Dependencies(DepRequire)
	out := all[:0]
	for _, d := range all {
		if d.Flags&SenseRPMLib == 0 && !strings.HasPrefix(d.Name, "rpmlib(") {
			out = append(out, d)
		}
	}
	return out
}
