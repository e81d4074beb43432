package commands_test

import (
	"os"
	"path/filepath"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/rpm"
	rpmmodel "moromi/projections/rpm"
)

// signed gives an rpm of the test data of internal/rpm, unsigned, and the signature header of its signed copy.
func signed(t *testing.T) (unsigned, header []byte) {
	t.Helper()
	dir := "../internal/rpm/testdata"
	unsigned, err := os.ReadFile(filepath.Join(dir, "foo-1.0-1.x86_64.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "foo-1.0-1.x86_64.signed.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := rpm.ReadHeader(f)
	if err != nil {
		t.Fatal(err)
	}
	return unsigned, h.Sig.Raw()
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	unsigned, header := signed(t)
	src, err := os.ReadFile("../internal/rpm/testdata/foo-1.0-1.src.rpm")
	if err != nil {
		t.Fatal(err)
	}
	s.uploadBytes("imp", "foo-1.0-1.src.rpm", src)
	s.uploadBytes("imp", "foo-1.0-1.x86_64.rpm", unsigned)
	for _, f := range []string{"foo-1.0-1.src.rpm", "foo-1.0-1.x86_64.rpm"} {
		if _, err := s.ImportRPM(ctx, s.actor, "imp", f); err != nil {
			t.Fatal(err)
		}
	}
	spec, err := rpmmodel.ParseSpec("foo-1.0-1.x86_64")
	if err != nil {
		t.Fatal(err)
	}
	source, err := rpmmodel.ParseSpec("foo-1.0-1.src")
	if err != nil {
		t.Fatal(err)
	}
	refused(t, s.AddRPMSig(ctx, s.actor, source, header), fault.Generic) // another rpm's
	refused(t, s.AddRPMSig(ctx, s.actor, spec, []byte("garbage")), fault.Generic)
	if err := s.AddRPMSig(ctx, s.actor, spec, header); err != nil {
		t.Fatal(err)
	}
	refused(t, s.AddRPMSig(ctx, s.actor, spec, header), fault.Generic) // again
	row, err := rpmmodel.MustGet(ctx, s.DB, spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := row["id"].(int64)
	keys, err := rpmmodel.SignatureKeys(ctx, s.DB, id)
	if err != nil || len(keys) != 2 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	delete(keys, "")
	for key := range keys {
		s.checkSignedCopy(spec, id, key)
	}
	if err := s.DeleteRPMSig(ctx, s.actor, spec, nil); err != nil {
		t.Fatal(err)
	}
	if keys, err := rpmmodel.SignatureKeys(ctx, s.DB, id); err != nil || len(keys) != 0 {
		t.Errorf("after deletion: keys %v, %v", keys, err)
	}
	refused(t, s.DeleteRPMSig(ctx, s.actor, spec, nil), fault.Generic)
}

// checkSignedCopy writes the signed copy and compares it with what rpmsign made.
func (s *site) checkSignedCopy(spec rpmmodel.Spec, id int64, key string) {
	s.t.Helper()
	ctx := s.t.Context()
	refused(s.t, s.WriteSignedRPM(ctx, s.actor, spec, "nokey", false), fault.Generic)
	if err := s.WriteSignedRPM(ctx, s.actor, spec, key, false); err != nil {
		s.t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(s.dir, "packages/foo/1.0/1/data/signed", key, "x86_64/foo-1.0-1.x86_64.rpm"))
	if err != nil {
		s.t.Fatal(err)
	}
	want, err := os.ReadFile("../internal/rpm/testdata/foo-1.0-1.x86_64.signed.rpm")
	if err != nil {
		s.t.Fatal(err)
	}
	if string(got) != string(want) {
		s.t.Error("the signed copy differs from the signed rpm")
	}
	sums, err := s.RPMChecksums(ctx, s.actor, id, []string{"sha256"}, false)
	if err != nil || len(sums) != 2 || sums[key].(map[string]any)["sha256"] == nil || sums[""].(map[string]any)["sha256"] == nil {
		s.t.Errorf("checksums %v, %v", sums, err)
	}
	_, err = s.RPMChecksums(ctx, s.actor, id, []string{"crc"}, false)
	refused(s.t, err, fault.Generic)
}
