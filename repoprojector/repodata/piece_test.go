package repodata_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/repodata"
)

// TestRPMReader reads many rpms into the same memory, small ones behind large ones.
func TestRPMReader(t *testing.T) {
	t.Parallel()
	var x repodata.RPMReader
	corpus := rpmtest.NewCorpus(1)
	for i := range 200 {
		spec := corpus.Package(i, 0)
		if i%50 == 1 {
			spec.Description = strings.Repeat("long <&> ", 50_000)
		}
		data := spec.Bytes()
		got, _, err := x.ReadRPM(bytes.NewReader(data))
		check(t, err)
		want, _, err := repodata.ReadRPM(bytes.NewReader(data))
		check(t, err)
		if got.Digest != want.Digest || got.Size() != want.Size() {
			t.Fatalf("rpm %d: %s of %d bytes, want %s of %d", i, got.Digest, got.Size(), want.Digest, want.Size())
		}
		place := repodata.Place{Href: "a&b.rpm", Base: []string{"", "http://example.com/?a&b"}[i%2], Time: 17}
		for k := range repodata.Kinds {
			var g, w bytes.Buffer
			check(t, got.Write(&g, k, place))
			check(t, want.Write(&w, k, place))
			if !bytes.Equal(g.Bytes(), w.Bytes()) {
				t.Fatalf("rpm %d, %s:\n%s\nwant\n%s", i, k, g.Bytes(), w.Bytes())
			}
		}
	}
}

// TestCompressor makes members of pieces, more at once than there are processors.
func TestCompressor(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("<file>/usr/share/doc</file>\n", 10_000))
	for _, kind := range []repodata.Compression{repodata.Gzip, repodata.Zstd} {
		z, err := repodata.NewCompressor(kind)
		check(t, err)
		want, err := z.Append([]byte("before"), text)
		check(t, err)
		var g errgroup.Group
		for n := range 20 {
			g.Go(func() error {
				pieces := [][]byte{text[:n*1000], nil, text[n*1000 : n*1001], text[n*1001:]}
				var member bytes.Buffer
				if err := z.Compress(&member, pieces...); err != nil {
					return err
				}
				if !bytes.Equal(member.Bytes(), want[len("before"):]) {
					t.Errorf("%s: other pieces of the same text give another member", kind.Ext())
				}
				return nil
			})
		}
		check(t, g.Wait())
		if got := decompress(t, kind, want[len("before"):]); !bytes.Equal(got, text) {
			t.Errorf("%s: the member holds %d bytes, want %d", kind.Ext(), len(got), len(text))
		}
	}
}

func decompress(tb testing.TB, kind repodata.Compression, member []byte) []byte {
	tb.Helper()
	var r io.Reader
	var err error
	if kind == repodata.Zstd {
		r, err = zstd.NewReader(bytes.NewReader(member))
	} else {
		r, err = gzip.NewReader(bytes.NewReader(member))
	}
	check(tb, err)
	text, err := io.ReadAll(r)
	check(tb, err)
	return text
}
