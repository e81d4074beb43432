package external

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"
)

// Limits of talking to servers.
const (
	// stallTime is how long a server may say nothing.
	stallTime = 30 * time.Second
	// repomdTime and fileTime are how long a file may take in all: a server that sends a byte now and then never stalls.
	repomdTime = time.Minute
	fileTime   = 30 * time.Minute
	// maxRedirects is enough for mirror networks, which use one or two.
	maxRedirects = 5
	// tries of a file, with pause, twice pause … in between. What came is kept, and asked for no more.
	tries = 3
	pause = 2 * time.Second
)

// agent is what servers are told.
const agent = "moromi (external repositories)"

// fetcher reads from http, https and file addresses. Safe for concurrent use.
type fetcher struct {
	client *http.Client
	stall  time.Duration
	pause  time.Duration
}

var errStalled = errors.New("the server did not answer in time")

// statusError is an answer that is none.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("the server answered %d %s", int(e), http.StatusText(int(e)))
}

func newFetcher(transport http.RoundTripper, stall, pause time.Duration) *fetcher {
	return &fetcher{stall: stall, pause: pause, client: &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
			return fmt.Errorf("redirected to a %.20q address", r.URL.Scheme)
		}
		return nil
	}}}
}

// parseURL refuses addresses that are not read.
func parseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("its address is malformed") // the error would quote what may be a password
	}
	switch {
	case u.Scheme == "file" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
	default:
		return nil, errors.New("only http, https and file addresses are read")
	}
	return u, nil
}

// Shown is an address as logs may have it: without user, password and query.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(malformed address)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// body is an answer that is being read. It fails when the server stalls.
type body struct {
	io.ReadCloser
	header http.Header
	status int
	ctx    context.Context
	stall  *time.Timer
	after  time.Duration
	cancel context.CancelCauseFunc
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.stall.Reset(b.after)
	}
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *body) Close() error {
	b.stall.Stop()
	err := b.ReadCloser.Close()
	b.cancel(context.Canceled)
	return err
}

// open asks for a file of the repository at origin; href is below it. Answers other than 200, 206 and 304 are a statusError.
func (f *fetcher) open(ctx context.Context, origin *url.URL, href string, header http.Header) (*body, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &body{ctx: ctx, cancel: cancel, after: f.stall, status: http.StatusOK}
	b.stall = time.AfterFunc(f.stall, func() { cancel(errStalled) })
	var err error
	if origin.Scheme == "file" {
		b.ReadCloser, err = openLocal(origin.Path, href)
	} else {
		err = f.ask(ctx, b, origin, href, header)
	}
	if err != nil {
		b.stall.Stop()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		cancel(context.Canceled)
		return nil, err
	}
	return b, nil
}

func (f *fetcher) ask(ctx context.Context, b *body, origin *url.URL, href string, header http.Header) error {
	u, err := origin.Parse(href)
	if err != nil {
		return errors.New("an address is malformed")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return errors.New("an address is malformed")
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept-Encoding", "identity") // checksums are of the file as it is
	resp, err := f.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // it quotes the address
			err = ue.Err
		}
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent, http.StatusNotModified:
	default:
		return errors.Join(statusError(resp.StatusCode), resp.Body.Close())
	}
	b.ReadCloser, b.header, b.status = resp.Body, resp.Header, resp.StatusCode
	return nil
}

// openLocal opens a file below a directory. Links that lead out of it are not followed.
func openLocal(dir, href string) (io.ReadCloser, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name, err := url.PathUnescape(href)
	if err != nil {
		return nil, err
	}
	f, err := root.Open(path.Clean(name))
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is not a file", name), f.Close())
	}
	return f, nil
}

// repomd asks for repomd.xml on the condition that it is not the one of old, nil for any. It gives nil if it is.
func (f *fetcher) repomd(ctx context.Context, origin *url.URL, old *State) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, repomdTime, errStalled)
	defer cancel()
	header := http.Header{"Cache-Control": {"no-cache"}} // proxies on the way shall ask, too
	if old != nil && old.ETag != "" {
		header.Set("If-None-Match", old.ETag)
	} else if old != nil && old.LastModified != "" {
		header.Set("If-Modified-Since", old.LastModified)
	}
	b, err := f.open(ctx, origin, "repodata/repomd.xml", header)
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	if b.status == http.StatusNotModified && old != nil {
		return nil, nil, nil
	}
	if b.status != http.StatusOK {
		return nil, nil, statusError(b.status)
	}
	text, err := io.ReadAll(io.LimitReader(b, maxRepomd+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxRepomd {
		return nil, nil, fmt.Errorf("repomd.xml has more than %d bytes", maxRepomd)
	}
	return text, b.header, nil
}

// settled is how old a file must be for its modification time to tell it from the next one: the time has whole seconds, and clocks differ (RFC 9110,
// 8.8.2.2).
const settled = time.Minute

// lastModified is the modification time of an answer if a change after it would show.
func lastModified(h http.Header) string {
	at, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return ""
	}
	if now, err := http.ParseTime(h.Get("Date")); err != nil || now.Sub(at) < settled {
		return ""
	}
	return h.Get("Last-Modified")
}

// hopeless tells whether asking again would give the same.
func hopeless(err error) bool {
	var status statusError
	return errors.As(err, &status) && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout ||
		errors.Is(err, errTooLarge) || errors.Is(err, fs.ErrNotExist)
}

// download appends what part lacks of a file.
func (f *fetcher) download(ctx context.Context, origin *url.URL, x file, part *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, fileTime, errStalled)
	defer cancel()
	var err error
	for try := range tries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Duration(try) * f.pause):
			}
		}
		if err = f.more(ctx, origin, x, part); err == nil || ctx.Err() != nil || hopeless(err) {
			return err
		}
	}
	return err
}

// more asks once for what part lacks.
func (f *fetcher) more(ctx context.Context, origin *url.URL, x file, part *os.File) error {
	st, err := part.Stat()
	if err != nil {
		return err
	}
	have := st.Size()
	if x.Size >= 0 && have == x.Size {
		return nil
	}
	header := http.Header{}
	if have > 0 && origin.Scheme != "file" {
		header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	b, err := f.open(ctx, origin, x.Href, header)
	var status statusError
	if have > 0 && errors.As(err, &status) && int(status) == http.StatusRequestedRangeNotSatisfiable {
		return errors.Join(part.Truncate(0), err, errors.New("what there was of the file was too much"))
	}
	if err != nil {
		return err
	}
	defer b.Close()
	if b.status != http.StatusPartialContent || !strings.HasPrefix(b.header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)) {
		if b.status != http.StatusOK {
			return statusError(b.status)
		}
		have = 0 // from the beginning
		if err := part.Truncate(0); err != nil {
			return err
		}
	}
	limit := int64(maxFile)
	if x.Size >= 0 {
		limit = x.Size
	}
	if _, err := part.Seek(have, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(part, &bounded{b, limit - have})
	switch {
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("%s: %w: more than %d bytes", x.Kind, err, limit)
	case err == nil && x.Size >= 0 && have+n < x.Size:
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%s: %w after %d bytes", x.Kind, err, have+n)
	}
	return nil
}
