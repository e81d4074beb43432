package conformance_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"testing"
)

// signature is what _listapi tells of a method of Koji's.
type signature struct {
	Argdesc string
	Args    json.RawMessage
}

func readSignatures(t testing.TB) map[string]signature {
	t.Helper()
	b, err := os.ReadFile("testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]signature{}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// paramNames gives the names of the parameters of Koji's methods, in order.
func paramNames(t testing.TB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for method, s := range readSignatures(t) {
		args, err := fromJSON(s.Args)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range args.([]any) {
			if pair, ok := a.([]any); ok {
				a = pair[0]
			}
			all[method] = append(all[method], a.(string))
		}
	}
	return all
}

// ownMethods are the methods that Koji 1.35 does not have, with the reason why this hub does.
func ownMethods() map[string]string {
	return map[string]string{}
}

// pluginSignatures are the methods of Koji's plugins that this hub has, as Koji's describes them, in the order in which a hub lists them.
func pluginSignatures() []struct{ name, argdesc string } {
	return []struct{ name, argdesc string }{
		{"createSideTag", "(basetag, debuginfo=False, suffix=None)"}, {"removeSideTag", "(sidetag)"}, {"listSideTags", "(basetag=None, user=None, queryOpts=None)"},
		{"editSideTag", "(sidetag, debuginfo=None, rpm_macros=None, remove_rpm_macros=None, extra=None, remove_extra=None)"},
		{"runroot", "(tagInfo, arch, command, channel=None, **opts)"}, {"saveFailedTree", "(buildrootID, full=False, **opts)"},
	}
}

// TestPluginSignatures holds the methods of Koji's plugins that are here against Koji's, and how they are listed: after all others, on a site
// whose policies speak of side tags, and not at all on others, where they can be called all the same.
func TestPluginSignatures(t *testing.T) {
	t.Parallel()
	plain, with := &client{site: newSite(t, "")}, &client{site: newSite(t, "testdata/recordings/31_plugins.policy")}
	list := func(c *client, method string) []any {
		v, err := c.call(method, nil)
		if err != nil {
			t.Fatal(err)
		}
		return v.([]any)
	}
	names, more, api := list(plain, "system.listMethods"), list(with, "system.listMethods"), list(with, "_listapi")
	want := slices.Clone(names)
	for i, m := range pluginSignatures() {
		want = append(want, m.name)
		if len(api) != len(names)+len(pluginSignatures()) {
			t.Fatalf("_listapi names %d methods, without plugins %d", len(api), len(names))
		}
		told := api[len(names)+i].(map[string]any)
		if told["name"] != m.name || told["argdesc"] != m.argdesc {
			t.Errorf("%v%v, Koji's is %s%s", told["name"], told["argdesc"], m.name, m.argdesc)
		}
		if slices.Contains(names, any(m.name)) {
			t.Errorf("%s is listed on a site without rules for side tags", m.name)
		}
	}
	if !slices.Equal(more, want) {
		t.Errorf("listed with plugins: %v", more)
	}
	if v, err := plain.call("listSideTags", nil); err != nil || len(v.([]any)) != 0 {
		t.Errorf("a method that is not listed answers %v %v", v, err)
	}
}

// TestSignatures holds what the hub tells of its methods against what Koji's does.
func TestSignatures(t *testing.T) {
	t.Parallel()
	want := readSignatures(t)
	v, err := (&client{site: newSite(t, "")}).call("_listapi", nil)
	if err != nil {
		t.Fatal(err)
	}
	own, have := ownMethods(), map[string]bool{}
	for _, e := range v.([]any) {
		m := e.(map[string]any)
		name := m["name"].(string)
		have[name] = true
		k, ok := want[name]
		if _, listed := own[name]; ok == listed {
			t.Errorf("%s: Koji has it: %v; listed as a method of ours: %v", name, ok, listed)
		}
		if !ok {
			continue
		}
		if m["argdesc"] != k.Argdesc {
			t.Errorf("%s: argdesc %s, Koji's is %s", name, m["argdesc"], k.Argdesc)
		}
		args, err := fromJSON(k.Args)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m["args"], args) {
			t.Errorf("%s: args %v, Koji's are %v", name, m["args"], args)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if !have[name] {
			t.Errorf("%s is listed as a method of ours and is none", name)
		}
	}
	missing := 0
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !have[name] {
			t.Logf("not here: %s%s", name, want[name].Argdesc)
			missing++
		}
	}
	t.Logf("%d of Koji's %d methods are not here", missing, len(want))
}
