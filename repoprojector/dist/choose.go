package dist

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/query"
	rpmmodel "moromi/projections/rpm"
	tagmodel "moromi/projections/tag"
	"moromi/repoprojector/repodata"
)

// member is an rpm of a repository.
type member struct {
	row  query.Row // in listTaggedRPMS' shape; shared, not to be changed
	id   int64
	file string // NAME-VERSION-RELEASE.ARCH.rpm
	// key is that of the signed copy; empty for the file as it was imported.
	key      string
	unsigned bool     // none of the keys that are asked for signed it
	have     []string // keys of its signatures, sorted
	from     storage.Path
	multilib bool
	pkg      repodata.Package
}

// nvra is the rpm's name without ".rpm".
func (x *member) nvra() string { return strings.TrimSuffix(x.file, ".rpm") }

// href is the rpm's place in the repository.
func (x *member) href() string {
	return "Packages/" + strings.ToLower(x.file[:1]) + "/" + x.file
}

// archRepo is the repository of one architecture that is being made.
type archRepo struct {
	*Maker
	*request
	task    int64 // the child
	arch    string
	members map[string]*member // by file
}

// choose finds the rpms of the architecture and which copy of each is to be had. Everything that is wrong is found before it fails, and stands in logs.
func (a *archRepo) choose(ctx context.Context) error {
	all, err := a.tagged(ctx)
	if err != nil {
		return err
	}
	if err := a.writeSigned(ctx, all); err != nil {
		return err
	}
	a.members = map[string]*member{}
	var missing []string
	var unsigned []*member
	for _, x := range all {
		if x.unsigned {
			unsigned = append(unsigned, x)
			if a.skip {
				continue
			}
		}
		st, err := a.Storage.Stat(x.from)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && !st.Mode().IsRegular():
			missing = append(missing, a.Storage.Abs(x.from))
		case err != nil:
			return fmt.Errorf("look at %s: %w", x.from, err)
		default:
			a.members[x.file] = x
		}
	}
	if len(missing) > 0 {
		return a.reportMissing(missing)
	}
	if len(unsigned) == 0 {
		return nil
	}
	if err := a.reportUnsigned(unsigned); err != nil {
		return err
	}
	if !a.skip && !a.allow {
		return fault.New(fault.Generic, "Unsigned packages found. See missing_signatures.log")
	}
	return nil
}

// tagged gives the rpms of the architecture in the tag, sorted by file, with the key that is preferred among those of their signatures.
func (a *archRepo) tagged(ctx context.Context) ([]*member, error) {
	f := tagmodel.RPMFilter{BuildFilter: tagmodel.BuildFilter{Inherited: a.inherit, Latest: a.latest}, Arches: compatible(a.arch), Signatures: true}
	rows, builds, err := tagmodel.RPMs(ctx, a.DB, a.tagID, f, &a.event)
	if err != nil {
		return nil, err
	}
	trees := make(map[int64]storage.Build, len(builds))
	for _, b := range builds {
		if b["draft"] == true {
			return nil, fault.New(fault.Build, "Draft build: %s is not allowed", b["nvr"])
		}
		trees[b["build_id"].(int64)] = storage.Build{Volume: b["volume_name"].(string), Name: b["package_name"].(string), Version: b["version"].(string), Release: b["release"].(string)}
	}
	byID := map[int64]*member{}
	for _, r := range rows {
		if r["metadata_only"] == true { // there is no file
			continue
		}
		id := r["id"].(int64)
		x := byID[id]
		if x == nil {
			x = &member{row: r, id: id, file: fmt.Sprintf("%s-%s-%s.%s.rpm", r["name"], r["version"], r["release"], r["arch"])}
			byID[id] = x
		}
		if key, ok := r["sigkey"].(string); ok {
			x.have = append(x.have, strings.ToLower(key))
		}
	}
	all := slices.SortedFunc(maps.Values(byID), func(x, y *member) int { return cmp.Compare(x.file, y.file) })
	for _, x := range all {
		if err := a.pick(x, trees[x.row["build_id"].(int64)]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// pick decides which copy of an rpm is wanted: the signed one of the first key that signed it, else the file as it was imported.
func (a *archRepo) pick(x *member, tree storage.Build) (err error) {
	arch := x.row["arch"].(string)
	i := slices.IndexFunc(a.keys, func(k string) bool { return slices.Contains(x.have, k) })
	if x.unsigned = i < 0; x.unsigned {
		x.from, err = tree.RPM(arch, x.file)
		return err
	}
	x.key = a.keys[i]
	x.from, err = tree.Signed(x.key, arch, x.file)
	return err
}

// writeSigned writes the signed copies, if that is asked for. What cannot be written is noted, and missed later.
func (a *archRepo) writeSigned(ctx context.Context, all []*member) error {
	if !a.write {
		return nil
	}
	var log bytes.Buffer
	for _, x := range all {
		if x.unsigned {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		switch err := a.Service.WriteSignedRPM(ctx, commands.Actor{}, rpmmodel.Spec{ID: x.id}, x.key, false); {
		case err == nil:
			fmt.Fprintf(&log, "Signed RPM %d is written with %s key.\n", x.id, x.key)
		default:
			_, why := reason(err)
			fmt.Fprintf(&log, "FAILED: Signed RPM %d is not written with %s key, error: %s\n", x.id, x.key, why)
		}
	}
	if log.Len() == 0 {
		return nil
	}
	return a.logFile(a.task, "written_signed_rpms.log", log.Bytes())
}

// reportMissing lists the files that are not there.
func (a *archRepo) reportMissing(files []string) error {
	slices.Sort(files)
	text := "Some rpm files were missing.\nMost likely, you want to create these signed copies.\n\nMissing files:\n" + strings.Join(files, "\n") + "\n"
	if err := a.logFile(a.task, "missing_files.log", []byte(text)); err != nil {
		return err
	}
	return fault.New(fault.Generic, "Packages missing from the filesystem. See missing_files.log.")
}

// reportUnsigned lists the rpms that none of the keys signed.
func (a *archRepo) reportUnsigned(list []*member) error {
	var b bytes.Buffer
	b.WriteString("Some rpms were missing requested signatures.\n")
	if a.skip {
		b.WriteString("The skip_missing_signatures option was specified, so these files were excluded.\n")
	}
	fmt.Fprintf(&b, "Requested keys: %s\n\n# RPM name: available keys\n", quoted(a.keys))
	for _, x := range list {
		fmt.Fprintf(&b, "%s: %s\n", x.nvra(), quoted(x.have))
	}
	return a.logFile(a.task, "missing_signatures.log", b.Bytes())
}

// quoted lists keys as Python does.
func quoted(keys []string) string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = "'" + k + "'"
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// debug tells whether the rpm belongs to the repository of debugging information.
func (a *archRepo) debug(x *member) bool {
	return a.split && koji.IsDebuginfo(x.row["name"].(string))
}
