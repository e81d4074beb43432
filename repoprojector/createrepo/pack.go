package createrepo

import "context"

// slack is how much of a pack may be out of use, beside as much as is in use, before another one takes its place.
const slack = 16 << 20

// openPack begins the next table, and finds the pack for the texts: the old one, or one that holds only what is needed.
func (a *assembly) openPack() error {
	a.next = &table{settings: a.settings(), blocks: make([]tableBlock, len(a.jobs))}
	if a.old != nil && a.old.packSize <= 2*a.old.textSize()+slack {
		a.next.pack, a.next.packSize, a.pack = a.old.table.pack, a.old.packSize, a.old.pack
		return nil
	}
	var err error
	a.next.pack, a.pack, err = a.newPack()
	return err
}

// closePack closes a new pack; the old one is the state's.
func (a *assembly) closePack() error {
	if a.old != nil && a.pack == a.old.pack {
		return nil
	}
	return a.pack.Close()
}

// writePack puts the texts of new blocks behind those in the pack; into a new pack, all texts. What a run that failed
// has left there is overwritten: no table says that it is in use.
func (a *assembly) writePack(ctx context.Context) error {
	fresh := a.old == nil || a.pack != a.old.pack
	var buf []byte
	for i := range a.jobs {
		j, x := &a.jobs[i], &a.next.blocks[i]
		x.count = len(j.entries)
		if j.old == nil {
			var err error
			if buf, err = a.packBuilt(ctx, j, x, buf); err != nil {
				return err
			}
			continue
		}
		if x.text = j.old.text; !fresh {
			continue
		}
		x.text = a.next.packSize
		for k := range kinds {
			var err error
			if buf, err = readSection(a.old.pack, j.old.textAt(k), j.old.parts[k].open, buf); err != nil {
				return err
			}
			if err := a.appendPack(buf); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// packBuilt writes the texts of a built block. It uses buf, and gives it back.
func (a *assembly) packBuilt(ctx context.Context, j *job, x *tableBlock, buf []byte) ([]byte, error) {
	b, err := a.wait(ctx, j)
	if err != nil {
		return buf, err
	}
	defer a.release(b)
	if a.bad.Load() > 0 {
		return buf, nil
	}
	x.text = a.next.packSize
	for k := range kinds {
		// in one write, as it will be read: the system keeps it in larger units then, which costs the next run less
		buf = buf[:0]
		for _, piece := range b.open[k].pieces {
			buf = append(buf, piece...)
		}
		if err := a.appendPack(buf); err != nil {
			return buf, err
		}
	}
	return buf, nil
}

func (a *assembly) appendPack(b []byte) error {
	a.step("write pack")
	_, err := a.pack.WriteAt(b, a.next.packSize)
	a.next.packSize += int64(len(b))
	return err
}

// finish completes the table with the packages.
func (t *table) finish(entries []entry) {
	t.packages = make([]tablePackage, len(entries))
	for i := range entries {
		e := &entries[i]
		t.packages[i] = tablePackage{name: e.name, mtime: e.mtime, size: e.size, text: e.text, ends: e.ends}
	}
}
