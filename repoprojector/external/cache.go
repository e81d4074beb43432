package external

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"moromi/repoprojector/repodata"
)

// Options of a Cache. Store is needed; the rest has defaults.
type Options struct {
	// Store gets the packages' pieces of metadata.
	Store *repodata.Store
	// Transport carries requests; nil takes one like http.DefaultTransport, with the proxies of the environment.
	Transport http.RoundTripper
	Log       *slog.Logger
	Clock     func() time.Time
	// Stall is how long a server may say nothing, Pause the time between tries.
	Stall, Pause time.Duration
}

// Cache keeps the last good state of repositories, by their addresses, in a directory of its own. All of it can be fetched again. Safe for
// concurrent use; what two goroutines want of one address is done once, then again.
type Cache struct {
	Options
	root  *os.Root
	fetch *fetcher

	mu     sync.Mutex
	locks  map[string]*keyLock
	loaded map[string]*Content // by address
}

// State is what is known of a repository.
type State struct {
	URL string `json:"url"`
	// Repomd is the SHA-256 of the repomd.xml, in hex: it names all else by checksum.
	Repomd string `json:"repomd"`
	// Newest is the latest timestamp in it, in seconds since 1970; kojira calls it max_ts.
	Newest int64 `json:"newest"`
	// Fetched is when this content came, Checked when the server last said that it is current.
	Fetched time.Time `json:"fetched"`
	Checked time.Time `json:"checked"`
	// Failure is what was wrong at the last check, and Failing since when something has been; empty if all was well.
	Failure string    `json:"failure,omitempty"`
	Failing time.Time `json:"failing,omitzero"`

	ETag         string  `json:"etag,omitempty"`
	LastModified string  `json:"last_modified,omitempty"`
	Files        [4]file `json:"files"`
}

// Content is a state with its packages. It must not be changed.
type Content struct {
	State
	Packages []Package
	Modules  []byte // modules.yaml, uncompressed
}

// The directories of a cache.
const (
	stateDir = "states" // a directory for each address
	dataDir  = "data"   // metadata files by checksum
	spoolDir = "spool"
	partEnd  = ".part" // of the name of a file that is being fetched
)

// maxModules is the most bytes of modules.yaml uncompressed. That of RHEL 8's AppStream has a tenth.
const maxModules = 64 << 20

// maxLoaded is how many packages are kept in memory, about 500 bytes each.
const maxLoaded = 200_000

// Open opens a cache. It does not close root.
func Open(root *os.Root, o Options) (*Cache, error) {
	if o.Store == nil {
		return nil, errors.New("open cache of external repositories: Store is needed")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Stall <= 0 {
		o.Stall = stallTime
	}
	if o.Pause <= 0 {
		o.Pause = pause
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: 16, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 256 << 10, DisableCompression: true}
	}
	for _, dir := range []string{stateDir, dataDir, spoolDir} {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("open cache of external repositories: %w", err)
		}
	}
	return &Cache{Options: o, root: root, fetch: newFetcher(o.Transport, o.Stall, o.Pause), locks: map[string]*keyLock{}, loaded: map[string]*Content{}}, nil
}

// Expand replaces $arch in an address, as kojid does.
func Expand(address, arch string) string { return strings.ReplaceAll(address, "$arch", arch) }

// lock keeps others from what key stands for.
func (c *Cache) lock(key string) (unlock func()) {
	c.mu.Lock()
	l := c.locks[key]
	if l == nil {
		l = &keyLock{}
		c.locks[key] = l
	}
	l.users++
	c.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(c.locks, key)
		}
	}
}

// keyLock is a lock, and how many have it or wait for it.
type keyLock struct {
	sync.Mutex
	users int
}

// Check asks whether a repository has changed and takes in what has. If that fails, the state is the last good one, with how long it has been
// failing, or nil if there never was one; the error says what was wrong.
func (c *Cache) Check(ctx context.Context, address string) (*State, error) {
	defer c.lock(address)()
	old := c.state(address)
	now, err := c.update(ctx, address, old)
	if err == nil {
		return now, nil
	}
	err = fmt.Errorf("external repository %s: %w", Shown(address), err)
	if old == nil || ctx.Err() != nil {
		return old, err
	}
	if old.Failing.IsZero() {
		old.Failing = c.Clock()
	}
	old.Failure = err.Error()
	if e := c.save(old); e != nil {
		c.Log.Warn("the state of an external repository was not kept", "url", Shown(address), "error", e)
	}
	return old, err
}

// Load gives the last good content of a repository, as it was at its last check. Only one that was never read before is fetched; for another nobody waits,
// not even for a check that is under way.
func (c *Cache) Load(ctx context.Context, address string) (*Content, error) {
	if s := c.state(address); s != nil {
		x, err := c.content(s)
		if err == nil {
			return x, nil
		}
		c.Log.Warn("the index of an external repository is damaged, it is fetched anew", "url", Shown(address), "error", err)
	}
	defer c.lock(address)()
	s := c.state(address) // somebody may have been faster
	if s == nil {
		var err error
		if s, err = c.update(ctx, address, nil); err != nil {
			return nil, fmt.Errorf("external repository %s: %w", Shown(address), err)
		}
	}
	x, err := c.content(s)
	if err != nil {
		return nil, fmt.Errorf("external repository %s: %w", Shown(address), err)
	}
	return x, nil
}

// content gives the content of a state, from memory or else from its index.
func (c *Cache) content(s *State) (*Content, error) {
	if x := c.kept(s); x != nil {
		return x, nil
	}
	x, err := c.readIndex(s)
	if err == nil {
		c.keep(x)
	}
	return x, err
}

// LoadAs gives the content of a repository whose repomd.xml had the SHA-256, in hex. The error wraps fs.ErrNotExist if it is no longer kept.
func (c *Cache) LoadAs(address, repomd string) (*Content, error) {
	s := c.state(address)
	if s == nil || s.Repomd != repomd {
		if err := checkSum("sha256", repomd); err != nil {
			return nil, fmt.Errorf("%w: %w", err, fs.ErrNotExist)
		}
		s = &State{URL: address, Repomd: repomd}
	}
	if x := c.kept(s); x != nil {
		return x, nil
	}
	return c.readIndex(s)
}

// Restore puts the packages of a repository into the store again; for when some are gone (repodata.ErrForeignGone).
func (c *Cache) Restore(ctx context.Context, address string) error {
	defer c.lock(address)()
	s := c.state(address)
	if s == nil {
		return nil
	}
	origin, err := parseURL(address)
	if err == nil {
		_, _, err = c.read(ctx, origin, s.URL, s.Files)
	}
	if err != nil {
		return fmt.Errorf("external repository %s: %w", Shown(address), err)
	}
	return nil
}

// update makes the state of a repository the present one.
func (c *Cache) update(ctx context.Context, address string, old *State) (*State, error) {
	origin, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(origin.Path, "/") {
		origin.Path += "/"
	}
	text, header, err := c.fetch.repomd(ctx, origin, old)
	if err != nil {
		return nil, err
	}
	now := c.Clock()
	if text == nil {
		same := *old
		same.Checked, same.Failure, same.Failing = now, "", time.Time{}
		return &same, c.save(&same)
	}
	sum := sha256.Sum256(text)
	s := &State{URL: address, Repomd: hex.EncodeToString(sum[:]), Fetched: now, Checked: now, ETag: header.Get("ETag"), LastModified: lastModified(header)}
	if old != nil && old.Repomd == s.Repomd {
		s.Newest, s.Files, s.Fetched = old.Newest, old.Files, old.Fetched
		return s, c.save(s)
	}
	md, err := parseRepomd(text)
	if err != nil {
		return nil, err
	}
	s.Newest, s.Files = md.newest, md.files
	x := &Content{State: *s}
	if x.Packages, x.Modules, err = c.read(ctx, origin, address, md.files); err != nil {
		return nil, err
	}
	if err := c.writeIndex(x); err != nil {
		return nil, err
	}
	if err := c.save(s); err != nil {
		return nil, err
	}
	c.keep(x)
	c.Log.Info("external repository read", "url", Shown(address), "packages", len(x.Packages), "repomd", s.Repomd)
	return s, nil
}

// read fetches the files that there are not, and takes them apart.
func (c *Cache) read(ctx context.Context, origin *url.URL, address string, files [4]file) (packages []Package, modules []byte, err error) {
	g, gctx := errgroup.WithContext(ctx)
	for _, f := range files {
		if f.Href != "" {
			g.Go(func() error { return c.have(gctx, origin, f) })
		}
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	var streams [4]io.Reader
	for i, f := range files {
		if f.Href == "" {
			continue
		}
		in, err := c.root.Open(f.path())
		if err != nil {
			return nil, nil, err
		}
		defer in.Close()
		limit := int64(maxOpen)
		if f.Kind == modulesKind {
			limit = maxModules
		}
		r, done, err := unpack(in, limit)
		defer done()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Kind, err)
		}
		streams[i] = interruptible{ctx, r}
	}
	j := joiner{origin: address, put: c.Store.PutForeign, spool: func() (*os.File, error) { return spool(c.root, path.Join(spoolDir, rand.Text())) }}
	if packages, err = j.join(streams[0], streams[1], streams[2]); err != nil || streams[3] == nil {
		return packages, nil, err
	}
	if modules, err = io.ReadAll(streams[3]); err == nil && (!utf8.Valid(modules) || bytes.IndexByte(modules, 0) >= 0) {
		err = errors.New("it is no text")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", modulesKind, err)
	}
	return packages, modules, nil
}

// interruptible is a reader that ends with a context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// path is where a file is kept: by its checksum, so that repositories that have the same share it.
func (f *file) path() string { return path.Join(dataDir, f.SumType+"-"+f.Sum) }

// have makes sure that a file is there and is the right one.
func (c *Cache) have(ctx context.Context, origin *url.URL, f file) error {
	defer c.lock(f.path())()
	if err := c.verify(f, f.path()); err == nil {
		return nil
	}
	name := f.path() + partEnd
	resumed := false
	if st, err := c.root.Stat(name); err == nil && st.Size() > 0 {
		resumed = true
	}
	err := c.get(ctx, origin, f, name)
	if err != nil {
		return err
	}
	if err = c.verify(f, name); err != nil && resumed { // the beginning may have been another file's
		if err = c.root.Remove(name); err != nil {
			return err
		}
		if err = c.get(ctx, origin, f, name); err != nil {
			return err
		}
		err = c.verify(f, name)
	}
	if err != nil {
		return errors.Join(err, c.root.Remove(name))
	}
	return c.root.Rename(name, f.path())
}

// get completes a file under another name.
func (c *Cache) get(ctx context.Context, origin *url.URL, f file, name string) error {
	part, err := c.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	err = c.fetch.download(ctx, origin, f, part)
	if errors.Is(err, errTooLarge) {
		err = errors.Join(err, part.Truncate(0))
	}
	return errors.Join(err, part.Close())
}

// verify checks size and checksum of a file.
func (c *Cache) verify(f file, name string) error {
	in, err := c.root.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	h, err := newHash(f.SumType)
	if err != nil {
		return err
	}
	n, err := io.Copy(h, in)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.Sum || f.Size >= 0 && n != f.Size {
		return fmt.Errorf("%s: it has %d bytes and the %s checksum %s, repomd.xml says %d and %s", f.Kind, n, f.SumType, got, f.Size, f.Sum)
	}
	return nil
}

// gone tells whether an error says that there is no such file.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
