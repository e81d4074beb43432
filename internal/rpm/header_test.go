package rpm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/rpm"
	"moromi/internal/rpm/rpmtest"
)

func fixtures(tb testing.TB) []string {
	tb.Helper()
	names, err := filepath.Glob("testdata/*.rpm")
	if err != nil || len(names) == 0 {
		tb.Fatalf("no fixtures: %v", err)
	}
	return names
}

func readHeader(tb testing.TB, path string) *rpm.Header {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	h, err := rpm.ReadHeader(f)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	return h
}

// query asks rpm itself.
func query(tb testing.TB, path, format string) string {
	tb.Helper()
	bin, err := exec.LookPath("rpm")
	if err != nil {
		tb.Skip("rpm is not installed")
	}
	out, err := exec.Command(bin, "-qp", "--nosignature", "--nodigest", "--qf", format, path).Output()
	if err != nil {
		tb.Fatalf("rpm -qp %s: %v", path, err)
	}
	return string(out)
}

func TestHeaderAgainstRPM(t *testing.T) {
	t.Parallel()
	for _, path := range fixtures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			h := readHeader(t, path)
			n := h.NEVRA()
			epoch := "(none)"
			if n.Epoch != nil {
				epoch = fmt.Sprint(*n.Epoch)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "%s|%s|%s|%s|%s|", n.Name, epoch, n.Version, n.Release, h.String(rpm.TagArch))
			fmt.Fprintf(&b, "%s|%d|%d|%s|%s|%s|", h.SigMD5(), h.BuildTime(), h.Size(), orNone(h.SourceRPM()), h.Summary(), h.Description())
			fmt.Fprintf(&b, "%d|%s|", h.ArchiveSize(), h.String(rpm.TagLicense))
			for _, c := range h.Changelog() {
				fmt.Fprintf(&b, "%d/%s/%s;", c.Time, c.Author, c.Text)
			}
			want := query(t, path, "%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}|"+
				"%{SIGMD5}|%{BUILDTIME}|%{LONGSIZE}|%{SOURCERPM}|%{SUMMARY}|%{DESCRIPTION}|%{LONGARCHIVESIZE}|%{LICENSE}|"+
				"[%{CHANGELOGTIME}/%{CHANGELOGNAME}/%{CHANGELOGTEXT};]")
			if got := b.String(); got != want {
				t.Errorf("header fields\n got %s\nwant %s", got, want)
			}

			b.Reset()
			files, err := h.Files()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				fmt.Fprintf(&b, "%s|%s|%d|%d|%s|%s|%d|%d|%s\n", f.Name, f.Digest, f.Size, f.Flags, f.User, f.Group, f.MTime, f.Mode, f.LinkTo)
			}
			want = query(t, path, `[%{FILENAMES}|%{FILEDIGESTS}|%{LONGFILESIZES}|%{FILEFLAGS}|%{FILEUSERNAME}|%{FILEGROUPNAME}|%{FILEMTIMES}|%{FILEMODES}|%{FILELINKTOS}\n]`)
			if got := b.String(); got != want {
				t.Errorf("files\n got %s\nwant %s", got, want)
			}

			b.Reset()
			for _, d := range h.Dependencies() {
				fmt.Fprintf(&b, "%s|%d|%s\n", d.Name, d.Flags, d.Version)
			}
			want = ""
			for _, kind := range []string{"REQUIRE", "PROVIDE", "CONFLICT", "OBSOLETE", "SUGGEST", "ENHANCE", "SUPPLEMENT", "RECOMMEND"} {
				q := fmt.Sprintf(`[%%{%[1]sNAME}|%%{%[1]sFLAGS}|%%{%[1]sVERSION}\n]`, kind)
				if s := query(t, path, q); s != "(none)|(none)|(none)\n" {
					want += s
				}
			}
			if got := b.String(); got != want {
				t.Errorf("dependencies\n got %s\nwant %s", got, want)
			}
			if got, want := n.FileName(), strings.Replace(filepath.Base(path), ".signed", "", 1); got != want {
				t.Errorf("file name %s, want %s", got, want)
			}
		})
	}
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func TestSource(t *testing.T) {
	t.Parallel()
	h := readHeader(t, "testdata/foo-1.0-1.src.rpm")
	if !h.IsSource() || h.Arch() != "src" {
		t.Errorf("source rpm: IsSource %v, Arch %s", h.IsSource(), h.Arch())
	}
	for _, d := range h.BuildRequires() {
		if strings.HasPrefix(d.Name, "rpmlib(") {
			t.Errorf("rpm's own feature %s among the build requirements", d)
		}
	}
	if b := readHeader(t, "testdata/foo-1.0-1.x86_64.rpm"); b.IsSource() || b.BuildRequires() != nil || b.Arch() != "x86_64" {
		t.Errorf("binary rpm: IsSource %v, Arch %s, BuildRequires %v", b.IsSource(), b.Arch(), b.BuildRequires())
	}
}

// TestReadsNoFurther holds ReadHeader to stop at the payload, so that a caller can hash in one pass.
func TestReadsNoFurther(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/foo-1.0-1.x86_64.rpm")
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(data)
	h, err := rpm.ReadHeader(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := int64(len(data) - r.Len()); got != h.End {
		t.Errorf("read %d bytes, header ends at %d", got, h.End)
	}
	if !bytes.Equal(h.Raw(), data[h.Start:h.End]) {
		t.Error("Raw is not the header's bytes")
	}
	if !bytes.HasPrefix(data[h.End:], []byte{0x1f, 0x8b}) {
		t.Errorf("no gzip payload at %d: % x", h.End, data[h.End:][:4])
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	const path = "testdata/foo-1.0-1.x86_64.signed.rpm"
	signed, plain := readHeader(t, path), readHeader(t, "testdata/foo-1.0-1.x86_64.rpm")
	key, err := signed.Sig.Key()
	if err != nil || key != "f7bab53b" {
		t.Errorf("key %q, %v; want f7bab53b", key, err)
	}
	if q := query(t, path, "%{RSAHEADER:pgpsig}"); !strings.HasSuffix(q, key) {
		t.Errorf("rpm says %s", q)
	}
	if key, err := plain.Sig.Key(); err != nil || key != "" {
		t.Errorf("unsigned: key %q, %v", key, err)
	}
	if signed.SigMD5() != plain.SigMD5() {
		t.Error("signing changed SigMD5")
	}

	// a kept signature header spliced into the unsigned rpm gives the signed rpm
	src, err := os.Open("testdata/foo-1.0-1.x86_64.rpm")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := rpm.Splice(&got, src, signed.Sig.Raw()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("spliced rpm differs from the signed one")
	}
	again, err := rpm.ParseSignature(signed.Sig.Raw())
	if err != nil || again.MD5() != signed.SigMD5() {
		t.Errorf("ParseSignature: %v, %v", again, err)
	}
	if _, err := rpm.ParseSignature(append(bytes.Clone(signed.Sig.Raw()), 1)); !errors.Is(err, rpm.ErrMalformed) {
		t.Errorf("bytes behind a signature header: %v", err)
	}
}

func TestKeyID(t *testing.T) {
	t.Parallel()
	id := []byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}
	fp4 := append(bytes.Repeat([]byte{0xaa}, 12), id...)
	fp6 := append(bytes.Clone(id), bytes.Repeat([]byte{0xbb}, 24)...)
	sub := func(kind byte, data ...byte) []byte { return append([]byte{byte(len(data) + 1), kind}, data...) }
	packet := func(body []byte) []byte { return append([]byte{0xc2, byte(len(body))}, body...) }
	v4 := func(hashed, unhashed []byte) []byte {
		b := append([]byte{4, 0, 1, 8, 0, byte(len(hashed))}, hashed...)
		return packet(append(append(b, 0, byte(len(unhashed))), unhashed...))
	}
	v6 := func(hashed []byte) []byte {
		b := append([]byte{6, 0, 27, 10, 0, 0, 0, byte(len(hashed))}, hashed...)
		return packet(append(b, 0, 0, 0, 0))
	}
	v3 := append(append([]byte{3, 5, 0, 1, 2, 3, 4}, id...), 1, 2, 0, 0)
	tests := []struct {
		name   string
		packet []byte
		ok     bool
	}{
		{"v3 old format", append([]byte{0x89, 0, byte(len(v3))}, v3...), true},
		{"v4 key id", v4(nil, sub(16, id...)), true},
		{"v4 fingerprint only", v4(sub(33, append([]byte{4}, fp4...)...), nil), true},
		{"v4 both", v4(sub(33, append([]byte{4}, fp4...)...), sub(16, id...)), true},
		{"v4 critical", v4(sub(16|0x80, id...), nil), true},
		{"v6", v6(sub(33, append([]byte{6}, fp6...)...)), true},
		{"v4 two keys", v4(sub(16, id...), sub(16, 1, 2, 3, 4, 5, 6, 7, 8)), false},
		{"v4 no key", v4(sub(2, 0, 0, 0, 1), nil), false},
		{"v4 short key", v4(sub(16, 1, 2), nil), false},
		{"v5", packet([]byte{5, 0, 1, 8}), false},
		{"not a signature", []byte{0xc6, 1, 4}, false},
		{"wrong length", append(v4(nil, sub(16, id...)), 0), false},
		{"partial length", []byte{0xc2, 0xe1, 4, 0}, false},
		{"empty", nil, false},
		{"subpacket past the end", v4([]byte{200, 16}, nil), false},
	}
	for _, tt := range tests {
		got, err := rpm.KeyID(tt.packet)
		if tt.ok != (err == nil) || tt.ok && !bytes.Equal(got[:], id) {
			t.Errorf("%s: %x, %v", tt.name, got, err)
		}
	}
}

// makeHeader writes a header blob from entries of tag, type, offset, count.
func makeHeader(data []byte, entries ...[4]uint32) []byte {
	b := []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	for _, e := range entries {
		for _, v := range e {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	return append(b, data...)
}

func TestHostileHeaders(t *testing.T) {
	t.Parallel()
	intro := func(n, data uint32) []byte {
		b := binary.BigEndian.AppendUint32([]byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}, n)
		return binary.BigEndian.AppendUint32(b, data)
	}
	tests := []struct {
		name string
		raw  []byte
		want error
	}{
		{"nothing", nil, rpm.ErrMalformed},
		{"bad magic", bytes.Repeat([]byte{1}, 32), rpm.ErrMalformed},
		{"claims too many tags", intro(1<<31, 8), rpm.ErrTooLarge},
		{"claims too much data", intro(1, 0xffffffff), rpm.ErrTooLarge},
		{"claims what it has not", intro(32, rpm.MaxSignatureData), rpm.ErrMalformed},
		{"empty", intro(0, 0), rpm.ErrMalformed},
		{"offset outside", makeHeader([]byte("a\x00"), [4]uint32{1000, 6, 2, 1}), rpm.ErrMalformed},
		{"offset huge", makeHeader([]byte("a\x00"), [4]uint32{1000, 6, 0xffffffff, 1}), rpm.ErrMalformed},
		{"text without an end", makeHeader([]byte("ab"), [4]uint32{1000, 6, 0, 1}), rpm.ErrMalformed},
		{"count outside", makeHeader([]byte("abcd"), [4]uint32{1000, 4, 0, 2}), rpm.ErrMalformed},
		{"count overflows", makeHeader(make([]byte, 8), [4]uint32{1000, 5, 0, 0x20000001}), rpm.ErrTooLarge},
		{"too many strings", makeHeader(make([]byte, rpm.MaxElements+1), [4]uint32{1000, 8, 0, rpm.MaxElements + 1}), rpm.ErrTooLarge},
		{"two strings of one", makeHeader([]byte("a\x00b\x00"), [4]uint32{1000, 6, 0, 2}), rpm.ErrMalformed},
		{"overlap", makeHeader([]byte("ab\x00"), [4]uint32{1000, 6, 0, 1}, [4]uint32{1001, 6, 1, 1}), rpm.ErrMalformed},
		{"not aligned", makeHeader(make([]byte, 8), [4]uint32{1000, 4, 2, 1}), rpm.ErrMalformed},
		{"unknown type", makeHeader(make([]byte, 8), [4]uint32{1000, 10, 0, 1}), rpm.ErrMalformed},
		{"null type", makeHeader(make([]byte, 8), [4]uint32{1000, 0, 0, 1}), rpm.ErrMalformed},
		{"low tag", makeHeader(make([]byte, 8), [4]uint32{5, 7, 0, 1}), rpm.ErrMalformed},
		{"zero count", makeHeader(make([]byte, 8), [4]uint32{1000, 8, 0, 0}), rpm.ErrMalformed},
		{"region outside", makeHeader(make([]byte, 16), [4]uint32{62, 7, 8, 16}), rpm.ErrMalformed},
	}
	for _, tt := range tests {
		if _, err := rpm.ParseSignature(tt.raw); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	for _, raw := range [][]byte{nil, []byte("short"), bytes.Repeat([]byte("<html>"), 40)} {
		if _, err := rpm.ReadHeader(bytes.NewReader(raw)); !errors.Is(err, rpm.ErrNotRPM) {
			t.Errorf("%.10q: %v, want ErrNotRPM", raw, err)
		}
	}
	broken := errors.New("disk on fire")
	if _, err := rpm.ReadHeader(io.MultiReader(bytes.NewReader(make([]byte, 5)), errReader{broken})); !errors.Is(err, broken) {
		t.Errorf("reader's own error lost: %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// TestTruncated cuts a real rpm at every place of its headers.
func TestTruncated(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/foo-1.0-1.x86_64.rpm")
	if err != nil {
		t.Fatal(err)
	}
	h, err := rpm.ReadHeader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for n := range h.End {
		if _, err := rpm.ReadHeader(bytes.NewReader(data[:n])); err == nil {
			t.Fatalf("the first %d of %d header bytes were accepted", n, h.End)
		}
	}
}

// TestReader reads many headers into the same memory, with one between them that is too large to be kept and one that breaks off.
func TestReader(t *testing.T) {
	t.Parallel()
	var x rpm.Reader
	corpus := rpmtest.NewCorpus(1)
	for i := range 200 {
		spec := corpus.Package(i, 0)
		if i == 100 {
			spec.Description = strings.Repeat("long ", 100_000)
		}
		data := spec.Bytes()
		got, err := x.ReadHeader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		want, err := rpm.ReadHeader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tagData(want), tagData(got)); diff != "" || got.Start != want.Start || got.End != want.End {
			t.Fatalf("header %d, bytes %d to %d, want %d to %d:\n%s", i, got.Start, got.End, want.Start, want.End, diff)
		}
		if _, err := x.ReadHeader(bytes.NewReader(data[:got.End-1])); !errors.Is(err, rpm.ErrMalformed) {
			t.Fatalf("a header that breaks off: %v", err)
		}
	}
}

// tagData is all that a header says.
func tagData(h *rpm.Header) map[string]any {
	out := map[string]any{"raw": string(h.Raw()), "sig": h.SigMD5()}
	for _, tag := range h.All() {
		out[fmt.Sprint(tag)] = []any{h.Type(tag), h.Count(tag), h.Strings(tag), h.Uint64s(tag), string(h.Bytes(tag))}
	}
	return out
}

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "plain": "plain", "kůň": "kůň", "J\xf6rg \xa4": "Jörg €"} {
		if got := rpm.Text([]byte(in)); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, path := range fixtures(f) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := rpm.ReadHeader(bytes.NewReader(data))
		if err != nil {
			return
		}
		if h.End > int64(len(data)) || !bytes.Equal(h.Raw(), data[h.Start:h.End]) {
			t.Fatalf("header range %d-%d of %d bytes", h.Start, h.End, len(data))
		}
		// what was accepted must be readable without a panic
		_, _ = h.NEVRA().String(), h.Changelog()
		_, _, _ = h.Dependencies(), h.BuildRequires(), h.DigestAlgo()
		_, _ = h.Files()
		_, _ = h.Sig.Keys()
		for _, tag := range h.All() {
			_, _, _, _ = h.Strings(tag), h.Uint64s(tag), h.Uint32s(tag), h.Bytes(tag)
		}
		for _, name := range h.FieldNames() {
			if _, err := h.Field(name); err != nil {
				t.Fatalf("own field %s: %v", name, err)
			}
		}
	})
}

func FuzzKeyID(f *testing.F) {
	f.Add([]byte{0xc2, 1, 4})
	f.Add([]byte{0x89, 0, 2, 3, 5})
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = rpm.KeyID(data) })
}

func BenchmarkReadHeader(b *testing.B) {
	data, err := os.ReadFile("testdata/foo-1.0-1.x86_64.rpm")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rpm.ReadHeader(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
