package external

import "moromi/repoprojector/repodata"

// Package is a package of a repository, with what merging looks at.
type Package struct {
	Name, Epoch, Version, Release string
	Arch                          string // src for source packages
	// SourceRPM is the file name of the source package, empty if the metadata does not say.
	SourceRPM string
	// Checksum of the package's file, in hex, and its type as the metadata names it. It is what the three files are joined by.
	Checksum, ChecksumType string
	// Time is the file's modification time in seconds since 1970.
	Time int64
	// Entry is what the metadata's writer puts into a repository.
	Entry repodata.Package
}

// nvra is name-version-release.arch, as pkgorigins has it.
func (p *Package) nvra() string { return p.Name + "-" + p.Version + "-" + p.Release + "." + p.Arch }
