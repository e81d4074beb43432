package metadata_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"moromi/commands/metadata"
	"moromi/internal/fault"
)

const document = `{"metadata_version": 0,
 "build": {"name": "foo", "version": "1.0", "release": "1", "source": null, "start_time": "1600000000.25", "end_time": 1600000100, "epoch": null,
  "extra": {"image": {"a": 1}, "container_koji_task_id": "17"}},
 "buildroots": [{"id": 1, "content_generator": {"name": "osb", "version": "1"}, "container": {"type": "none", "arch": "x86_64"}, "host": {"os": "f", "arch": "x86_64"},
  "extra": {"osbs": {"n": 12345678901}},
  "components": [{"type": "rpm", "name": "a", "version": "1", "release": "1", "arch": "noarch", "sigmd5": "x"}, {"type": "kojifile", "archive_id": 3, "nvr": "a-1-1", "filename": "f"}],
  "tools": [{"name": "t", "version": "1"}]}],
 "output": [{"type": "log", "buildroot_id": 1, "filename": "build.log", "filesize": 4, "checksum": "AB", "checksum_type": "md5", "subdir": "x"},
  {"type": "file", "buildroot_id": 1, "filename": "d.qcow2", "filesize": 4, "checksum": "ab", "checksum_type": "md5", "extra": {"image": {"arch": "x86_64"}}, "components": []}]}`

func TestParse(t *testing.T) {
	t.Parallel()
	m, err := metadata.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	b := m.Build
	if b.Name != "foo" || b.Source != nil || !b.HasEpoch || b.Epoch != nil || b.Start.UnixMilli() != 1600000000250 || *b.TaskID != 17 || b.ID != 0 {
		t.Errorf("build %+v", b)
	}
	info := map[string]any{"image": map[string]any{"a": int64(1)}}
	if !reflect.DeepEqual(b.Types, info) || !reflect.DeepEqual(b.Extra["typeinfo"], info) || b.Extra["image"] == nil {
		t.Errorf("types %v, extra %v", b.Types, b.Extra)
	}
	r := m.Buildroots[0]
	if r.ID != int64(1) || r.Generator != "osb" || string(r.Extra) != `{"osbs":{"n":12345678901}}` || len(r.Components) != 2 || r.Components[1].ArchiveID != 3 || r.Tools[0].Name != "t" {
		t.Errorf("buildroot %+v", r)
	}
	if o := m.Outputs[0]; o.Subdir != "x" || o.Checksum != "ab" || o.BType != "" {
		t.Errorf("log %+v", o)
	}
	if o := m.Outputs[1]; o.BType != "image" || !o.HasComponents || !reflect.DeepEqual(o.TypeInfo, map[string]any{"arch": "x86_64"}) {
		t.Errorf("image %+v", o)
	}
	if string(m.Raw) != document {
		t.Error("the document is not kept as it was given")
	}
}

// TestBroken has each value of the document replaced by values of other kinds, and left out: it is read, or refused with a fault.
func TestBroken(t *testing.T) {
	t.Parallel()
	var doc any
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		t.Fatal(err)
	}
	tries := 0
	try := func() {
		t.Helper()
		tries++
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := metadata.Parse(string(text)); err != nil && fault.Of(err) == nil {
			t.Errorf("%s: %v is no fault", text, err)
		}
	}
	others := []any{nil, true, -1.5, "x", "", "a\x00b", []any{}, []any{nil}, []any{"x"}, map[string]any{}, 1e300}
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, was := range v {
				for _, o := range others {
					v[k] = o
					try()
				}
				delete(v, k)
				try()
				v[k] = was
				visit(was)
			}
		case []any:
			for i, was := range v {
				for _, o := range others {
					v[i] = o
					try()
				}
				v[i] = was
				visit(was)
			}
		}
	}
	visit(doc)
	if tries < 500 {
		t.Errorf("only %d documents were tried", tries)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for text, code := range map[string]fault.Code{
		"not json": fault.Generic, "[]": fault.Parameter, "{}": fault.Parameter, `{"metadata_version": 1}`: fault.Generic, `{"metadata_version": "0"}`: fault.Generic,
		document + "{}": fault.Generic, strings.Replace(document, `"rpm"`, `"thing"`, 1): fault.Generic, strings.Replace(document, `"nvr": "a-1-1", `, "", 1): fault.Generic,
		strings.Replace(document, `"epoch": null`, `"owner": 5`, 1): fault.Generic, strings.Replace(document, `"epoch": null`, `"task_id": 5`, 1): fault.Generic,
		strings.Replace(document, `"extra": {"image": {"arch"`, `"subdir": "x", "extra": {"image": {"arch"`, 1): fault.Generic,
		strings.Repeat("[", 1<<20): fault.Generic,
	} {
		if _, err := metadata.Parse(text); !fault.Is(err, code) {
			t.Errorf("%.60s: %v, want code %d", text, err, code)
		}
	}
	if _, err := metadata.Read(map[string]any{"metadata_version": int64(0), "x": []byte("bytes")}); !fault.Is(err, fault.Generic) {
		t.Error(err)
	}
}

// FuzzParse reads any text: no panic, errors are faults, and what was read reads the same again.
func FuzzParse(f *testing.F) {
	f.Add(document)
	f.Add(`{"metadata_version": 0, "build": {"extra": {"typeinfo": {}}}, "buildroots": [], "output": []}`)
	f.Add(`{"metadata_version": 0.0}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := metadata.Parse(text)
		var known *fault.Error
		if err != nil {
			if !errors.As(err, &known) {
				t.Fatalf("%v is no fault", err)
			}
			return
		}
		again, err := metadata.Parse(text)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("read again: %+v, %v", again, err)
		}
		for _, o := range m.Outputs {
			if o.Type != metadata.OutputRPM && o.Type != metadata.OutputLog && o.BType == "" {
				t.Fatalf("an archive without a build type: %+v", o)
			}
		}
		if _, err := metadata.JSON(m.Build.Extra); err != nil {
			t.Fatalf("extra has no form in JSON: %v", err)
		}
	})
}
