package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/maven"
	archivemodel "moromi/projections/archive"
	buildmodel "moromi/projections/build"
)

// MavenResults is what a builder delivers of a Maven build: files by their directory, which is that of a Maven repository.
type MavenResults struct {
	Delivered
	BuildrootID int64
	Files       map[string][]string
	Logs        []string
}

// mavenMetadata is the file of a Maven repository that the hub does not record: repositories of tags have their own.
const mavenMetadata = "maven-metadata.xml"

// CompleteMaven imports what a Maven build made and completes the build. What a pom file describes has its coordinates, and so has what lies
// beside it; the rest has the build's.
func (s *Service) CompleteMaven(ctx context.Context, a Actor, host, task, id int64, r MavenResults, wrapper *WrapperRPMs) error {
	if _, err := s.ownedTask(ctx, task, host); err != nil {
		return err
	}
	if err := s.taskFamily(ctx, task, r.TaskID); err != nil {
		return err
	}
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		return err
	}
	info, err := archivemodel.MavenBuild(ctx, s.DB, id, nil)
	if err != nil {
		return err
	}
	own, ok := maven.FromRow(info)
	if !ok {
		return fault.New(fault.Generic, "no such maven build: %s", b["nvr"])
	}
	in := CompleteTyped{HostID: host, TaskID: task, BuildID: id, Type: "maven", Copies: map[string]string{}}
	for _, dir := range slices.Sorted(maps.Keys(r.Files)) {
		if err := s.mavenDirectory(&in, r, dir, own); err != nil {
			return err
		}
	}
	if in.Logs, err = logsBelow(r.Delivered, "maven", r.Logs); err != nil {
		return err
	}
	if wrapper != nil {
		in.Wrappers = []WrapperRPMs{*wrapper}
	}
	return s.CompleteTyped(ctx, a, in)
}

// mavenDirectory adds the files of one directory.
func (s *Service) mavenDirectory(in *CompleteTyped, r MavenResults, dir string, own maven.Coordinates) error {
	info, err := s.directoryCoordinates(r, dir, own)
	if err != nil {
		return err
	}
	for _, name := range r.Files[dir] {
		if ext := path.Ext(name); ext == ".md5" || ext == ".sha1" {
			continue // the hub makes its own
		}
		rel := path.Join(dir, name)
		p, err := r.path(rel)
		if err != nil {
			return err
		}
		if name == mavenMetadata {
			in.Copies[rel] = p
			continue
		}
		m := events.MavenInfo(info)
		in.Archives = append(in.Archives, NewArchive{Path: p, Type: "maven", Maven: &m, BuildrootID: &r.BuildrootID})
	}
	return nil
}

// directoryCoordinates are those in a directory's pom file, if it has one.
func (s *Service) directoryCoordinates(r MavenResults, dir string, own maven.Coordinates) (maven.Coordinates, error) {
	var poms []string
	for _, name := range r.Files[dir] {
		if strings.HasSuffix(name, ".pom") {
			poms = append(poms, name)
		}
	}
	switch len(poms) {
	case 0:
		return own, nil
	case 1:
	default:
		return own, fault.New(fault.Build, "multiple .pom files in %s: %s", dir, strings.Join(poms, ", "))
	}
	rel, err := r.path(path.Join(dir, poms[0]))
	if err != nil {
		return own, err
	}
	p, err := workPath(rel)
	if err != nil {
		return own, err
	}
	f, err := s.Files.Open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return own, fault.New(fault.Generic, "No such file: %s", rel)
	}
	if err != nil {
		return own, fmt.Errorf("read pom: %w", err)
	}
	defer f.Close()
	return maven.ParsePOM(f)
}

// logsBelow are the paths of a task's logs by their directory in the build's: that of the type, and the one that a log lies in itself.
func logsBelow(d Delivered, top string, logs []string) (map[string][]string, error) {
	out := map[string][]string{}
	for _, rel := range logs {
		p, err := d.path(rel)
		if err != nil {
			return nil, err
		}
		out[top] = append(out[top], p)
	}
	return out, nil
}
