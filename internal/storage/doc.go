// Package storage is the one way to the files of a hub: the topdir, laid out as Koji's clients and scripts know it
// (koji/__init__.py, class PathInfo, of 1.35), reached only through an os.Root.
//
// Nothing here takes a path from a caller as text without checking it: a Path is made by Parse or by a constructor of the layout (Build, Repo,
// TaskDir …), and os.Root refuses what symlinks would lead out of the topdir. Symlinks inside the topdir are followed when reading (scratch
// builds and volumes need them) and never when an upload writes. A volume kept on another file system must be mounted at vol/NAME, since a
// symlink out of the topdir is refused.
//
// Durability: Create, WriteFile, Rename, Move, Symlink and Link have their result on disk when they return (file and directory are synced).
// Uploads are not synced; what is imported from them is, by Move.
//
// A *Topdir is safe for concurrent use.
package storage
