package maven_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/fault"
	"moromi/internal/maven"
)

func TestParsePOM(t *testing.T) {
	t.Parallel()
	own := maven.Coordinates{GroupID: "org.ex", ArtifactID: "art", Version: "1.0"}
	for name, c := range map[string]struct {
		text string
		want maven.Coordinates
		err  string
	}{
		"plain":                {`<project><groupId>org.ex</groupId><artifactId> art </artifactId><version>1<!-- x -->.0</version></project>`, own, ""},
		"namespace":            {`<?xml version="1.0" encoding="ISO-8859-1"?><project xmlns="http://maven.apache.org/POM/4.0.0"><groupId>org.ex</groupId><artifactId>art</artifactId><version>1.0</version></project>`, own, ""},
		"parent's":             {`<project><parent><groupId>org.ex</groupId><artifactId>up</artifactId><version>1.0</version></parent><artifactId>art</artifactId></project>`, own, ""},
		"parent behind":        {`<project><artifactId>art</artifactId><version>1.0</version><parent><groupId>org.ex</groupId><artifactId>up</artifactId><version>7</version></parent></project>`, own, ""},
		"dependencies aside":   {`<project><dependency><groupId>no</groupId></dependency><dependencies><version>9</version></dependencies><groupId>org.ex</groupId><artifactId>art</artifactId><version>1.0</version></project>`, own, ""},
		"undefined entity":     {`<project><name>&oacute;</name><groupId>org.ex</groupId><artifactId>art</artifactId><version>1.0</version></project>`, own, ""},
		"bytes of another set": {"<project><name>\xe9</name><groupId>org.ex</groupId><artifactId>art</artifactId><version>1.0</version></project>", own, ""},
		"no version":           {`<project><groupId>org.ex</groupId><artifactId>art</artifactId></project>`, maven.Coordinates{}, "could not extract version from POM"},
		"another file":         {`<settings><groupId>org.ex</groupId><artifactId>art</artifactId><version>1</version></settings>`, maven.Coordinates{}, "could not extract groupId from POM"},
		"not XML":              {`PK`, maven.Coordinates{}, "could not extract groupId from POM"},
		"cut":                  {`<project><groupId>org.ex`, maven.Coordinates{}, "the pom is not XML: "},
		"huge":                 {strings.Repeat(" ", maven.MaxPOM+1), maven.Coordinates{}, "a pom file of more than 4194304 bytes is not read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := maven.ParsePOM(strings.NewReader(c.text))
			if c.err != "" {
				if f := fault.Of(err); f == nil || f.Code != fault.Generic || !strings.HasPrefix(f.Message, c.err) {
					t.Fatalf("%v, want %s", err, c.err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRow(t *testing.T) {
	t.Parallel()
	c := maven.Coordinates{GroupID: "g", ArtifactID: "a", Version: "v"}
	if got, ok := maven.FromRow(c.Row()); !ok || got != c {
		t.Errorf("%v, %v", got, ok)
	}
	if _, ok := maven.FromRow(map[string]any{"group_id": "g", "artifact_id": int64(1), "version": "v"}); ok {
		t.Error("a number passed for an artifact's name")
	}
}

func FuzzParsePOM(f *testing.F) {
	f.Add(`<project><groupId>g</groupId><artifactId>a</artifactId><version>1</version></project>`)
	f.Add(`<project><parent><version>1</version></parent>&x;</project>`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := maven.ParsePOM(strings.NewReader(text))
		if err != nil && fault.Of(err) == nil {
			t.Errorf("%v is no fault", err)
		}
		if err != nil && c != (maven.Coordinates{}) {
			t.Errorf("coordinates %v beside an error", c)
		}
	})
}
