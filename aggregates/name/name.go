// Package name decides who bears which name: per kind of thing, unique names and ids counted from 1 in order of creation.
package name

import (
	"moromi/events"
	"moromi/internal/fault"
)

// Kinds of names. Each has a stream of its own, names-KIND.
const (
	User         = "user" // people, hosts and groups share one name space, as in Koji
	Host         = "host"
	Tag          = "tag"
	Target       = "target"
	Package      = "package"
	Channel      = "channel"
	ExternalRepo = "external_repo"
	Group        = "group" // comps groups of tags
)

// Stream is the stream of a kind's names.
func Stream(kind string) string { return "names-" + kind }

// Book is the folded state of one kind's names. The zero value is an empty book.
type Book struct {
	last  int64
	byID  map[int64]string
	taken map[string]int64
}

// Apply takes an event of the stream.
func (b *Book) Apply(e events.Event) {
	if b.byID == nil {
		b.byID, b.taken = map[int64]string{}, map[string]int64{}
	}
	switch e := e.(type) {
	case events.NameClaimed:
		b.byID[e.ID], b.taken[e.Name] = e.Name, e.ID
		b.last = max(b.last, e.ID)
	case events.NameChanged:
		delete(b.taken, b.byID[e.ID])
		b.byID[e.ID], b.taken[e.Name] = e.Name, e.ID
	case events.NameReleased:
		delete(b.taken, b.byID[e.ID])
		delete(b.byID, e.ID)
	}
}

// ID is the id behind a name, 0 if nobody has it.
func (b *Book) ID(name string) int64 { return b.taken[name] }

// Name is the name of an id, "" if it has none.
func (b *Book) Name(id int64) string { return b.byID[id] }

// Claim gives name an id of the kind: its own if it has one already (nothing to append then), else the next.
func (b *Book) Claim(kind, name string) (int64, []events.Event) {
	if id := b.taken[name]; id != 0 {
		return id, nil
	}
	id := b.last + 1
	return id, []events.Event{events.NameClaimed{Kind: kind, ID: id, Name: name}}
}

// ClaimAs is Claim for a kind whose ids are drawn beforehand. Should the id be taken, the name gets the next one after all.
func (b *Book) ClaimAs(kind, name string, id int64) (int64, []events.Event) {
	if b.taken[name] != 0 || id <= 0 || b.byID[id] != "" {
		return b.Claim(kind, name)
	}
	return id, []events.Event{events.NameClaimed{Kind: kind, ID: id, Name: name}}
}

// ClaimNumbered gives a new name that has its own id in it. As Koji does, it passes over one id, and over those whose names are taken.
func (b *Book) ClaimNumbered(kind string, name func(id int64) string) (int64, string, []events.Event) {
	id := b.last + 2
	for b.taken[name(id)] != 0 {
		id++
	}
	n := name(id)
	return id, n, []events.Event{events.NameClaimed{Kind: kind, ID: id, Name: n}}
}

// Rename gives the bearer of id another name, which must be free.
func (b *Book) Rename(kind string, id int64, name string) ([]events.Event, error) {
	switch holder := b.taken[name]; {
	case b.byID[id] == "":
		return nil, fault.New(fault.Generic, "No such %s: %d", kind, id)
	case holder == id:
		return nil, nil
	case holder != 0:
		return nil, fault.New(fault.Generic, "Name %s already taken by %s %d", name, kind, holder)
	}
	return []events.Event{events.NameChanged{Kind: kind, ID: id, Name: name}}, nil
}
