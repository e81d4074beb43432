package commands_test

import (
	"slices"
	"testing"

	"moromi/aggregates/notification"
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	notifymodel "moromi/projections/notification"
	"moromi/projections/query"
	"moromi/projections/search"
	taskmodel "moromi/projections/task"
)

func ids(rows []query.Row) []int64 {
	var out []int64
	for _, r := range rows {
		out = append(out, r["id"].(int64))
	}
	return out
}

func TestNotificationsAndBlocks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	alice, err := s.CreateUser(ctx, s.actor, commands.CreateUser{Name: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	me := commands.Actor{UserID: alice}
	wish := commands.Notification{UserID: alice, UserName: "alice"}
	if err := s.RegisterNotification(ctx, me, wish); err != nil {
		t.Fatal(err)
	}
	refused(t, s.RegisterNotification(ctx, me, wish), fault.Generic)
	wish.About.Tag = s.tag
	if err := s.RegisterNotification(ctx, s.actor, wish); err != nil {
		t.Fatalf("an administrator may for others: %v", err)
	}
	refused(t, s.RegisterNotification(ctx, me, commands.Notification{UserID: 1, UserName: "kojiadmin"}), fault.Generic)
	refused(t, s.EditNotification(ctx, me, 1, notification.Subject{Tag: s.tag}, false), fault.Generic) // that is number 2
	if err := s.EditNotification(ctx, me, 1, notification.Subject{Tag: s.tag}, true); err != nil {
		t.Fatal(err)
	}
	rows, err := notifymodel.Registered().OfUser(ctx, s.DB, alice)
	if err != nil || !slices.Equal(ids(rows), []int64{2, 1}) || rows[1]["email"] != "alice@example.com" || rows[1]["success_only"] != true {
		t.Errorf("alice's notifications: %v, %v", rows, err)
	}
	for range 2 {
		err = s.BlockNotification(ctx, me, alice, notification.Subject{})
	}
	refused(t, err, fault.Generic)
	refused(t, s.UnblockNotification(ctx, commands.Actor{UserID: 99}, 1), fault.Generic)
	if err := s.UnblockNotification(ctx, me, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteNotification(ctx, me, 2); err != nil {
		t.Fatal(err)
	}
	refused(t, s.DeleteNotification(ctx, me, 2), fault.Generic)
	if left, err := notifymodel.Registered().OfUser(ctx, s.DB, alice); err != nil || !slices.Equal(ids(left), []int64{1}) {
		t.Errorf("left are %v, %v", left, err)
	}
}

// told are the recipients of the last task that tells people of something.
func (s *site) told(method string) []string {
	s.t.Helper()
	rows, err := taskmodel.List(s.t.Context(), s.DB, taskmodel.Filter{Method: &method, Decode: true}, query.Opts{Order: "-id", Limit: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, r := range rows.([]query.Row) {
		params, _ := r["request"].([]any)
		to, _ := params[0].([]any)
		for _, x := range to {
			out = append(out, x.(string))
		}
	}
	return out
}

func TestWhoIsToldOfATagging(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	people := map[string]int64{}
	for _, n := range []string{"alice", "bob", "carol"} {
		id, err := s.CreateUser(ctx, s.actor, commands.CreateUser{Name: n})
		if err != nil {
			t.Fatal(err)
		}
		people[n] = id
		if err := s.RegisterNotification(ctx, s.actor, commands.Notification{UserID: id, UserName: n, SuccessOnly: n == "bob"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.BlockNotification(ctx, s.actor, people["carol"], notification.Subject{Tag: s.tag}); err != nil {
		t.Fatal(err)
	}
	b, err := s.CreateBuild(ctx, s.actor, commands.NewBuild{Name: "foo", Version: "1.0", Release: "1", State: koji.BuildComplete})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		in   commands.Tagging
		want []string
	}{
		{"it went well", commands.Tagging{Successful: true, Tag: "dest-build", BuildID: b}, []string{"alice@example.com", "bob@example.com", "kojiadmin@example.com"}},
		{"it went wrong", commands.Tagging{Tag: s.tag, BuildID: b}, []string{"alice@example.com", "kojiadmin@example.com"}},
		{"no tag that there is", commands.Tagging{Successful: true, Tag: "gone", BuildID: b}, []string{"alice@example.com", "kojiadmin@example.com"}}, // the task before
	} {
		if err := s.NotifyTagging(ctx, s.actor, tt.in); err != nil {
			t.Fatal(err)
		}
		if got := s.told("tagNotification"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: told are %q, not %q", tt.name, got, tt.want)
		}
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	for _, n := range []string{"foo", "foo_bar", "fooxbar", "100%"} {
		if _, err := s.CreateBuild(ctx, s.actor, commands.NewBuild{Name: n, Version: "1", Release: "1", State: koji.BuildComplete}); n != "100%" && err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		terms, kind, match string
		want               []string
	}{
		{"FOO*", "package", "glob", []string{"foo", "foo_bar", "fooxbar"}},
		{"foo_*", "package", "glob", []string{"foo_bar"}},
		{"foo?bar", "package", "glob", []string{"foo_bar", "fooxbar"}},
		{"%", "package", "glob", nil},
		{"O.B", "package", "regexp", []string{"foo_bar", "fooxbar"}},
		{"foo", "package", "exact", []string{"foo"}},
		{"FOO", "package", "exact", nil},
		{"foo-1-1", "build", "exact", []string{"foo-1-1"}},
		{"no build's name", "build", "exact", nil},
		{"*-1-1", "build", "glob", []string{"foo-1-1", "foo_bar-1-1", "fooxbar-1-1"}},
		{"dest-build", "tag", "exact", []string{"dest-build"}},
		{"builder*", "host", "glob", []string{"builder1"}},
		{"kojiadmin", "user", "exact", []string{"kojiadmin"}},
		{"*", "target", "glob", nil},
		{"*", "rpm", "glob", nil},
	} {
		res, err := search.Find(ctx, s.DB, tt.terms, tt.kind, tt.match, query.Opts{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range res.([]query.Row) {
			got = append(got, r["name"].(string))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %s %q finds %q, not %q", tt.kind, tt.match, tt.terms, got, tt.want)
		}
	}
	_, err := search.Find(ctx, s.DB, "x", "bogus", "glob", query.Opts{})
	refused(t, err, fault.Generic)
}
