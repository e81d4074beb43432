package repoprojector_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/rpm/rpmtest"
	"moromi/internal/storage"
	"moromi/repoprojector"
)

// BenchmarkEventToReady measures the time from a tagging of a build to the READY repository of the build tag that inherits from the tag, with 300
// binary rpms in it. Each event comes after a rest, as a build's tagging does.
func BenchmarkEventToReady(b *testing.B) {
	const builds, each = 100, 3
	s := newSite(b)
	dest := s.makeTag("dist", nil)
	root := s.makeTag("dist-build", nil, dest)
	s.makeTarget("dist", root, dest)
	var ids []int64
	for i := range builds {
		n := fmt.Sprintf("pkg%03d", i)
		s.list(dest, n, false)
		var bins [][2]string
		for j := range each {
			bins = append(bins, [2]string{fmt.Sprintf("%s-part%d", n, j), "x86_64"})
		}
		ids = append(ids, s.importBuild(n, "1", bins...))
	}
	at := s.put(dest, ids...)
	s.start()
	s.waitFor(root, at)
	in := true
	for b.Loop() {
		b.StopTimer()
		<-time.After(600 * time.Millisecond)
		b.StartTimer()
		if in = !in; in {
			at = s.put(dest, ids[7])
		} else {
			at = s.change(dest, func(t *tag.Tag) ([]events.Event, error) { return t.UntagBuild(ids[7], "", "", true) })
		}
		s.waitFor(root, at)
	}
}

// many is a Source whose tags have thousands of rpms, whatever the read models say.
type many struct {
	repoprojector.Source
	rpms []repoprojector.RPM
}

func (m many) Content(ctx context.Context, tag, event int64) (*repoprojector.Content, error) {
	c, err := m.Source.Content(ctx, tag, event)
	if err != nil {
		return nil, err
	}
	c.RPMs = m.rpms[:len(m.rpms)-int(event%2)] // another package comes or goes
	return c, nil
}

func (m many) ContentOf(_ context.Context, _, event int64, pkg string, _ bool) (out []repoprojector.RPM, err error) {
	for _, r := range m.rpms[:len(m.rpms)-int(event%2)] {
		if r.Build.Name == pkg {
			out = append(out, r)
		}
	}
	return out, nil
}

// BenchmarkBigTag is BenchmarkEventToReady for a tag with 5,000 rpms as varied as a distribution's; reading them from the read models is not
// in it.
func BenchmarkBigTag(b *testing.B) {
	s := newSite(b)
	corpus := rpmtest.NewCorpus(1)
	src := many{Source: repoprojector.NewSource(s.DB)}
	for i := range 5000 {
		spec := corpus.Package(i, 0)
		n := spec.NEVRA()
		data := spec.Bytes()
		sum := sha256.Sum256(data)
		dir := filepath.Join(s.top, "packages", n.Name, n.Version, n.Release, n.Arch)
		s.check(os.MkdirAll(dir, 0o755))
		s.check(os.WriteFile(filepath.Join(dir, n.FileName()), data, 0o644))
		src.rpms = append(src.rpms, repoprojector.RPM{Name: n.Name, Version: n.Version, Release: n.Release, Arch: n.Arch, ID: int64(i + 1), Size: int64(len(data)),
			SHA256: hex.EncodeToString(sum[:]), Build: storage.Build{Name: n.Name, Version: n.Version, Release: n.Release}})
	}
	s.source = src
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.start()
	s.waitFor(root, 0)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		<-time.After(600 * time.Millisecond)
		b.StartTimer()
		s.waitFor(root, s.list(root, fmt.Sprintf("p%d", i), false))
	}
}
