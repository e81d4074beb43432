package commands_test

import (
	"context"
	"crypto/md5" //nolint:gosec // what the documents have
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"moromi/commands"
	"moromi/commands/metadata"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/rpm/rpmtest"
	"moromi/migrations"
	"moromi/projections"
	archivemodel "moromi/projections/archive"
	buildmodel "moromi/projections/build"
	rootmodel "moromi/projections/buildroot"
	"moromi/projections/query"
	"moromi/projections/readmodel"
	rpmmodel "moromi/projections/rpm"
)

// cgSite is a site with a content generator that its actor may import as.
func cgSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	if err := s.GrantGenerator(t.Context(), s.actor, s.actor.UserID, "osb", true); err != nil {
		t.Fatal(err)
	}
	if err := s.AddBuildType(t.Context(), s.actor, "operator"); err != nil {
		t.Fatal(err)
	}
	return s
}

type dict = map[string]any

// document is the metadata of a build of these outputs with one buildroot.
func document(name string, outputs ...dict) dict {
	list := make([]any, len(outputs))
	for i, o := range outputs {
		list[i] = o
	}
	return dict{
		"metadata_version": int64(0),
		"build": dict{"name": name, "version": "1.0", "release": "1", "source": "git://example.com/x#abc", "start_time": int64(1600000000), "end_time": 1600000100.5,
			"extra": dict{"typeinfo": dict{"operator": dict{"k": "v"}}, "image": dict{}}},
		"buildroots": []any{dict{"id": "a", "content_generator": dict{"name": "osb", "version": "1"}, "container": dict{"type": "none", "arch": "x86_64"},
			"host": dict{"os": "fedora", "arch": "x86_64"}, "components": []any{}, "tools": []any{dict{"name": "make", "version": "4"}}}},
		"output": list,
	}
}

// output uploads a file and describes it.
func (s *site) output(dir, name, kind string, data []byte, more dict) dict {
	s.t.Helper()
	s.uploadBytes(dir, name, data)
	sum := md5.Sum(data) //nolint:gosec // see the import
	o := dict{"buildroot_id": "a", "filename": name, "filesize": int64(len(data)), "arch": "noarch", "checksum": hex.EncodeToString(sum[:]), "checksum_type": "md5", "type": kind}
	maps.Copy(o, more)
	return o
}

func (s *site) rpmOutput(dir string, spec rpmtest.Spec) dict {
	return s.output(dir, spec.NEVRA().FileName(), "rpm", spec.Bytes(), nil)
}

var operatorFile = dict{"extra": dict{"typeinfo": dict{"operator": dict{}}}}

func (s *site) importContent(doc dict, dir, token string) (query.Row, error) {
	s.t.Helper()
	m, err := metadata.Read(doc)
	if err != nil {
		return nil, err
	}
	return s.ImportContent(s.t.Context(), s.actor, m, dir, token)
}

// census lists what is below packages, with the contents' digests, and counts rows: what a refused import must not change.
func (s *site) census() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(filepath.Join(s.dir, "packages"), func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		sum := sha256.Sum256(data)
		rel, _ := filepath.Rel(s.dir, p)
		out[rel] = e.Type().String() + hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, table := range []string{"build", "build_types", "buildroot", "rpminfo", "archiveinfo", "package", "maven_builds", "events"} {
		var n int64
		if err := s.DB.QueryRow(s.t.Context(), "select count(*) from "+table).Scan(&n); err != nil { //nolint:gosec // constants
			s.t.Fatal(err)
		}
		out["table "+table] = fmt.Sprint(n)
	}
	return out
}

// verify rebuilds the read models from the ledger and compares.
func (s *site) verify() {
	s.t.Helper()
	v, err := projections.Verify(s.t.Context(), s.Ledger, s.DB, migrations.ReadModelSchema(), slog.New(slog.DiscardHandler), nil, readmodel.All()...)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(v.Differences) > 0 {
		s.t.Errorf("a replay gives other rows: %+v", v.Differences)
	}
}

func TestImportContent(t *testing.T) {
	t.Parallel()
	s := cgSite(t)
	ctx := t.Context()
	s.uploadBytes("imp", fooSource.NEVRA().FileName(), fooSource.Bytes())
	if _, err := s.ImportRPM(ctx, s.actor, "imp", fooSource.NEVRA().FileName()); err != nil {
		t.Fatal(err)
	}
	known := dict{"type": "rpm", "name": "foo", "version": "1.0", "release": "1", "arch": "src", "sigmd5": "x"}
	unknown := dict{"type": "rpm", "name": "nosuch", "version": "1", "release": "1", "arch": "x86_64", "sigmd5": "x"}
	bar := rpmtest.Spec{Name: "bar", Version: "1.0", Release: "1", Arch: "x86_64", Source: true, BuildTime: 1700000000}
	doc := document("bar",
		s.output("cg", "index.txt", "file", []byte("index"), dict{"extra": operatorFile["extra"], "subdir": "sub/dir"}),
		s.output("cg", "disk.qcow2", "image", []byte("disk"), dict{"extra": dict{"image": dict{"arch": "x86_64"}}, "components": []any{known, unknown}}),
		s.output("cg", "build.log", "log", []byte("it went well\n"), dict{"subdir": "noarch"}),
		s.rpmOutput("cg", bar))
	doc["buildroots"].([]any)[0].(dict)["components"] = []any{known, unknown}
	b, err := s.importContent(doc, "cg", "")
	if err != nil {
		t.Fatal(err)
	}
	id := b["build_id"].(int64)
	if b["state"] != int64(koji.BuildComplete) || b["completion_ts"] != 1600000100.5 || b["cg_name"] != "osb" || b["source"] != "git://example.com/x#abc" {
		t.Errorf("imported build: %v", b)
	}
	for _, f := range []string{"files/operator/sub/dir/index.txt", "images/disk.qcow2", "data/logs/noarch/build.log", "data/logs/cg_import.log", "src/bar-1.0-1.src.rpm", "metadata.json",
		"data/sigcache/src/bar-1.0-1.src.rpm.sig"} {
		if st, err := os.Lstat(filepath.Join(s.dir, "packages/bar/1.0/1", f)); err != nil || !st.Mode().IsRegular() {
			t.Errorf("%s: %v", f, err)
		}
	}
	if !s.isLink("work/cg/disk.qcow2") || !s.isLink("work/cg/index.txt") || !s.isLink("work/cg/bar-1.0-1.src.rpm") {
		t.Error("an imported upload is no symlink")
	}
	archives, err := archivemodel.List(ctx, s.DB, archivemodel.Filter{Build: &id}, nil, query.Opts{})
	if err != nil || len(archives.([]query.Row)) != 2 {
		t.Fatalf("archives %v, %v", archives, err)
	}
	image := archives.([]query.Row)[1]["id"].(int64)
	if row, err := archivemodel.Image(ctx, s.DB, image, nil); err != nil || row["arch"] != "x86_64" || row["rootid"] != true {
		t.Errorf("image %v, %v", row, err)
	}
	rpms, err := rpmmodel.List(ctx, s.DB, rpmmodel.Filter{Archive: &image}, nil, query.Opts{})
	if err != nil || len(rpms.([]query.Row)) != 1 || rpms.([]query.Row)[0]["name"] != "foo" {
		t.Errorf("rpms of the image: %v, %v", rpms, err)
	}
	root := archives.([]query.Row)[1]["buildroot_id"].(int64)
	if r, err := rootmodel.Get(ctx, s.DB, root, nil); err != nil || r["cg_name"] != "osb" || r["br_type"] != int64(1) {
		t.Errorf("buildroot %v, %v", r, err)
	}
	s.checkReferences(id, image, b["creation_event_id"].(int64))
	s.verify()
}

// checkReferences asks what stands against deleting builds with archives, and takes one back.
func (s *site) checkReferences(id, image, event int64) {
	s.t.Helper()
	ctx := s.t.Context()
	foo, err := buildmodel.FindID(ctx, s.DB, buildmodel.Spec{NVR: koji.NVR{Name: "foo", Version: "1.0", Release: "1"}}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	refs, err := s.BuildReferences(ctx, foo, nil, false)
	if err != nil || !reflect.DeepEqual(refs["component_of"], []int64{image}) {
		s.t.Errorf("references %v, %v", refs, err)
	}
	_, err = s.DeleteBuild(ctx, s.actor, foo, true, nil)
	refused(s.t, err, fault.Generic)
	if err := s.ResetBuild(ctx, s.actor, id); err != nil {
		s.t.Fatal(err)
	}
	if now, err := archivemodel.Get(ctx, s.DB, image, nil); err != nil || now != nil {
		s.t.Errorf("after the reset the image is %v, %v", now, err)
	}
	if then, err := archivemodel.Get(ctx, s.DB, image, &event); err != nil || then["filename"] != "disk.qcow2" {
		s.t.Errorf("as of event %d the image is %v, %v", event, then, err)
	}
	if s.isDir("packages/bar/1.0/1") {
		s.t.Error("the reset left files")
	}
}

// TestRefusedImport has documents refused, each for one reason: not a row and not a file is left, and the uploads are as they were.
func TestRefusedImport(t *testing.T) {
	t.Parallel()
	s := cgSite(t)
	build := func(key string, v any) func(dict) { return func(d dict) { d["build"].(dict)[key] = v } }
	file := func(key string, v any) func(dict) { return func(d dict) { d["output"].([]any)[0].(dict)[key] = v } }
	root := func(key string, v any) func(dict) { return func(d dict) { d["buildroots"].([]any)[0].(dict)[key] = v } }
	comp := func(c dict) func(dict) { return root("components", []any{c}) }
	if err := os.Symlink("/etc/passwd", filepath.Join(s.dir, "work/link.txt")); err != nil {
		t.Fatal(err)
	}
	s.uploadBytes("other", "gen.txt", []byte("gen"))
	bar := rpmtest.Spec{Name: "bar", Version: "1.0", Release: "1", Arch: "x86_64", Source: true, BuildTime: 1700000000}
	tests := map[string]func(dict){
		"version":                 func(d dict) { d["metadata_version"] = int64(1) },
		"no version":              func(d dict) { delete(d, "metadata_version") },
		"no name":                 func(d dict) { delete(d["build"].(dict), "name") },
		"two generators":          func(d dict) { d["buildroots"] = append(d["buildroots"].([]any), dict{}) },
		"unknown generator":       root("content_generator", dict{"name": "nosuch", "version": "1"}),
		"no buildroots":           func(d dict) { d["buildroots"] = []any{} },
		"unused buildroot":        root("id", "b"),
		"unknown owner":           build("owner", "nobody"),
		"owner by id":             build("owner", int64(1)),
		"name with a slash":       build("name", "../x"),
		"version with a dash":     build("version", "1-2"),
		"version leads out":       build("version", ".."),
		"release leads out":       build("release", "1/../../../../x"),
		"hidden release":          build("release", ".1"),
		"unknown type":            build("extra", dict{"typeinfo": dict{"nosuch": dict{}}}),
		"type twice":              build("extra", dict{"typeinfo": dict{"image": dict{}, "operator": dict{}}, "image": dict{}}),
		"maven without artifact":  build("extra", dict{"typeinfo": dict{"operator": dict{}, "maven": dict{"group_id": "g"}}}),
		"extra that is no struct": build("extra", "x"),
		"two tasks": func(d dict) {
			d["build"].(dict)["task_id"] = int64(1)
			d["build"].(dict)["extra"].(dict)["container_koji_task_id"] = int64(2)
		},
		"start that is no time":   build("start_time", "yesterday"),
		"start in the far future": build("start_time", 1e300),
		"token without build":     nil, // below
		"size":                    file("filesize", int64(4)),
		"checksum":                file("checksum", "00"),
		"checksum type":           file("checksum_type", "crc"),
		"adler32 of an archive":   file("checksum_type", "adler32"),
		"no file":                 file("filename", "nosuch.txt"),
		"unknown extension":       file("filename", "x.nosuchext"),
		"file name leads out":     file("filename", "../other/gen.txt"),
		"absolute file name":      file("filename", "/etc/passwd"),
		"relpath leads out":       file("relpath", "../other"),
		"absolute relpath":        file("relpath", "/etc"),
		"subdir leads out":        file("subdir", "../../../../../x"),
		"hidden subdir":           file("subdir", ".git"),
		"symlink":                 func(d dict) { file("filename", "link.txt")(d); file("filesize", int64(1))(d) },
		"directory for a file":    file("filename", "."),
		"NUL in a file name":      file("filename", "gen\x00.txt"),
		"unlisted type":           file("extra", dict{"typeinfo": dict{"win": dict{}}}),
		"two types":               file("extra", dict{"typeinfo": dict{"operator": dict{}, "image": dict{}}}),
		"no type":                 file("extra", dict{}),
		"subdir of an image":      func(d dict) { file("extra", dict{"image": dict{"arch": "x"}})(d); file("subdir", "x")(d) },
		"image without arch":      file("extra", dict{"image": dict{}}),
		"other buildroot": func(d dict) {
			d["output"] = append(d["output"].([]any), dict{"buildroot_id": "z", "type": "log", "filename": "gen.txt", "filesize": int64(3), "checksum": "x", "checksum_type": "md5"})
		},
		"draft with archives":  build("draft", true),
		"external component":   comp(dict{"type": "rpm", "location": "x", "name": "a", "version": "1", "release": "1", "arch": "x", "sigmd5": "x"}),
		"component by id":      comp(dict{"type": "rpm", "id": int64(1), "name": "a", "version": "1", "release": "1", "arch": "x", "sigmd5": "x"}),
		"component of no type": comp(dict{"type": "thing"}),
		"kojifile unknown":     comp(dict{"type": "kojifile", "archive_id": int64(99), "nvr": "x-1-1", "filename": "x"}),
		"kojifile without nvr": comp(dict{"type": "kojifile", "archive_id": int64(99), "filename": "x"}),
		"twice the same place": func(d dict) { o := d["output"].([]any); d["output"] = append(o, o[0]) },
		"another source rpm": func(d dict) {
			d["output"] = append(d["output"].([]any), s.rpmOutput("cg", rpmtest.Spec{Name: "other", Version: "1.0", Release: "1", Arch: "x86_64", Source: true}))
		},
		"rpm twice": func(d dict) { o := s.rpmOutput("cg", bar); d["output"] = append(d["output"].([]any), o, o) },
		"rpm that is none": func(d dict) {
			d["output"] = append(d["output"].([]any), s.output("cg", "bar-1.0-1.src.rpm", "rpm", []byte("x"), nil))
		},
		"rpm with metadata only": func(d dict) {
			o := s.rpmOutput("cg", bar)
			o["metadata_only"] = true
			d["output"] = append(d["output"].([]any), o)
		},
		"rpm with a subdir": func(d dict) {
			o := s.rpmOutput("cg", bar)
			o["subdir"] = "x"
			d["output"] = append(d["output"].([]any), o)
		},
		"bytes in extra": build("extra", dict{"typeinfo": dict{"operator": dict{}}, "x": []byte("x")}),
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		change := tests[name]
		doc := document("bar", s.output("cg", "gen.txt", "file", []byte("gen"), operatorFile))
		token := ""
		if change == nil {
			token = "token"
		} else {
			change(doc)
		}
		before := s.census()
		_, err := s.importContent(doc, "cg", token)
		if fault.Of(err) == nil || fault.Of(err).Code == fault.Internal {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
		if after := s.census(); !maps.Equal(before, after) {
			t.Errorf("%s: there was %v, there is %v", name, before, after)
		}
		if data, err := os.ReadFile(filepath.Join(s.dir, "work/cg/gen.txt")); err != nil || string(data) != "gen" || s.isLink("work/cg/gen.txt") {
			t.Errorf("%s: the upload is %q, %v", name, data, err)
		}
	}
	for _, dir := range []string{"", "..", "../work/cg", "/cg", "cg/../..", ".hidden", "cg\x00"} {
		if _, err := s.importContent(document("bar", s.output("cg", "gen.txt", "file", []byte("gen"), operatorFile)), dir, ""); fault.Of(err) == nil {
			t.Errorf("directory %q: %v", dir, err)
		}
	}
	if _, err := s.importContent(document("bar", s.output("cg", "gen.txt", "file", []byte("gen"), operatorFile)), "cg", ""); err != nil {
		t.Fatalf("after all refusals: %v", err)
	}
	s.verify()
}

func TestReservation(t *testing.T) {
	t.Parallel()
	s := cgSite(t)
	ctx := t.Context()
	in := commands.NewReservation{Name: "bar", Version: "1.0", Release: "1"}
	r, err := s.ReserveBuild(ctx, s.actor, "osb", in)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.ReserveBuild(ctx, s.actor, "osb", in)
	refused(t, err, fault.Generic)
	stranger := commands.Actor{UserID: 99}
	_, err = s.ReserveBuild(ctx, stranger, "osb", in)
	refused(t, err, fault.Auth)
	refused(t, s.RefundBuild(ctx, stranger, "osb", s.build(r.BuildID), r.Token, koji.BuildFailed), fault.Auth)
	refused(t, s.RefundBuild(ctx, s.actor, "osb", s.build(r.BuildID), "wrong", koji.BuildFailed), fault.Generic)
	if err := s.GrantGenerator(ctx, s.actor, s.actor.UserID, "other", true); err != nil {
		t.Fatal(err)
	}
	refused(t, s.RefundBuild(ctx, s.actor, "other", s.build(r.BuildID), r.Token, koji.BuildFailed), fault.Generic)
	// canceled by somebody else, it can be reserved again, and the old token is worth nothing
	if _, err := s.CancelBuild(ctx, s.actor, r.BuildID); err != nil {
		t.Fatal(err)
	}
	again, err := s.ReserveBuild(ctx, s.actor, "osb", in)
	if err != nil || again.BuildID != r.BuildID || again.Token == r.Token {
		t.Fatalf("reserved again: %v, %v", again.BuildID, err)
	}
	doc := document("bar", s.output("cg", "gen.txt", "file", []byte("gen"), operatorFile))
	doc["build"].(dict)["build_id"] = r.BuildID
	for _, token := range []string{"", r.Token, strings.ToUpper(again.Token)} {
		_, err = s.importContent(doc, "cg", token)
		refused(t, err, fault.Generic)
	}
	if b, err := s.importContent(doc, "cg", again.Token); err != nil || b["state"] != int64(koji.BuildComplete) || b["build_id"] != r.BuildID {
		t.Fatalf("imported %v, %v", b, err)
	}
	_, err = s.importContent(doc, "cg", again.Token)
	refused(t, err, fault.Generic)
	for ev, err := range s.Ledger.ReadAll(ctx, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(ev.Data), again.Token) || strings.Contains(string(ev.Meta), again.Token) {
			t.Errorf("event %d has the token", ev.Position)
		}
	}
	s.verify()
}

// TestImportAtOnce has a build imported by many at once: it is there once, whole.
func TestImportAtOnce(t *testing.T) {
	t.Parallel()
	s := cgSite(t)
	const n = 5
	errs := make([]error, n)
	docs := make([]dict, n)
	for i := range n {
		docs[i] = document("bar", s.output(fmt.Sprintf("cg%d", i), "gen.txt", "file", fmt.Appendf(nil, "gen %d", i), operatorFile))
	}
	var wg sync.WaitGroup
	for i := range n {
		m, err := metadata.Read(docs[i])
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			_, errs[i] = s.ImportContent(context.WithoutCancel(t.Context()), s.actor, m, fmt.Sprintf("cg%d", i), "")
		})
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won >= 0:
			t.Errorf("imports %d and %d were both let", won, i)
		case err == nil:
			won = i
		case fault.Of(err) == nil:
			t.Errorf("import %d: %v", i, err)
		}
	}
	if won < 0 {
		t.Fatal(errs)
	}
	if data, err := os.ReadFile(filepath.Join(s.dir, "packages/bar/1.0/1/files/operator/gen.txt")); err != nil || string(data) != fmt.Sprintf("gen %d", won) {
		t.Errorf("import %d was let, the file is %q, %v", won, data, err)
	}
	s.verify()
}

// TestLargeImport imports more archives than one append takes.
func TestLargeImport(t *testing.T) {
	t.Parallel()
	s := cgSite(t)
	var outputs []dict
	const n = 3000
	for i := range n {
		outputs = append(outputs, dict{"buildroot_id": "a", "filename": fmt.Sprintf("part-%d.txt", i), "filesize": int64(i), "checksum": strings.Repeat("ab", 32), "checksum_type": "sha256",
			"type": "file", "metadata_only": true, "extra": dict{"typeinfo": dict{"operator": dict{}}, "why": strings.Repeat("long ", 40)}})
	}
	head, err := s.Ledger.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.importContent(document("bar", outputs...), "cg", "")
	if err != nil {
		t.Fatal(err)
	}
	id, appends := b["build_id"].(int64), 0
	for ev, err := range s.Ledger.ReadAll(t.Context(), head+1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		var meta struct{ I int }
		if err := json.Unmarshal(ev.Meta, &meta); err != nil {
			t.Fatal(err)
		}
		if ev.Stream == fmt.Sprintf("build-%d", id) && meta.I == 0 {
			appends++
		}
	}
	count, err := archivemodel.List(t.Context(), s.DB, archivemodel.Filter{Build: &id}, nil, query.Opts{CountOnly: true})
	if err != nil || count != int64(n) || appends < 2 || b["state"] != int64(koji.BuildComplete) {
		t.Errorf("%v archives in %d appends, %v; build %v", count, appends, err, b)
	}
	s.verify()
}
