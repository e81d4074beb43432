package events

// ChannelCreated: stream channel-ID.
type ChannelCreated struct {
	ID          int64   `json:"id"`
	Name        string  `json:"name"`
	Description *string `json:"description,omitempty"`
}

// ChannelEdited: the channel's name, description, comment and whether it is enabled, from here on.
type ChannelEdited struct {
	ID          int64   `json:"id"`
	Name        string  `json:"name"`
	Description *string `json:"description,omitempty"`
	Comment     *string `json:"comment,omitempty"`
	Enabled     bool    `json:"enabled"`
}

// ChannelRemoved: the channel is gone; nothing ever ran in it, or it was forced.
type ChannelRemoved struct {
	ID int64 `json:"id"`
}

func (ChannelCreated) EventType() string { return "channel.created" }
func (ChannelEdited) EventType() string  { return "channel.edited" }
func (ChannelRemoved) EventType() string { return "channel.removed" }

func channelEvents() []registration {
	return []registration{of[ChannelCreated](), of[ChannelEdited](), of[ChannelRemoved]()}
}
