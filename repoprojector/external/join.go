package external

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"moromi/repoprojector/repodata"
)

// joiner reads the three files beside each other and puts each package's pieces together by its checksum. Files that list the packages in another order
// than primary cost a temporary file, not memory.
type joiner struct {
	origin string
	put    func(repodata.Foreign) (repodata.Package, error)
	spool  func() (*os.File, error)
}

// join gives all packages of a repository; filelists and other may be nil.
func (j *joiner) join(primary, filelists, other io.Reader) ([]Package, error) {
	docs := documents()
	first := newSplitter(docs[0], primary)
	lists := [2]*lookup{newLookup(docs[1], filelists, j.spool), newLookup(docs[2], other, j.spool)}
	defer lists[0].close()
	defer lists[1].close()
	var out []Package
	seen := map[string]bool{}
	for {
		b, err := first.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		p, err := parsePrimary(b, j.origin, first)
		if err != nil {
			return nil, err
		}
		if seen[p.Checksum] { // as mergerepo_c, the first counts
			continue
		}
		seen[p.Checksum] = true
		f := repodata.Foreign{Base: p.base, Href: p.href, Primary: p.xml}
		for i, to := range []*[]byte{&f.Filelists, &f.Other} {
			if *to, err = lists[i].get(&p.Package); err != nil {
				return nil, errOf(&p.Package, err)
			}
		}
		if p.Entry, err = j.put(f); err != nil {
			return nil, errOf(&p.Package, err)
		}
		out = append(out, p.Package)
	}
	for _, l := range lists { // to the end: who lists packages in a document that is cut off has not listed them
		if err := l.finish(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lookup finds packages in filelists or other.
type lookup struct {
	s     *splitter // nil: the repository has no such file
	ended bool
	open  func() (*os.File, error)
	file  *os.File // what was read before it was asked for
	size  int64
	kept  map[string]span
}

type span struct{ at, size int64 }

func newLookup(d document, r io.Reader, open func() (*os.File, error)) *lookup {
	l := &lookup{open: open, kept: map[string]span{}}
	if r == nil {
		l.ended = true
		return l
	}
	l.s = newSplitter(d, r)
	return l
}

// get gives a package's XML; one that is not listed has no files or changes.
func (l *lookup) get(p *Package) ([]byte, error) {
	if at, ok := l.kept[p.Checksum]; ok {
		b := make([]byte, at.size)
		_, err := l.file.ReadAt(b, at.at)
		return b, err
	}
	for !l.ended {
		b, id, err := l.next()
		if err != nil {
			return nil, err
		}
		if l.ended {
			break
		}
		if id == p.Checksum {
			return withDeclared(b, l.s.declare), nil
		}
		if err := l.keep(id, withDeclared(b, l.s.declare)); err != nil {
			return nil, err
		}
	}
	return emptyList(p), nil
}

func (l *lookup) next() (b []byte, id string, err error) {
	b, err = l.s.next()
	if errors.Is(err, io.EOF) {
		l.ended = true
		return nil, "", nil
	}
	if err == nil {
		id, err = parseList(b, l.s)
	}
	return b, id, err
}

func (l *lookup) keep(id string, b []byte) error {
	if _, twice := l.kept[id]; twice {
		return nil
	}
	if l.file == nil {
		var err error
		if l.file, err = l.open(); err != nil {
			return err
		}
	}
	n, err := l.file.WriteAt(b, l.size)
	l.kept[id] = span{l.size, int64(n)}
	l.size += int64(n)
	return err
}

// finish reads the rest of the document.
func (l *lookup) finish() error {
	for !l.ended {
		if _, _, err := l.next(); err != nil {
			return err
		}
	}
	return nil
}

func (l *lookup) close() {
	if l.file != nil {
		_ = l.file.Close()
	}
}

// spool opens a file without a name.
func spool(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
