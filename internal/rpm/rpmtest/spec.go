// Package rpmtest writes rpms for tests and benchmarks: small, deterministic, accepted by rpm and createrepo_c, and
// made in microseconds instead of the second that rpmbuild takes. It is not for production.
package rpmtest

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path"
	"slices"

	"moromi/internal/rpm"
)

// Spec says what is in a package.
type Spec struct {
	Name, Version, Release string
	Arch                   string // of the machine that built it, for source packages
	Epoch                  *int
	Source                 bool
	SourceRPM              string // of a binary package; NVR of itself if empty
	Summary, Description   string
	License, URL, Group    string
	Vendor, Packager       string
	BuildHost              string
	BuildTime              int64
	BuildArchs             []string // of a source package
	ExclusiveArch          []string
	ExcludeArch            []string
	Dependencies           []rpm.Dependency
	Files                  []rpm.File
	Changelog              []rpm.Change // newest first
	Payload                []byte       // content of the one file that the archive holds
}

// NEVRA is the package's full name; the arch of source packages is "src".
func (s Spec) NEVRA() rpm.NEVRA {
	arch := s.Arch
	if s.Source {
		arch = "src"
	}
	return rpm.NEVRA{Name: s.Name, Epoch: s.Epoch, Version: s.Version, Release: s.Release, Arch: arch}
}

// Bytes writes the package. Equal specs give equal bytes.
func (s Spec) Bytes() []byte {
	h := &header{}
	h.text(rpm.TypeStringArray, rpm.TagHeaderI18NTable, "C")
	for _, f := range []struct {
		tag  rpm.Tag
		text string
	}{
		{rpm.TagName, s.Name}, {rpm.TagVersion, s.Version}, {rpm.TagRelease, s.Release}, {rpm.TagArch, s.Arch}, {rpm.TagOS, "linux"},
		{rpm.TagLicense, s.License}, {rpm.TagURL, s.URL}, {rpm.TagVendor, s.Vendor}, {rpm.TagPackager, s.Packager},
		{rpm.TagBuildHost, s.BuildHost}, {rpm.TagRPMVersion, "4.18.0"}, {rpm.TagPlatform, s.Arch + "-redhat-linux-gnu"},
		{rpm.TagPayloadFormat, "cpio"}, {rpm.TagPayloadCompressor, "gzip"},
	} {
		if f.text != "" {
			h.text(rpm.TypeString, f.tag, f.text)
		}
	}
	h.text(rpm.TypeI18NString, rpm.TagSummary, s.Summary)
	h.text(rpm.TypeI18NString, rpm.TagDescription, s.Description)
	h.text(rpm.TypeI18NString, rpm.TagGroup, s.Group)
	h.uint32s(rpm.TagBuildTime, uint32(s.BuildTime))
	if s.Epoch != nil {
		h.uint32s(rpm.TagEpoch, uint32(*s.Epoch))
	}
	if s.Source {
		h.uint32s(rpm.TagSourcePackage, 1)
	} else {
		source := s.SourceRPM
		if source == "" {
			source = s.NEVRA().NVR() + ".src.rpm"
		}
		h.text(rpm.TypeString, rpm.TagSourceRPM, source)
	}
	h.text(rpm.TypeStringArray, rpm.TagBuildArchs, s.BuildArchs...)
	h.text(rpm.TypeStringArray, rpm.TagExclusiveArch, s.ExclusiveArch...)
	h.text(rpm.TypeStringArray, rpm.TagExcludeArch, s.ExcludeArch...)
	s.addDependencies(h)
	s.addFiles(h)
	s.addChangelog(h)
	return s.assemble(h)
}

func (s Spec) addDependencies(h *header) {
	for _, t := range rpm.DepTables() {
		var names, versions []string
		var flags []uint32
		for _, d := range s.Dependencies {
			if d.Type == t.Type {
				names, versions, flags = append(names, d.Name), append(versions, d.Version), append(flags, d.Flags)
			}
		}
		h.text(rpm.TypeStringArray, t.Name, names...)
		h.text(rpm.TypeStringArray, t.Version, versions...)
		h.uint32s(t.Flags, flags...)
	}
}

func (s Spec) addFiles(h *header) {
	var dirs, bases, digests, links, users, groups, langs []string
	var index, sizes, mtimes, flags, verify, devices, inodes []uint32
	var modes, rdevs []uint16
	total := uint64(0)
	for i, f := range s.Files {
		dir, base := path.Split(f.Name)
		at := slices.Index(dirs, dir)
		if at < 0 {
			at, dirs = len(dirs), append(dirs, dir)
		}
		index, bases, digests, links = append(index, uint32(at)), append(bases, base), append(digests, f.Digest), append(links, f.LinkTo)
		users, groups, langs = append(users, f.User), append(groups, f.Group), append(langs, "")
		sizes, mtimes, flags = append(sizes, uint32(f.Size)), append(mtimes, f.MTime), append(flags, f.Flags)
		verify, devices, inodes = append(verify, 0xffffffff), append(devices, 1), append(inodes, uint32(i+1))
		modes, rdevs = append(modes, f.Mode), append(rdevs, 0)
		total += f.Size
	}
	h.uint32s(rpm.TagSize, uint32(total))
	if len(s.Files) == 0 {
		return
	}
	const tagRDevs, tagVerify, tagDevices, tagInodes, tagLangs = 1033, 1045, 1095, 1096, 1097
	h.text(rpm.TypeStringArray, rpm.TagBaseNames, bases...)
	h.text(rpm.TypeStringArray, rpm.TagDirNames, dirs...)
	h.uint32s(rpm.TagDirIndexes, index...)
	h.text(rpm.TypeStringArray, rpm.TagFileDigests, digests...)
	h.text(rpm.TypeStringArray, rpm.TagFileLinkTos, links...)
	h.text(rpm.TypeStringArray, rpm.TagFileUserName, users...)
	h.text(rpm.TypeStringArray, rpm.TagFileGroupName, groups...)
	h.text(rpm.TypeStringArray, tagLangs, langs...)
	h.uint32s(rpm.TagFileSizes, sizes...)
	h.uint32s(rpm.TagFileMTimes, mtimes...)
	h.uint32s(rpm.TagFileFlags, flags...)
	h.uint32s(tagVerify, verify...)
	h.uint32s(tagDevices, devices...)
	h.uint32s(tagInodes, inodes...)
	h.uint16s(rpm.TagFileModes, modes...)
	h.uint16s(tagRDevs, rdevs...)
	h.uint32s(rpm.TagFileDigestAlgo, 8)
}

func (s Spec) addChangelog(h *header) {
	var times []uint32
	var authors, texts []string
	for _, c := range s.Changelog {
		times, authors, texts = append(times, uint32(c.Time)), append(authors, c.Author), append(texts, c.Text)
	}
	h.uint32s(rpm.TagChangelogTime, times...)
	h.text(rpm.TypeStringArray, rpm.TagChangelogName, authors...)
	h.text(rpm.TypeStringArray, rpm.TagChangelogText, texts...)
}

// assemble writes lead, signature header, header and payload.
func (s Spec) assemble(h *header) []byte {
	archive := cpio(s.Payload)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(archive) // a bytes.Buffer takes everything
	_ = z.Close()
	payload := packed.Bytes()
	sum := sha256.Sum256(payload)
	const tagPayloadDigest, tagPayloadDigestAlgo, regionMain, regionSignature = 5092, 5093, 63, 62
	h.text(rpm.TypeStringArray, tagPayloadDigest, hex.EncodeToString(sum[:]))
	h.uint32s(tagPayloadDigestAlgo, 8)
	main := h.bytes(regionMain)

	sum1, sum256, sum5 := sha1.Sum(main), sha256.Sum256(main), md5.Sum(slices.Concat(main, payload))
	var sig header
	sig.uint32s(rpm.SigTagSize, uint32(len(main)+len(payload)))
	sig.uint32s(rpm.SigTagPayloadSize, uint32(len(archive)))
	sig.add(rpm.SigTagMD5, rpm.TypeBin, len(sum5), sum5[:])
	sig.text(rpm.TypeString, rpm.SigTagSHA1, hex.EncodeToString(sum1[:]))
	sig.text(rpm.TypeString, rpm.SigTagSHA256, hex.EncodeToString(sum256[:]))
	signature := sig.bytes(regionSignature)
	for len(signature)%8 != 0 {
		signature = append(signature, 0)
	}

	lead := make([]byte, rpm.LeadSize)
	copy(lead, []byte{0xed, 0xab, 0xee, 0xdb, 3, 0})
	if s.Source {
		lead[7] = 1
	}
	lead[9] = 1
	copy(lead[10:75], s.NEVRA().NVR())
	lead[77], lead[79] = 1, 5
	return slices.Concat(lead, signature, main, payload)
}

// cpio is an archive of one file.
func cpio(content []byte) []byte {
	var b bytes.Buffer
	entry := func(inode int, name string, mode int, data []byte) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
		for _, part := range []string{name + "\x00", string(data)} {
			b.WriteString(part)
			for b.Len()%4 != 0 {
				b.WriteByte(0)
			}
		}
	}
	entry(1, "./.content", 0o100644, content)
	entry(0, "TRAILER!!!", 0, nil)
	return b.Bytes()
}

// header collects the entries of one header.
type header struct{ entries []entry }

type entry struct {
	tag   rpm.Tag
	typ   rpm.Type
	count int
	data  []byte
}

func (h *header) add(tag rpm.Tag, typ rpm.Type, count int, data []byte) {
	if count > 0 {
		h.entries = append(h.entries, entry{tag, typ, count, data})
	}
}

func (h *header) text(typ rpm.Type, tag rpm.Tag, list ...string) {
	var b []byte
	for _, s := range list {
		b = append(append(b, s...), 0)
	}
	h.add(tag, typ, len(list), b)
}

func (h *header) uint32s(tag rpm.Tag, list ...uint32) {
	var b []byte
	for _, v := range list {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	h.add(tag, rpm.TypeInt32, len(list), b)
}

func (h *header) uint16s(tag rpm.Tag, list ...uint16) {
	var b []byte
	for _, v := range list {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	h.add(tag, rpm.TypeInt16, len(list), b)
}

// bytes writes the header as one immutable region.
func (h *header) bytes(region uint32) []byte {
	slices.SortStableFunc(h.entries, func(a, b entry) int { return int(a.tag) - int(b.tag) })
	var index, store []byte
	put := func(v ...uint32) {
		for _, x := range v {
			index = binary.BigEndian.AppendUint32(index, x)
		}
	}
	for _, e := range h.entries {
		align := map[rpm.Type]int{rpm.TypeInt16: 2, rpm.TypeInt32: 4}[e.typ]
		for align > 0 && len(store)%align != 0 {
			store = append(store, 0)
		}
		put(uint32(e.tag), uint32(e.typ), uint32(len(store)), uint32(e.count))
		store = append(store, e.data...)
	}
	entries := index
	index = []byte{0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0}
	n := uint32(len(h.entries) + 1)
	put(n, uint32(len(store)+16))
	put(region, uint32(rpm.TypeBin), uint32(len(store)), 16)
	index = append(index, entries...)
	for _, v := range []uint32{region, uint32(rpm.TypeBin), uint32(-16 * int32(n)), 16} { // the region's trailer
		store = binary.BigEndian.AppendUint32(store, v)
	}
	return append(index, store...)
}
