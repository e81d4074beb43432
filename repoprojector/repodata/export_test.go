package repodata

import "slices"

// DecodeVersion is what Version does with a file's content.
func (s *Store) DecodeVersion(b []byte) (*Version, error) { return s.decodeVersion(b) }

// Cuts gives the packages of each block.
func (p Packages) Cuts() [][]Package {
	var out [][]Package
	for _, r := range p.runs {
		out = append(out, slices.Clone(r.list))
	}
	return out
}

// Pairs says whether files are digested two at a time or each alone.
func (w *Writer) Pairs(yes bool) { w.pairs = yes }

// Whole tells whether the store has all blocks of a version.
func (s *Store) Whole(v *Version) bool {
	for _, key := range v.blocks {
		if !s.used(hexPath(blockDir, key)) {
			return false
		}
	}
	return true
}
