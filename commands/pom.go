package commands

import (
	"fmt"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/maven"
)

// checkPOM makes sure that a Maven project file is that of the coordinates it is imported under, and has their name.
func (s *Service) checkPOM(f *archiveFile) error {
	in, err := s.Files.Open(f.place.from)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.place.from, err)
	}
	defer in.Close()
	c, err := maven.ParsePOM(in)
	if err != nil {
		return err
	}
	m := events.MavenInfo(c)
	want := *f.event.Maven
	if m != want {
		return fault.New(fault.Build, "Maven info from .pom file (%s) does not match user-supplied typeInfo (%s)", mavenLabel(m), mavenLabel(want))
	}
	if f.event.Filename != want.ArtifactID+"-"+want.Version+".pom" {
		return fault.New(fault.Build, "Maven info (%s) is not consistent with pom filename (%s)", mavenLabel(want), f.event.Filename)
	}
	return nil
}
