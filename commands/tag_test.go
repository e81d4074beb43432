package commands_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"moromi/aggregates/tag"
	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
	"moromi/projections/user"
)

func text(s string) *string { return &s }

func newTag(t *testing.T, s *commands.Service, name string, parents ...int64) int64 {
	t.Helper()
	in := commands.CreateTag{Name: name, Settings: events.TagSettings{Arches: text("x86_64")}}
	for i, p := range parents {
		in.Parents = append(in.Parents, events.Inheritance{ParentID: p, Priority: int64(i)})
	}
	return must[int64](t)(s.CreateTag(t.Context(), admin, in))
}

func getTag(t *testing.T, s *commands.Service, id int64, event *int64) query.Row {
	t.Helper()
	return must[query.Row](t)(tagmodel.Get(t.Context(), s.DB, tagmodel.Spec{ID: id}, event, false))
}

// TestNamesAreUnique races 64 writers for a few names of each kind.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	const writers, names = 64, 4
	var mu sync.Mutex
	won := map[string]int{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			n := fmt.Sprintf("n%d", w%names)
			for kind, create := range map[string]func() error{
				"tag":     func() error { _, err := s.CreateTag(t.Context(), admin, commands.CreateTag{Name: n}); return err },
				"user":    func() error { _, err := s.CreateUser(t.Context(), admin, commands.CreateUser{Name: n}); return err },
				"channel": func() error { _, err := s.CreateChannel(t.Context(), admin, n, nil); return err },
				"host": func() error {
					_, err := s.CreateHost(t.Context(), admin, commands.CreateHost{Name: "h" + n})
					return err
				},
			} {
				err := create()
				if err != nil && !fault.Is(err, fault.Generic) {
					t.Errorf("%s %s: %v", kind, n, err)
				}
				if err == nil {
					mu.Lock()
					won[kind+" "+n]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(won) != 4*names {
		t.Errorf("%d names were given, want %d", len(won), 4*names)
	}
	for n, times := range won {
		if times != 1 {
			t.Errorf("%s was given %d times", n, times)
		}
	}
	// ids count from 1 in each kind, without gaps
	var last, n int64
	if err := s.DB.QueryRow(t.Context(), `select max(id), count(*) from tag`).Scan(&last, &n); err != nil || last != names || n != names {
		t.Errorf("tags: highest id %d of %d %v", last, n, err)
	}
}

func TestTagLife(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	base := newTag(t, s, "base")
	id := must[int64](t)(s.CreateTag(ctx, admin, commands.CreateTag{Name: "dest", Settings: events.TagSettings{Locked: true},
		Extra: map[string]json.RawMessage{"k": json.RawMessage(`[1]`)}, Parents: []events.Inheritance{{ParentID: base}}}))
	made := int64(s.Models.Position())
	_, err := s.CreateTag(ctx, admin, commands.CreateTag{Name: "dest"})
	wantFault(t, err, fault.Generic)
	if err := s.EditTag(ctx, admin, id, commands.EditTag{Name: "dest2", Settings: &events.TagSettings{Arches: text("aarch64")}, RemoveExtra: []string{"k"}}); err != nil {
		t.Fatal(err)
	}
	now, then := getTag(t, s, id, nil), getTag(t, s, id, &made)
	if now["name"] != "dest2" || now["locked"] != false || now["arches"] != "aarch64" || len(now["extra"].(map[string]any)) != 0 {
		t.Errorf("now: %v", now)
	}
	if then["locked"] != true || then["arches"] != nil || len(then["extra"].(map[string]any)) != 1 {
		t.Errorf("as it was made: %v", then)
	}
	wantFault(t, s.EditTag(ctx, admin, id, commands.EditTag{Name: "base"}), fault.Generic)
	if err := s.DeleteTag(ctx, admin, base); err != nil {
		t.Fatal(err)
	}
	if links := must[[]tagmodel.Link](t)(tagmodel.FullInheritance(ctx, s.DB, id, nil, tagmodel.InheritanceOptions{})); len(links) != 0 {
		t.Errorf("inherits from a deleted tag: %v", links)
	}
	if links := must[[]tagmodel.Link](t)(tagmodel.FullInheritance(ctx, s.DB, id, &made, tagmodel.InheritanceOptions{})); len(links) != 1 {
		t.Errorf("as it was made it inherited: %v", links)
	}
	if again := newTag(t, s, "base"); again != base {
		t.Errorf("made again, the tag has id %d, had %d", again, base)
	}
	link := tag.Link{Inheritance: events.Inheritance{ParentID: base, Priority: 3}}
	if err := s.SetInheritance(ctx, admin, id, []tag.Link{link}, false); err != nil {
		t.Fatal(err)
	}
	twin := tag.Link{Inheritance: events.Inheritance{ParentID: newTag(t, s, "other"), Priority: 3}}
	wantFault(t, s.SetInheritance(ctx, admin, id, []tag.Link{twin}, false), fault.Generic)
}

func TestPackageLists(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	base := newTag(t, s, "base")
	dest := newTag(t, s, "dest", base)
	owner, yes, no := int64(1), true, false
	list := func(tag int64, in commands.ListPackage) error {
		in.Tag = getTag(t, s, tag, nil)
		if in.Package == nil {
			in.Package = "foo"
		}
		return s.ListPackage(ctx, admin, in)
	}
	wantFault(t, list(base, commands.ListPackage{}), fault.Generic)                            // no owner
	wantFault(t, list(base, commands.ListPackage{Owner: &owner, Update: true}), fault.Generic) // nothing to update
	if err := list(base, commands.ListPackage{Owner: &owner, ExtraArches: text("i686")}); err != nil {
		t.Fatal(err)
	}
	foo := must[query.Row](t)(tagmodel.PackageByName(ctx, s.DB, "foo"))
	entry := func(tag int64) query.Row {
		return must[query.Row](t)(tagmodel.Package(ctx, s.DB, tag, foo["id"].(int64), nil))
	}
	if e := entry(dest); e == nil || e["tag_id"] != base || e["extra_arches"] != "i686" || e["owner_name"] != "kojiadmin" {
		t.Errorf("inherited: %v", e)
	}
	if err := list(dest, commands.ListPackage{Block: &yes}); err != nil {
		t.Fatal(err)
	}
	if e := entry(dest); e["blocked"] != true || e["tag_id"] != dest {
		t.Errorf("blocked: %v", e)
	}
	wantFault(t, list(dest, commands.ListPackage{Block: &no}), fault.Generic)
	if err := s.UnblockPackage(ctx, admin, getTag(t, s, dest, nil), foo, false); err != nil {
		t.Fatal(err)
	}
	if e := entry(dest); e["blocked"] != false || e["tag_id"] != base {
		t.Errorf("unblocked: %v", e)
	}
	nobody := must[int64](t)(s.CreateUser(ctx, admin, commands.CreateUser{Name: "nobody", Type: koji.UserNormal}))
	err := s.ListPackage(ctx, commands.Actor{UserID: nobody}, commands.ListPackage{Tag: getTag(t, s, dest, nil), Package: "bar", Owner: &owner})
	wantFault(t, err, fault.ActionNotAllowed)
	if p := must[query.Row](t)(tagmodel.PackageByName(ctx, s.DB, "bar")); p != nil {
		t.Error("a refused entry made the package")
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	alice := must[int64](t)(s.CreateUser(ctx, admin, commands.CreateUser{Name: "alice", Principal: "alice@EXAMPLE.COM"}))
	devs := must[int64](t)(s.CreateUser(ctx, admin, commands.CreateUser{Name: "devs", Type: koji.UserGroup}))
	for _, bad := range []commands.CreateUser{{Name: "alice"}, {Name: ""}, {Name: "bad name"}, {Name: "x", Status: 7}, {Name: "x", Type: 9}, {Name: "x", Principal: "alice@EXAMPLE.COM"}} {
		_, err := s.CreateUser(ctx, admin, bad)
		wantFault(t, err, fault.Generic)
	}
	perm := must[int64](t)(s.DefinePermission(ctx, admin, "bake", "Bake bread."))
	if again := must[int64](t)(s.DefinePermission(ctx, admin, "bake", "")); again != perm {
		t.Errorf("defined twice: %d and %d", perm, again)
	}
	if err := s.GrantPermission(ctx, admin, devs, perm, "bake"); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.GrantPermission(ctx, admin, devs, perm, "bake"), fault.Generic)
	if err := s.JoinGroup(ctx, admin, alice, devs, true); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.JoinGroup(ctx, admin, alice, devs, true), fault.Generic)
	wantFault(t, s.JoinGroup(ctx, admin, devs, devs, true), fault.Generic)
	if p := must[[]string](t)(user.Perms(ctx, s.DB, alice, true)); len(p) != 1 || p[0] != "bake" {
		t.Errorf("through the group: %v", p)
	}
	if p := must[[]string](t)(user.Perms(ctx, s.DB, alice, false)); len(p) != 0 {
		t.Errorf("of her own: %v", p)
	}
	if err := s.EditUser(ctx, admin, alice, "alicia", []string{"alice@EXAMPLE.COM"}, []string{"a@B"}); err != nil {
		t.Fatal(err)
	}
	if u := must[query.Row](t)(user.ByName(ctx, s.DB, "a@B")); u["name"] != "alicia" {
		t.Errorf("by principal: %v", u)
	}
	if u := must[query.Row](t)(user.ByName(ctx, s.DB, "alice")); u != nil {
		t.Errorf("by the old name: %v", u)
	}
	wantFault(t, s.EditUser(ctx, admin, alice, "devs", nil, nil), fault.Generic)
}
