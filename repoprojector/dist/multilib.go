package dist

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/rpm"
	"moromi/internal/storage"
	"moromi/projections/query"
)

const (
	// maxMultilibConfig bounds the uploaded configuration; the one that comes with python-multilib has a kilobyte.
	maxMultilibConfig = 1 << 20
	// maxKojipkgs bounds the list of an architecture's rpms: a hundred thousand take some 60 MB.
	maxKojipkgs = 256 << 20
)

// addMultilib adds the 32-bit rpms that belong beside the 64-bit ones, and what those need, out of the 32-bit repository that was made before.
func (a *archRepo) addMultilib(ctx context.Context) error {
	other := partner(a.arch)
	if other == "" {
		return fault.New(fault.Generic, "There is no multilib arch for %s", a.arch)
	}
	dir, err := a.place()
	if err != nil {
		return err
	}
	if dir, err = dir.Join(koji.CanonArch(other)); err != nil {
		return err
	}
	there, err := a.readMembers(dir, other)
	if err != nil {
		return err
	}
	config, err := a.Storage.ReadFile(a.multilib, maxMultilibConfig)
	if err != nil {
		return fault.Wrap(err, fault.Generic, "The multilib configuration cannot be read")
	}
	m, err := parseMethod(config)
	if err != nil {
		return err
	}
	wanted, err := a.partners(ctx, m, dir, other, there)
	if err != nil {
		return err
	}
	needed, err := a.close(ctx, there, wanted)
	if err != nil {
		return err
	}
	for _, file := range needed {
		if a.members[file] == nil { // noarch ones are there
			x := there[file]
			x.multilib = true
			a.members[file] = x
		}
	}
	return nil
}

// readMembers reads what the 32-bit repository has.
func (a *archRepo) readMembers(dir storage.Path, arch string) (map[string]*member, error) {
	p, err := dir.Join(kojipkgsName)
	if err != nil {
		return nil, err
	}
	raw, err := a.Storage.ReadFile(p, maxKojipkgs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Generic, "The multilib arch (%s) must be included", arch)
	}
	if err != nil {
		return nil, err
	}
	entries := map[string]map[string]any{}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&entries); err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	out := make(map[string]*member, len(entries))
	for file, e := range entries {
		x, err := memberOf(file, e)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		if x.from, err = storage.Parse(dir.String() + "/" + x.href()); err != nil {
			return nil, err
		}
		if e["_subrepo"] == nil { // debugging information is not in the repository itself
			out[file] = x
		}
	}
	return out, nil
}

// memberOf makes a member of an entry of kojipkgs.
func memberOf(file string, e map[string]any) (*member, error) {
	row := query.Row{}
	for k, v := range e {
		if n, ok := v.(json.Number); ok {
			i, err := n.Int64()
			if err != nil {
				return nil, fmt.Errorf("%s of %s: %w", k, file, err)
			}
			v = i
		}
		if !strings.HasPrefix(k, "_") {
			row[k] = v
		}
	}
	x := &member{row: row, file: file}
	var ok bool
	if x.id, ok = row["id"].(int64); !ok {
		return nil, fmt.Errorf("%s has no id", file)
	}
	key, signed := row["sigkey"].(string)
	x.key, x.unsigned = key, !signed
	return x, nil
}

// partners finds the 32-bit rpms that the method wants. All that are not there are found before it fails.
func (a *archRepo) partners(ctx context.Context, m *method, dir storage.Path, other string, there map[string]*member) ([]string, error) {
	headers, err := a.headers(ctx, a.members)
	if err != nil {
		return nil, err
	}
	var wanted, missing []string
	for _, file := range slices.Sorted(maps.Keys(headers)) {
		yes, err := m.takes(headers[file])
		if err != nil {
			return nil, err
		}
		if !yes {
			continue
		}
		x := file
		if base, ok := strings.CutSuffix(file, "."+a.arch+".rpm"); ok {
			x = base + "." + other + ".rpm"
		}
		if there[x] == nil {
			missing = append(missing, a.Storage.Abs(dir)+"/"+(&member{file: x}).href())
			continue
		}
		wanted = append(wanted, x)
	}
	if len(missing) > 0 {
		text := "The following multilib files were missing:\n" + strings.Join(missing, "\n") + "\n"
		if err := a.logFile(a.task, "missing_multilib.log", []byte(text)); err != nil {
			return nil, err
		}
		return nil, fault.New(fault.Generic, "multilib packages missing. See missing_multilib.log")
	}
	return wanted, nil
}

// headers reads the headers of rpms.
func (a *archRepo) headers(ctx context.Context, members map[string]*member) (map[string]*rpm.Header, error) {
	out := make(map[string]*rpm.Header, len(members))
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for file, x := range members {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			h, err := a.header(x.from)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			out[file] = h
			return nil
		})
	}
	return out, g.Wait()
}

// close adds to the wanted rpms what they need, out of those that are there. What cannot be had stands in a log.
func (a *archRepo) close(ctx context.Context, there map[string]*member, wanted []string) ([]string, error) {
	headers, err := a.headers(ctx, there)
	if err != nil {
		return nil, err
	}
	u, err := newUniverse(headers)
	if err != nil {
		return nil, err
	}
	files, problems := u.close(wanted)
	if len(problems) == 0 {
		return files, nil
	}
	if err := a.logFile(a.task, "multilib_problems.log", []byte(strings.Join(problems, "\n")+"\n")); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.Generic, "multilib packages cannot be installed together (%s). See multilib_problems.log", problems[0])
}
