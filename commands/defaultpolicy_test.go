package commands_test

import (
	"slices"
	"strings"
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/commands/policy"
	"moromi/internal/koji"
	"moromi/projections/catalog"
)

// defaults says in Go what Koji's hub does where a site sets no policy: the action for a user with these permissions.
var defaults = map[string]func(perms []string, data map[string]any, ownsBuild bool) string{
	"build_rpm":          func([]string, map[string]any, bool) string { return "allow" },
	"cg_import":          func([]string, map[string]any, bool) string { return "allow" },
	"priority":           func([]string, map[string]any, bool) string { return "stay" },
	"volume":             func([]string, map[string]any, bool) string { return "DEFAULT" },
	"build_from_srpm":    onlyWith("admin"),
	"build_from_scm":     onlyWith("admin"),
	"build_from_repo_id": onlyWith("admin"),
	"package_list":       onlyWith("admin", "tag"),
	"vm":                 onlyWith("admin", "win-admin"),
	"draft_promotion": func(perms []string, data map[string]any, owns bool) string {
		if owns {
			return "allow"
		}
		return onlyWith("draft-promoter")(perms, data, owns)
	},
	"channel": func(_ []string, data map[string]any, _ bool) string {
		_, asked := data["req_channel"]
		switch {
		case asked:
			return "req"
		case data["parent"] != nil:
			return "parent"
		}
		return "use default"
	},
}

func onlyWith(one ...string) func([]string, map[string]any, bool) string {
	return func(perms []string, _ map[string]any, _ bool) string {
		if slices.ContainsFunc(perms, func(p string) bool { return slices.Contains(one, p) }) {
			return "allow"
		}
		return "deny"
	}
}

// TestDefaultPoliciesDecideAsKojis compares the default rules with defaults for users of every permission that matters, alone and together.
func TestDefaultPoliciesDecideAsKojis(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	grants := [][]string{nil, {"admin"}, {"tag"}, {"win-admin"}, {"draft-promoter"}, {"repo", "tag"}, {"win-admin", "draft-promoter"}}
	users := make([]int64, len(grants))
	for i, perms := range grants {
		users[i] = must[int64](t)(s.CreateUser(t.Context(), admin, commands.CreateUser{Name: "u" + strings.Join(perms, "-"), Type: koji.UserNormal}))
		for _, p := range perms {
			row, err := catalog.Find(t.Context(), s.DB, "permission", p)
			if err != nil || row == nil {
				t.Fatalf("permission %s: %v %v", p, row, err)
			}
			if err := s.GrantPermission(t.Context(), admin, users[i], row["id"].(int64), p); err != nil {
				t.Fatal(err)
			}
		}
	}
	build := must[int64](t)(s.CreateBuild(t.Context(), commands.Actor{UserID: users[0]}, commands.NewBuild{Name: "foo", Version: "1", Release: "1", Owner: users[0]}))
	asked := []map[string]any{{}, {"req_channel": "maven"}, {"parent": int64(7)}, {"parent": nil}, {"req_channel": "maven", "parent": int64(7)}}
	for name, want := range defaults {
		for i, perms := range grants {
			for _, extra := range asked {
				data := map[string]any{"user_id": users[i], "build": build, "package": "foo", "method": "build", "arch": "noarch"}
				for k, v := range extra {
					data[k] = v
				}
				r, err := s.EvalPolicy(t.Context(), policy.Request{Policy: name, Data: data})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				action := r.Action
				if verdict, _, _ := strings.Cut(action, " "); verdict == "deny" {
					action = verdict // the reason is for people
				}
				if w := want(perms, data, i == 0); action != w {
					t.Errorf("%s for %v with %v: %q, want %q", name, perms, extra, action, w)
				}
			}
		}
	}
	for _, name := range []string{"tag", "dist_repo", "sidetag", "nosuch"} {
		if s.Policies.Has(name) {
			t.Errorf("there is a default policy %s", name)
		}
		if r, err := s.CheckPolicy(t.Context(), commands.Actor{}, name, map[string]any{"user_id": users[0]}, "deny"); !r.Allowed || err != nil {
			t.Errorf("the missing policy %s does not allow: %v", name, err)
		}
	}
}
