// Package channel decides about one channel: a group of tasks and the hosts that take them.
package channel

import (
	"fmt"

	"moromi/events"
	"moromi/internal/fault"
)

// Stream is the stream of a channel.
func Stream(id int64) string { return fmt.Sprintf("channel-%d", id) }

// Channel is the folded state of one channel. The zero value does not exist.
type Channel struct {
	ID                   int64
	Name                 string
	Description, Comment *string
	Enabled              bool
}

// Exists tells whether the channel is there.
func (c *Channel) Exists() bool { return c.ID != 0 }

// Apply takes an event of the stream.
func (c *Channel) Apply(e events.Event) {
	switch e := e.(type) {
	case events.ChannelCreated:
		*c = Channel{ID: e.ID, Name: e.Name, Description: e.Description, Enabled: true}
	case events.ChannelEdited:
		*c = Channel{ID: e.ID, Name: e.Name, Description: e.Description, Comment: e.Comment, Enabled: e.Enabled}
	case events.ChannelRemoved:
		*c = Channel{}
	}
}

// Create makes the channel.
func (c *Channel) Create(id int64, name string, description *string) ([]events.Event, error) {
	if c.Exists() {
		return nil, fault.New(fault.Generic, "channel %s already exists (id=%d)", name, c.ID)
	}
	return []events.Event{events.ChannelCreated{ID: id, Name: name, Description: description}}, nil
}

// Edit changes the channel; nil keeps. No events if nothing is different.
func (c *Channel) Edit(name, description, comment *string, enabled *bool) ([]events.Event, error) {
	if !c.Exists() {
		return nil, fault.New(fault.Generic, "No such channel")
	}
	n := events.ChannelEdited{ID: c.ID, Name: c.Name, Description: c.Description, Comment: c.Comment, Enabled: c.Enabled}
	if name != nil {
		n.Name = *name
	}
	if description != nil {
		n.Description = description
	}
	if comment != nil {
		n.Comment = comment
	}
	if enabled != nil {
		n.Enabled = *enabled
	}
	return []events.Event{n}, nil
}

// Remove deletes the channel.
func (c *Channel) Remove() ([]events.Event, error) {
	if !c.Exists() {
		return nil, fault.New(fault.Generic, "No such channel")
	}
	return []events.Event{events.ChannelRemoved{ID: c.ID}}, nil
}
