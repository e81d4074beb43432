package mockconf

import (
	"strings"
	"testing"
)

func FuzzPyString(f *testing.F) {
	f.Add("it's \\ \n \x00 é \U0001F600")
	f.Fuzz(func(t *testing.T, s string) {
		lit := pyString(s)
		body := lit[1 : len(lit)-1]
		for i := 0; i < len(body); i++ {
			switch c := body[i]; {
			case c == '\\':
				i++
			case c == '\'' || c < ' ' || c > '~':
				t.Fatalf("%q ends or breaks its literal: %s", s, lit)
			}
		}
		if strings.HasSuffix(strings.ReplaceAll(body, `\\`, ""), `\`) {
			t.Fatalf("%q escapes its end: %s", s, lit)
		}
	})
}
