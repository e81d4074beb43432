package rpm_test

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moromi/internal/rpm"
)

// TestFieldsAgainstRPM holds every field that a package has to rpm's own value.
func TestFieldsAgainstRPM(t *testing.T) {
	t.Parallel()
	for _, path := range fixtures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			h := readHeader(t, path)
			names := append(h.FieldNames(), "EVR", "NVR", "NEVR", "NVRA", "NEVRA", "EPOCHNUM", "FILENAMES", "REQUIRENEVRS", "CONFLICTNEVRS")
			var format, got strings.Builder
			for _, name := range names {
				v, err := h.Field(name)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&format, "[%s=%%{%s};]", name, name)
				switch v := v.(type) {
				case []string:
					for _, s := range v {
						fmt.Fprintf(&got, "%s=%s;", name, s)
					}
				case []int64:
					for _, n := range v {
						fmt.Fprintf(&got, "%s=%d;", name, n)
					}
				case []byte:
					fmt.Fprintf(&got, "%s=%s;", name, hex.EncodeToString(v))
				default:
					fmt.Fprintf(&got, "%s=%v;", name, v)
				}
			}
			want := query(t, path, format.String())
			for strings.Contains(want, "=(none);") { // [..] over an absent array
				i := strings.Index(want, "=(none);")
				j := strings.LastIndex(want[:i], ";")
				want = want[:j+1] + want[i+len("=(none);"):]
			}
			if got.String() != want {
				t.Errorf("fields\n got %s\nwant %s", got.String(), want)
			}
		})
	}
}

func TestField(t *testing.T) {
	t.Parallel()
	h := readHeader(t, "testdata/foo-1.0-1.x86_64.rpm")
	if v, err := h.Field("sourcepackage"); err != nil || v != nil {
		t.Errorf("absent number: %v, %v", v, err)
	}
	if v, err := h.Field("OldFileNames"); err != nil || fmt.Sprintf("%#v", v) != "[]string{}" {
		t.Errorf("absent list: %#v, %v", v, err)
	}
	if v, err := h.Field("NOSUCHTAG"); err == nil {
		t.Errorf("unknown field: %v", v)
	}
	names := h.FieldNames()
	for _, name := range []string{"SIGMD5", "FILEMD5S", "PROVIDES", "ARCHIVESIZE", "SHA256HEADER", "HEADERI18NTABLE"} { // as Koji lists them
		if !slices.Contains(names, name) {
			t.Errorf("%s is not among the field names", name)
		}
	}
	if slices.Contains(names, "PROVIDENAME") || slices.Contains(names, "N") {
		t.Error("a tag is listed under two names")
	}
	if a := h.DigestAlgo(); a != "sha256" {
		t.Errorf("digest algorithm %s", a)
	}
	if s := (rpm.Dependency{Name: "a", Version: "1", Flags: rpm.SenseLess | rpm.SenseEqual}).String(); s != "a <= 1" {
		t.Errorf("dependency %q", s)
	}
}
