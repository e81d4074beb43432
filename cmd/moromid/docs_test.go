package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"moromi/builder"
)

// TestOperationsNamesEverySetting holds docs/operations.md to the settings that there are.
func TestOperationsNamesEverySetting(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	config := reflect.TypeFor[builder.Config]()
	for i := range config.NumField() {
		if name := config.Field(i).Tag.Get("ini"); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	for name := range new(settings).known() {
		names = append(names, name)
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/operations.md does not name the setting %s", name)
		}
	}
	for _, c := range rootCommand().Commands() {
		if !strings.Contains(string(text), "moromid "+c.Name()) {
			t.Errorf("docs/operations.md does not name the verb %s", c.Name())
		}
	}
}
