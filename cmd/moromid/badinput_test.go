package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/hubclient"
	"moromi/internal/xmlrpc"
)

// document is a call in XML-RPC.
func document(method, params string) string {
	return `<?xml version="1.0"?><methodCall><methodName>` + method + `</methodName><params>` + params + `</params></methodCall>`
}

func param(value string) string { return `<param><value>` + value + `</value></param>` }

// laughs is entities of entities, some 10^9 of them.
func laughs() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol0 "lol">`)
	for i := range 9 {
		b.WriteString("<!ENTITY lol" + string(rune('1'+i)) + ` "` + strings.Repeat("&lol"+string(rune('0'+i))+";", 10) + `">`)
	}
	b.WriteString(`]><methodCall><methodName>&lol9;</methodName><params/></methodCall>`)
	return b.String()
}

// endless is a body that does not fit anywhere.
func endless() io.Reader { return io.LimitReader(zeros{}, 1<<40) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestBadInput sends a running hub what no client sends.
func TestBadInput(t *testing.T) {
	t.Parallel()
	d := up(t, siteDir(t))
	for _, c := range []struct {
		name   string
		body   io.Reader
		status int
		code   fault.Code // of the fault, where the status is 200
	}{
		{"nothing", strings.NewReader(""), 400, 0},
		{"no XML", strings.NewReader("GET / HTTP/1.1"), 400, 0},
		{"another XML", strings.NewReader("<html><body/></html>"), 400, 0},
		{"half a call", strings.NewReader(document("echo", param("<string>x"))[:70]), 400, 0},
		{"a billion laughs", strings.NewReader(laughs()), 400, 0},
		{"a file of the machine", strings.NewReader(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + document("echo", param("&e;"))), 400, 0},
		{"deep nesting", strings.NewReader(document("echo", param(strings.Repeat("<array><data><value>", 100_000)))), 400, 0},
		{"a terabyte", endless(), 400, 0},
		{"no UTF-8", strings.NewReader(document("echo", param("<string>\xff\xfe</string>"))), 400, 0},
		{"a number that is none", strings.NewReader(document("echo", param("<int>12x</int>"))), 400, 0},
		{"an unknown method", strings.NewReader(document("noSuchMethod", "")), 200, fault.Generic},
		{"a method of Python's objects", strings.NewReader(document("__class__", "")), 200, fault.Generic},
		{"too few parameters", strings.NewReader(document("getTag", "")), 200, fault.Parameter},
		{"too many parameters", strings.NewReader(document("getTag", strings.Repeat(param("<int>1</int>"), 20))), 200, fault.Parameter},
		{"a struct for a name", strings.NewReader(document("getTag", param("<struct></struct>"))), 200, fault.Parameter},
		{"a list for a name", strings.NewReader(document("getBuild", param("<array><data></data></array>"))), 200, fault.Generic},
		{"a write by nobody", strings.NewReader(document("createTag", param("<string>x</string>"))), 200, fault.ActionNotAllowed},
		{"a login of nobody", strings.NewReader(document("login", param("<string>nobody</string>")+param("<string>x</string>"))), 200, fault.Auth},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp, err := http.Post(d.url+"/kojihub", "text/xml", c.body)
			if err != nil {
				if c.name == "a terabyte" { // the hub may close before it has read so much
					return
				}
				t.Fatal(err)
			}
			defer resp.Body.Close() //nolint:errcheck // only read
			text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status {
				t.Fatalf("status %d, %.300s; want %d", resp.StatusCode, text, c.status)
			}
			if c.status != http.StatusOK {
				return
			}
			_, err = xmlrpc.DecodeResponse(bytes.NewReader(text), xmlrpc.ResponseLimits())
			var f *xmlrpc.Fault
			if !errors.As(err, &f) || f.Code != int(c.code) {
				t.Errorf("%v, want a fault %d", err, c.code)
			}
		})
	}
	t.Run("rpms", func(t *testing.T) {
		t.Parallel()
		badRPMs(t, d)
	})
	t.Cleanup(func() { d.waitReady() })
}

// sampleName is a package that can be imported; sample is its file.
const sampleName = "foo-1.0-1.src.rpm"

func sample(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "internal", "rpm", "testdata", sampleName))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// badRPMs imports what is no package, and at last a real one.
func badRPMs(t *testing.T, d *daemon) {
	c := d.admin()
	whole := sample(t)
	flipped := bytes.Clone(whole)
	for i := 200; i < len(flipped); i += 97 {
		flipped[i] ^= 0x55
	}
	for _, bad := range []struct {
		what string
		data []byte
	}{
		{"text", []byte("no rpm at all")},
		{"zeros", make([]byte, 100_000)},
		{"the first half", whole[:len(whole)/2]},
		{"the lead only", whole[:96]},
		{"flipped bits", flipped},
	} {
		if err := importFile(t, c, bad.data, sampleName); !fault.Is(err, fault.Generic) && !fault.Is(err, fault.Import) {
			t.Errorf("%s as an rpm: %v, want a fault", bad.what, err)
		}
	}
	if err := importFile(t, c, whole, sampleName); err != nil {
		t.Errorf("the whole rpm: %v", err)
	}
	v, err := c.Call(t.Context(), "listBuilds", xmlrpc.Kwargs{"packageID": nil})
	if builds := hubclient.Structs(v); err != nil || len(builds) != 1 || builds[0]["nvr"] != "foo-1.0-1" {
		t.Errorf("builds: %v, %v", v, err)
	}
}

func importFile(t *testing.T, c *hubclient.Client, data []byte, name string) error {
	t.Helper()
	const dir = "cli-build/bad"
	if err := c.UploadChunk(t.Context(), dir, name, 0, data, true); err != nil {
		t.Fatal(err)
	}
	_, err := c.Call(t.Context(), "importRPM", dir, name)
	return err
}
