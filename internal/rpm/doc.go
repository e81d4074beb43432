// Package rpm reads the headers of RPM packages and compares their versions. It is for the hub's import, for
// repository metadata and for the builder; only Verify reads a payload, and no signature is checked
// against a key.
//
// An rpm file is a lead of 96 bytes, a signature header (padded to 8 bytes), a main header and a payload (rpm's
// docs/manual/format_v4.md and format_v6.md, lib/header.cc). ReadHeader checks what librpm's header import checks — tag, type,
// count, alignment, range, no overlap — so that a hostile file costs no more memory than it has bytes and
// everything that a Header gives afterwards cannot fail for the bytes behind it. Limits are the constants Max….
//
// A Header and a Signature are read-only after they were made and may be used from several goroutines.
package rpm
