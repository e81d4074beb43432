// Package repodata writes the metadata of RPM repositories: primary, filelists, other, group data and repomd.xml,
// with the content that createrepo_c gives them, for the cost of what changed.
//
// Everything that an rpm says about itself is a Fragment, made once (ReadRPM) and kept by the rpm's SHA-256. The
// packages of a repository, in createrepo_c's order, are cut into blocks of about 32; where a block ends depends on
// the names in it alone, so the same run of packages gives the same block in every repository and version. A block
// is kept compressed, as one member of a multi-member gzip (or frame of a zstd) file, by the digest of what it
// holds. Writing a repository is then: look up its blocks, make those that are missing, write one after the other.
//
// Fragments and blocks (Store) are a cache: they may be deleted at any time, and what is damaged is made again.
// Repository directories are not: they appear whole or not at all, and are durable when Write returns.
//
// Sources: createrepo_c's parsehdr.c, xml_dump*.c and repomd.c for the content (its tests here compare byte for
// byte), https://createrepo.baseurl.org for the format, Koji's koji/__init__.py (generate_comps) for group data.
package repodata
