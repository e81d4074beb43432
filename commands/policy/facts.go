package policy

import (
	"context"
	"encoding/json"
	"fmt"

	"moromi/internal/fault"
)

// Kind says what a question is about.
type Kind string

// The questions that tests ask. Ref is a thing as clients give it: an id (int64), a name, or a struct with id or name.
const (
	// User: who that is. Ref nil asks who calls. Answer: ID and Name, or not Found.
	User Kind = "user"
	// Groups of the user with the id Ref: IDs and Names.
	Groups Kind = "groups"
	// Permissions of the user with the id Ref, those of groups included: Names.
	Permissions Kind = "permissions"
	// Package: Name, Found if it exists. A name that does not exist is answered as it is.
	Package Kind = "package"
	// BuildOf: Build; a fault if there is none.
	BuildOf Kind = "build"
	// Volume: Name, or not Found.
	Volume Kind = "volume"
	// Tag: ID and Name of a tag that exists, or not Found.
	Tag Kind = "tag"
	// LastTag: ID and Name of a tag that exists, or that did; Event is then the last at which it was there. A fault if there never was one.
	LastTag Kind = "last tag"
	// SideTag: Found if the tag is a side tag, ID is the user's whose it is.
	SideTag Kind = "side tag"
	// TagsOf the build with the id Ref: Names.
	TagsOf Kind = "tags of build"
	// Target: Name and ID of the build tag of a target, or not Found.
	Target Kind = "target"
	// Ancestors of the tag with the id Ref, as of the question's Event: Names.
	Ancestors Kind = "ancestors"
	// BuildTypes of the build with the id Ref: Names.
	BuildTypes Kind = "build types"
	// RootsOf the build with the id Ref, in which its parts were made: Roots, each kind of them once.
	RootsOf Kind = "buildroots of build"
	// Roots with the ids in Ref ([]any): Roots.
	Roots Kind = "buildroots"
	// Generator: the Name of a content generator; a fault if there is none.
	Generator Kind = "content generator"
	// SourceOf the task with the id Ref: the Name of what it builds, or not Found.
	SourceOf Kind = "source of task"
)

// Question is one question about the site. Event, if not 0, asks as of a past event.
type Question struct {
	Kind  Kind  `json:"kind"`
	Ref   any   `json:"ref,omitempty"`
	Event int64 `json:"event,omitempty"`
}

// Answer answers a question; which fields count is said beside the kinds.
type Answer struct {
	Found bool     `json:"found,omitempty"`
	ID    int64    `json:"id,omitempty"`
	Name  string   `json:"name,omitempty"`
	Event int64    `json:"event,omitempty"`
	IDs   []int64  `json:"ids,omitempty"`
	Names []string `json:"names,omitempty"`
	Build *Build   `json:"build,omitempty"`
	Roots []Root   `json:"roots,omitempty"`
}

// Build is what tests ask about a build.
type Build struct {
	ID      int64   `json:"id"`
	Name    string  `json:"name"`
	Version string  `json:"version"`
	Release string  `json:"release"`
	Volume  string  `json:"volume"`
	Owner   int64   `json:"owner"`
	Draft   bool    `json:"draft,omitempty"`
	Source  *string `json:"source,omitempty"`
	Task    int64   `json:"task,omitempty"` // that made it; 0: none
}

// Root is a kind of buildroot. None stands for parts that were imported without one.
type Root struct {
	None      bool   `json:"none,omitempty"`
	Generator string `json:"generator,omitempty"` // of content; empty: none
	Tag       string `json:"tag,omitempty"`       // whose repository it had; empty: none
	TagID     int64  `json:"tag_id,omitempty"`
	Event     int64  `json:"event,omitempty"` // the repository's
}

// Facts answers questions about the site. An implementation is safe for concurrent use.
type Facts interface {
	Ask(ctx context.Context, q Question) (Answer, error)
}

// Fact is a question with its answer, as an evaluation met it.
type Fact struct {
	Question
	Answer Answer `json:"answer"`
}

// Recorded answers from facts that were recorded, and asks the site for the others.
type Recorded struct {
	known map[string]Answer
	then  Facts
}

// NewRecorded makes facts of recorded ones; then answers the rest.
func NewRecorded(facts []Fact, then Facts) (*Recorded, error) {
	r := &Recorded{known: make(map[string]Answer, len(facts)), then: then}
	for _, f := range facts {
		key, err := f.key()
		if err != nil {
			return nil, err
		}
		r.known[key] = f.Answer
	}
	return r, nil
}

// Ask implements Facts.
func (r *Recorded) Ask(ctx context.Context, q Question) (Answer, error) {
	key, err := q.key()
	if err != nil {
		return Answer{}, err
	}
	if a, ok := r.known[key]; ok {
		return a, nil
	}
	return r.then.Ask(ctx, q)
}

// key identifies the question.
func (q Question) key() (string, error) {
	b, err := json.Marshal(q)
	if err != nil {
		return "", fault.Wrap(err, fault.Parameter, "policy data names a %s by something that names nothing", q.Kind)
	}
	return string(b), nil
}

// Reference splits how clients name a thing into an id and a name, one of which is zero.
func Reference(ref any) (id int64, name string, err error) {
	switch v := ref.(type) {
	case int64:
		return v, "", nil
	case string:
		return 0, v, nil
	case map[string]any:
		if id, ok := v["id"].(int64); ok {
			return id, "", nil
		}
		if name, ok := v["name"].(string); ok {
			return 0, name, nil
		}
	}
	return 0, "", fault.New(fault.Parameter, "Invalid name or id value: %s", clip(fmt.Sprint(ref)))
}

// longestQuote bounds what a message quotes of a caller's data.
const longestQuote = 80

// clip keeps what is said back short.
func clip(s string) string {
	if r := []rune(s); len(r) > longestQuote {
		return string(r[:longestQuote]) + "…"
	}
	return s
}
