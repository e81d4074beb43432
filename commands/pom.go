package commands

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"moromi/events"
	"moromi/internal/fault"
)

// maxPOM bounds the project file that is read for its coordinates; real ones have some kilobytes.
const maxPOM = 16 << 20

// maxPOMDepth bounds how deep the elements of a project file may nest; what is read lies three deep.
const maxPOMDepth = 200

// readPOM gives the coordinates in a Maven project file: those of the project, or where it has none those of its parent (koji.parse_pom).
func readPOM(r io.Reader) (events.MavenInfo, error) {
	d := xml.NewDecoder(io.LimitReader(r, maxPOM))
	d.Strict = false // entities that are not defined stay as they are
	own, parents := map[string]string{}, map[string]string{}
	var stack []string
	var text strings.Builder
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return events.MavenInfo{}, fault.Wrap(err, fault.Generic, "the project file cannot be read as XML")
		}
		switch t := t.(type) {
		case xml.StartElement:
			if stack = append(stack, t.Name.Local); len(stack) > maxPOMDepth {
				return events.MavenInfo{}, fault.New(fault.Generic, "the elements of the project file nest too deep")
			}
			text.Reset()
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			switch n := len(stack); {
			case n == 2 && stack[0] == "project":
				own[stack[1]] = strings.TrimSpace(text.String())
			case n == 3 && stack[1] == "parent":
				parents[stack[2]] = strings.TrimSpace(text.String())
			}
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
			text.Reset()
		}
	}
	var m events.MavenInfo
	for _, f := range []struct {
		name string
		to   *string
	}{{"groupId", &m.GroupID}, {"artifactId", &m.ArtifactID}, {"version", &m.Version}} {
		v, there := own[f.name]
		if !there {
			v, there = parents[f.name]
		}
		if !there {
			return m, fault.New(fault.Generic, "could not extract %s from POM", f.name)
		}
		*f.to = v
	}
	return m, nil
}

// checkPOM makes sure that a Maven project file is that of the coordinates it is imported under, and has their name.
func (s *Service) checkPOM(f *archiveFile) error {
	in, err := s.Files.Open(f.place.from)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.place.from, err)
	}
	defer in.Close()
	m, err := readPOM(in)
	if err != nil {
		return err
	}
	want := *f.event.Maven
	if m != want {
		return fault.New(fault.Build, "Maven info from .pom file (%s) does not match user-supplied typeInfo (%s)", mavenLabel(m), mavenLabel(want))
	}
	if f.event.Filename != want.ArtifactID+"-"+want.Version+".pom" {
		return fault.New(fault.Build, "Maven info (%s) is not consistent with pom filename (%s)", mavenLabel(want), f.event.Filename)
	}
	return nil
}
