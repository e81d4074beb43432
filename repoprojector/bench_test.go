package repoprojector_test

import (
	"fmt"
	"testing"
	"time"

	"moromi/aggregates/tag"
	"moromi/events"
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
