package commands

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"

	"moromi/events"
	"moromi/internal/fault"
)

// FuzzZip lists any bytes: no panic, and whoever archive/zip can read is listed with the same names and sizes.
func FuzzZip(f *testing.F) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{"a", "b/", "b/ü"} {
		if _, err := w.Create(name); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.SetComment("comment"); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(append([]byte("before"), b.Bytes()...))
	f.Add(b.Bytes()[:b.Len()-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &listing{}
		err := l.zip(bytes.NewReader(data), int64(len(data)))
		z, known := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil || known != nil || len(z.File) != len(l.files) {
			return // damaged: each reader gives up in its own way
		}
		for i, e := range z.File {
			if e.NonUTF8 || strings.ContainsRune(e.Name, 0) {
				continue
			}
			if got := l.files[i]["name"]; got != strings.ToValidUTF8(e.Name, "\uFFFD") && e.Flags&zipUTF8 != 0 {
				t.Errorf("entry %d is %q, archive/zip has %q", i, got, e.Name)
			}
		}
	})
}

func FuzzPOM(f *testing.F) {
	f.Add(`<project><groupId>g</groupId><artifactId>a</artifactId><version>1</version></project>`)
	f.Add(`<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><project><parent><groupId>g</groupId></parent><artifactId>&c;</artifactId><version/></project>`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := readPOM(strings.NewReader(text)); err != nil && fault.Of(err) == nil {
			t.Fatalf("%v is no fault", err)
		}
	})
}

func TestPOM(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<a>", maxPOMDepth+1)
	for text, want := range map[string]events.MavenInfo{
		`<project><groupId>g</groupId><artifactId> a </artifactId><version>1</version></project>`:                                    {GroupID: "g", ArtifactID: "a", Version: "1"},
		`<project><parent><groupId>p</groupId><version>2</version></parent><artifactId>a</artifactId></project>`:                     {GroupID: "p", ArtifactID: "a", Version: "2"},
		`<project><groupId>g</groupId><parent><groupId>p</groupId></parent><artifactId>a</artifactId><version>1</version></project>`: {GroupID: "g", ArtifactID: "a", Version: "1"},
		`<project><x><groupId>n</groupId></x><artifactId>a</artifactId><version>1</version></project>`:                               {},
		`<project>` + deep: {}, ``: {}, `text`: {},
	} {
		if m, err := readPOM(strings.NewReader(text)); m != want && err == nil || want == (events.MavenInfo{}) && fault.Of(err) == nil {
			t.Errorf("%.80s: %+v, %v, want %+v", text, m, err, want)
		}
	}
	if _, err := readPOM(io.LimitReader(strings.NewReader(strings.Repeat("<!-- -->", 1<<10)), 1<<12)); fault.Of(err) == nil {
		t.Error(err)
	}
}
