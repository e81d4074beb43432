package scm

import (
	"bufio"
	"context"
	"crypto/md5" // #nosec: old dist-git repositories name their files by md5
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"

	"moromi/internal/fault"
)

// Limits of a sources file.
const (
	// maxSources is how many files one may name: real ones have dozens, texlive a few thousand.
	maxSources = 20000
	// maxSourceSize is the largest file that is fetched: 16 GiB, above any source archive.
	maxSourceSize = 16 << 30
)

// SourceFile is a line of a dist-git sources file.
type SourceFile struct {
	// Name is a plain file name.
	Name string
	// HashType is md5, sha1, sha224, sha256, sha384 or sha512; Hash is in lower-case hex.
	HashType, Hash string
}

func newHash(kind string) hash.Hash {
	switch kind {
	case "md5":
		return md5.New()
	case "sha1":
		return sha1.New()
	case "sha224":
		return sha256.New224()
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	case "sha512":
		return sha512.New()
	}
	return nil
}

var (
	bsdLine = regexp.MustCompile(`^([A-Za-z0-9]+) \(([^()]+)\) = ([0-9A-Fa-f]+)$`)
	oldLine = regexp.MustCompile(`^([0-9A-Fa-f]{32}) [ *](\S.*)$`)
)

// ParseSources reads a sources file: "SHA512 (file) = hex", or the old "md5hex  file".
func ParseSources(r io.Reader) ([]SourceFile, error) {
	var list []SourceFile
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var f SourceFile
		if m := bsdLine.FindStringSubmatch(line); m != nil {
			f = SourceFile{Name: m[2], HashType: strings.ToLower(m[1]), Hash: strings.ToLower(m[3])}
		} else if m := oldLine.FindStringSubmatch(line); m != nil {
			f = SourceFile{Name: m[2], HashType: "md5", Hash: strings.ToLower(m[1])}
		} else {
			return nil, fault.New(fault.Build, "sources file: line %d is not \"SHA512 (file) = digest\": %.200q", n, line)
		}
		h := newHash(f.HashType)
		if h == nil || hex.DecodedLen(len(f.Hash)) != h.Size() || len(f.Hash)%2 != 0 {
			return nil, fault.New(fault.Build, "sources file: line %d: no digest of type %.20q", n, f.HashType)
		}
		if !plainName(f.Name) {
			return nil, fault.New(fault.Build, "sources file: line %d: %.200q is not a file name", n, f.Name)
		}
		if len(list) == maxSources {
			return nil, fault.New(fault.Build, "sources file: more than %d files", maxSources)
		}
		list = append(list, f)
	}
	if err := sc.Err(); err != nil {
		return nil, fault.Wrap(err, fault.Build, "sources file: cannot be read as lines of text")
	}
	return list, nil
}

// plainName tells whether a name stays in its directory and means no option.
func plainName(name string) bool {
	if name == "" || name == "sources" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") || len(name) > 255 {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == '\\' })
}

// Lookaside fetches source files by their digests.
type Lookaside struct {
	// Pattern is an address with {package}, {file}, {hashtype} and {hash}, for example
	// https://src.example.org/lookaside/{package}/{file}/{hashtype}/{hash}/{file}.
	Pattern string
	HTTP    *http.Client
	Log     io.Writer
}

// Check tells what is wrong with the pattern, nil if nothing.
func (l Lookaside) Check() error {
	u, err := url.Parse(l.expand("p", SourceFile{"f", "sha512", "00"}))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsAny(u.Path, "{}") || !strings.Contains(l.Pattern, "{hash}") {
		return fmt.Errorf("lookaside %q is not an http address with {package}, {file}, {hashtype} and {hash}", l.Pattern)
	}
	return nil
}

func (l Lookaside) expand(pkg string, f SourceFile) string {
	return strings.NewReplacer("{package}", url.PathEscape(pkg), "{file}", url.PathEscape(f.Name),
		"{hashtype}", f.HashType, "{hash}", f.Hash).Replace(l.Pattern)
}

// Fetch gets every file that the sources file in dir names into dir, and verifies the digests. root is the checkout's
// directory: nothing is written outside of it. Without a sources file nothing is done. Files that the
// checkout brings along itself are verified, not fetched.
func (l Lookaside) Fetch(ctx context.Context, checkout, dir, pkg string) error {
	root, err := os.OpenRoot(checkout)
	if err != nil {
		return fmt.Errorf("open the checkout: %w", err)
	}
	defer root.Close()
	f, err := root.Open(path.Join(dir, "sources"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(err, fault.Build, "the sources file cannot be read")
	}
	defer f.Close()
	list, err := ParseSources(f)
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := l.fetchOne(ctx, root, path.Join(dir, s.Name), pkg, s); err != nil {
			return err
		}
	}
	return nil
}

func (l Lookaside) fetchOne(ctx context.Context, root *os.Root, name, pkg string, s SourceFile) error {
	if f, err := root.Open(name); err == nil {
		defer f.Close()
		return s.verify(io.Discard, f)
	}
	address := l.expand(pkg, s)
	fmt.Fprintf(l.Log, "$ GET %s\n", address)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("fetch a source: %w", err)
	}
	client := l.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fault.Wrap(err, fault.Build, "source %s cannot be fetched from %s", s.Name, address)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fault.New(fault.Build, "source %s cannot be fetched: %s answers %s; upload it to the lookaside cache", s.Name, address, res.Status)
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fault.Wrap(err, fault.Build, "source %s cannot be written", s.Name)
	}
	return errors.Join(s.verify(out, io.LimitReader(res.Body, maxSourceSize)), out.Close())
}

// verify copies r to w and compares its digest.
func (s SourceFile) verify(w io.Writer, r io.Reader) error {
	h := newHash(s.HashType)
	if _, err := io.Copy(io.MultiWriter(w, h), r); err != nil {
		return fault.Wrap(err, fault.Build, "source %s cannot be read", s.Name)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != s.Hash {
		return fault.New(fault.Build, "source %s has the wrong content: its %s is %s, the sources file says %s", s.Name, s.HashType, got, s.Hash)
	}
	return nil
}
