package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// repoTag gives a tag in getTag's shape, as of an event if one is given; a fault if there is none.
func (d Deps) repoTag(c *Call, key any, event *int64) (query.Row, error) {
	id, err := d.repoTagID(c, key)
	if err != nil {
		return nil, err
	}
	t, err := tag.Get(c.Context(), d.DB, tag.Spec{ID: id}, event, false)
	if err == nil && t == nil {
		err = tag.Missing(key)
	}
	return t, err
}

// repoFiles are the files that a repository has before its metadata is made, in Koji's layout (kojihub.kojihub.repo_init): repo.json,
// groups/comps.xml and for each architecture pkglist, rpmlist.jsonl, blocklist and toplink.
type repoFiles struct {
	Deps
	ctx     context.Context
	tag     query.Row
	started commands.StartedRepo
	task    *int64
}

// archFiles are the lists of one architecture.
type archFiles struct{ pkglist, rpmlist bytes.Buffer }

func optMap(o events.RepoOpts) map[string]bool {
	out := map[string]bool{}
	for i, name := range []string{"src", "debuginfo", "separate_src", "maven"} {
		if v := o.List()[i]; v != nil {
			out[name] = *v
		}
	}
	return out
}

func (f *repoFiles) repo() storage.Repo {
	return storage.Repo{Tag: f.tag["name"].(string), ID: f.started.ID}
}

func (f *repoFiles) write() error {
	opts := optMap(f.started.Opts)
	arches, err := f.lists(opts)
	if err != nil {
		return err
	}
	blocked, err := f.blocked()
	if err != nil {
		return err
	}
	for arch, lists := range arches {
		dir, err := f.repo().Arch(arch)
		if err != nil {
			return err
		}
		if err := f.Storage.MkdirAll(dir); err != nil {
			return err
		}
		link, err := dir.Join("toplink")
		if err != nil {
			return err
		}
		if err := f.Storage.TopLink(link); err != nil {
			return err
		}
		for name, content := range map[string][]byte{"pkglist": lists.pkglist.Bytes(), "rpmlist.jsonl": lists.rpmlist.Bytes(), "blocklist": blocked} {
			if err := f.file(dir, name, content); err != nil {
				return err
			}
		}
	}
	if err := f.comps(); err != nil {
		return err
	}
	return f.info(opts)
}

func (f *repoFiles) file(dir storage.Path, name string, content []byte) error {
	p, err := dir.Join(strings.Split(name, "/")...)
	if err != nil {
		return err
	}
	return f.Storage.WriteFile(p, content)
}

// lists shares the tag's rpms out to the architectures.
func (f *repoFiles) lists(opts map[string]bool) (map[string]*archFiles, error) {
	arches := map[string]*archFiles{}
	text, _ := f.tag["arches"].(string)
	for _, arch := range strings.Fields(text) {
		if arch = koji.CanonArch(arch); arch != "src" && arch != "noarch" {
			arches[arch] = &archFiles{}
		}
	}
	if opts["separate_src"] {
		arches["src"] = &archFiles{}
	}
	filter := tag.RPMFilter{BuildFilter: tag.BuildFilter{Inherited: true, Latest: 1}}
	if extra, ok := f.tag["extra"].(map[string]any); ok && xmlrpc.Truthy(extra["repo_include_all"]) {
		filter.Latest = 0
	}
	rpms, builds, err := tag.RPMs(f.ctx, f.DB, f.tag["id"].(int64), filter, &f.started.Event)
	if err != nil {
		return nil, err
	}
	dirs := map[int64]storage.Path{}
	for _, b := range builds {
		if dirs[b["build_id"].(int64)], err = treeOf(b).Dir(); err != nil {
			return nil, err
		}
	}
	for _, r := range rpms {
		if !opts["debuginfo"] && koji.IsDebuginfo(r["name"].(string)) {
			continue
		}
		raw, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encode rpm: %w", err)
		}
		line := fmt.Sprintf("toplink/%s/%s/%s-%s-%s.%s.rpm\n", dirs[r["build_id"].(int64)], r["arch"], r["name"], r["version"], r["release"], r["arch"])
		for _, arch := range rpmArches(r["arch"].(string), arches, opts) {
			arches[arch].pkglist.WriteString(line)
			arches[arch].rpmlist.Write(append(raw, '\n'))
		}
	}
	return arches, nil
}

// rpmArches tells in which architectures' directories an rpm stands.
func rpmArches(arch string, arches map[string]*archFiles, opts map[string]bool) []string {
	var out []string
	switch arch {
	case "src":
		if opts["src"] {
			for a := range arches {
				out = append(out, a)
			}
		}
		if opts["separate_src"] && !opts["src"] {
			out = append(out, "src")
		}
	case "noarch":
		for a := range arches {
			if a != "src" {
				out = append(out, a)
			}
		}
	default:
		if a := koji.CanonArch(arch); arches[a] != nil {
			out = append(out, a)
		}
	}
	return out
}

// blocked is the blocklist: names of packages that must not come from external repositories either.
func (f *repoFiles) blocked() ([]byte, error) {
	id := f.tag["id"].(int64)
	rows, err := tag.PackageList(f.ctx, f.DB, tag.PackageFilter{Tag: &id, Inherited: true, NoOwners: true}, &f.started.Event)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, r := range rows {
		if r["blocked"] == true {
			b.WriteString(r["package_name"].(string) + "\n")
		}
	}
	return b.Bytes(), nil
}

func (f *repoFiles) comps() error {
	if f.Comps == nil {
		return nil
	}
	raw, err := f.Comps(f.ctx, f.tag["id"].(int64), f.started.Event)
	if err != nil {
		return err
	}
	dir, err := f.repo().Dir()
	if err != nil {
		return err
	}
	return f.file(dir, "groups/comps.xml", raw)
}

func (f *repoFiles) info(opts map[string]bool) error {
	dir, err := f.repo().Dir()
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(map[string]any{"id": f.started.ID, "tag": f.tag["name"], "tag_id": f.tag["id"], "task_id": f.task, "event_id": f.started.Event,
		"opts": opts, "custom_opts": optMap(f.started.Custom), "with_src": opts["src"], "with_separate_src": opts["separate_src"],
		"with_debuginfo": opts["debuginfo"]}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode repo.json: %w", err)
	}
	return f.file(dir, "repo.json", raw)
}

// updateRepoJSON sets members of repo.json.
func (d Deps) updateRepoJSON(r storage.Repo, updates map[string]any) error {
	dir, err := r.Dir()
	if err != nil {
		return err
	}
	p, err := dir.Join("repo.json")
	if err != nil {
		return err
	}
	err = d.Storage.UpdateJSON(p, updates)
	if strange := (*json.UnsupportedValueError)(nil); errors.As(err, &strange) {
		return fault.Wrap(err, fault.Parameter, "repo_json_updates cannot be written as JSON")
	}
	return err
}
