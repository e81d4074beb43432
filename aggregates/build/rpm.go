package build

import (
	"slices"
	"strings"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

type nvra struct{ name, version, release, arch string }

func (n nvra) String() string { return n.name + "-" + n.version + "-" + n.release + "." + n.arch }

type rpm struct {
	nvra
	sigs map[string]string // signature header's hash by key
	sums map[sum]string
}

type sum struct {
	key  string
	kind int
}

func (b *Build) applyRPM(e events.Event) {
	switch e := e.(type) {
	case events.RPMsImported:
		if b.rpms == nil {
			b.rpms, b.byID = map[nvra]*rpm{}, map[int64]*rpm{}
		}
		for _, r := range e.RPMs {
			k := &rpm{nvra: nvra{r.Name, r.Version, r.Release, r.Arch}}
			if r.SigHash != "" {
				k.sigs = map[string]string{r.SigKey: r.SigHash}
			}
			b.rpms[k.nvra], b.byID[r.ID] = k, k
		}
		b.partial = e.Partial
	case events.ImportUndone:
		b.forget()
	case events.RPMSigned:
		if r := b.byID[e.RPMID]; r != nil {
			if r.sigs == nil {
				r.sigs = map[string]string{}
			}
			r.sigs[e.SigKey] = e.SigHash
		}
	case events.RPMSignaturesRemoved:
		if r := b.byID[e.RPMID]; r != nil {
			for _, k := range e.SigKeys {
				delete(r.sigs, k)
			}
			for k := range r.sums {
				if slices.Contains(e.SigKeys, k.key) {
					delete(r.sums, k)
				}
			}
		}
	case events.RPMChecksummed:
		if r := b.byID[e.RPMID]; r != nil {
			if r.sums == nil {
				r.sums = map[sum]string{}
			}
			r.sums[sum{e.SigKey, e.Type}] = e.Checksum
		}
	}
}

func (b *Build) forget() { b.rpms, b.byID, b.archives, b.partial = nil, nil, nil, false }

// Importable tells why rpms cannot be added to the build.
func (b *Build) Importable() error {
	switch {
	case !b.exists:
		return b.known()
	case b.state == koji.BuildFailed || b.state == koji.BuildCanceled || b.state == koji.BuildDeleted:
		return fault.New(fault.Generic, "Build is %s: %d", b.state, b.id)
	}
	return nil
}

// Import adds more rpms to the build, and the build type.
func (b *Build) Import(btype int64, rpms ...events.RPM) ([]events.Event, error) {
	if err := b.Importable(); err != nil {
		return nil, err
	}
	seen := map[nvra]bool{}
	for _, r := range rpms {
		k := nvra{r.Name, r.Version, r.Release, r.Arch}
		if b.rpms[k] != nil || seen[k] {
			return nil, duplicate(r)
		}
		seen[k] = true
	}
	typed, err := b.SetType(btype)
	return append(typed, events.RPMsImported{BuildID: b.id, Draft: b.draft, RPMs: rpms}), err
}

func duplicate(r events.RPM) error {
	return fault.New(fault.Generic, "rpm already imported: %s", nvra{r.Name, r.Version, r.Release, r.Arch})
}

// maxImportBytes bounds the events of one append of an import, well below events.MaxAppendBytes, which counts the envelopes too.
const maxImportBytes = 900 << 10

// Completable tells why the task cannot complete the build.
func (b *Build) Completable() error {
	if err := b.known(); err != nil {
		return err
	}
	if b.state != koji.BuildBuilding {
		return fault.New(fault.Generic, "Unable to complete build: state is %s", b.state)
	}
	return nil
}

// Completed tells whether the task has completed the build.
func (b *Build) Completed(task int64) bool {
	return b.exists && b.state == koji.BuildComplete && b.task != nil && *b.task == task
}

// Empty tells whether nothing in the build counts: there are no rpms and archives, or only those of an import that did not come to its end.
func (b *Build) Empty() bool { return len(b.rpms) == 0 && len(b.archives) == 0 || b.partial }

// Batches splits the rpms of an import into as many appends as it takes: nearly always one.
func Batches(rpms []events.RPM) [][]events.RPM {
	return batches(rpms, func(r events.RPM) int {
		return len(r.Name) + len(r.Version) + len(r.Release) + len(r.Extra) + rpmOverhead
	})
}

// batches splits a list so that what is in each part takes no more than an append may. There is always one part at least.
func batches[T any](list []T, cost func(T) int) [][]T {
	var out [][]T
	size, from := 0, 0
	for i, x := range list {
		n := cost(x)
		if i > from && size+n > maxImportBytes {
			out, size, from = append(out, list[from:i]), 0, i
		}
		size += n
	}
	return append(out, list[from:])
}

// rpmOverhead is what an rpm takes in an event besides its name: keys, digests and numbers.
const rpmOverhead = 420

// Complete decides batch number i of n of the build's import; with the last one the build is complete. The first takes back what an earlier
// attempt left.
func (b *Build) Complete(batch []events.RPM, i, n int, volume int64) ([]events.Event, error) {
	if err := b.Completable(); err != nil {
		return nil, err
	}
	var evs []events.Event
	if i == 0 && b.partial {
		evs = append(evs, events.ImportUndone{BuildID: b.id})
	}
	seen := map[nvra]bool{}
	for _, r := range batch {
		k := nvra{r.Name, r.Version, r.Release, r.Arch}
		if seen[k] || b.rpms[k] != nil && len(evs) == 0 {
			return nil, duplicate(r)
		}
		seen[k] = true
	}
	if len(batch) > 0 {
		evs = append(evs, events.RPMsImported{BuildID: b.id, Draft: b.draft, Partial: i < n-1, RPMs: batch})
	}
	if i == n-1 {
		evs = append(evs, events.BuildCompleted{ID: b.id, VolumeID: volume})
	}
	return evs, nil
}

// Sign keeps a signature header for an rpm. A key signs an rpm once.
func (b *Build) Sign(id int64, key, hash string) ([]events.Event, error) {
	r := b.byID[id]
	if r == nil {
		return nil, fault.New(fault.Generic, "No such rpm: %d", id)
	}
	if _, there := r.sigs[key]; there {
		return nil, fault.New(fault.Generic, "Signature already exists for package %s, key %s", r, key)
	}
	return []events.Event{events.RPMSigned{BuildID: b.id, RPMID: id, SigKey: key, SigHash: hash}}, nil
}

// RemoveSignatures forgets the signature headers of the keys; nil names all.
func (b *Build) RemoveSignatures(id int64, keys []string) ([]events.Event, error) {
	r := b.byID[id]
	if r == nil {
		return nil, fault.New(fault.Generic, "No such rpm: %d", id)
	}
	var gone []string
	for k := range r.sigs {
		if keys == nil || slices.Contains(keys, k) {
			gone = append(gone, k)
		}
	}
	if len(gone) == 0 {
		return nil, fault.New(fault.Generic, "%s has no matching signatures to delete", r)
	}
	slices.SortFunc(gone, strings.Compare)
	return []events.Event{events.RPMSignaturesRemoved{BuildID: b.id, RPMID: id, SigKeys: gone}}, nil
}

// Checksum records the checksums (by koji's CHECKSUM_TYPES number) of the copy of an rpm with a key's signature. One that is on record must be the same.
func (b *Build) Checksum(id int64, key string, sums map[int]string) ([]events.Event, error) {
	r := b.byID[id]
	if r == nil {
		return nil, fault.New(fault.Generic, "No such rpm: %d", id)
	}
	kinds := make([]int, 0, len(sums))
	for k := range sums {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	var evs []events.Event
	for _, k := range kinds {
		have, there := r.sums[sum{key, k}]
		if there && have != sums[k] {
			return nil, fault.New(fault.Generic, "The checksum of rpm %d with signature %s is not what is on record", id, key)
		}
		if !there {
			evs = append(evs, events.RPMChecksummed{BuildID: b.id, RPMID: id, SigKey: key, Type: k, Checksum: sums[k]})
		}
	}
	return evs, nil
}
