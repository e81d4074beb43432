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
