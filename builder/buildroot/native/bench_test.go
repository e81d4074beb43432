package native_test

import (
	"path/filepath"
	"testing"

	"moromi/builder/buildroot/native"
	"moromi/builder/buildroot/roottest"
)

// BenchmarkRootFresh installs a root from the repository, with nothing cached.
func BenchmarkRootFresh(b *testing.B) {
	repo := roottest.Serve(b)
	for b.Loop() {
		backend := newBackend(b, func(c *native.Config) { c.Dir = filepath.Join(b.TempDir(), "fresh") })
		r, err := backend.Create(b.Context(), spec(b, repo))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := r.Destroy(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkRootCached makes a root over a cached base, looks what is in it, and removes it.
func BenchmarkRootCached(b *testing.B) {
	repo := roottest.Serve(b)
	backend := newBackend(b, nil)
	make := func() {
		r, err := backend.Create(b.Context(), spec(b, repo))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Packages(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := r.Destroy(); err != nil {
			b.Fatal(err)
		}
	}
	make()
	for b.Loop() {
		make()
	}
}
