// Package createrepo writes the metadata of a directory of rpms, as the program createrepo_c does: the same packages,
// order and text, so the checksums of the uncompressed files are equal. It is the engine of `moromid createrepo`.
//
// The packages are cut into the blocks of package repodata, and each file is one compressed member a block. With
// Options.Update, a State is kept beside the result: a table with what each block holds and where, and how the two
// SHA-256 sums of each file stand behind each block, and a pack with the uncompressed text. The next run then reads only the
// rpms that came or changed, compresses only their blocks, copies all other members, and digests only what stands
// behind the first change. All that it takes over is held to its checksum first; where anything does not fit, the run
// starts over without the state.
//
// A repodata directory is replaced as a whole, by one exchange of names, after all that is in it is on disk.
// A run that is killed leaves the old one, and the next run removes what was left.
//
// Sources: the behaviour of createrepo_c 0.17.3 and its manual page; the tests compare with the program.
package createrepo
