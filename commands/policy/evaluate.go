package policy

import (
	"context"
	"fmt"
	"strings"

	"moromi/internal/fault"
)

// Build is what tests ask about a build.
type Build struct {
	ID                             int64
	Name, Version, Release, Volume string
	Owner                          int64
	Draft                          bool
	Source                         string
}

// Facts answers what tests ask about the site. References (user, build, package, tag …) are as clients give them: ids, names, structs.
// An implementation is safe for concurrent use.
type Facts interface {
	// User gives the name of a user; ok is false if there is none.
	User(ctx context.Context, ref any) (id int64, name string, ok bool, err error)
	Groups(ctx context.Context, user int64) ([]string, error)
	Permissions(ctx context.Context, user int64) ([]string, error)
	// OwnsBuild tells whether the user is the build's owner or in the group that is.
	OwnsBuild(ctx context.Context, user, owner int64) (bool, error)
	// Package gives the name of a package and whether it exists; a name that does not is answered as it is.
	Package(ctx context.Context, ref any) (name string, exists bool, err error)
	// Build gives a build, or a fault if there is none.
	Build(ctx context.Context, ref any) (*Build, error)
	Volume(ctx context.Context, ref any) (string, error)
	// Tag gives the name of a tag, "" if there is none.
	Tag(ctx context.Context, ref any) (string, error)
	// SideTag tells whether a tag is a side tag, and the id of the user whose it is.
	SideTag(ctx context.Context, ref any) (owner int64, ok bool, err error)
	TagsOfBuild(ctx context.Context, build int64) ([]string, error)
	// BuildTags are the build tags of the build's buildroots.
	BuildTags(ctx context.Context, build int64) ([]string, error)
	// TargetBuildTag is the build tag of a target, "" if there is none.
	TargetBuildTag(ctx context.Context, target string) (string, error)
	// Ancestors are the tags that a tag inherits from.
	Ancestors(ctx context.Context, tag string) ([]string, error)
	BuildTypes(ctx context.Context, build int64) ([]string, error)
	// Imported tells whether a part of the build has no buildroot.
	Imported(ctx context.Context, build int64) (bool, error)
	// ContentGenerators are those of the build's buildroots; "" stands for a part without.
	ContentGenerators(ctx context.Context, build int64) ([]string, error)
}

// maxPolicyDepth bounds policies that ask policies.
const maxPolicyDepth = 32

// env is one evaluation.
type env struct {
	ctx   context.Context
	all   Policies
	facts Facts
	data  map[string]any
	depth int
}

// Verdict is the outcome of a rule set.
type Verdict struct {
	Action  string   // of the first rule that holds
	Matched bool     // whether one did
	Rules   []string // the lines that led there, the outermost first
}

// Apply gives the action of the first rule of the named set that holds for the data.
func (p Policies) Apply(ctx context.Context, facts Facts, name string, data map[string]any) (Verdict, error) {
	e := &env{ctx: ctx, all: p, facts: facts, data: data}
	return e.apply(name)
}

func (e *env) apply(name string) (Verdict, error) {
	set := e.all[name]
	if set == nil {
		return Verdict{}, fault.New(fault.Generic, "no such policy: %s", name)
	}
	var v Verdict
	matched, err := e.rules(set.rules, &v)
	v.Matched = matched
	if err != nil {
		return v, fmt.Errorf("policy %s: %w", name, err)
	}
	return v, nil
}

func (e *env) rules(rules []rule, v *Verdict) (bool, error) {
	for _, r := range rules {
		holds := true
		for _, t := range r.tests {
			ok, err := t.run(e)
			if err != nil {
				return false, fmt.Errorf("%s: %w", strings.Join(t.words, " "), err)
			}
			if !ok {
				holds = false
				break
			}
		}
		if holds == r.negate {
			continue
		}
		v.Rules = append(v.Rules, r.text)
		if r.block == nil {
			v.Action = r.action
			return true, nil
		}
		matched, err := e.rules(r.block, v)
		if matched || err != nil {
			return matched, err
		}
		v.Rules = v.Rules[:len(v.Rules)-1]
	}
	return false, nil
}
