package commands

import (
	"context"
	"strings"

	"moromi/aggregates/build"
	"moromi/aggregates/buildroot"
	"moromi/aggregates/catalog"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	archivemodel "moromi/projections/archive"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
)

// SetMavenBuild says what a build is to Maven; it is a Maven build then.
func (s *Service) SetMavenBuild(ctx context.Context, a Actor, id int64, in events.MavenInfo) error {
	return s.setBuildKind(ctx, a, id, func(b *build.Build) ([]events.Event, error) { return b.SetMaven(in) })
}

// SetWinBuild says what platform a build was made on; it is a Windows build then.
func (s *Service) SetWinBuild(ctx context.Context, a Actor, id int64, platform string) error {
	return s.setBuildKind(ctx, a, id, func(b *build.Build) ([]events.Event, error) { return b.SetWin(platform) })
}

// SetImageBuild makes a build an image build.
func (s *Service) SetImageBuild(ctx context.Context, a Actor, id int64) error {
	return s.setBuildKind(ctx, a, id, func(b *build.Build) ([]events.Event, error) { return b.SetType(build.TypeImage) })
}

func (s *Service) setBuildKind(ctx context.Context, a Actor, id int64, set func(*build.Build) ([]events.Event, error)) error {
	_, err := s.decideBuild(ctx, a, "set build type", id, func(b *build.Build) ([]events.Event, error) {
		if err := b.NoDraft(); err != nil {
			return nil, err
		}
		return set(b)
	})
	return err
}

// ImportArchive imports an uploaded archive to a build of its type and answers its id.
func (s *Service) ImportArchive(ctx context.Context, a Actor, b query.Row, in NewArchive) (int64, error) {
	ids, err := s.ImportArchives(ctx, a, b, []NewArchive{in})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// ImportArchives imports uploaded archives to a build that has their types, all or none, and answers their ids. Files come first, then the event,
// then the uploads become symlinks, as in CompleteBuild.
func (s *Service) ImportArchives(ctx context.Context, a Actor, b query.Row, in []NewArchive) ([]int64, error) {
	files := make([]*archiveFile, len(in))
	tree := treeOf(b)
	for i, n := range in {
		f, err := s.prepareArchive(ctx, n)
		if err != nil {
			return nil, err
		}
		if err := f.locate(tree, n.Type); err != nil {
			return nil, err
		}
		files[i] = f
	}
	archives, err := s.archiveEvents(ctx, a, files)
	if err != nil {
		return nil, err
	}
	id := b["build_id"].(int64)
	err = s.withBuildFiles(ctx, id, func() error {
		// decide once without effect: a file in place is only touched when its archive is not on record
		_, err := DecideOnly(ctx, s, a, "look up build", build.Stream(id), func(b *build.Build) ([]events.Event, error) {
			if err := b.NoDraft(); err != nil {
				return nil, err
			}
			for i, n := range in {
				if !b.HasType(archives[i].BTypeID) {
					return nil, fault.New(fault.Import, "Build does not have type %s", n.Type)
				}
			}
			_, err := b.AddArchives(archives...)
			return nil, err
		})
		if err != nil {
			return err
		}
		return s.putArchives(files, func() error {
			if err := s.linkVolume(tree); err != nil {
				return err
			}
			for _, batch := range build.ArchiveBatches(archives) { // one, but for thousands of archives
				_, err := s.decideBuild(ctx, a, "import archive", id, func(b *build.Build) ([]events.Event, error) { return b.AddArchives(batch...) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(archives))
	for i, a := range archives {
		ids[i] = a.ID
	}
	return ids, nil
}

// putArchives places files, records them, and makes symlinks of the uploads. What record refuses leaves no files.
func (s *Service) putArchives(files []*archiveFile, record func() error) error {
	done := 0
	err := func() error {
		for _, f := range files {
			done++
			if err := s.placeArchive(f); err != nil {
				return err
			}
		}
		return record()
	}()
	if err != nil {
		for _, f := range files[:done] {
			s.displace(f)
		}
		return err
	}
	var places []place
	for _, f := range files {
		if f.place != nil {
			places = append(places, *f.place)
		}
	}
	s.finishAll(places)
	return nil
}

// prepareArchive reads and checks an archive. It changes nothing, and leaves the place in the tree to the caller.
func (s *Service) prepareArchive(ctx context.Context, in NewArchive) (*archiveFile, error) {
	f, err := s.describeArchive(in)
	if err != nil {
		return nil, err
	}
	t, err := archivemodel.TypeByFilename(ctx, s.DB, f.event.Filename)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fault.New(fault.Generic, "unsupported file extension: %s", f.event.Filename)
	}
	f.event.TypeID = t["id"].(int64)
	bt, err := buildmodel.Type(ctx, s.DB, in.Type)
	if err != nil {
		return nil, err
	}
	if bt == nil {
		return nil, fault.New(fault.Build, "unsupported build type: %s", in.Type)
	}
	f.event.BTypeID = bt["id"].(int64)
	if err := in.checkType(); err != nil {
		return nil, err
	}
	if in.Type == "maven" && t["name"] == "pom" && f.place != nil {
		return f, s.checkPOM(f)
	}
	return f, nil
}

// archiveEvents gives archives their ids and puts the lists of the rpms in them on record.
func (s *Service) archiveEvents(ctx context.Context, a Actor, files []*archiveFile) ([]events.Archive, error) {
	if len(files) == 0 {
		return nil, nil
	}
	ids, err := s.nextIDs(ctx, "archive", len(files))
	if err != nil {
		return nil, err
	}
	out := make([]events.Archive, len(files))
	for i, f := range files {
		f.event.ID = ids[i]
		if len(f.rpms) > 0 {
			list := buildroot.Normal(f.rpms)
			if f.event.RPMs, err = s.recordList(ctx, a, list); err != nil {
				return nil, err
			}
			f.event.RPMCount = len(list)
		}
		out[i] = f.event
	}
	return out, nil
}

// recordList makes sure that a list of rpms is on record and gives its digest. The ids are ascending.
func (s *Service) recordList(ctx context.Context, a Actor, ids []int64) (string, error) {
	digest := buildroot.Digest(ids)
	_, err := DecideOnly(ctx, s, a, "record content", buildroot.ContentStream(digest), func(c *buildroot.Content) ([]events.Event, error) {
		return c.Record(ids, "", nil), nil
	})
	return digest, err
}

// NewArchiveType is a type of archives to be made.
type NewArchiveType struct {
	Name, Description string
	Extensions        string  // separated by blanks
	Compression       *string // zip or tar: its files can be listed; nil for neither
}

// AddArchiveType makes a type of archives.
func (s *Service) AddArchiveType(ctx context.Context, a Actor, in NewArchiveType) error {
	if err := koji.VerifyName(in.Name); err != nil {
		return err
	}
	if c := in.Compression; c != nil && *c != "zip" && *c != "tar" {
		return fault.New(fault.Generic, "Unsupported compression type %s", *c)
	}
	types, err := archivemodel.Types(ctx, s.DB)
	if err != nil {
		return err
	}
	for _, ext := range strings.Split(in.Extensions, " ") {
		if !validExtension(ext) {
			return fault.New(fault.Generic, "No such %s file extension", ext)
		}
		for _, t := range types {
			// an extension that another type has among others may be given again: the older type keeps it
			if strings.EqualFold(t["extensions"].(string), ext) {
				return fault.New(fault.Generic, "file extension %s already exists", ext)
			}
		}
	}
	_, err = Decide(ctx, s, a, "add archive type", catalog.Stream(catalog.ArchiveType), func(c *catalog.Catalog) ([]events.Event, error) {
		if _, known := c.ID(in.Name); known {
			return nil, fault.New(fault.Generic, "archivetype %s already exists", in.Name)
		}
		return []events.Event{events.ArchiveTypeDefined{ID: c.Next(), Name: in.Name, Description: in.Description, Extensions: in.Extensions, CompressionType: in.Compression}}, nil
	})
	return err
}

// validExtension tells whether text is one or more words of letters and digits with dots between.
func validExtension(ext string) bool {
	rest := strings.ReplaceAll(ext, ".", "")
	return rest != "" && !strings.ContainsFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}
