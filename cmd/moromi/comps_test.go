package main

import (
	"strings"
	"testing"
)

func TestComps(t *testing.T) {
	t.Parallel()
	got := string(comps([]map[string]any{{
		"name": "build", "display_name": "Build & more", "description": nil, "is_default": true, "uservisible": false, "biarchonly": false,
		"packagelist": []any{map[string]any{"package": "gcc", "type": "conditional", "basearchonly": true, "requires": "make"}},
		"grouplist":   []any{map[string]any{"name": "srpm-build", "type": "mandatory", "is_metapkg": false}},
	}}, false))
	for _, part := range []string{
		"<id>build</id>", "<name>Build &amp; more</name>", "<default>true</default>", `<packagereq type="conditional" basearchonly="true" requires="make">gcc</packagereq>`,
		`<groupreq type="mandatory">srpm-build</groupreq>`,
	} {
		if !strings.Contains(got, part) {
			t.Errorf("comps lacks %s:\n%s", part, got)
		}
	}
}
