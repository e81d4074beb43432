package events

func targetEvents() []registration { return nil }
