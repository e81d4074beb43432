package events

// Names are claimed before the thing that bears them exists: the stream "names-KIND" hands out the ids of a kind in order of creation and
// keeps its names unique, on every ledger, whoever races. A claim whose thing was never made (the command died in between) is taken up by
// the next command that wants the name; so is the name of a thing that was deleted: Koji, too, gives a re-created tag its old id.

// NameClaimed gives a name of a kind its id.
type NameClaimed struct {
	Kind string `json:"kind"`
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// NameChanged renames the bearer of an id. The old name is free again.
type NameChanged struct {
	Kind string `json:"kind"`
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// NameReleased frees a name whose bearer is gone for good; the id is never given again.
type NameReleased struct {
	Kind string `json:"kind"`
	ID   int64  `json:"id"`
}

func (NameClaimed) EventType() string  { return "name.claimed" }
func (NameChanged) EventType() string  { return "name.changed" }
func (NameReleased) EventType() string { return "name.released" }

func nameEvents() []registration {
	return []registration{of[NameClaimed](), of[NameChanged](), of[NameReleased]()}
}
