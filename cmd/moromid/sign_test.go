package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moromi/internal/hubclient"
	"moromi/internal/reposign"
	"moromi/internal/xmlrpc"
)

// dnfReads lets dnf read a repository, whose repomd.xml must be signed by the key.
func dnfReads(t *testing.T, base, key string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "dnf.conf")
	text := fmt.Sprintf("[main]\nreposdir=%[1]s/none\ncachedir=%[1]s/cache\npersistdir=%[1]s/state\nretries=1\n[r]\nname=r\nbaseurl=%[2]s\nrepo_gpgcheck=1\ngpgkey=%[3]s\nskip_if_unavailable=0\n", dir, base, key)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("dnf", "-y", "-c", conf, "--installroot="+filepath.Join(dir, "root"), "--releasever=1", "--forcearch=x86_64", "makecache").CombinedOutput()
	return string(out), err
}

// TestSignedRepositories makes repositories of both kinds and lets dnf check their signatures: those of the site's key are taken, a changed index and another key are not. "latest" of the
// dist repositories goes back and on again.
func TestSignedRepositories(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a site")
	}
	if _, err := exec.LookPath("dnf"); err != nil {
		t.Skip("needs dnf")
	}
	dir := t.TempDir()
	d := up(t, dir, "--sign-repos")
	admin := d.admin()
	call := func(method string, args ...any) any {
		t.Helper()
		answer, err := admin.Call(t.Context(), method, args...)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		return answer
	}
	call("createTag", "dist", nil, "x86_64")
	call("createBuildTarget", "dist", "dist", "dist")
	request := hubclient.Struct(hubclient.Struct(call("repo.request", "dist"))["request"])
	distRepo := func() int64 {
		t.Helper()
		task := call("distRepo", "dist", []any{}, xmlrpc.Kwargs{"arch": []any{"x86_64"}, "allow_missing_signatures": true})
		for call("taskFinished", task) != true { // each question waits for the answer of the one before
		}
		return hubclient.Int(call("getTaskRequest", task).([]any)[1])
	}
	first := distRepo()
	second := distRepo()
	var made map[string]any
	for made == nil {
		made, _ = hubclient.Struct(call("repo.checkRequest", request["id"]))["repo"].(map[string]any)
	}
	id, event := hubclient.Int(made["id"]), hubclient.Int(made["create_event"])

	latest := func(want int64) {
		t.Helper()
		if _, text := d.get("/kojifiles/repos-dist/dist/latest/repo.json"); !strings.Contains(text, fmt.Sprintf("\"id\": %d,", want)) {
			t.Errorf("latest is not %d:\n%s", want, text)
		}
	}
	latest(second)
	if back := hubclient.Struct(call("moromi.rollbackDistRepo", "dist")); hubclient.Int(back["repo_id"]) != first || hubclient.Int(back["previous"]) != second {
		t.Errorf("rolled back: %v", back)
	}
	latest(first)
	back := hubclient.Int(hubclient.Struct(call("getLastEvent"))["id"])
	call("moromi.rollbackDistRepo", "dist", second)
	latest(second)
	for at, want := range map[int64]int64{back: first, back + 1000: second, 1: 0} {
		resp, text := d.get(fmt.Sprintf("/repos-dist/dist/at/%d/repo.json", at))
		if want == 0 && resp.StatusCode != http.StatusNotFound || want != 0 && !strings.Contains(text, fmt.Sprintf("\"id\": %d,", want)) || strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("as of %d: %s, %v\n%s\nwant %d", at, resp.Status, resp.Header, text, want)
		}
	}
	for _, missing := range []string{"dist/at/x/repo.json", "nothing/at/9/repo.json", "../at/9/repo.json", fmt.Sprintf("dist/at/%d/../%d/repo.json", back, second), fmt.Sprintf("dist/at/%d/.hidden", back)} {
		if resp, _ := d.get("/repos-dist/" + missing); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", missing, resp.Status)
		}
	}
	if _, err := admin.Call(t.Context(), "moromi.rollbackDistRepo", "dist", id); err == nil {
		t.Error("a build repository is a dist repository")
	}

	resp, key := d.get("/kojifiles/RPM-GPG-KEY-moromi")
	if resp.StatusCode != http.StatusOK || !strings.Contains(key, "BEGIN PGP PUBLIC KEY") || resp.Header.Get("ETag") == "" {
		t.Fatalf("the public key: %s\n%s", resp.Status, key)
	}
	ours := d.url + "/kojifiles/RPM-GPG-KEY-moromi"
	bases := []string{"/kojifiles/repos-dist/dist/latest/x86_64", fmt.Sprintf("/kojifiles/repos/dist/%d/x86_64", id), "/kojifiles/repos/dist/latest/x86_64", fmt.Sprintf("/repos/dist/at/%d/x86_64", event), fmt.Sprintf("/repos-dist/dist/at/%d/x86_64", back)}
	for _, base := range bases {
		if out, err := dnfReads(t, d.url+base, ours); err != nil {
			t.Errorf("%s: %v\n%s", base, err, out)
		}
		resp, sig := d.get(base + "/repodata/repomd.xml.asc")
		again, same := d.get(base + "/repodata/repomd.xml.asc")
		if resp.StatusCode != http.StatusOK || sig != same || resp.Header.Get("ETag") != again.Header.Get("ETag") || strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s, %v", base, resp.Status, resp.Header)
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := reposign.MakeKey(other, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	wrong, err := reposign.Open(t.Context(), reposign.Options{Key: other, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(t.TempDir(), "public")
	if err := os.WriteFile(public, wrong.PublicKey(), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := dnfReads(t, d.url+bases[0], "file://"+public); err == nil || !strings.Contains(out, "GPG") {
		t.Errorf("another key: %v\n%s", err, out)
	}
	index := filepath.Join(dir, "topdir", "repos-dist", "dist", fmt.Sprint(second), "x86_64", "repodata", "repomd.xml")
	text, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index, append(text, "<!-- changed -->"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := dnfReads(t, d.url+bases[0], ours); err == nil || !strings.Contains(out, "GPG") {
		t.Errorf("a changed index: %v\n%s", err, out)
	}
	if strings.Contains(d.said(), "PRIVATE") {
		t.Error("the private key is in the log")
	}
	if st, err := os.Stat(filepath.Join(dir, signKeyFile)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", st, err)
	}
}

// How often "latest" moves between repomd.xml and its signature, in the short form and with `make torture`.
const (
	shortSignatures   = 3
	tortureSignatures = 100
)

// TestSignatureWhileLatestMoves lets dnf read a signed repository behind "latest" that becomes another after repomd.xml and before its signature, each time; and lets another program at the
// same address read the next one's index in between.
func TestSignatureWhileLatestMoves(t *testing.T) {
	t.Parallel()
	signatureWhileLatestMoves(t, shortSignatures)
}

func TestTortureSignatureWhileLatestMoves(t *testing.T) {
	torture(t)
	signatureWhileLatestMoves(t, tortureSignatures)
}

func signatureWhileLatestMoves(t *testing.T, rounds int) {
	t.Helper()
	if _, err := exec.LookPath("dnf"); err != nil {
		t.Skip("needs dnf")
	}
	d := up(t, siteDir(t), "--sign-repos")
	s := makeRepoSite(t, d, 3)
	s.newest()
	hub, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(hub)
	var moves int
	var other bool // reads the index before the signature is asked for
	moving := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if index, signature := strings.CutSuffix(r.URL.Path, ".asc"); signature {
			if err := s.change(r.Context()); err != nil {
				t.Error(err)
			}
			s.newest()
			moves++
			if other {
				again := r.Clone(r.Context())
				again.URL.Path = index
				again.Header.Set("User-Agent", "another program")
				pass.ServeHTTP(httptest.NewRecorder(), again)
			}
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(moving.Close)
	for round := range rounds {
		for _, other = range []bool{false, true} {
			if out, err := dnfReads(t, moving.URL+"/kojifiles/repos/dist/latest/x86_64", d.url+"/kojifiles/RPM-GPG-KEY-moromi"); err != nil {
				t.Fatalf("round %d, with another: %v: %v\n%s", round, other, err, out)
			}
		}
	}
	if moves < 2*rounds {
		t.Errorf("it moved only %d times", moves)
	}
}
