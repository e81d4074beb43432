// Package maven reads the coordinates of Maven artifacts from pom files.
package maven

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"moromi/internal/fault"
)

// MaxPOM is the size of the largest pom file that is read: far above real ones, which have some KiB, and small enough for memory.
const MaxPOM = 4 << 20

// Coordinates name an artifact: what Koji calls maven info.
type Coordinates struct{ GroupID, ArtifactID, Version string }

// Row is the struct that Koji's methods take and give for coordinates.
func (c Coordinates) Row() map[string]any {
	return map[string]any{"group_id": c.GroupID, "artifact_id": c.ArtifactID, "version": c.Version}
}

// FromRow reads such a struct. ok is false if one of the three is not there or not text.
func FromRow(r map[string]any) (c Coordinates, ok bool) {
	for key, to := range map[string]*string{"group_id": &c.GroupID, "artifact_id": &c.ArtifactID, "version": &c.Version} {
		var text bool
		if *to, text = r[key].(string); !text {
			return Coordinates{}, false
		}
	}
	return c, true
}

// ParsePOM reads a pom file (koji.parse_pom): the coordinates of the project, where it has none those of its parent. A pom without them, or
// one that is not XML, is refused with Koji's GenericError. Bytes that are not UTF-8, and entities that are not defined, become question marks.
func ParsePOM(r io.Reader) (Coordinates, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxPOM+1))
	if err != nil {
		return Coordinates{}, fmt.Errorf("read pom: %w", err)
	}
	if len(raw) > MaxPOM {
		return Coordinates{}, fault.New(fault.Generic, "a pom file of more than %d bytes is not read", MaxPOM)
	}
	text := strings.ToValidUTF8(string(raw), "?")
	values, err := pomValues(text)
	if err != nil { // maybe an entity of another file
		values, err = pomValues(regexp.MustCompile(`&[A-Za-z0-9]+;`).ReplaceAllString(text, "?"))
	}
	if err != nil {
		return Coordinates{}, fault.Wrap(err, fault.Generic, "the pom is not XML: %v", err)
	}
	for _, field := range []string{"groupId", "artifactId", "version"} {
		if _, there := values[field]; !there {
			return Coordinates{}, fault.New(fault.Generic, "could not extract %s from POM", field)
		}
	}
	return Coordinates{GroupID: values["groupId"], ArtifactID: values["artifactId"], Version: values["version"]}, nil
}

// pomValues are the coordinates in project, or in project's parent.
func pomValues(text string) (map[string]string, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now, whatever it says
	values, inherited := map[string]string{}, map[string]string{}
	var stack []string
	var content strings.Builder
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			stack = append(stack, t.Name.Local)
			content.Reset()
		case xml.CharData:
			content.Write(t)
		case xml.EndElement:
			switch {
			case slices.Equal(stack[:len(stack)-1], []string{"project"}):
				values[t.Name.Local] = strings.TrimSpace(content.String())
			case slices.Equal(stack[:len(stack)-1], []string{"project", "parent"}):
				inherited[t.Name.Local] = strings.TrimSpace(content.String())
			}
			stack = stack[:len(stack)-1]
			content.Reset()
		}
	}
	for k, v := range inherited {
		if _, own := values[k]; !own {
			values[k] = v
		}
	}
	return values, nil
}
