package hub

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"moromi/internal/fault"
	"moromi/internal/storage"
	"moromi/internal/xmlrpc"
)

// verifier makes the hash of a verify type; adler32 is Koji's default, md5 is for old clients.
func verifier(kind string) (hash.Hash, error) {
	switch kind {
	case "md5":
		return md5.New(), nil
	case "adler32":
		return adler32.New(), nil
	case "sha256":
		return sha256.New(), nil
	}
	return nil, fault.New(fault.Generic, "Unsupported verify type: %s", clip(kind))
}

// hexSum is a digest as Koji writes it; adler32 has its eight digits.
func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// rawUpload is the query of an upload.
type rawUpload struct {
	to        storage.Upload
	verify    string // "" for none
	offset    int64  // -1 is the end of the file
	overwrite bool
	volume    string
}

// parseUpload reads an upload's query. Koji fails on a missing filename and on a bad offset with exceptions of Python's: fault code 1.
func parseUpload(q url.Values) (rawUpload, error) {
	u := rawUpload{verify: q.Get("fileverify"), overwrite: q.Has("overwrite"), volume: storage.DefaultVolume}
	if !q.Has("filename") {
		return u, fault.New(fault.Internal, "filename is missing in the upload's query")
	}
	if q.Has("volume") {
		u.volume = q.Get("volume")
	}
	var err error
	if q.Has("offset") {
		if u.offset, err = parseInt("offset", q.Get("offset")); err != nil {
			return u, err
		}
	}
	if u.offset < -1 {
		return u, fault.New(fault.Generic, "Invalid upload offset: %d", u.offset)
	}
	if u.verify != "" {
		if _, err := verifier(u.verify); err != nil {
			return u, err
		}
	}
	u.to, err = storage.ParseUpload(u.volume, q.Get("filepath"), q.Get("filename"))
	return u, err
}

// serveUpload takes one piece of a file: the query says which and where, the body is the bytes. The answer is an XML-RPC one.
func (h *Hub) serveUpload(w http.ResponseWriter, r *http.Request, req *request, log *slog.Logger) {
	rc := http.NewResponseController(w)
	body := &paced{r: r.Body, rc: rc, start: time.Now()}
	result, err := h.upload(r, req, log, body)
	if err != nil && body.err == nil {
		drain(w, body)
	}
	if body.err != nil {
		log.InfoContext(r.Context(), "upload broke off", "error", body.err, "bytes", body.n)
		w.Header().Set("Connection", "close")
		if isTimeout(body.err) {
			plain(w, http.StatusRequestTimeout, "Request Timeout")
			return
		}
		plain(w, http.StatusBadRequest, "the upload's body could not be read")
		return
	}
	if err != nil {
		h.answerFault(w, r, log.With("method", "(upload)"), err)
		return
	}
	if err := rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		log.DebugContext(r.Context(), "reset deadline", "error", err)
	}
	h.answer(w, r, log.With("method", "(upload)"), result, nil)
}

// drain reads what is left of a refused request. A client reads the answer after it has sent all: a connection closed before would hide the
// fault from it. Past the limit it is closed all the same.
func drain(w http.ResponseWriter, body *paced) {
	if _, err := io.CopyN(io.Discard, body, drainLimit); err == nil {
		w.Header().Set("Connection", "close")
	}
}

// upload checks the caller and the destination and writes. An error of the body itself is reported by serveUpload.
func (h *Hub) upload(r *http.Request, req *request, log *slog.Logger, body io.Reader) (any, error) {
	if err := h.authenticate(r, req, ""); err != nil {
		return nil, err
	}
	c := h.newCall(r.Context(), req, log, &Method{Name: "(upload)"})
	if err := c.lockOut(); err != nil {
		return nil, err
	}
	if !c.LoggedIn() {
		return nil, fault.New(fault.ActionNotAllowed, "you must be logged-in to upload a file")
	}
	q, err := strictQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	u, err := parseUpload(q)
	if err != nil {
		return nil, err
	}
	owner, err := c.mayUpload(u.to, u.volume)
	if err != nil {
		return nil, err
	}
	f, existed, err := h.cfg.Storage.OpenUpload(u.to, owner)
	if err != nil {
		return nil, err
	}
	result, err := u.write(f.File, existed, body, h.cfg.Limits.UploadFile)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return result, nil
}

// mayUpload checks the caller's right to write there. owner is the user who must own the directory, or 0 for a task's directory, where the
// host that has the task open writes.
func (c *Call) mayUpload(to storage.Upload, volume string) (owner int64, err error) {
	if err := c.knownVolume(volume); err != nil {
		return 0, err
	}
	task, ok, err := to.Task()
	if err != nil {
		return 0, err
	}
	if !ok {
		return c.UserID(), nil
	}
	host, err := c.RequireHost()
	if err != nil {
		return 0, err
	}
	on, known, err := c.hub.cfg.Tasks.OpenOn(c.ctx, task)
	switch {
	case err != nil:
		return 0, fmt.Errorf("look up task: %w", err)
	case !known:
		return 0, fault.New(fault.Generic, "No such task: %d", task)
	case on != host:
		return 0, fault.New(fault.ActionNotAllowed, "host %d does not own task %d", host, task)
	}
	return 0, nil
}

func (c *Call) knownVolume(name string) error {
	if name == "" || name == storage.DefaultVolume {
		return nil
	}
	names, err := c.hub.cfg.Volumes.VolumeNames(c.ctx)
	if err != nil {
		return fmt.Errorf("look up volume: %w", err)
	}
	if !slices.Contains(names, name) {
		return fault.New(fault.Generic, "No such volume: %s", pyQuote(clip(name)))
	}
	return nil
}

// write puts the piece into the file. With overwrite the file is cut at the offset first, so that a restarted task's log does not keep its old
// end. Without, what is there stays, since the piece may be a repeat; then the file must end where the piece does.
func (u rawUpload) write(f *os.File, existed bool, body io.Reader, limit int64) (any, error) {
	if existed && u.offset == 0 && !u.overwrite {
		return nil, fault.New(fault.Generic, "upload path exists: %s", u.to)
	}
	offset := u.offset
	if offset == -1 {
		st, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("upload: %w", err)
		}
		offset = st.Size()
	}
	if offset > limit {
		return nil, errUploadSize(u.to, limit)
	}
	if u.overwrite && u.offset != -1 {
		if err := f.Truncate(offset); err != nil {
			return nil, fmt.Errorf("upload: %w", err)
		}
	}
	var out io.Writer = io.NewOffsetWriter(f, offset)
	var sum hash.Hash
	if u.verify != "" {
		var err error
		if sum, err = verifier(u.verify); err != nil {
			return nil, err
		}
		out = io.MultiWriter(out, sum)
	}
	size, err := io.CopyBuffer(out, io.LimitReader(body, limit-offset), make([]byte, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	if offset+size == limit {
		if n, _ := body.Read(make([]byte, 1)); n > 0 {
			return nil, errUploadSize(u.to, limit)
		}
	}
	if !u.overwrite {
		st, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("upload: %w", err)
		}
		if st.Size() != offset+size {
			return nil, fault.New(fault.Generic, "Incorrect upload length for %s - Expected %d, actual %d", u.to, offset+size, st.Size())
		}
	}
	result := xmlrpc.Struct{{Name: "size", Value: size}, {Name: "fileverify", Value: u.verify}, {Name: "offset", Value: offset}}
	if sum != nil {
		result = append(result, xmlrpc.Member{Name: "hexdigest", Value: hexSum(sum)})
	}
	return result, nil
}

func errUploadSize(to storage.Upload, limit int64) error {
	return fault.New(fault.Generic, "upload of %s refused: files are at most %d bytes here", to, limit)
}

// copyCtx is io.Copy that ends with the context: hashing a large file must not outlive its caller.
func copyCtx(ctx context.Context, to io.Writer, from io.Reader) (int64, error) {
	return io.CopyBuffer(to, readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return from.Read(p)
	}), make([]byte, 64<<10))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
