package mockconf_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/fault"
	"moromi/internal/mockconf"
)

func TestExtra(t *testing.T) {
	t.Parallel()
	e := mockconf.Extra{"one": int64(1), "text": "17", "no": false, "word": "x", "empty": "", "none": nil, "list": []any{}, "rpm.macro.dist": ".x"}
	for _, test := range []struct {
		key     string
		text    string
		on, set bool
		n       int64
		bad     bool
	}{
		{"one", "1", true, true, 1, false}, {"text", "17", true, true, 17, false}, {"no", "false", false, true, 0, false}, {"word", "x", true, true, 0, true},
		{"empty", "", false, true, 0, true}, {"none", "", false, true, 0, false}, {"list", "[]", true, true, 0, true}, {"missing", "", false, false, 0, false},
	} {
		on, set := e.Bool(test.key)
		n, err := e.Int(test.key)
		if s := e.String(test.key); s != test.text || on != test.on || set != test.set || n != test.n || (fault.Of(err) != nil) != test.bad {
			t.Errorf("%s: %q, %v %v, %d %v", test.key, s, on, set, n, err)
		}
	}
	if d := cmp.Diff(map[string]any{"%dist": ".x"}, e.Macros()); d != "" {
		t.Error(d)
	}
}

// TestTextStaysInside: what names and comments hold ends neither a literal nor a comment.
func TestTextStaysInside(t *testing.T) {
	t.Parallel()
	evil := "x'\nimport os\n#"
	text, err := mockconf.Config{
		Comments: []string{evil}, Name: evil, Arch: evil, Group: evil, Dir: evil, Repos: []string{evil}, Proxy: evil,
		Macros: map[string]any{evil: evil}, Env: map[string]any{evil: evil}, Extra: mockconf.Extra{"mock.releasever": evil},
	}.Text()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "config_opts[") && !strings.HasPrefix(line, "#") && line != "\n" {
			t.Errorf("a line of its own: %q", line)
		}
	}
	if _, err := (mockconf.Config{Extra: mockconf.Extra{"mock.yum.best": "often"}}).Text(); fault.Of(err) == nil {
		t.Errorf("best=often: %v", err)
	}
}
