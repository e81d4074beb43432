package commands

import (
	"context"
	"fmt"
	"path"
	"strings"

	"moromi/aggregates/build"
	"moromi/commands/metadata"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
	usermodel "moromi/projections/user"
)

// maxMetadata bounds an uploaded metadata document in bytes. It is read into memory; that of a large image has some megabytes.
const maxMetadata = 32 << 20

// contentImport is a content generator's import under way. Its prep functions read and check, and change nothing.
type contentImport struct {
	s    *Service
	a    Actor
	dir  string // of the uploads, below the work directory
	meta *metadata.Metadata

	generator query.Row
	build     query.Row // the reserved build, nil for one to be made
	owner     int64
	volume    query.Row
	btypes    map[string]int64
	maven     *events.MavenInfo
	platform  *string

	roots    []cgRoot
	rpms     []cgRPM
	archives []cgArchive
	logs     []cgLog
	bare     bool // some outputs are metadata only
	notes    []string
}

// cgRoot is a buildroot as content generators tell of it.
type cgRoot struct {
	meta           metadata.Buildroot
	rpms, archives []int64
}

// Outputs with the index of their buildroot.
type (
	cgRPM struct {
		*rpmFile
		root int
	}
	cgArchive struct {
		*archiveFile
		btype string
		root  int
	}
	cgLog struct {
		from   storage.Path
		subdir string
	}
)

func (imp *contentImport) note(format string, args ...any) {
	imp.notes = append(imp.notes, fmt.Sprintf(format, args...))
}

// ReadMetadata reads an uploaded metadata document; dir and name are below the work directory.
func (s *Service) ReadMetadata(dir, name string) (*metadata.Metadata, error) {
	rel := path.Join(dir, name)
	if dir == "" || strings.HasPrefix(dir, "/") || strings.HasPrefix(name, "/") {
		return nil, fault.New(fault.Generic, "Invalid path: %.100q", rel)
	}
	p, err := workPath(rel)
	if err != nil {
		return nil, err
	}
	st, err := s.Files.Lstat(p)
	if err != nil || !st.Mode().IsRegular() {
		return nil, fault.New(fault.Generic, "No such file: %s", name)
	}
	if st.Size() > maxMetadata {
		return nil, fault.New(fault.Generic, "%s is larger than %d MiB", name, maxMetadata>>20)
	}
	text, err := s.Files.ReadFile(p, maxMetadata)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	return metadata.Parse(string(text))
}

// ImportContent imports what a content generator built and uploaded below dir, and answers the build in getBuild's shape. token is that of a
// reserved build, "" for one that was not reserved. A refused import leaves nothing behind.
func (s *Service) ImportContent(ctx context.Context, a Actor, meta *metadata.Metadata, dir, token string) (query.Row, error) {
	imp := &contentImport{s: s, a: a, dir: dir, meta: meta, owner: a.UserID, btypes: map[string]int64{}}
	if err := imp.prepGenerator(ctx); err != nil {
		return nil, err
	}
	for _, prep := range []func(context.Context) error{
		func(ctx context.Context) error { return imp.prepBuild(ctx, token) }, imp.prepTypes, imp.prepRoots, imp.prepOutputs, imp.assertPolicy, imp.chooseVolume,
	} {
		if err := prep(ctx); err != nil {
			return nil, err
		}
	}
	id, err := imp.commit(ctx)
	if err != nil {
		return nil, err
	}
	if imp.build != nil {
		s.dropToken(ctx, id)
	}
	return buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
}

// prepGenerator makes sure that the user may import as the content generator, of which there must be just one.
func (imp *contentImport) prepGenerator(ctx context.Context) error {
	for _, r := range imp.meta.Buildroots {
		g, err := imp.s.generator(ctx, r.Generator)
		if err != nil {
			return err
		}
		if imp.generator != nil && imp.generator["id"] != g["id"] {
			return fault.New(fault.Generic, "Koji now support only one content-generator per import")
		}
		imp.generator = g
	}
	if imp.generator == nil {
		return fault.New(fault.Generic, "metadata has no buildroots, which would name the content generator")
	}
	_, err := imp.s.AssertGenerator(ctx, imp.a, imp.generator["id"])
	return err
}

// prepBuild finds the reserved build, or makes sure that there is none yet.
func (imp *contentImport) prepBuild(ctx context.Context, token string) error {
	m := imp.meta.Build
	switch {
	case m.ID != 0:
		if err := imp.prepReserved(ctx, token); err != nil {
			return err
		}
	case token != "":
		return fault.New(fault.Generic, "Reservation token given, but no build_id in metadata")
	default:
		b, err := buildmodel.Get(ctx, imp.s.DB, buildmodel.Spec{NVR: koji.NVR{Name: m.Name, Version: m.Version, Release: m.Release}}, nil)
		if err != nil {
			return err
		}
		if b != nil {
			if st := koji.BuildState(b["state"].(int64)); st != koji.BuildFailed && st != koji.BuildCanceled {
				return fault.New(fault.Generic, "Build already exists: %s (id=%d)", b["nvr"], b["build_id"])
			}
		}
	}
	if m.Owner != "" {
		u, err := usermodel.ByName(ctx, imp.s.DB, m.Owner)
		if err != nil {
			return err
		}
		if u == nil {
			return fault.New(fault.Generic, "No such user: %s", m.Owner)
		}
		imp.owner = u["id"].(int64)
	}
	if err := koji.VerifyName(m.Name); err != nil {
		return err
	}
	if err := checkNVR(m.Version, m.Release); err != nil {
		return err
	}
	_, err := imp.tree(m.Release).Dir() // such a name must have a place in the tree
	return err
}

func (imp *contentImport) prepReserved(ctx context.Context, token string) error {
	m := imp.meta.Build
	b, err := buildmodel.MustGet(ctx, imp.s.DB, buildmodel.Spec{ID: m.ID}, nil)
	if err != nil {
		return err
	}
	if err := imp.s.reserved(ctx, b, imp.generator["id"].(int64), token); err != nil {
		return err
	}
	release := m.Release
	if m.Draft {
		release = koji.DraftRelease(m.Release, m.ID)
	}
	task, hasTask := b["task_id"].(int64)
	epoch, hasEpoch := b["epoch"].(int64)
	switch {
	case hasTask && (m.TaskID == nil || *m.TaskID != task):
		return fault.New(fault.Generic, "Build is owned by task %d", task)
	case koji.BuildState(b["state"].(int64)) != koji.BuildBuilding:
		return fault.New(fault.Generic, "Build ID %d is not in BUILDING state", m.ID)
	case b["draft"] != m.Draft:
		return fault.New(fault.Generic, "Draft field does not match reservation (build id = %d)", m.ID)
	case b["name"] != m.Name || b["version"] != m.Version || b["release"] != release:
		return fault.New(fault.Generic, "Build (%d) NVR is different", m.ID)
	case m.HasEpoch && (hasEpoch != (m.Epoch != nil) || hasEpoch && *m.Epoch != epoch):
		return fault.New(fault.Generic, "Build (%d) epoch is different", m.ID)
	}
	imp.build = b
	return nil
}

// prepTypes looks the build types up, and reads what the hub keeps of some.
func (imp *contentImport) prepTypes(ctx context.Context) error {
	for name, info := range imp.meta.Build.Types {
		t, err := buildmodel.Type(ctx, imp.s.DB, name)
		if err != nil {
			return err
		}
		if t == nil {
			return fault.New(fault.Generic, "No such entry in table btype: %.200s", name)
		}
		imp.btypes[name] = t["id"].(int64)
		switch name {
		case "maven":
			imp.maven, err = ReadMavenInfo(info)
		case "win":
			imp.platform, err = winPlatform(info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func winPlatform(v any) (*string, error) {
	info, _ := v.(map[string]any)
	platform, ok := info["platform"].(string)
	if !ok {
		return nil, fault.New(fault.Generic, "Windows info doesn't have mandatory platform key, or it is no text")
	}
	return &platform, nil
}

// prepRoots finds what was in the buildroots. Each must have an output.
func (imp *contentImport) prepRoots(ctx context.Context) error {
	used, seen := map[any]bool{}, map[any]bool{}
	for _, o := range imp.meta.Outputs {
		used[o.BuildrootID] = true
	}
	for _, r := range imp.meta.Buildroots {
		switch {
		case !used[r.ID]:
			return fault.New(fault.Generic, "Buildroot id not used in output: %v", r.ID)
		case seen[r.ID]:
			return fault.New(fault.Generic, "Duplicate buildroot id in metadata: %v", r.ID)
		}
		seen[r.ID] = true
		rpms, archives, err := imp.matchComponents(ctx, r.Components)
		if err != nil {
			return err
		}
		imp.roots = append(imp.roots, cgRoot{r, rpms, archives})
	}
	return nil
}

// assertPolicy asks the policy cg_import.
func (imp *contentImport) assertPolicy(ctx context.Context) error {
	m := imp.meta.Build
	types := []any{}
	for t := range imp.btypes {
		types = append(types, t)
	}
	return imp.s.AssertPolicy(ctx, imp.a, "cg_import", map[string]any{"package": m.Name, "version": m.Version, "release": m.Release, "btypes": types,
		"source": text(m.Source), "draft": m.Draft, "metadata_only": imp.bare, "cg_list": []any{imp.generator["name"]}}, false)
}

// text is a value for policies: a text, or nil.
func text(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

// chooseVolume asks the volume policy where the build goes.
func (imp *contentImport) chooseVolume(ctx context.Context) error {
	m := imp.meta.Build
	v, err := imp.s.PolicyVolume(ctx, imp.a, map[string]any{"package": m.Name, "version": m.Version, "release": m.Release, "source": text(m.Source),
		"cg_list": []any{imp.generator["name"]}, "import": true, "import_type": "cg", "user_id": imp.a.UserID}, false)
	if err != nil {
		return err
	}
	switch {
	case v != nil:
	case imp.build != nil:
		v = query.Row{"id": imp.build["volume_id"], "name": imp.build["volume_name"]}
	default:
		v = query.Row{"id": int64(0), "name": storage.DefaultVolume}
	}
	imp.volume = v
	return nil
}

// tree is the build's place. Before the volume is chosen it is that on the default volume.
func (imp *contentImport) tree(release string) storage.Build {
	t := storage.Build{Volume: storage.DefaultVolume, Name: imp.meta.Build.Name, Version: imp.meta.Build.Version, Release: release}
	if imp.volume != nil {
		t.Volume = imp.volume["name"].(string)
	}
	return t
}

// content is what the import brings, for the decision. ids are drawn by the caller.
func (imp *contentImport) content(id int64, start *events.BuildStart, name string, tagged bool) (build.Content, error) {
	m := imp.meta.Build
	extra, err := metadata.JSON(m.Extra)
	if err != nil {
		return build.Content{}, err
	}
	c := build.Content{Start: start, Name: name, History: build.History{Tagged: tagged}, Generator: imp.generator["id"].(int64), Maven: imp.maven, Platform: imp.platform,
		Done: events.BuildImported{ID: id, Extra: extra, Owner: imp.owner, Source: m.Source, TaskID: m.TaskID, VolumeID: imp.volume["id"].(int64)}}
	if start != nil {
		c.Done.CompletionTime = &m.End // a reserved build is complete now
	}
	for t, btype := range imp.btypes {
		if t != "maven" && t != "win" {
			c.Types = append(c.Types, btype)
		}
	}
	if len(imp.rpms) > 0 && imp.btypes["rpm"] == 0 {
		c.Types = append(c.Types, build.TypeRPM)
	}
	return c, nil
}
