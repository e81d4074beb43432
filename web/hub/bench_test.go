package hub_test

import (
	"bytes"
	"testing"

	"moromi/internal/xmlrpc"
)

// BenchmarkCall is a whole call over HTTP: without a session, with one, and one that claims its number.
func BenchmarkCall(b *testing.B) {
	s := setup(b)
	alice, admin := s.login("alice"), s.login("kojiadmin")
	alice.n = -1
	for _, c := range []struct {
		name   string
		client *client
		method string
		params []any
	}{
		{"anonymous", s.anonymous(), "hello", nil},
		{"session", alice, "getLoggedInUser", nil},
		{"write", admin, "makeTask", []any{"build"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				c.client.must(c.method, c.params...)
			}
		})
	}
}

// BenchmarkMulticall is 1,000 entries in one call.
func BenchmarkMulticall(b *testing.B) {
	s := setup(b)
	var entries []any
	for range 1000 {
		entries = append(entries, entry("echo", "x"))
	}
	var body bytes.Buffer
	if err := xmlrpc.EncodeCall(&body, "multiCall", []any{entries}); err != nil {
		b.Fatal(err)
	}
	c := s.anonymous()
	for b.Loop() {
		c.post("/kojihub", "text/xml", body.Bytes())
	}
}

// BenchmarkUpload is a piece of 1 MiB, as clients send them.
func BenchmarkUpload(b *testing.B) {
	s := setup(b)
	c := s.login("alice")
	piece := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	b.SetBytes(int64(len(piece)))
	for b.Loop() {
		if _, err := c.upload("filename=f&filepath=d&fileverify=adler32&overwrite=1", piece); err != nil {
			b.Fatal(err)
		}
	}
}
