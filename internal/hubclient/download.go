package hubclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// downloadTries is how often a download that breaks off is taken up again without a byte of progress in between.
const downloadTries = 5

// DownloadURL copies a file of the hub (an address below its topurl) to w and returns its length. A connection that
// breaks is taken up where it ended, if the file is still the same. progress, if not nil, is told the bytes so far and the
// total (-1 if the server does not say). The session is not sent. A *StatusError says what the server answered.
func (c *Client) DownloadURL(ctx context.Context, address string, w io.Writer, progress func(done, total int64)) (int64, error) {
	d := &download{address: address, w: w, progress: progress, client: c.opts.HTTP, total: -1}
	for failures := 0; ; {
		before := d.done
		err := d.part(ctx)
		if err == nil {
			return d.done, nil
		}
		if d.done > before {
			failures = 0
		}
		failures++
		var give *giveUp
		if errors.As(err, &give) || !transient(err) || ctx.Err() != nil || failures >= downloadTries {
			return d.done, fmt.Errorf("download %s: %w", address, err)
		}
		c.opts.Log.InfoContext(ctx, "download broke off, trying again", "url", address, "at", d.done, "error", err)
		if failures > 1 {
			if err := sleep(ctx, c.opts.RetryInterval); err != nil {
				return d.done, fmt.Errorf("download %s: %w", address, err)
			}
		}
	}
}

// giveUp is an error that trying again does not mend.
type giveUp struct{ error }

func (g *giveUp) Unwrap() error { return g.error }

// download is one file under way.
type download struct {
	address  string
	w        io.Writer
	progress func(done, total int64)
	client   *http.Client
	done     int64
	total    int64
	version  string // ETag or Last-Modified of the first answer
}

// part asks for what is missing and copies what comes.
func (d *download) part(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address, nil)
	if err != nil {
		return &giveUp{err}
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept-Encoding", "identity") // offsets are of the file itself
	if d.done > 0 {
		if d.version == "" {
			return &giveUp{errors.New("broke off, and the server does not say whether the file is still the same")}
		}
		req.Header.Set("Range", "bytes="+strconv.FormatInt(d.done, 10)+"-")
		req.Header.Set("If-Range", d.version)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK && d.done > 0:
		return &giveUp{errors.New("the file changed while it was downloaded")}
	case resp.StatusCode == http.StatusOK:
		d.total = resp.ContentLength
		if d.version = resp.Header.Get("ETag"); d.version == "" {
			d.version = resp.Header.Get("Last-Modified")
		}
	case resp.StatusCode != http.StatusPartialContent || d.done == 0:
		return statusError(resp, d.address)
	}
	_, err = io.Copy(d, resp.Body)
	return err
}

// Write passes bytes on and counts them. Its errors are the reader's of the file, which nobody here can mend.
func (d *download) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.done += int64(n)
	if d.progress != nil {
		d.progress(d.done, d.total)
	}
	if err != nil {
		return n, &giveUp{err}
	}
	return n, nil
}

// Exists tells whether there is a file at an address, without reading it.
func (c *Client) Exists(ctx context.Context, address string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return false, fmt.Errorf("file address: %w", err)
	}
	req.Header.Set("User-Agent", userAgent)
	resp, err := c.opts.HTTP.Do(req)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", address, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, statusError(resp, address)
}
