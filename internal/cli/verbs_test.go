package cli

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// kojiVerbs are the verbs of Koji's client 1.35 and of its plugins for side tags, runroot and failed trees, with the names of their options.
func kojiVerbs(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("testdata/kojiverbs.txt")
	if err != nil {
		t.Fatal(err)
	}
	verbs := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		verbs[words[0]] = words[1:]
	}
	return verbs
}

func find(root *cobra.Command, name string) *cobra.Command {
	i := slices.IndexFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == name || c.HasAlias(name) })
	if i < 0 {
		return nil
	}
	return root.Commands()[i]
}

func TestEveryVerbOfKoji(t *testing.T) {
	t.Parallel()
	root := (&program{}).root()
	for verb, options := range kojiVerbs(t) {
		cmd := find(root, verb)
		if cmd == nil {
			t.Errorf("there is no %s", verb)
			continue
		}
		for _, o := range options {
			name, long := strings.CutPrefix(o, "--")
			if long && cmd.Flags().Lookup(name) == nil || !long && cmd.Flags().ShorthandLookup(strings.TrimPrefix(o, "-")) == nil {
				t.Errorf("%s has no %s", verb, o)
			}
		}
	}
	// Names under which Koji knows some of them, too.
	for alias, verb := range map[string]string{
		"cancel-task": "cancel", "cxl": "cancel", "move-pkg": "move-build", "move": "move-build", "latest-pkg": "latest-build", "tag-pkg": "tag-build",
		"tag": "tag-build", "untag-pkg": "untag-build", "untag": "untag-build", "watch-tasks": "watch-task", "list-commands": "help",
	} {
		if cmd := find(root, alias); cmd == nil || cmd.Name() != verb {
			t.Errorf("%s does not mean %s", alias, verb)
		}
	}
}

func TestEveryVerbHasJSON(t *testing.T) {
	t.Parallel()
	for _, verb := range (&program{}).root().Commands() {
		for _, cmd := range append(verb.Commands(), verb) {
			if cmd.Flags().Lookup("json") == nil && cmd.Name() != "help" && !cmd.HasSubCommands() {
				t.Errorf("%s has no --json", cmd.CommandPath())
			}
		}
	}
}

// TestJSONIsJSON runs the command lines of the golden files with --json: those that succeed print one JSON value, and nothing else.
func TestJSONIsJSON(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if words[0] == "call" || slices.Contains(words, "--help") || words[0] == "help" || slices.Contains(words, "--json") {
			continue
		}
		t.Run(fileName(line), func(t *testing.T) {
			t.Parallel()
			r := newFakeHub(t).run(t, slices.Insert(words, 1, "--json")...)
			d, values := json.NewDecoder(strings.NewReader(r.out)), 0
			for {
				var value any
				if err := d.Decode(&value); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%v; status %d, standard output: %s", err, r.status, r.out)
				}
				values++
			}
			if r.status == statusOK && values == 0 || values > 1 && words[0] != "watch-logs" {
				t.Errorf("%d values, status %d, standard output: %s", values, r.status, r.out)
			}
		})
	}
}

// TestAsOf: with --at, every question about something versioned is asked as of that moment.
func TestAsOf(t *testing.T) {
	t.Parallel()
	asked := map[string][]string{
		"clone-tag --all f42 new":                {"getBuildConfig", "snapshotTagModify"},
		"dist-repo --nowait f42 abcd":            {"distRepo"},
		"download-build --latestfrom f42 foo":    {"listTagged"},
		"hostinfo builder1":                      {"getHost", "listChannels"},
		"latest-build f42 foo":                   {"getLatestBuilds"},
		"latest-build --arch x86_64 f42 foo":     {"getLatestRPMS"},
		"list-external-repos":                    {"listExternalRepos"},
		"list-external-repos --tag f42":          {"getTagExternalRepos"},
		"list-groups f42":                        {"getTagGroups"},
		"list-pkgs --tag f42":                    {"listPackages"},
		"list-signed --tag f42":                  {"listTaggedRPMS"},
		"list-tag-inheritance f42":               {"getTag", "getFullInheritance"},
		"list-tagged f42":                        {"listTagged"},
		"list-tagged --rpms f42":                 {"listTaggedRPMS"},
		"list-targets":                           {"getBuildTargets"},
		"mock-config --tag f42 --arch x86_64":    {"getTag", "getRepo"},
		"mock-config --target f42 --arch x86_64": {"getBuildTarget", "getRepo"},
		"request-repo --nowait f42":              {"repo.request"},
		"show-groups f42":                        {"getTagGroups"},
		"taginfo f42":                            {"getBuildConfig", "getTagGroups"},
	}
	verbs := map[string]bool{}
	for line, methods := range asked {
		verbs[strings.Fields(line)[0]] = true
		t.Run(fileName(line), func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			h.run(t, append(strings.Fields(line), "--at", "17")...)
			for _, m := range methods {
				calls := h.called(m)
				if len(calls) == 0 {
					t.Errorf("%s was not called: %v", m, h.calls)
				}
				for _, c := range calls {
					if !strings.Contains(c, "event': 17") {
						t.Errorf("asked about now: %s", c)
					}
				}
			}
		})
	}
	for _, cmd := range (&program{}).root().Commands() {
		if has := cmd.Flags().Lookup("at") != nil; has != verbs[cmd.Name()] {
			t.Errorf("%s: --at is %v, and is it tested: %v", cmd.Name(), has, verbs[cmd.Name()])
		}
	}
}
