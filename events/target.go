package events

// TargetSet: stream target-ID. A build target from here on: where packages are built and which tag they get.
type TargetSet struct {
	ID       int64 `json:"id"`
	BuildTag int64 `json:"build_tag"`
	DestTag  int64 `json:"dest_tag"`
}

// TargetRemoved ends the target.
type TargetRemoved struct {
	ID int64 `json:"id"`
}

func (TargetSet) EventType() string     { return "target.set" }
func (TargetRemoved) EventType() string { return "target.removed" }

func targetEvents() []registration { return []registration{of[TargetSet](), of[TargetRemoved]()} }
