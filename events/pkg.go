package events

func packageEvents() []registration { return nil }
