package commands_test

import (
	"fmt"
	"strings"
	"testing"

	"moromi/commands"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// repos shows the external repositories of a tag as "tag:name@priority/mode".
func (s *tagSite) repos(tag query.Row, event *int64) string {
	s.t.Helper()
	rows, err := tagmodel.ExternalRepoList(s.t.Context(), s.DB, tag["id"].(int64), event)
	s.ok(err)
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%s:%s@%d/%s", r["tag_name"], r["external_repo_name"], r["priority"], r["merge_mode"]))
	}
	return strings.Join(out, " ")
}

func TestExternalRepos(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	ctx := t.Context()
	one, err := s.CreateExternalRepo(ctx, s.actor, "one", "http://example.com/one/$arch")
	s.ok(err)
	if one["url"] != "http://example.com/one/$arch/" {
		t.Errorf("the address is %v, want one with a slash at its end", one["url"])
	}
	two, err := s.CreateExternalRepo(ctx, s.actor, "two", "http://example.com/two/")
	s.ok(err)
	_, err = s.CreateExternalRepo(ctx, s.actor, "one", "http://x/")
	s.refused("a name that is taken", err)
	_, err = s.CreateExternalRepo(ctx, s.actor, "bad name", "http://x/")
	s.refused("a bad name", err)

	link := func(tag, repo query.Row, priority int64) commands.TagRepo {
		return commands.TagRepo{Tag: tag, Repo: repo, Priority: &priority}
	}
	s.ok(s.AddTagRepo(ctx, s.actor, link(s.parent, one, 10)))
	s.ok(s.AddTagRepo(ctx, s.actor, link(s.parent, two, 5)))
	s.ok(s.AddTagRepo(ctx, s.actor, link(s.child, one, 99)))
	at := s.position()
	const first = "child:one@99/koji parent:two@5/koji"
	if got := s.repos(s.child, nil); got != first {
		t.Errorf("child has %s, want %s", got, first)
	}
	s.refused("link twice", s.AddTagRepo(ctx, s.actor, link(s.parent, one, 11)))
	s.refused("a mode that is none", s.AddTagRepo(ctx, s.actor, commands.TagRepo{Tag: s.child, Repo: two, Priority: new(int64), MergeMode: "zz"}))
	bad := "b@d"
	s.refused("a bad arch", s.AddTagRepo(ctx, s.actor, commands.TagRepo{Tag: s.child, Repo: two, Priority: new(int64), Arches: &bad}))

	_, err = s.EditTagRepo(ctx, s.actor, link(s.parent, one, 5))
	s.refused("a priority that is taken", err)
	for _, step := range []struct {
		change commands.TagRepo
		want   bool
	}{{link(s.parent, one, 10), false}, {commands.TagRepo{Tag: s.parent, Repo: one}, false}, {link(s.parent, one, 1), true},
		{commands.TagRepo{Tag: s.parent, Repo: one, MergeMode: "bare"}, true}} {
		changed, err := s.EditTagRepo(ctx, s.actor, step.change)
		s.ok(err)
		if changed != step.want {
			t.Errorf("edit %+v: changed is %t, want %t", step.change, changed, step.want)
		}
	}
	if got, want := s.repos(s.parent, nil), "parent:one@1/bare parent:two@5/koji"; got != want {
		t.Errorf("parent has %s, want %s", got, want)
	}

	s.ok(s.EditExternalRepo(ctx, s.actor, two["id"].(int64), "zwei", "https://example.com/zwei"))
	s.refused("rename to a name that is taken", s.EditExternalRepo(ctx, s.actor, two["id"].(int64), "one", ""))
	now, err := tagmodel.ExternalRepo(ctx, s.DB, tagmodel.Spec{Name: "zwei"}, nil)
	s.ok(err)
	then, err := tagmodel.ExternalRepo(ctx, s.DB, tagmodel.Spec{Name: "zwei"}, &at)
	s.ok(err)
	if now["url"] != "https://example.com/zwei/" || then["url"] != "http://example.com/two/" {
		t.Errorf("the address is %v and was %v", now["url"], then["url"])
	}

	s.ok(s.RemoveTagRepo(ctx, s.actor, link(s.child, one, 0)))
	s.refused("remove twice", s.RemoveTagRepo(ctx, s.actor, link(s.child, one, 0)))
	s.ok(s.DeleteExternalRepo(ctx, s.actor, one["id"].(int64)))
	s.refused("delete twice", s.DeleteExternalRepo(ctx, s.actor, one["id"].(int64)))
	if got, want := s.repos(s.child, nil), "parent:zwei@5/koji"; got != want {
		t.Errorf("child has %s, want %s", got, want)
	}
	if got, want := s.repos(s.child, &at), "child:one@99/koji parent:zwei@5/koji"; got != want { // names have no history
		t.Errorf("child had %s, want %s", got, want)
	}
	again, err := s.CreateExternalRepo(ctx, s.actor, "one", "http://again")
	s.ok(err)
	if again["id"] != one["id"] {
		t.Errorf("made again, it has id %v, want %v", again["id"], one["id"])
	}
}

func TestExternalRepoData(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	ctx := t.Context()
	r, err := s.CreateExternalRepo(ctx, s.actor, "one", "http://example.com/")
	s.ok(err)
	id := r["id"].(int64)
	for _, want := range []map[string]any{nil, {"max_ts": int64(123)}, {"b": int64(2)}} {
		if want != nil {
			s.ok(s.SetExternalRepoData(ctx, s.actor, id, want))
		}
		got, err := tagmodel.ExternalRepoData(ctx, s.DB, id)
		s.ok(err)
		if want == nil && got != nil || want != nil && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("data is %v, want %v", got, want)
		}
	}
}
