// Package catalog decides about the small named things that others refer to by id: permissions, volumes, build types, archive types and
// content generators. Each kind is one stream; ids count from 1 within the kind (volumes from 0, which is DEFAULT).
package catalog

import (
	"moromi/events"
	"moromi/internal/fault"
)

// Kinds of the catalogue.
const (
	Permission       = "permission"
	Volume           = "volume"
	BuildType        = "btype"
	ArchiveType      = "archivetype"
	ContentGenerator = "cg"
)

// Stream is the stream of a kind.
func Stream(kind string) string { return "catalog-" + kind }

// Catalog is the folded state of one kind. The zero value is empty.
type Catalog struct {
	last    int64
	entries map[string]int64
	users   map[[2]int64]bool // content generators: who may import as which
}

// Apply takes an event of the stream.
func (c *Catalog) Apply(e events.Event) {
	switch e := e.(type) {
	case events.PermissionDefined:
		c.set(e.ID, e.Name)
	case events.VolumeDefined:
		c.set(e.ID, e.Name)
	case events.VolumeRemoved:
		for n, id := range c.entries {
			if id == e.ID {
				delete(c.entries, n)
			}
		}
	case events.BuildTypeDefined:
		c.set(e.ID, e.Name)
	case events.ArchiveTypeDefined:
		c.set(e.ID, e.Name)
	case events.ContentGeneratorDefined:
		c.set(e.ID, e.Name)
	case events.ContentGeneratorGranted:
		if c.users == nil {
			c.users = map[[2]int64]bool{}
		}
		c.users[[2]int64{e.ContentGeneratorID, e.UserID}] = true
	case events.ContentGeneratorRevoked:
		delete(c.users, [2]int64{e.ContentGeneratorID, e.UserID})
	}
}

func (c *Catalog) set(id int64, name string) {
	if c.entries == nil {
		c.entries = map[string]int64{}
	}
	c.entries[name] = id
	c.last = max(c.last, id)
}

// Empty tells whether nothing was ever defined.
func (c *Catalog) Empty() bool { return len(c.entries) == 0 }

// ID is the id of a name and whether there is one.
func (c *Catalog) ID(name string) (int64, bool) {
	id, ok := c.entries[name]
	return id, ok
}

// Next is the id that the next entry gets.
func (c *Catalog) Next() int64 { return c.last + 1 }

// DefinePermission makes a permission, or changes the description of the one that is there.
func (c *Catalog) DefinePermission(name, description string) []events.Event {
	id, ok := c.entries[name]
	if !ok {
		id = c.Next()
	}
	return []events.Event{events.PermissionDefined{ID: id, Name: name, Description: description}}
}

// Grant lets a user import as a content generator, which is named for the refusal.
func (c *Catalog) Grant(cg, user int64, name string) ([]events.Event, error) {
	if c.users[[2]int64{cg, user}] {
		return nil, fault.New(fault.Generic, "User already has access to content generator %s", name)
	}
	return []events.Event{events.ContentGeneratorGranted{ContentGeneratorID: cg, UserID: user}}, nil
}

// Revoke takes that away; nothing happens if the user did not have it.
func (c *Catalog) Revoke(cg, user int64) []events.Event {
	if !c.users[[2]int64{cg, user}] {
		return nil
	}
	return []events.Event{events.ContentGeneratorRevoked{ContentGeneratorID: cg, UserID: user}}
}
