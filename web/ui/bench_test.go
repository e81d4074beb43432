package ui_test

import (
	"net/http"
	"testing"
)

// BenchmarkPage renders pages against PostgreSQL, over HTTP.
func BenchmarkPage(b *testing.B) {
	s := newSite(b)
	s.populate()
	for _, path := range []string{"/", "/build/3", "/task/4", "/tag/f42-candidate", "/events", "/?at=150"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if a := s.get(path); a.status != http.StatusOK {
					b.Fatalf("status %d", a.status)
				}
			}
		})
	}
}
