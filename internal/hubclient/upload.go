package hubclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

const (
	// defaultUploadChunk is the size of one upload request, as in Koji's client: large enough to be quick, small enough to repeat.
	defaultUploadChunk = 1 << 20
	// maxUploadChunk is what one request may take of the client's memory, whatever is asked for.
	maxUploadChunk = 64 << 20
)

// UploadFile sends a local file to dir/name below the hub's work directory, replacing what is there, and has the hub check
// that all of it arrived. progress, if not nil, is told the bytes sent and their total.
func (c *Client) UploadFile(ctx context.Context, localPath, dir, name string, progress func(done, total int64)) error {
	f, err := os.Open(localPath)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("upload %s: not a regular file", localPath)
	}
	return c.upload(ctx, f, info.Size(), dir, name, progress)
}

func (c *Client) upload(ctx context.Context, r io.Reader, size int64, dir, name string, progress func(done, total int64)) error {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	progress(0, size)
	whole, err := newDigest(c.opts.UploadVerify)
	if err != nil {
		return err
	}
	chunk := min(c.opts.UploadChunk, maxUploadChunk)
	buf := make([]byte, min(chunk, max(size, 1)))
	var done int64
	repeated := false
	for done == 0 || done < size { // at least once, for empty files
		n, err := io.ReadFull(r, buf[:min(chunk, size-done)])
		if err != nil && size > 0 {
			return fmt.Errorf("upload %s: the file became shorter while it was read: %w", name, err)
		}
		tries, err := c.uploadChunk(ctx, dir, name, done, buf[:n], true)
		if err != nil {
			return fmt.Errorf("upload %s: %w", name, err)
		}
		whole.Write(buf[:n])
		repeated = repeated || tries > 1
		done += int64(n)
		progress(done, size)
		if size == 0 {
			break
		}
	}
	return c.checkUpload(ctx, dir, name, done, whole, repeated)
}

// checkUpload compares the hub's file with what was sent: its size, and its digest if a chunk went out twice.
func (c *Client) checkUpload(ctx context.Context, dir, name string, size int64, whole hash.Hash, digest bool) error {
	kw := xmlrpc.Kwargs{}
	if digest {
		kw["verify"] = c.opts.UploadVerify
	}
	v, err := c.Call(ctx, "checkUpload", dir, name, kw)
	if err != nil {
		return fmt.Errorf("check upload of %s: %w", name, err)
	}
	m := Struct(v)
	switch {
	case v == nil:
		return fmt.Errorf("upload %s: the hub does not have the file in %s", name, dir)
	case Int(m["size"]) != size:
		return fmt.Errorf("upload %s: the hub has %d bytes of %d", name, Int(m["size"]), size)
	case digest && String(m["hexdigest"]) != hex.EncodeToString(whole.Sum(nil)):
		return fmt.Errorf("upload %s: the hub's file has another checksum", name)
	}
	return nil
}

// UploadChunk writes data at offset of the file dir/name below the hub's work directory (-1: at its end). overwrite cuts
// the file off at offset first, as log streaming does to resume.
func (c *Client) UploadChunk(ctx context.Context, dir, name string, offset int64, data []byte, overwrite bool) error {
	if _, err := c.uploadChunk(ctx, dir, name, offset, data, overwrite); err != nil {
		return fmt.Errorf("upload %s at %d: %w", name, offset, err)
	}
	return nil
}

func (c *Client) uploadChunk(ctx context.Context, dir, name string, offset int64, data []byte, overwrite bool) (tries int, err error) {
	digest, err := newDigest(c.opts.UploadVerify)
	if err != nil {
		return 0, err
	}
	digest.Write(data)
	if err := c.lock(ctx); err != nil {
		return 0, err
	}
	defer c.unlock()
	if !c.session.ok {
		return 0, fault.New(fault.ActionNotAllowed, "you must be logged in to upload")
	}
	query := url.Values{"filename": {name}, "filepath": {dir}, "fileverify": {c.opts.UploadVerify}, "offset": {strconv.FormatInt(offset, 10)}}
	if overwrite {
		query.Set("overwrite", "1")
	}
	var v any
	err = c.renewing(ctx, func() error {
		req := &request{method: "rawUpload", url: c.base + "?" + query.Encode(), header: http.Header{}, body: data, timeout: c.opts.Timeout}
		req.header.Set("Content-Type", "application/octet-stream")
		c.identify(req)
		var n int
		v, n, err = c.sendRetrying(ctx, req, true)
		tries += n
		return err
	})
	if err != nil {
		return tries, err
	}
	m := Struct(v)
	if got := Int(m["size"]); got != int64(len(data)) {
		return tries, fmt.Errorf("the hub took %d bytes of %d", got, len(data))
	}
	if String(m["hexdigest"]) != hex.EncodeToString(digest.Sum(nil)) {
		return tries, errors.New("the hub computed another checksum")
	}
	return tries, nil
}

func newDigest(kind string) (hash.Hash, error) {
	switch kind {
	case "adler32":
		return adler32.New(), nil
	case "sha256":
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("upload checksum %q not known: use adler32 or sha256", kind)
}
