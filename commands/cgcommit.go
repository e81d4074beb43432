package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"moromi/aggregates/build"
	"moromi/aggregates/buildroot"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	buildmodel "moromi/projections/build"
)

// importLog is the name of the log of an import that had something to say.
const importLog = "cg_import.log"

// commit carries the import out, once everything is checked, and answers the build's id.
func (imp *contentImport) commit(ctx context.Context) (int64, error) {
	if imp.build != nil {
		id := imp.build["build_id"].(int64)
		return id, imp.commitBuild(ctx, id, nil, imp.build["release"].(string))
	}
	if err := imp.plan(&placement{tree: imp.tree(imp.meta.Build.Release)}); err != nil {
		return 0, err // before a name is claimed for it
	}
	m := imp.meta.Build
	pkg, err := imp.s.ensurePackage(ctx, imp.a, m.Name)
	if err != nil {
		return 0, err
	}
	generator := imp.generator["id"].(int64)
	in := NewBuild{Name: m.Name, Version: m.Version, Release: m.Release, Epoch: m.Epoch, Draft: m.Draft, Source: m.Source, State: koji.BuildBuilding, Owner: imp.owner,
		TaskID: m.TaskID, VolumeID: imp.volume["id"].(int64), ContentGeneratorID: &generator, StartTime: &m.Start}
	for range claimAttempts {
		id, release, err := imp.s.claimNVR(ctx, imp.a, pkg, in)
		if err != nil {
			return 0, err
		}
		start := in.start(id, pkg, release)
		if err = imp.commitBuild(ctx, id, &start, release); !errors.Is(err, build.ErrVoided) {
			return id, err
		}
	}
	return 0, fault.New(fault.Lock, "the name %s-%s-%s is being claimed by too many at once; try again", m.Name, m.Version, m.Release)
}

// commitBuild imports under an id that has the build's name. start is nil for a reserved build.
func (imp *contentImport) commitBuild(ctx context.Context, id int64, start *events.BuildStart, release string) error {
	p := &placement{tree: imp.tree(release)}
	if err := imp.plan(p); err != nil {
		return err
	}
	tagged, err := buildmodel.HasBeenTagged(ctx, imp.s.DB, id)
	if err != nil {
		return err
	}
	name := koji.NVR{Name: imp.meta.Build.Name, Version: imp.meta.Build.Version, Release: release}.String()
	content, err := imp.content(id, start, name, tagged)
	if err != nil {
		return err
	}
	if err := imp.number(ctx, &content); err != nil {
		return err
	}
	record := func() error { return imp.record(ctx, id, content, p) }
	return imp.s.withBuildFiles(ctx, id, func() error {
		if len(content.RPMs) == 0 || imp.meta.Build.Draft {
			return record() // drafts may have the names of other rpms
		}
		return imp.s.withRPMNames(ctx, id, nvras(content.RPMs), record)
	})
}

// placement is where the files of an import go.
type placement struct {
	tree   storage.Build
	places []place
	taken  map[storage.Path]bool
}

func (p *placement) add(from, to storage.Path, what string) error {
	if p.taken[to] {
		return fault.New(fault.Generic, "Error importing %s, %s already exists", what, to)
	}
	p.taken[to] = true
	p.places = append(p.places, place{from, to})
	return nil
}

// plan decides where every file goes.
func (imp *contentImport) plan(p *placement) error {
	p.taken = map[storage.Path]bool{}
	for _, r := range imp.rpms {
		to, err := p.tree.RPM(r.event.Arch, r.name())
		if err != nil {
			return err
		}
		if err := p.add(r.path, to, "rpm"); err != nil {
			return err
		}
	}
	logs, err := p.tree.AllLogs()
	if err != nil {
		return err
	}
	for _, l := range imp.logs {
		dir, err := storage.Under(logs, l.subdir)
		if err != nil {
			return err
		}
		to, err := dir.Join(l.from.Base())
		if err != nil {
			return err
		}
		if err := p.add(l.from, to, "build log"); err != nil {
			return err
		}
	}
	for _, a := range imp.archives {
		if err := a.locate(p.tree, a.btype); err != nil {
			return err
		}
		if a.place == nil {
			continue
		}
		if err := p.add(a.place.from, a.place.to, "archive file"); err != nil {
			return err
		}
	}
	return nil
}

// number draws the ids, and puts the lists of rpms on record that buildroots and archives name.
func (imp *contentImport) number(ctx context.Context, c *build.Content) error {
	roots, err := imp.s.nextIDs(ctx, "buildroot", len(imp.roots))
	if err != nil {
		return err
	}
	for i, r := range imp.roots {
		evs, err := imp.rootEvents(ctx, roots[i], r)
		if err != nil {
			return err
		}
		c.Roots = append(c.Roots, evs...)
	}
	ids, err := imp.s.nextIDs(ctx, "rpm", len(imp.rpms))
	if err != nil {
		return err
	}
	for i, r := range imp.rpms {
		r.event.ID, r.event.BuildrootID = ids[i], &roots[r.root]
		c.RPMs = append(c.RPMs, r.event)
	}
	files := make([]*archiveFile, len(imp.archives))
	for i, a := range imp.archives {
		a.event.BuildrootID = &roots[a.root]
		files[i] = a.archiveFile
	}
	c.Archives, err = imp.s.archiveEvents(ctx, imp.a, files)
	return err
}

// rootEvents are those of one buildroot. They go to the build's stream: it is told of with the build, and never changes.
func (imp *contentImport) rootEvents(ctx context.Context, id int64, r cgRoot) ([]events.Event, error) {
	m := r.meta
	made := events.ExternalBuildrootCreated{ID: id, ContentGeneratorID: imp.generator["id"].(int64), Version: m.GeneratorVersion, ContainerType: m.ContainerType,
		Arch: m.ContainerArch, HostOS: m.HostOS, HostArch: m.HostArch, Extra: m.Extra}
	for _, t := range m.Tools {
		made.Tools = append(made.Tools, events.Tool{Name: t.Name, Version: t.Version})
	}
	evs := []events.Event{made}
	if len(r.rpms) > 0 {
		list := buildroot.Normal(r.rpms)
		digest, err := imp.s.recordList(ctx, imp.a, list)
		if err != nil {
			return nil, err
		}
		evs = append(evs, events.BuildrootListed{ID: id, Digest: digest, Count: len(list)})
	}
	if len(r.archives) > 0 {
		evs = append(evs, events.BuildrootArchivesListed{ID: id, Archives: buildroot.Normal(r.archives)})
	}
	return evs, nil
}

// record places the files and appends the events. Whatever is refused or fails before the first append leaves neither.
func (imp *contentImport) record(ctx context.Context, id int64, c build.Content, p *placement) error {
	// decide once without effect: files are only touched for an import that is let
	known := false
	_, err := DecideOnly(ctx, imp.s, imp.a, "look up build", build.Stream(id), func(b *build.Build) ([]events.Event, error) {
		known = b.Exists()
		_, err := b.ImportContent(c)
		return nil, err
	})
	if err != nil {
		return err
	}
	if err := imp.clear(ctx, p.tree, known); err != nil {
		return err
	}
	begun := false
	err = imp.place(p)
	if err == nil {
		begun, err = imp.append(ctx, id, c)
	}
	if err != nil {
		return errors.Join(err, imp.undo(context.WithoutCancel(ctx), id, p.tree, begun))
	}
	imp.s.finishAll(p.places)
	return nil
}

// clear makes sure that nothing lies in the build's place. What a build that is on record and has no content left there is from an import that did
// not come to its end; anything else is somebody's.
func (imp *contentImport) clear(ctx context.Context, tree storage.Build, known bool) error {
	if known {
		return imp.s.removeBuildDirs(ctx, tree.Name, tree.Version, tree.Release)
	}
	dir, err := tree.Dir()
	if err != nil {
		return err
	}
	_, err = imp.s.Files.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	return fault.New(fault.Generic, "Destination directory already exists: %s", dir)
}

// place puts every file in its place.
func (imp *contentImport) place(p *placement) error {
	s := imp.s
	for _, pl := range p.places {
		if err := s.link(pl); err != nil {
			return err
		}
	}
	for _, a := range imp.archives {
		for _, side := range a.besides() {
			if p.taken[side.path] {
				continue // the generator brought it itself
			}
			if err := s.Files.WriteFile(side.path, []byte(side.text)); err != nil {
				return err
			}
		}
	}
	for _, r := range imp.rpms {
		if err := s.writeSigHeader(p.tree, r.event, r.header.Sig.Raw()); err != nil {
			return err
		}
	}
	to, err := p.tree.Metadata()
	if err != nil {
		return err
	}
	if err := s.Files.WriteFile(to, imp.meta.Raw); err != nil {
		return err
	}
	if err := imp.writeLog(p); err != nil {
		return err
	}
	return s.linkVolume(p.tree)
}

// writeLog keeps what the import had to say, if anything, beside the build's logs.
func (imp *contentImport) writeLog(p *placement) error {
	if len(imp.notes) == 0 {
		return nil
	}
	dir, err := p.tree.AllLogs()
	if err != nil {
		return err
	}
	to, err := dir.Join(importLog)
	if err != nil || p.taken[to] {
		return err
	}
	text := ""
	for _, n := range append(imp.notes, "CG import was SUCCESSFUL.") {
		text += n + "\n"
	}
	return imp.s.Files.WriteFile(to, []byte(text))
}

// append records the import, in one append but for very large ones. begun tells whether the first was made.
func (imp *contentImport) append(ctx context.Context, id int64, c build.Content) (begun bool, err error) {
	var parts [][]events.Event
	_, err = imp.s.decideBuild(ctx, imp.a, "import content", id, func(b *build.Build) ([]events.Event, error) {
		evs, err := b.ImportContent(c)
		if err != nil {
			return nil, err
		}
		if parts, err = build.Appends(evs); err != nil {
			return nil, err
		}
		return parts[0], nil
	})
	if err != nil {
		return false, err
	}
	for _, part := range parts[1:] {
		_, err := imp.s.decideBuild(ctx, imp.a, "import content", id, func(b *build.Build) ([]events.Event, error) {
			if !b.Building() {
				return nil, fault.New(fault.Generic, "Build ID %d is not in BUILDING state", id)
			}
			return part, nil
		})
		if err != nil {
			return true, err
		}
	}
	return true, nil
}

// undo takes away what an import left that did not come to its end.
func (imp *contentImport) undo(ctx context.Context, id int64, tree storage.Build, begun bool) error {
	if begun {
		_, err := imp.s.decideBuild(ctx, imp.a, "import content", id, func(b *build.Build) ([]events.Event, error) {
			if !b.Building() {
				return nil, nil
			}
			return b.Fail()
		})
		if err != nil {
			return err
		}
	}
	dir, err := tree.Dir()
	if err != nil {
		return err
	}
	if tree.Volume != storage.DefaultVolume {
		link := tree
		link.Volume = storage.DefaultVolume
		if err := imp.s.removeLink(link); err != nil {
			return err
		}
	}
	return imp.s.Files.RemoveAll(dir)
}
