// Package host decides about one build host.
package host

import (
	"fmt"

	"moromi/events"
	"moromi/internal/fault"
)

// Stream is the stream of a host.
func Stream(id int64) string { return fmt.Sprintf("host-%d", id) }

// DefaultCapacity is Koji's capacity of a host that nobody configured, in units of task weight.
const DefaultCapacity = 2.0

// Host is the folded state of one host. The zero value does not exist.
type Host struct {
	ID, UserID int64
	Name       string
	config     events.HostConfigured
	channels   map[int64]bool
}

// Exists tells whether the host was created.
func (h *Host) Exists() bool { return h.ID != 0 }

// Apply takes an event of the stream.
func (h *Host) Apply(e events.Event) {
	switch e := e.(type) {
	case events.HostCreated:
		h.ID, h.UserID, h.Name, h.channels = e.ID, e.UserID, e.Name, map[int64]bool{}
	case events.HostConfigured:
		h.config = e
	case events.HostJoinedChannel:
		h.channels[e.ChannelID] = true
	case events.HostLeftChannel:
		delete(h.channels, e.ChannelID)
	}
}

// Create makes the host, in the given channels.
func (h *Host) Create(id, userID int64, name, arches string, channels ...int64) ([]events.Event, error) {
	if h.Exists() {
		return nil, fault.New(fault.Generic, "host %s already exists", name)
	}
	evs := []events.Event{
		events.HostCreated{ID: id, UserID: userID, Name: name},
		events.HostConfigured{ID: id, Arches: &arches, Capacity: DefaultCapacity, Enabled: true},
	}
	for _, c := range channels {
		evs = append(evs, events.HostJoinedChannel{ID: id, ChannelID: c})
	}
	return evs, nil
}

// Change is an edit: nil fields stay as they are.
type Change struct {
	Arches, Description, Comment *string
	Capacity                     *float64
	Enabled                      *bool
}

// Edit changes the configuration; no events if nothing is different, except that each enabling and disabling is one, as in Koji: it is on record
// who wanted it.
func (h *Host) Edit(ch Change) ([]events.Event, error) {
	n := h.config
	if ch.Arches != nil {
		n.Arches = ch.Arches
	}
	if ch.Description != nil {
		n.Description = ch.Description
	}
	if ch.Comment != nil {
		n.Comment = ch.Comment
	}
	if ch.Capacity != nil {
		if *ch.Capacity <= 1 {
			return nil, fault.New(fault.Generic, "capacity must be greater than 1, not %g", *ch.Capacity)
		}
		n.Capacity = *ch.Capacity
	}
	if ch.Enabled != nil {
		n.Enabled = *ch.Enabled
	}
	if ch.Enabled == nil && same(n.Arches, h.config.Arches) && same(n.Description, h.config.Description) && same(n.Comment, h.config.Comment) &&
		n.Capacity == h.config.Capacity && n.Enabled == h.config.Enabled {
		return nil, nil
	}
	return []events.Event{n}, nil
}

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// Join adds the host to a channel.
func (h *Host) Join(channel int64, channelName string) ([]events.Event, error) {
	if h.channels[channel] {
		return nil, fault.New(fault.Generic, "host %s is already subscribed to the %s channel", h.Name, channelName)
	}
	return []events.Event{events.HostJoinedChannel{ID: h.ID, ChannelID: channel}}, nil
}

// Leave takes the host out of a channel.
func (h *Host) Leave(channel int64, channelName string) ([]events.Event, error) {
	if !h.channels[channel] {
		return nil, fault.New(fault.Generic, "host %s is not subscribed to the %s channel", h.Name, channelName)
	}
	return []events.Event{events.HostLeftChannel{ID: h.ID, ChannelID: channel}}, nil
}
