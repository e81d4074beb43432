package events

// HostCreated: stream host-ID. Every host is a user of type HOST as well.
type HostCreated struct {
	ID     int64  `json:"id"`
	UserID int64  `json:"user_id"`
	Name   string `json:"name"`
}

// HostConfigured: the host's whole configuration from here on. Arches are separated by blanks.
type HostConfigured struct {
	ID          int64   `json:"id"`
	Arches      *string `json:"arches"`
	Capacity    float64 `json:"capacity"`
	Description *string `json:"description,omitempty"`
	Comment     *string `json:"comment,omitempty"`
	Enabled     bool    `json:"enabled"`
}

// HostJoinedChannel: the host takes tasks of the channel.
type HostJoinedChannel struct {
	ID        int64 `json:"id"`
	ChannelID int64 `json:"channel_id"`
}

// HostLeftChannel: it no longer does.
type HostLeftChannel struct {
	ID        int64 `json:"id"`
	ChannelID int64 `json:"channel_id"`
}

func (HostCreated) EventType() string       { return "host.created" }
func (HostConfigured) EventType() string    { return "host.configured" }
func (HostJoinedChannel) EventType() string { return "host.joined_channel" }
func (HostLeftChannel) EventType() string   { return "host.left_channel" }

func hostEvents() []registration {
	return []registration{of[HostCreated](), of[HostConfigured](), of[HostJoinedChannel](), of[HostLeftChannel]()}
}
