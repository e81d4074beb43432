package main

import (
	"reflect"
	"testing"

	"gopkg.in/ini.v1"

	"moromi/commands"
)

func TestReadPlugins(t *testing.T) {
	t.Parallel()
	read := func(text string) (*pluginSettings, error) {
		f, err := ini.LoadSources(ini.LoadOptions{Insensitive: true}, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return readPlugins(f)
	}
	none := pluginSettings{commands.DefaultSideTagConfig(), commands.DefaultFailedTreeConfig()}
	if p, err := read("[hub]\nlisten = x\n"); err != nil || !reflect.DeepEqual(*p, none) {
		t.Errorf("nothing set: %+v %v", p, err)
	}
	p, err := read("[sidetag]\nremove_empty = on\nallowed_suffixes = a, b,\nname_template = {basetag}%%{tag_id}\ntrigger_new_repo = 1\n[save_failed_tree]\nallowed_methods = *\n")
	want := pluginSettings{commands.SideTagConfig{RemoveEmpty: true, Suffixes: []string{"a", "b"}, NameTemplate: "{basetag}%{tag_id}", RequestRepo: true},
		commands.FailedTreeConfig{Methods: []string{"*"}}}
	if err != nil || !reflect.DeepEqual(*p, want) {
		t.Errorf("all set: %+v %v", p, err)
	}
	for _, bad := range []string{"[sidetag]\nremove_empty = perhaps\n", "[sidetag]\nname_template = x\n", "[sidetag]\ncolour = red\n", "[save_failed_tree]\nmethods = x\n"} {
		if p, err := read(bad); err == nil {
			t.Errorf("%q is taken: %+v", bad, p)
		}
	}
}
