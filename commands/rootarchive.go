package commands

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"moromi/aggregates/buildroot"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/maven"
	"moromi/internal/storage"
	archivemodel "moromi/projections/archive"
	buildmodel "moromi/projections/build"
	rootmodel "moromi/projections/buildroot"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
	tagmodel "moromi/projections/tag"
)

// ListRootArchives records archives that were in a buildroot of the host, for a task that it has open. Those that are recorded already are left
// out. Project tells that the build itself asked for them; otherwise they belong to the environment.
func (s *Service) ListRootArchives(ctx context.Context, a Actor, host, task, id int64, archives []int64, project bool) error {
	by, err := s.by(ctx, host, &task)
	if err != nil {
		return err
	}
	missing, err := archivemodel.Missing(ctx, s.DB, archives)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fault.New(fault.Generic, "No such archive: %d", missing[0])
	}
	archives = buildroot.Normal(archives)
	_, err = Decide(ctx, s, a, "list archives of buildroot", buildroot.Stream(id), func(b *buildroot.Buildroot) ([]events.Event, error) {
		return b.ListArchives(id, by, archives, project)
	})
	return err
}

// MavenFile is a file in Maven's local repository of a buildroot.
type MavenFile struct {
	Path, Name string // directory and name
	Size       int64
}

// MavenFiles are the files of an artifact.
type MavenFiles struct {
	maven.Coordinates
	Files []MavenFile
}

// MavenRoot is what a builder found in Maven's local repository of a buildroot.
type MavenRoot struct {
	HostID, TaskID, BuildrootID int64
	Files, Ignore               []MavenFiles
	Project, IgnoreUnknown      bool
	// ExtraTasks and ExtraBuilds are where files may come from besides the tag: tasks' output, which is not recorded, and builds.
	ExtraTasks  []int64
	ExtraBuilds []any
}

// ListMavenRoot records which archives of the buildroot's tag, or of the extra builds, are in Maven's local repository. A file that is neither
// such an archive nor to be ignored is refused, unless unknown ones are ignored: it would be of unknown origin.
func (s *Service) ListMavenRoot(ctx context.Context, a Actor, in MavenRoot) error {
	by, err := s.by(ctx, in.HostID, &in.TaskID)
	if err != nil {
		return err
	}
	_, err = DecideOnly(ctx, s, a, "look up buildroot", buildroot.Stream(in.BuildrootID), func(b *buildroot.Buildroot) ([]events.Event, error) {
		return nil, b.ArchivesListable(in.BuildrootID, by)
	})
	if err != nil {
		return err
	}
	origins, err := s.mavenOrigins(ctx, in)
	if err != nil {
		return err
	}
	ignored, err := s.ignoredMaven(in)
	if err != nil {
		return err
	}
	var found []int64
	for _, entry := range in.Files {
		known := map[string]query.Row{}
		if build, there := origins[entry.Coordinates]; there {
			if known, err = s.mavenArchives(ctx, build, entry.Coordinates); err != nil {
				return err
			}
		}
		for _, f := range entry.Files {
			size, ignore := ignored[entry.Coordinates][f.Name]
			switch row := known[f.Name]; {
			case row != nil && row["size"] == f.Size:
				found = append(found, row["id"].(int64))
			case ignore && size == f.Size, in.IgnoreUnknown:
			default:
				return fault.New(fault.Buildroot, "No such file in build environment: %s/%s, size: %d", f.Path, f.Name, f.Size)
			}
		}
	}
	return s.ListRootArchives(ctx, a, in.HostID, in.TaskID, in.BuildrootID, found, in.Project)
}

// mavenOrigins gives the build that each artifact comes from: an extra build, or the one that the tag offers as of the repository's event.
func (s *Service) mavenOrigins(ctx context.Context, in MavenRoot) (map[maven.Coordinates]int64, error) {
	root, err := rootmodel.Get(ctx, s.DB, in.BuildrootID, nil)
	if err != nil {
		return nil, err
	}
	id, _ := root["repo_id"].(int64)
	repo, err := repomodel.Get(ctx, s.DB, id, nil)
	if err != nil {
		return nil, err
	}
	if repo == nil {
		return nil, fault.New(fault.Generic, "No such repo: %d", id)
	}
	event := repo["create_event"].(int64)
	offered, err := tagmodel.MavenArchives(ctx, s.DB, repo["tag_id"].(int64), true, &event)
	if err != nil {
		return nil, err
	}
	origins := map[maven.Coordinates]int64{}
	for _, r := range offered {
		c, ok := maven.FromRow(r)
		if _, there := origins[c]; ok && !there {
			origins[c] = r["build_id"].(int64)
		}
	}
	for _, ref := range in.ExtraBuilds {
		spec, err := buildmodel.ParseSpec(ref)
		if err != nil {
			return nil, err
		}
		b, err := buildmodel.MustGet(ctx, s.DB, spec, nil)
		if err != nil {
			return nil, err
		}
		id := b["build_id"].(int64)
		rows, err := s.listMaven(ctx, archivemodel.Filter{Build: &id, Maven: &archivemodel.MavenFilter{}})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if c, ok := maven.FromRow(r); ok {
				origins[c] = id
			}
		}
	}
	return origins, nil
}

func (s *Service) listMaven(ctx context.Context, f archivemodel.Filter) ([]query.Row, error) {
	out, err := archivemodel.List(ctx, s.DB, f, nil, query.Opts{})
	if err != nil {
		return nil, err
	}
	rows, ok := out.([]query.Row)
	if !ok {
		return nil, fmt.Errorf("list Maven archives: unexpected answer %T", out)
	}
	return rows, nil
}

// mavenArchives gives a build's archives of an artifact by their file names.
func (s *Service) mavenArchives(ctx context.Context, build int64, c maven.Coordinates) (map[string]query.Row, error) {
	rows, err := s.listMaven(ctx, archivemodel.Filter{Build: &build, Maven: &archivemodel.MavenFilter{GroupID: &c.GroupID, ArtifactID: &c.ArtifactID, Version: &c.Version}})
	byName := map[string]query.Row{}
	for _, r := range rows {
		byName[r["filename"].(string)] = r
	}
	return byName, err
}

// snapshotMark is the time in the name of a snapshot that Maven made.
var snapshotMark = regexp.MustCompile(`-\d{8}\.\d{6}-\d+`)

// ignoredMaven gives the sizes of files that may be there without being recorded, by artifact and name.
func (s *Service) ignoredMaven(in MavenRoot) (map[maven.Coordinates]map[string]int64, error) {
	entries := in.Ignore
	for _, task := range in.ExtraTasks {
		more, err := s.mavenOutput(task)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
	}
	ignored := map[maven.Coordinates]map[string]int64{}
	for _, e := range entries {
		if ignored[e.Coordinates] == nil {
			ignored[e.Coordinates] = map[string]int64{}
		}
		for _, f := range e.Files {
			ignored[e.Coordinates][f.Name] = f.Size
			// the local repository has snapshots under both names
			ignored[e.Coordinates][snapshotMark.ReplaceAllString(f.Name, "-SNAPSHOT")] = f.Size
		}
	}
	return ignored, nil
}

// mavenOutput gives the files that a Maven task put out: the directory says whose they are.
func (s *Service) mavenOutput(task int64) ([]MavenFiles, error) {
	dir, err := storage.TaskDir(storage.DefaultVolume, task)
	if err != nil {
		return nil, err
	}
	var out []MavenFiles
	err = s.Files.Walk(dir, func(rel string, _ fs.DirEntry) error {
		parts := strings.Split(rel, "/")
		n := len(parts)
		if ext := path.Ext(rel); n < 4 || ext == ".log" || ext == ".md5" || ext == ".sha1" {
			return nil
		}
		p, err := storage.Under(dir, rel)
		if err != nil {
			return err
		}
		st, err := s.Files.Stat(p) // imported files are symlinks by now
		if err != nil {
			return fmt.Errorf("look at %s: %w", p, err)
		}
		c := maven.Coordinates{GroupID: strings.Join(parts[:n-3], "."), ArtifactID: parts[n-3], Version: parts[n-2]}
		out = append(out, MavenFiles{c, []MavenFile{{Name: parts[n-1], Size: st.Size()}}})
		return nil
	})
	return out, err
}
