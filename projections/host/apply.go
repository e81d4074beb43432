// Package host is the read model of build hosts and channels. What hosts report of themselves (load, ready, last seen) is in ops.host_status.
package host

import (
	"moromi/events"
	"moromi/projections"
)

// Projection writes host, host_config, host_channels and channels.
type Projection struct{ config, channels projections.Versioned }

// New makes the projection.
func New() *Projection {
	return &Projection{
		config:   projections.NewVersioned("host_config", []string{"host_id"}, "arches", "capacity", "description", "comment", "enabled"),
		channels: projections.NewVersioned("host_channels", []string{"host_id", "channel_id"}),
	}
}

// Handles lists the events of hosts and channels.
func (p *Projection) Handles() []string {
	return []string{"host.created", "host.configured", "host.joined_channel", "host.left_channel", "channel.created", "channel.edited", "channel.removed"}
}

// Apply queues the rows of one event.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	switch e := e.(type) {
	case events.HostCreated:
		b.Exec(`insert into host (id, user_id, name) values ($1, $2, $3)`, e.ID, e.UserID, e.Name)
	case events.HostConfigured:
		projections.NoteEvent(b, c)
		p.config.Replace(b, c, e.ID, e.Arches, e.Capacity, e.Description, e.Comment, e.Enabled)
	case events.HostJoinedChannel:
		projections.NoteEvent(b, c)
		p.channels.Insert(b, c, e.ID, e.ChannelID)
	case events.HostLeftChannel:
		projections.NoteEvent(b, c)
		p.channels.Revoke(b, c, e.ID, e.ChannelID)
	case events.ChannelCreated:
		b.Exec(`insert into channels (id, name, description, enabled) values ($1, $2, $3, true)`, e.ID, e.Name, e.Description)
	case events.ChannelEdited:
		b.Exec(`update channels set name = $2, description = $3, comment = $4, enabled = $5 where id = $1`, e.ID, e.Name, e.Description, e.Comment, e.Enabled)
	case events.ChannelRemoved:
		b.Exec(`delete from channels where id = $1`, e.ID)
	}
	return nil
}
