package repodata

// DecodeVersion is what Version does with a file's content.
func (s *Store) DecodeVersion(b []byte) (*Version, error) { return s.decodeVersion(b) }
