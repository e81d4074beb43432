package repoprojector_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"moromi/internal/reposign"
	"moromi/repoprojector"
)

// TestResign: when the site signs with another key, the signatures among the files of repositories of both kinds are made anew, but for those of files that were changed since.
func TestResign(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	keys := map[string]string{}
	for _, name := range []string{"one", "two"} {
		keys[name] = filepath.Join(t.TempDir(), name)
		s.check(reposign.MakeKey(keys[name], name, time.Now().Add(-time.Hour)))
	}
	open := func(key string, public ...string) *reposign.Signer {
		signer, err := reposign.Open(s.ctx(), reposign.Options{Key: key, Public: public, Clock: time.Now})
		s.check(err)
		return signer
	}
	one := open(keys["one"])
	s.signs = one.Sign
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.list(root, "foo", false)
	at := s.put(root, s.importBuild("foo", "1", [2]string{"foo", "x86_64"}, [2]string{"foo-debuginfo", "x86_64"}))
	s.start()
	id := s.waitFor(root, at)["id"].(int64)
	task, dist := s.distRepo("dist-build", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true, "split_debuginfo": true})
	changed, other := s.distRepo("dist-build", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true})
	s.succeeded(task)
	s.succeeded(changed)
	s.stop()
	dirs := []string{filepath.Join(s.dir("dist-build", id), "x86_64"), filepath.Join(s.distDir("dist-build", dist), "x86_64"), filepath.Join(s.distDir("dist-build", dist), "x86_64", "debug")}
	bad := filepath.Join(s.distDir("dist-build", other), "x86_64")
	s.check(os.WriteFile(filepath.Join(bad, "repodata", "repomd.xml"), []byte("<repomd/>"), 0o644))
	untouched := s.read(bad, "repodata", "repomd.xml.asc")
	signedBy := func(signer *reposign.Signer) {
		t.Helper()
		for _, dir := range dirs {
			text, sig := s.read(dir, "repodata", "repomd.xml"), s.read(dir, "repodata", "repomd.xml.asc")
			if renewed, err := signer.Renew(s.ctx(), []byte(text), []byte(sig)); renewed != nil || err != nil {
				t.Errorf("%s is not signed by the key: %v", dir, err)
			}
		}
		if s.read(bad, "repodata", "repomd.xml.asc") != untouched {
			t.Error("what was changed is signed")
		}
	}
	resign := func(signer *reposign.Signer, want int) {
		t.Helper()
		p, err := repoprojector.New(repoprojector.Config{Service: s.Service, DB: s.DB, Storage: s.Files, CacheDir: t.TempDir(), Sign: signer.Sign, Renew: signer.Renew})
		s.check(err)
		defer p.Close()
		if n, err := p.Resign(s.ctx()); err != nil || n != want {
			t.Errorf("%d signatures were made anew, %v, want %d", n, err, want)
		}
	}
	signedBy(one)
	two := open(keys["two"])
	resign(two, 0) // the former key is not published: it may be in wrong hands
	signedBy(one)
	two = open(keys["two"], keys["one"])
	resign(two, len(dirs))
	signedBy(two)
	resign(two, 0)
	back, looked := open(keys["one"], keys["two"]), make(chan struct{}, 16)
	s.signs, s.renews = back.Sign, func(ctx context.Context, text, sig []byte) ([]byte, error) {
		looked <- struct{}{}
		return back.Renew(ctx, text, sig)
	}
	s.start() // a hub looks by itself
	for range len(dirs) + 1 {
		select {
		case <-looked:
		case <-s.ctx().Done():
			t.Fatal("it does not look")
		}
	}
	s.stop() // what it has begun it ends
	signedBy(one)
}
