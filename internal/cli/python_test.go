package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"moromi/internal/xmlrpc"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPprintAgainstPython lays out values as Python's pprint does.
func TestPprintAgainstPython(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	values := []string{
		`null`, `true`, `1`, `1.0`, `1e+22`, `"a"`, `"it's"`, `"both ' and \""`, `"line\nbreak\t\\ é \u0001"`, `[]`, `{}`,
		`{"b": 1, "a": [1, 2, null]}`,
		`[{"name": "f42", "id": 1, "extra": {"repo.auto": true}, "arches": "x86_64 aarch64"}, {"name": "f43", "id": 2, "extra": {}, "arches": ""}]`,
		`{"request": ["git+https://git.example.com/foo", "f42", {"scratch": true, "arch_override": "x86_64"}], "state": 1, "method": "build", "owner": 17, "label": null}`,
		`[["aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccccccc"], [[1, 2, 3]]]`,
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", "import json, pprint, sys\nfor v in json.load(sys.stdin): print(pprint.pformat(v), end='\\x00')")
	cmd.Stdin = strings.NewReader("[" + strings.Join(values, ",") + "]")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(out), "\x00")
	for i, text := range values {
		v, err := xmlrpc.FromJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if text == "1.0" || text == "1e+22" {
			var f float64
			if err := json.Unmarshal([]byte(text), &f); err != nil {
				t.Fatal(err)
			}
			v = f
		}
		if got := pprint(v); got != want[i] {
			t.Errorf("%s\n got %s\nwant %s", text, got, want[i])
		}
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 3600)
	for text, want := range map[string]float64{
		"1795228541.5": 1795228541.5, "2026-01-31": 1769814000, "2026-01-31 12:35": 1769859300, "2026-01-31T12:35:00Z": 1769862900, "January 31 2026 12:35": 1769859300,
	} {
		if got, err := parseTime(text, zone); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "nan", "2026-13-01"} {
		if got, err := parseTime(text, zone); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestSourceName(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"cli-build/1.2/foo-1-1.src.rpm": "foo-1-1.src.rpm", "git+https://h/rpms/foo#abc": "/rpms/foo:abc", "git://h/foo?sub/dir#main": "/foo:sub/dir:main", "git://h": "h:",
	} {
		if got := sourceName(src); got != want {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
}

func TestBuildLevels(t *testing.T) {
	t.Parallel()
	levels, err := buildLevels([]string{"git://a#1", "git://b#1", ":", "c-1-1", ":", ":"})
	if err != nil || len(levels) != 2 || len(levels[0]) != 2 || levels[1][0] != "c-1-1" {
		t.Errorf("%v, %v", levels, err)
	}
	for _, bad := range [][]string{{"git://a#1"}, {"foo", ":", "git://a#1"}, {":"}, nil} {
		if levels, err := buildLevels(bad); err == nil {
			t.Errorf("%v: %v", bad, levels)
		}
	}
}

// certificate writes a client certificate with its key.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := pem.Encode(&b, block); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "client.pem")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
