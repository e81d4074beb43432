package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"moromi/web/hub"
)

// canary marks the texts that TestHostileWrites sends, so that they can be told in a statement.
const canary = "xyzzycanary"

// keepsSession are the methods of the session itself: the test needs its own.
func keepsSession(name string) bool {
	return slices.Contains([]string{"login", "sslLogin", "logout", "logoutChild", "exclusiveSession", "sharedSession", "subsession"}, name)
}

// TestHostileWrites puts hostile values into every parameter of every method that may change something, as an administrator and as a host. The hub
// obeys or refuses; it never fails inside, never tells of its database, and no statement has a value in its text.
func TestHostileWrites(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	r := newReplay(s, paramNames(t), readFixtures(t))
	for _, st := range readRecording(t, "testdata/recordings/90_populate.jsonl") {
		r.play(st)
	}
	var ofHosts, others []hub.Method
	for _, m := range s.hub.Methods() {
		switch {
		case !m.Write || keepsSession(m.Name):
		case m.Auth == hub.Host:
			ofHosts = append(ofHosts, m)
		default:
			others = append(others, m)
		}
	}
	if len(ofHosts) < 20 || len(others) < 80 {
		t.Fatalf("only %d methods of hosts and %d others write", len(ofHosts), len(others))
	}
	admin, host := s.open(t, "kojiadmin"), s.session(t, principal{user: "builder1", exclusive: true})
	for _, of := range []struct {
		who     *client
		methods []hub.Method
	}{{host, ofHosts}, {admin, others}} {
		calls := 0
		for _, m := range of.methods {
			for what, params := range hostileWrites(m) {
				of.who.attack(t, m.Name, what, params)
				calls++
			}
			s.noValueInStatements(t, m.Name)
		}
		t.Logf("%d hostile calls of %d methods", calls, len(of.methods))
	}
	s.census(t) // the tables are there
}

// hostileWrites are the calls for a method, by what is hostile in them.
func hostileWrites(m hub.Method) map[string][]any {
	calls := map[string][]any{}
	kinds := hostile()
	kinds["list"], kinds["struct"] = []any{canary + "'", "\\"}, map[string]any{"name": canary + "';--", canary + "';--": "'"}
	names, required := paramsOf(m)
	for i, name := range names {
		for kind, value := range kinds {
			if kind == "long" && i > 0 {
				continue
			}
			if text, ok := value.(string); ok && kind != "empty" {
				value = canary + text
			}
			calls[name+" "+kind] = with(names, required, i, value)
		}
	}
	return calls
}

// with are arguments with a value for one parameter; the other required ones get something that is there.
func with(names []string, required, target int, value any) []any {
	params := make([]any, 0, required+1)
	for i, name := range names[:required] {
		if i == target {
			params = append(params, value)
		} else {
			params = append(params, samples()[name])
		}
	}
	if target >= required {
		params = append(params, map[string]any{"__starstar": true, names[target]: value})
	}
	return params
}

// noValueInStatements looks at the statements that the site's connections ran last, as the server has them: values travel beside them.
func (s *site) noValueInStatements(t *testing.T, method string) {
	t.Helper()
	rows, err := s.service.DB.Query(t.Context(), "select query from pg_stat_activity where datname = current_database() and query ~ ('xyzzy' || 'canary')")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s: a statement has a caller's value in its text: %.300s", method, strings.TrimSpace(text))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
