package events

func externalRepoEvents() []registration { return nil }
