package reposign

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// valid tells whether a signature is one of the text by a public key, and when it was made.
func valid(t *testing.T, public, text, sig []byte) error {
	t.Helper()
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(public))
	if err != nil {
		t.Fatal(err)
	}
	_, err = openpgp.CheckArmoredDetachedSignature(ring, bytes.NewReader(text), bytes.NewReader(sig), nil)
	return err
}

func open(t *testing.T, o Options) *Signer {
	t.Helper()
	o.Clock = time.Now
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFileKey signs with a key that was made here: valid, the same each time and in each process, and never from before the key was.
func TestFileKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	born := time.Now().Add(-time.Hour)
	if err := MakeKey(file, "of a test", born); err != nil {
		t.Fatal(err)
	}
	if err := MakeKey(file, "of a test", born); err == nil {
		t.Error("a key was written over")
	}
	s, again := open(t, Options{Key: file}), open(t, Options{Key: file})
	for _, made := range []time.Time{time.Now(), born.Add(-24 * time.Hour), born.Add(time.Minute)} {
		text := []byte(made.String())
		one, err := s.Sign(t.Context(), text, made)
		if err != nil {
			t.Fatal(err)
		}
		two, err := again.Sign(t.Context(), text, made)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, two) {
			t.Error("the signatures of two processes differ")
		}
		if err := valid(t, s.PublicKey(), text, one); err != nil {
			t.Errorf("made %s: %v", made, err)
		}
		if valid(t, s.PublicKey(), append(text, ' '), one) == nil {
			t.Error("a changed text has the signature")
		}
	}
	if bytes.Contains(s.PublicKey(), []byte("PRIVATE")) {
		t.Error("the private key is published")
	}
}

// TestFurtherKeys publishes the keys that were or come beside the one that signs.
func TestFurtherKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	for _, f := range []string{one, two} {
		if err := MakeKey(f, f, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, Options{Key: one, Public: []string{two}})
	if n := bytes.Count(s.PublicKey(), []byte("BEGIN PGP PUBLIC KEY BLOCK")); n != 2 || bytes.Contains(s.PublicKey(), []byte("PRIVATE")) {
		t.Errorf("%d keys:\n%s", n, s.PublicKey())
	}
}

// TestBadKeys refuses what cannot be used, and says why.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, mode os.FileMode, text []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, text, mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	key := filepath.Join(dir, "key")
	if err := MakeKey(key, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	public := open(t, Options{Key: key}).PublicKey()
	locked, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(private))
	if err != nil {
		t.Fatal(err)
	}
	var secret bytes.Buffer
	if err := errors.Join(locked[0].EncryptPrivateKeys([]byte("secret"), nil), locked[0].SerializePrivateWithoutSigning(&secret, nil)); err != nil {
		t.Fatal(err)
	}
	for why, o := range map[string]Options{
		"no such file":                      {Key: filepath.Join(dir, "nothing")},
		"can be read or written by anybody": {Key: write("open", 0o644, private)},
		"no private key":                    {Key: write("public", 0o600, public)},
		"no OpenPGP key":                    {Key: write("text", 0o600, []byte("hello"))},
		"2 keys instead of one":             {Key: write("both", 0o600, append(binaryOf(t, private), binaryOf(t, private)...))},
		"has a passphrase":                  {Key: write("locked", 0o600, secret.Bytes())},
		"names no key":                      {Key: GPG + "-x"},
		"public key for repositories":       {Key: key, Public: []string{filepath.Join(dir, "nothing")}},
	} {
		o.Clock = time.Now
		if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want %q", err, why)
		}
	}
}

// binaryOf takes a key's armor off.
func binaryOf(t *testing.T, text []byte) []byte {
	t.Helper()
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := ring[0].SerializePrivateWithoutSigning(&b, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestGnuPG leaves the key with GnuPG, and lets GnuPG check what was signed by a file's key.
func TestGnuPG(t *testing.T) {
	t.Parallel()
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Skip("needs gpg")
	}
	home, err := os.MkdirTemp("", "gpg") // its agent's socket has a short name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() // else its agent would stay
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(gpg, append([]string{"--homedir", home, "--batch", "--no-tty"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("gpg %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	run("--passphrase", "", "--quick-gen-key", "repos@example.com", "rsa2048", "sign", "never")
	s := open(t, Options{Key: GPG + "repos@example.com", Home: home})
	text := []byte("<repomd/>")
	sig, err := s.Sign(t.Context(), text, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := valid(t, s.PublicKey(), text, sig); err != nil {
		t.Error(err)
	}
	again, err := s.Sign(t.Context(), text, time.Time{})
	if err != nil || !bytes.Equal(sig, again) {
		t.Errorf("the same text has another signature: %v", err)
	}
	if _, err := Open(t.Context(), Options{Key: GPG + "nobody@example.com", Home: home}); err == nil || !strings.Contains(err.Error(), "gpg") {
		t.Errorf("a key that is not there: %v", err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := MakeKey(file, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	own := open(t, Options{Key: file})
	if sig, err = own.Sign(t.Context(), text, time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"public": own.PublicKey(), "text": text, "sig": sig} {
		if err := os.WriteFile(filepath.Join(home, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run("--import", filepath.Join(home, "public"))
	if out := run("--status-fd", "1", "--verify", filepath.Join(home, "sig"), filepath.Join(home, "text")); !strings.Contains(out, "GOODSIG") {
		t.Error(out)
	}
}

func BenchmarkSign(b *testing.B) {
	file := filepath.Join(b.TempDir(), "key")
	if err := MakeKey(file, "", time.Now()); err != nil {
		b.Fatal(err)
	}
	s, err := Open(b.Context(), Options{Key: file, Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := s.Sign(b.Context(), fmt.Append(nil, i), time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRenew makes signatures of a former key anew, of the same time; those of the present one need it not, and others are not to be had.
func TestRenew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	past := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	files := map[string]string{}
	for _, name := range []string{"now", "former", "stranger"} {
		files[name] = filepath.Join(dir, name)
		if err := MakeKey(files[name], name, past.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	brief, err := openpgp.NewEntity("brief", "", "", &packet.Config{RSABits: 2048, KeyLifetimeSecs: 24 * 3600, Time: func() time.Time { return past.Add(-time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	public, err := armored(brief)
	if err != nil {
		t.Fatal(err)
	}
	files["expired"] = filepath.Join(dir, "expired")
	if err := os.WriteFile(files["expired"], public, 0o644); err != nil {
		t.Fatal(err)
	}
	text := []byte("<repomd/>")
	sigs := map[string][]byte{"none": []byte("nothing"), "empty": nil}
	for _, name := range []string{"now", "former", "stranger"} {
		if sigs[name], err = open(t, Options{Key: files[name]}).Sign(t.Context(), text, past); err != nil {
			t.Fatal(err)
		}
	}
	if sigs["expired"], err = detached(brief, past, text, past); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Key: files["now"], Public: []string{files["former"], files["expired"]}})
	for name, renewed := range map[string]bool{"now": false, "former": true, "expired": true} {
		sig, err := s.Renew(t.Context(), text, sigs[name])
		if err != nil || (sig != nil) != renewed {
			t.Errorf("%s: %q, %v", name, sig, err)
		}
		if renewed && !bytes.Equal(sig, sigs["now"]) {
			t.Errorf("%s: another signature than the one that was made then", name)
		}
		if _, err := s.Renew(t.Context(), append(text, ' '), sigs[name]); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: a changed text: %v", name, err)
		}
	}
	for _, name := range []string{"stranger", "none", "empty"} {
		if sig, err := s.Renew(t.Context(), text, sigs[name]); !errors.Is(err, ErrUnknown) || sig != nil {
			t.Errorf("%s: %q, %v", name, sig, err)
		}
	}
}
