package events

func tagEvents() []registration { return nil }
