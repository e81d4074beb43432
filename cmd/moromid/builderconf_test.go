package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moromi/builder"
)

// TestRefreshBuilderConfig: a start sets addresses and authority anew, with TLS and without, and leaves what is the owner's.
func TestRefreshBuilderConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st := &site{settings: &settings{Data: dir}}
	file, ours := filepath.Join(dir, "builder.conf"), filepath.Join(dir, "tls", "ca.pem")
	for _, c := range []struct {
		name, text, serverCA string
		want                 string // serverca afterwards
	}{
		{"made before there was TLS", "[kojid]\nserver = x\ntopurl = y\nvendor = Mine\n", ours, ours},
		{"with TLS still", "[kojid]\nserver = x\ntopurl = y\nserverca = " + ours + "\nvendor = Mine\n", ours, ours},
		{"no longer with TLS", "[kojid]\nserver = x\ntopurl = y\nserverca = " + ours + "\nvendor = Mine\n", "", ""},
		{"without", "[kojid]\nserver = x\ntopurl = y\nvendor = Mine\n", "", ""},
		{"an authority of the owner's", "[kojid]\nserverca = /etc/mine.pem\nserver = x\ntopurl = y\nvendor = Mine\n", "", "/etc/mine.pem"},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := st.refreshBuilderConfig(file, "https://127.0.0.1:1", c.serverCA); err != nil {
			t.Fatal(err)
		}
		cfg, err := builder.ReadConfig(file)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if cfg.ServerCA != c.want || cfg.Server != "https://127.0.0.1:1/kojihub" || cfg.TopURL != "https://127.0.0.1:1/kojifiles" || cfg.Vendor != "Mine" {
			t.Errorf("%s:\n%s", c.name, readFile(t, file))
		}
		if n := strings.Count(readFile(t, file), "serverca"); n > 1 {
			t.Errorf("%s: %d times serverca", c.name, n)
		}
	}
}
