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
