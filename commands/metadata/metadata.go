// Package metadata reads what content generators say of their builds: the JSON document of metadata version 0 (Koji's documentation,
// content_generator_metadata, and kojihub.CG_Importer). It checks form, not facts: every key that is needed is there and is of its type, so
// that whoever imports never meets a surprise. It keeps nothing of what it is given and may be used from anywhere.
package metadata

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// Metadata is the document.
type Metadata struct {
	Build      Build
	Buildroots []Buildroot
	Outputs    []Output
	// Raw is the document as text, as it was given or put into JSON anew.
	Raw []byte
}

// Build says what was built.
type Build struct {
	ID                     int64 // of the reserved build, 0 for none
	Name, Version, Release string
	Epoch                  *int64
	HasEpoch               bool // whether epoch was given, be it nil
	Draft                  bool
	Source                 *string
	Start, End             time.Time
	Owner                  string // a user's name, "" for whoever imports
	TaskID                 *int64
	// Extra is what the build keeps, with Types in it under typeinfo.
	Extra map[string]any
	// Types is what is known of each build type, by name.
	Types map[string]any
}

// Buildroot says where something was built. ID is only for Output.BuildrootID: an int64 or a string.
type Buildroot struct {
	ID                           any
	Generator, GeneratorVersion  string
	ContainerType, ContainerArch string
	HostOS, HostArch             string
	Extra                        json.RawMessage // nil for none
	Components                   []Component
	Tools                        []Tool
}

// Tool is a program that was used.
type Tool struct{ Name, Version string }

// Component types.
const (
	ComponentRPM      = "rpm"
	ComponentFile     = "file"
	ComponentKojiFile = "kojifile"
)

// Component is something that was in a buildroot or went into an output. Given has the keys that were given, for what depends on that.
type Component struct {
	Type                         string
	Name, Version, Release, Arch string // of rpms
	SigMD5                       string
	ArchiveID                    int64 // of kojifiles
	Filename                     string
	Size                         int64
	Checksum, ChecksumType       string
	Given                        map[string]any
}

// Output types that are not archives.
const (
	OutputRPM = "rpm"
	OutputLog = "log"
)

// Output is a file of the build. Every type but rpm and log is an archive, of the build type BType.
type Output struct {
	Type                      string
	BuildrootID               any
	Filename, RelPath, Subdir string
	Size                      int64
	Checksum, ChecksumType    string
	MetadataOnly              bool
	Extra                     json.RawMessage // nil for none
	BType                     string
	TypeInfo                  any
	Components                []Component
	HasComponents             bool
}

// legacyTypes are the build types whose information may lie outside typeinfo.
var legacyTypes = []string{"maven", "win", "image"}

// Parse reads a document from JSON.
func Parse(text string) (*Metadata, error) {
	v, err := xmlrpc.FromJSON(text)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "Invalid json data for metadata")
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, fault.New(fault.Parameter, "metadata must be a struct")
	}
	return read(doc, []byte(text))
}

// Read reads a document that came as a struct.
func Read(doc map[string]any) (*Metadata, error) {
	raw, err := text(doc, "  ")
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "Invalid metadata, cannot encode")
	}
	return read(doc, raw)
}

func read(doc map[string]any, raw []byte) (*Metadata, error) {
	r := &reader{}
	top := r.top(doc)
	version, there := doc["metadata_version"]
	if !there {
		return nil, fault.New(fault.Parameter, "metadata: metadata_version is missing")
	}
	if version != int64(0) && version != float64(0) {
		return nil, fault.New(fault.Generic, "No such metadata version: %v", version)
	}
	m := &Metadata{Raw: raw}
	m.Build = r.build(top.object("build"))
	for _, b := range top.objects("buildroots") {
		m.Buildroots = append(m.Buildroots, r.buildroot(b))
	}
	for _, o := range top.objects("output") {
		m.Outputs = append(m.Outputs, r.output(o))
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

func (r *reader) build(o object) Build {
	b := Build{Name: o.text("name"), Version: o.text("version"), Release: o.text("release"), Draft: xmlrpc.Truthy(o.v["draft"]), Extra: o.values("extra")}
	if xmlrpc.Truthy(o.v["build_id"]) {
		b.ID = o.integer("build_id")
	}
	if o.need("source") && o.v["source"] != nil {
		s := o.text("source")
		b.Source = &s
	}
	if _, b.HasEpoch = o.v["epoch"]; o.v["epoch"] != nil {
		n := o.integer("epoch")
		b.Epoch = &n
	}
	b.Start, b.End = o.moment("start_time"), o.moment("end_time")
	if owner := o.v["owner"]; xmlrpc.Truthy(owner) {
		name, ok := owner.(string)
		if !ok {
			r.refuse(fault.New(fault.Generic, "Invalid owner format (expected username)"))
		}
		b.Owner = name
	}
	b.TaskID = r.taskID(o)
	if r.err == nil {
		b.Extra, b.Types = r.types(b.Extra)
	}
	return b
}

// taskID is the task behind a build, which may stand in two places.
func (r *reader) taskID(o object) *int64 {
	var id *int64
	if o.v["task_id"] != nil {
		n := o.integer("task_id")
		id = &n
	}
	extra, _ := o.v["extra"].(map[string]any)
	if extra["container_koji_task_id"] == nil {
		return id
	}
	n := r.sub(extra, o.path+".extra").integer("container_koji_task_id")
	if id != nil && *id != n {
		r.refuse(fault.New(fault.Generic, "CG provided non-matching task_id %d and container_koji_task_id %d", *id, n))
	}
	return &n
}

// types puts what is known of the build types under typeinfo. The structs that were given stay as they are.
func (r *reader) types(given map[string]any) (extra, types map[string]any) {
	extra, types = map[string]any{}, map[string]any{}
	for k, v := range given {
		extra[k] = v
	}
	if _, there := given["typeinfo"]; there {
		for k, t := range r.sub(given, "metadata.build.extra").values("typeinfo") {
			types[k] = t
		}
	}
	for _, t := range legacyTypes {
		v, there := given[t]
		if !there {
			continue
		}
		if _, twice := types[t]; twice {
			r.refuse(fault.New(fault.Generic, "Duplicate typeinfo for '%s'", t))
		}
		types[t] = v
	}
	extra["typeinfo"] = types
	return extra, types
}

func (r *reader) buildroot(o object) Buildroot {
	cg, container, host := o.object("content_generator"), o.object("container"), o.object("host")
	b := Buildroot{ID: o.id("id"), Generator: cg.text("name"), GeneratorVersion: cg.text("version"), ContainerType: container.text("type"),
		ContainerArch: container.text("arch"), HostOS: host.text("os"), HostArch: host.text("arch"), Extra: o.json("extra"), Components: r.components(o)}
	for _, t := range o.objects("tools") {
		b.Tools = append(b.Tools, Tool{Name: t.text("name"), Version: t.text("version")})
	}
	return b
}

func (r *reader) components(o object) []Component {
	list := []Component{}
	for _, c := range o.objects("components") {
		x := Component{Type: c.text("type"), Given: c.v}
		switch x.Type {
		case ComponentRPM:
			for _, key := range []string{"location", "id"} {
				if _, there := c.v[key]; there && r.err == nil {
					r.refuse(map[string]*fault.Error{"location": fault.New(fault.Generic, "External rpms not allowed"),
						"id": fault.New(fault.Generic, "Unexpected 'id' field in component")}[key])
				}
			}
			x.Name, x.Version, x.Release, x.Arch = c.text("name"), c.text("version"), c.text("release"), c.text("arch")
			x.SigMD5 = c.optional("sigmd5")
		case ComponentFile:
			x.Filename, x.Size, x.Checksum, x.ChecksumType = c.text("filename"), c.integer("filesize"), c.text("checksum"), c.text("checksum_type")
		case ComponentKojiFile:
			x.ArchiveID = c.integer("archive_id")
			for _, key := range []string{"nvr", "filename"} {
				if _, there := c.v[key]; !there {
					r.refuse(fault.New(fault.Generic, "%s field missing for component, archive_id=%d", key, x.ArchiveID))
				}
			}
		default:
			r.refuse(fault.New(fault.Generic, "No such component type: %s", clip(x.Type)))
		}
		list = append(list, x)
	}
	return list
}

func (r *reader) output(o object) Output {
	out := Output{Type: o.text("type"), BuildrootID: o.id("buildroot_id"), Filename: o.text("filename"), RelPath: o.optional("relpath"), Subdir: o.optional("subdir"),
		Size: o.integer("filesize"), Checksum: strings.ToLower(o.text("checksum")), ChecksumType: o.text("checksum_type"),
		MetadataOnly: xmlrpc.Truthy(o.v["metadata_only"]), Extra: o.json("extra")}
	switch {
	case r.err != nil:
	case out.Type == OutputRPM && out.Subdir != "":
		r.refuse(fault.New(fault.Generic, "subdir field not allowed for rpm outputs"))
	case out.Type != OutputRPM && out.Type != OutputLog:
		r.archive(o, &out)
	}
	return out
}

// archive finds the build type of an archive and what is said of the archive there.
func (r *reader) archive(o object, out *Output) {
	found := map[string]any{}
	extra := map[string]any{}
	if o.v["extra"] != nil {
		extra = o.values("extra")
	}
	add := func(key string, info any) {
		if _, twice := found[key]; twice {
			r.refuse(fault.New(fault.Generic, "Duplicate typeinfo for: '%s'", clip(key)))
		}
		found[key] = info
		out.BType, out.TypeInfo = key, info
	}
	for _, t := range legacyTypes {
		if info, there := extra[t]; there {
			add(t, info)
			if out.Subdir != "" {
				r.refuse(fault.New(fault.Generic, "subdir field not allowed for legacy btypes"))
			}
		}
	}
	if _, there := extra["typeinfo"]; there {
		for key, info := range r.sub(extra, o.path+".extra").values("typeinfo") {
			add(key, info)
		}
	}
	switch {
	case len(found) > 1:
		r.refuse(fault.New(fault.Generic, "Output file has multiple types: %s", clip(out.Filename)))
	case len(found) == 0:
		r.refuse(fault.New(fault.Generic, "No typeinfo for: %s", clip(out.Filename)))
	}
	if _, out.HasComponents = o.v["components"]; !out.HasComponents {
		return
	}
	if out.BType == "maven" || out.BType == "win" {
		r.refuse(fault.New(fault.Generic, "Component list not allowed for archives of type %s", out.BType))
	}
	out.Components = r.components(o)
}

// text puts a value into JSON. Values that JSON has no form for are refused.
func text(v any, indent string) ([]byte, error) {
	if err := encodable(v); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// JSON puts a value of a document, or of a struct made of such values, into JSON.
func JSON(v any) (json.RawMessage, error) { return text(v, "") }

func encodable(v any) error {
	switch v := v.(type) {
	case nil, bool, int64, string:
		return nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fault.New(fault.Parameter, "a number is not finite")
		}
		return nil
	case []any:
		for _, e := range v {
			if err := encodable(e); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		for _, e := range v {
			if err := encodable(e); err != nil {
				return err
			}
		}
		return nil
	}
	return fault.New(fault.Parameter, "%T has no form in JSON", v)
}

// seconds makes a time of seconds since 1970, given as a number or as text.
func seconds(v any) (time.Time, bool) {
	var f float64
	switch v := v.(type) {
	case int64:
		f = float64(v)
	case float64:
		f = v
	case string:
		var err error
		if f, err = strconv.ParseFloat(strings.TrimSpace(v), 64); err != nil {
			return time.Time{}, false
		}
	default:
		return time.Time{}, false
	}
	if !(math.Abs(f) < maxSeconds) {
		return time.Time{}, false
	}
	return time.UnixMicro(int64(math.Round(f * 1e6))).UTC(), true
}

// maxSeconds is the year 5138: beyond it somebody sent milliseconds.
const maxSeconds = 1e11
