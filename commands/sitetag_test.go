package commands_test

import (
	"moromi/aggregates/build"
	"moromi/aggregates/name"
	"moromi/aggregates/tag"
	"moromi/commands"
	"moromi/events"
)

// claim gives a name of a kind its id.
func (s *site) claim(kind, n string) (id int64) {
	s.t.Helper()
	_, err := commands.Decide(s.t.Context(), s.Service, s.actor, "claim", name.Stream(kind), func(b *name.Book) ([]events.Event, error) {
		var evs []events.Event
		id, evs = b.Claim(kind, n)
		return evs, nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// makeTag makes a tag without settings.
func makeTag(s *site, n string) int64 {
	s.t.Helper()
	id := s.claim(name.Tag, n)
	_, err := commands.Decide(s.t.Context(), s.Service, s.actor, "create tag", tag.Stream(id), func(t *tag.Tag) ([]events.Event, error) {
		return t.Create(id, n, events.TagSettings{}, nil)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// makeExternalRepo makes an external repository's name known and answers it.
func makeExternalRepo(s *site, n string) string {
	s.t.Helper()
	s.claim(name.ExternalRepo, n)
	return n
}

// touchTag changes a tag and answers the event.
func touchTag(s *site, id int64) int64 {
	s.t.Helper()
	pos, err := commands.Decide(s.t.Context(), s.Service, s.actor, "update tag", tag.Stream(id), func(t *tag.Tag) ([]events.Event, error) { return t.Update(2) })
	if err != nil {
		s.t.Fatal(err)
	}
	return int64(pos)
}

// claimNVR gives a build name to an id that never becomes a build, as a hub that dies after the first step leaves it.
func (s *site) claimNVR(pkg int64, version, release string, id int64) int64 {
	s.t.Helper()
	_, err := commands.Decide(s.t.Context(), s.Service, s.actor, "claim", build.NVRStream(pkg), func(n *build.Names) ([]events.Event, error) {
		_, evs := n.Claim(pkg, version, release, id, 0)
		return evs, nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}
