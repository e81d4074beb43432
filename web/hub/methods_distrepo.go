package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/build"
	"moromi/projections/query"
	"moromi/projections/rpm"
)

// distKeys refuses what is no list of keys and what names no tag, as Koji does before it asks who calls.
func (d Deps) distKeys(c *Call, a Args) error {
	if keys, err := a.List("keys"); err != nil || keys == nil {
		return a.wrong("keys", "list")
	}
	_, err := d.repoTag(c, a.Get("tag"), nil)
	return err
}

func (d Deps) distRepo(c *Call, a Args) (any, error) {
	keys, err := a.List("keys")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	if err := d.mayDistRepo(c, actor, a.Get("tag")); err != nil {
		return nil, err
	}
	t, err := d.repoTag(c, a.Get("tag"), nil)
	if err != nil {
		return nil, err
	}
	return d.startDistRepo(c, actor, a.Get("tag"), t, keys, a.Extra())
}

// startDistRepo begins a dist repository of a tag and makes the task that fills it. tagKey is the tag as the caller named it.
func (d Deps) startDistRepo(c *Call, actor commands.Actor, tagKey any, t query.Row, keys []any, opts map[string]any) (any, error) {
	arches, err := distArches(opts)
	if err != nil {
		return nil, err
	}
	volume := storage.DefaultVolume
	if v := opts["volume"]; v != nil {
		row, err := build.Volume(c.Context(), d.DB, v)
		if err != nil {
			return nil, err
		}
		if row == nil {
			return nil, fault.New(fault.Generic, "No such entry in table volume: %s", clip(pyRepr(v)))
		}
		volume = row["name"].(string)
	}
	in := commands.StartRepo{TagID: t["id"].(int64), Dist: true}
	if n, ok := opts["event"].(int64); ok {
		in.Event = n
	}
	started, err := d.Service.StartRepo(c.Context(), actor, in)
	if err != nil {
		return nil, err
	}
	r := storage.Repo{Volume: volume, Tag: t["name"].(string), ID: started.ID, Dist: true}
	if err := d.writeDistRepo(r, t["id"].(int64), arches, keys, opts); err != nil {
		return nil, err
	}
	opts["event"] = started.Event
	return d.Service.DistRepoTask(c.Context(), actor, tagKey, t, started.ID, keys, opts)
}

// mayDistRepo lets through who has the permission, and whom the policy lets.
func (d Deps) mayDistRepo(c *Call, actor commands.Actor, tag any) error {
	for _, p := range []string{"dist-repo", "admin"} {
		if ok, err := c.HasPerm(p); ok || err != nil {
			return err
		}
	}
	return d.Service.AssertPolicy(c.Context(), actor, "dist_repo", map[string]any{"tag": tag}, false)
}

// distArches reads the option arch: canonical names, each once.
func distArches(opts map[string]any) ([]string, error) {
	list, ok := opts["arch"].([]any)
	if !ok {
		return nil, fault.New(fault.Parameter, "distRepo needs a list of arches")
	}
	var out []string
	for _, v := range list {
		s, ok := v.(string)
		if !ok || storage.CheckElement(s) != nil {
			return nil, fault.New(fault.Parameter, "Invalid arch: %s", clip(pyRepr(v)))
		}
		if s = koji.CanonArch(s); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

// writeDistRepo makes the directories of a dist repository, its comps file, if one was uploaded, and repo.json.
func (d Deps) writeDistRepo(r storage.Repo, tagID int64, arches []string, keys []any, opts map[string]any) error {
	for _, arch := range arches {
		p, err := r.Arch(arch)
		if err != nil {
			return err
		}
		if err := d.Storage.MkdirAll(p); err != nil {
			return err
		}
	}
	dir, err := r.Dir()
	if err != nil {
		return err
	}
	if r.Volume != storage.DefaultVolume {
		link, err := storage.Repo{Tag: r.Tag, ID: r.ID, Dist: true}.Dir()
		if err != nil {
			return err
		}
		if err := d.Storage.Symlink(dir, link); err != nil {
			return err
		}
	}
	if comps, ok := opts["comps"].(string); ok && comps != "" {
		from, err := storage.Parse("work/" + comps)
		if err != nil {
			return err
		}
		to, err := dir.Join("groups", "comps.xml")
		if err != nil {
			return err
		}
		if err := d.Storage.Copy(from, to); err != nil {
			return fault.Wrap(err, fault.Generic, "the comps file %s cannot be copied", clip(comps))
		}
	}
	raw, err := json.MarshalIndent(map[string]any{"id": r.ID, "tag": r.Tag, "tag_id": tagID, "keys": keys, "volume": opts["volume"], "task_opts": opts}, "", "  ")
	if err != nil {
		return fault.Wrap(err, fault.Parameter, "the options cannot be written as JSON")
	}
	p, err := dir.Join("repo.json")
	if err != nil {
		return err
	}
	return d.Storage.WriteFile(p, raw)
}

// maxManifest bounds the lists that a builder uploads with a dist repository: a hundred thousand rpms take some 40 MiB.
const maxManifest = 256 << 20

// distPackage is an entry of the uploaded file kojipkgs: what the builder put into the metadata.
type distPackage struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Version     string `json:"version"`
	Release     string `json:"release"`
	Arch        string `json:"arch"`
	Epoch       *int64 `json:"epoch"`
	Size        int64  `json:"size"`
	PayloadHash string `json:"payloadhash"`
	BuildID     int64  `json:"build_id"`
	SigKey      string `json:"sigkey"`
}

func (d Deps) hostDistRepoMove(c *Call, a Args) (any, error) {
	if _, err := c.RequireHost(); err != nil {
		return nil, err
	}
	id, err := a.Int("repo_id")
	if err != nil {
		return nil, err
	}
	upload, err := a.String("uploadpath")
	if err != nil {
		return nil, err
	}
	arch, err := a.String("arch")
	if err != nil {
		return nil, err
	}
	r, err := d.theRepo(c, id)
	if err == nil {
		err = mustBeInit(r)
	}
	if err != nil {
		return nil, err
	}
	dir, err := d.archDir(storage.Repo{Tag: r["tag_name"].(string), ID: id, Dist: true}, arch)
	if err != nil {
		return nil, err
	}
	var files []string
	if err := d.readUpload(upload, "repo_manifest", &files); err != nil {
		return nil, err
	}
	packages := map[string]distPackage{}
	if err := d.readUpload(upload, "kojipkgs", &packages); err != nil {
		return nil, err
	}
	var moves []move
	for _, name := range files {
		from, err := d.uploadedFile(upload, name)
		if err != nil {
			return nil, err
		}
		to, err := below(dir.String(), "", name) // kojid writes "./kojipkgs"
		if err != nil {
			return nil, err
		}
		moves = append(moves, move{from, to})
	}
	links, err := d.distLinks(c, dir, packages)
	if err != nil {
		return nil, err
	}
	if err := d.moveAll(moves); err != nil {
		return nil, err
	}
	return nil, d.linkAll(links)
}

// readUpload reads an uploaded JSON file.
func (d Deps) readUpload(dir, name string, into any) error {
	p, err := d.uploadedFile(dir, name)
	if err != nil {
		return err
	}
	raw, err := d.Storage.ReadFile(p, maxManifest)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fault.Wrap(err, fault.Generic, "%s is not what it should be", name)
	}
	return nil
}

// distLinks checks every package against what the hub knows of it and decides where its file goes: Packages/LETTER/FILE.
func (d Deps) distLinks(c *Call, dir storage.Path, packages map[string]distPackage) ([]move, error) {
	var out []move
	for file, p := range packages {
		row, err := rpm.MustGet(c.Context(), d.DB, rpm.Spec{ID: p.ID}, nil)
		if err != nil {
			return nil, err
		}
		if !p.is(row) {
			return nil, fault.New(fault.Generic, "kojipkgs entry does not match db: file %s", clip(file))
		}
		b, err := build.MustGet(c.Context(), d.DB, build.Spec{ID: p.BuildID}, nil)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("%s-%s-%s.%s.rpm", p.Name, p.Version, p.Release, p.Arch)
		from, err := treeOf(b).RPM(p.Arch, name)
		if p.SigKey != "" {
			from, err = treeOf(b).Signed(p.SigKey, p.Arch, name)
		}
		if err != nil {
			return nil, err
		}
		if err := storage.CheckElement(file); err != nil {
			return nil, err
		}
		to, err := dir.Join("Packages", strings.ToLower(file[:1]), file)
		if err != nil {
			return nil, err
		}
		out = append(out, move{from, to})
	}
	return out, nil
}

// is tells whether the entry says what the hub knows of the rpm.
func (p distPackage) is(row query.Row) bool {
	epoch, has := row["epoch"].(int64)
	return row["name"] == p.Name && row["version"] == p.Version && row["release"] == p.Release && row["arch"] == p.Arch && row["size"] == p.Size &&
		row["payloadhash"] == p.PayloadHash && row["build_id"] == p.BuildID && has == (p.Epoch != nil) && (!has || epoch == *p.Epoch)
}

// linkAll gives the files second names, or copies where the file system has no links to the place. What an earlier attempt linked stays.
func (d Deps) linkAll(links []move) error {
	for _, l := range links {
		if _, err := d.Storage.Lstat(l.to); err == nil {
			continue
		}
		err := d.Storage.Link(l.from, l.to)
		if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
			err = d.Storage.Copy(l.from, l.to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
