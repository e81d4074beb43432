package commands

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	buildmodel "moromi/projections/build"
	rootmodel "moromi/projections/buildroot"
	"moromi/projections/query"
	taskmodel "moromi/projections/task"
)

// CompleteBuild is what a builder delivers at the end of an rpm build. Paths are relative to the work directory.
type CompleteBuild struct {
	HostID, TaskID, BuildID int64
	SRPM                    string
	RPMs                    []string
	Buildroots              map[string]int64    // of each rpm's path
	Logs                    map[string][]string // by label, usually the architecture; "" for none
}

// CompleteBuild imports what was built and completes the build.
//
// Files come first: every file gets its place in the build as a second name of the upload, durably. Then one append records rpms and completion
// (several only for thousands of rpms). Then the uploads become symlinks. A hub that dies before the append leaves a build that is BUILDING
// and files that the next attempt, or the next start of the build, clears away; one that dies after it leaves uploads with two names, and a
// repeated call tidies them up.
func (s *Service) CompleteBuild(ctx context.Context, a Actor, in CompleteBuild) error {
	if _, err := s.ownedTask(ctx, in.TaskID, in.HostID); err != nil {
		return err
	}
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: in.BuildID}, nil)
	if err != nil {
		return err
	}
	err = s.withBuildFiles(ctx, in.BuildID, func() error {
		if done, err := s.tidyCompleted(ctx, in, b); done || err != nil {
			return err
		}
		imp, err := s.prepareImport(ctx, a, in, b)
		if err != nil {
			return err
		}
		if err := s.placeFiles(ctx, imp); err != nil {
			return err
		}
		if err := s.recordImport(ctx, a, imp); err != nil {
			return err
		}
		s.finishAll(imp.places)
		return nil
	})
	if err == nil {
		s.notifyBuild(ctx, a, in.TaskID, in.BuildID)
	}
	return err
}

// finishAll replaces uploads by symlinks, the first of the list, a build's source rpm, last: while it is a file there may be more to tidy up.
// What fails here costs a second name of a file and nothing else.
func (s *Service) finishAll(places []place) {
	for i := range places {
		p := places[len(places)-1-i]
		if err := s.finish(p); err != nil {
			s.Log.Warn("an imported upload keeps its file", "path", p.from.String(), "error", err)
		}
	}
}

// buildImport is an import under way.
type buildImport struct {
	build  query.Row
	tree   storage.Build
	volume int64
	rpms   []*rpmFile // the source rpm first
	places []place
	draft  bool
	clean  bool // nothing was imported before: what lies in the build's place is to be cleared away
}

// tidyCompleted answers a repeated call for a build that this task has completed when the hub died before the uploads were replaced.
func (s *Service) tidyCompleted(ctx context.Context, in CompleteBuild, b query.Row) (bool, error) {
	completed := false
	_, err := DecideOnly(ctx, s, Actor{}, "look up build", build.Stream(in.BuildID), func(b *build.Build) ([]events.Event, error) {
		completed = b.Completed(in.TaskID)
		return nil, nil
	})
	if err != nil || !completed {
		return false, err
	}
	srpm, err := workPath(in.SRPM)
	if err != nil {
		return false, err
	}
	if st, err := s.Files.Lstat(srpm); err != nil || !st.Mode().IsRegular() {
		return false, nil // nothing to tidy up: the call is a mistake
	}
	places, err := placesOf(treeOf(b), append([]string{in.SRPM}, in.RPMs...))
	if err != nil {
		return false, err
	}
	places = slices.DeleteFunc(places, func(p place) bool {
		_, err := s.Files.Stat(p.to)
		return err != nil
	})
	s.finishAll(places)
	return len(places) > 0, nil
}

// placesOf gives the places of rpms by their file names; of several of one name the first was imported.
func placesOf(tree storage.Build, rpms []string) ([]place, error) {
	var out []place
	seen := map[string]bool{}
	for _, rel := range rpms {
		from, err := workPath(rel)
		if err != nil {
			return nil, err
		}
		if seen[from.Base()] {
			continue
		}
		seen[from.Base()] = true
		n, err := koji.ParseNVRA(from.Base())
		if err != nil {
			return nil, err
		}
		to, err := tree.RPM(n.Arch, from.Base())
		if err != nil {
			return nil, err
		}
		out = append(out, place{from, to})
	}
	return out, nil
}

func treeOf(b query.Row) storage.Build {
	return storage.Build{Volume: b["volume_name"].(string), Name: b["name"].(string), Version: b["version"].(string), Release: b["release"].(string)}
}

// prepareImport reads and checks everything that is delivered. It changes nothing.
func (s *Service) prepareImport(ctx context.Context, a Actor, in CompleteBuild, b query.Row) (*buildImport, error) {
	for _, rel := range append([]string{in.SRPM}, in.RPMs...) {
		if err := s.uploaded(rel); err != nil {
			return nil, err
		}
	}
	imp := &buildImport{build: b, draft: b["draft"].(bool)}
	var rpms []*rpmFile
	for _, rel := range in.RPMs {
		r, err := s.readRPM(rel)
		if err != nil {
			return nil, err
		}
		rpms = append(rpms, r)
	}
	rpms, err := sameNoarch(rpms)
	if err != nil {
		return nil, err
	}
	if err := s.checkBuildroots(ctx, in.Buildroots); err != nil {
		return nil, err
	}
	srpm, err := s.readRPM(in.SRPM)
	if err != nil {
		return nil, err
	}
	imp.rpms = append([]*rpmFile{srpm}, rpms...)
	if err := imp.matches(in.TaskID); err != nil {
		return nil, err
	}
	_, err = DecideOnly(ctx, s, Actor{}, "look up build", build.Stream(in.BuildID), func(b *build.Build) ([]events.Event, error) {
		imp.clean = b.Empty()
		return nil, b.Completable()
	})
	if err != nil {
		return nil, err
	}
	for _, r := range imp.rpms {
		for rel, id := range in.Buildroots {
			if "work/"+path.Clean(rel) == r.path.String() {
				r.event.BuildrootID = &id
			}
		}
	}
	if err := s.chooseVolume(ctx, a, imp, in); err != nil {
		return nil, err
	}
	return imp, s.planPlaces(imp, in.Logs)
}

// uploaded refuses a path under which nothing was uploaded.
func (s *Service) uploaded(rel string) error {
	p, err := workPath(rel)
	if err != nil {
		return err
	}
	_, err = s.Files.Stat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Generic, "No such file: %s", rel)
	}
	return err
}

func (s *Service) checkBuildroots(ctx context.Context, roots map[string]int64) error {
	var ids []int64
	for _, id := range roots {
		ids = append(ids, id)
	}
	missing, err := rootmodel.Missing(ctx, s.DB, ids)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fault.New(fault.Generic, "no buildroot with ID: %d", slices.Min(missing))
	}
	return nil
}

// matches checks that the source rpm is the build's and every other rpm comes of it.
func (imp *buildImport) matches(task int64) error {
	b, srpm := imp.build, imp.rpms[0]
	if !srpm.source {
		return fault.New(fault.Generic, "not a source package: %s", srpm.name())
	}
	e := srpm.event
	target := b["release"].(string)
	if imp.draft {
		var err error
		if target, err = koji.TargetRelease(target); err != nil {
			return err
		}
	}
	epoch, hasEpoch := b["epoch"].(int64)
	mismatch := func(key string, build, got any) error {
		return fault.New(fault.Generic, "Unable to complete build: %s mismatch (build: %v, rpm: %v)", key, build, got)
	}
	switch {
	case e.Name != b["name"]:
		return mismatch("name", b["name"], e.Name)
	case e.Version != b["version"]:
		return mismatch("version", b["version"], e.Version)
	case e.Release != target:
		return mismatch("release", target, e.Release)
	case hasEpoch != (e.Epoch != nil) || hasEpoch && *e.Epoch != epoch:
		return mismatch("epoch", b["epoch"], srpm.header.NEVRA())
	case b["task_id"] != task:
		return mismatch("task_id", b["task_id"], task)
	}
	for _, r := range imp.rpms[1:] {
		if r.source && r.name() != srpm.name() || !r.source && r.srpm != srpm.name() {
			return fault.New(fault.Generic, "srpm mismatch for %s: %s (expected %s)", r.name(), r.srpm, srpm.name())
		}
	}
	return nil
}

// chooseVolume asks the volume policy where the build goes.
func (s *Service) chooseVolume(ctx context.Context, a Actor, imp *buildImport, in CompleteBuild) error {
	e := imp.rpms[0].event
	roots := []any{}
	for _, id := range in.Buildroots {
		roots = append(roots, id)
	}
	data := map[string]any{"package": e.Name, "version": e.Version, "release": e.Release, "buildroots": roots, "import": true, "import_type": "rpm"}
	if err := s.taskPolicyData(ctx, data, in.TaskID); err != nil {
		return err
	}
	v, err := s.PolicyVolume(ctx, a, data, false)
	if err != nil {
		return err
	}
	if v == nil {
		v = query.Row{"id": int64(0), "name": storage.DefaultVolume}
	}
	imp.volume, imp.tree = v["id"].(int64), treeOf(imp.build)
	imp.tree.Volume = v["name"].(string)
	return nil
}

// taskPolicyData adds what rules may ask of the task behind a build.
func (s *Service) taskPolicyData(ctx context.Context, data map[string]any, task int64) error {
	row, err := taskmodel.ByID(ctx, s.DB, task, true, nil)
	if err != nil || row == nil {
		return err
	}
	params, _ := row["request"].([]any)
	return s.addTaskPolicyData(ctx, data, row["method"].(string), params)
}

// planPlaces decides where each file goes.
func (s *Service) planPlaces(imp *buildImport, logs map[string][]string) error {
	for _, r := range imp.rpms {
		to, err := imp.tree.RPM(r.event.Arch, r.name())
		if err != nil {
			return err
		}
		imp.places = append(imp.places, place{r.path, to})
	}
	taken := map[storage.Path]bool{}
	for label, list := range logs {
		dir, err := imp.tree.Logs(label)
		if label == "" {
			dir, err = imp.tree.Dir()
			if err == nil {
				dir, err = dir.Join("data", "logs")
			}
		}
		if err != nil {
			return err
		}
		for _, rel := range list {
			p, err := s.logPlace(rel, dir, taken)
			if err != nil {
				return err
			}
			imp.places = append(imp.places, p)
		}
	}
	return nil
}

// logPlace is where an uploaded log goes in a directory of the build; taken are the places that other files have, to which it is added.
func (s *Service) logPlace(rel string, dir storage.Path, taken map[storage.Path]bool) (place, error) {
	from, err := workPath(rel)
	if err != nil {
		return place{}, err
	}
	st, err := s.Files.Lstat(from)
	if err != nil || !st.Mode().IsRegular() {
		return place{}, fault.New(fault.Generic, "Error importing build log. %s is not a regular file.", rel)
	}
	to, err := dir.Join(from.Base())
	if err != nil {
		return place{}, err
	}
	if taken[to] {
		return place{}, fault.New(fault.Generic, "Error importing build log. %s already exists.", to)
	}
	taken[to] = true
	return place{from, to}, nil
}

// placeFiles puts every file and signature header in its place.
func (s *Service) placeFiles(ctx context.Context, imp *buildImport) error {
	if imp.clean {
		if err := s.removeBuildDirs(ctx, imp.tree.Name, imp.tree.Version, imp.tree.Release); err != nil {
			return err
		}
	}
	for _, p := range imp.places {
		if err := s.link(p); err != nil {
			return err
		}
	}
	for _, r := range imp.rpms {
		if err := s.writeSigHeader(imp.tree, r.event, r.header.Sig.Raw()); err != nil {
			return err
		}
	}
	return s.linkVolume(imp.tree)
}

// writeSigHeader keeps an rpm's signature header beside the build.
func (s *Service) writeSigHeader(tree storage.Build, r events.RPM, raw []byte) error {
	p, err := tree.SigHeader(r.SigKey, r.Arch, rpmFileName(r))
	if err != nil {
		return err
	}
	return s.Files.WriteFile(p, raw)
}

func rpmFileName(r events.RPM) string {
	return r.Name + "-" + r.Version + "-" + r.Release + "." + r.Arch + ".rpm"
}

// linkVolume keeps a symlink in the main tree to a build on another volume.
func (s *Service) linkVolume(tree storage.Build) error {
	if tree.Volume == storage.DefaultVolume {
		return nil
	}
	dir, err := tree.Dir()
	if err != nil {
		return err
	}
	link, err := tree.Link()
	if err != nil {
		return err
	}
	return s.Files.Symlink(dir, link)
}

// recordImport appends the rpms and the completion.
func (s *Service) recordImport(ctx context.Context, a Actor, imp *buildImport) error {
	ids, err := s.nextIDs(ctx, "rpm", len(imp.rpms))
	if err != nil {
		return err
	}
	rpms := make([]events.RPM, len(imp.rpms))
	for i, r := range imp.rpms {
		rpms[i] = r.event
		rpms[i].ID = ids[i]
	}
	id := imp.build["build_id"].(int64)
	record := func() error {
		batches := build.Batches(rpms)
		for i, batch := range batches {
			_, err := s.decideBuild(ctx, a, "complete build", id, func(b *build.Build) ([]events.Event, error) {
				return b.Complete(batch, i, len(batches), imp.volume)
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	if imp.draft {
		return record() // drafts may have the names of other rpms
	}
	return s.withRPMNames(ctx, id, nvras(rpms), record)
}

func nvras(rpms []events.RPM) []koji.NVRA {
	out := make([]koji.NVRA, len(rpms))
	for i, r := range rpms {
		out[i] = koji.NVRA{NVR: koji.NVR{Name: r.Name, Version: r.Version, Release: r.Release}, Arch: r.Arch}
	}
	return out
}
