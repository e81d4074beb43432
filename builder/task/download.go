package task

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
	"path/filepath"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/internal/rpm"
)

// Attempts to get a file of the hub's, and the pause before each further one, which doubles.
const (
	downloadTries = 4
	downloadPause = 500 * time.Millisecond
)

// errNotThere is an answer 404.
var errNotThere = errors.New("not found on the hub's file server")

// fileURL is the address of a file below the hub's topdir. The path must be clean: it may come from a user.
func (s *Settings) fileURL(rel string) (string, error) {
	if !fs.ValidPath(rel) || strings.ContainsAny(rel, "\\\x00") {
		return "", fault.New(fault.Build, "%q is not a path of an uploaded file", rel)
	}
	parts := strings.Split(rel, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return s.TopURL + "/" + strings.Join(parts, "/"), nil
}

// open gets a file of the hub's. The caller closes it. A missing one is errNotThere; other failures are tried again.
func (s *Settings) open(ctx context.Context, address string) (io.ReadCloser, error) {
	var err error
	for try, pause := 0, downloadPause; try < downloadTries; try, pause = try+1, 2*pause {
		if try > 0 {
			t := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				t.Stop()
				return nil, context.Cause(ctx)
			case <-t.C:
			}
		}
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, http.MethodGet, address, nil); err != nil {
			return nil, fmt.Errorf("get %s: %w", address, err)
		}
		var res *http.Response
		if res, err = s.HTTP.Do(req); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			continue
		}
		if res.StatusCode == http.StatusOK {
			return res.Body, nil
		}
		res.Body.Close()
		if err = fmt.Errorf("GET %s: %s", address, res.Status); res.StatusCode < 500 {
			if res.StatusCode == http.StatusNotFound {
				err = fmt.Errorf("%w: %s", errNotThere, address)
			}
			return nil, err
		}
	}
	return nil, err
}

// download copies a file of the hub's to a local one. A transfer that broke off is begun again.
func (s *Settings) download(ctx context.Context, rel, to string) error {
	address, err := s.fileURL(rel)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		var body io.ReadCloser
		if body, err = s.open(ctx, address); err != nil {
			return err
		}
		err = copyTo(to, body)
		body.Close()
		if err == nil || ctx.Err() != nil || try+1 == downloadTries {
			return err
		}
	}
}

func copyTo(name string, r io.Reader) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("keep a download: %w", err)
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// sourceHeader reads the header of an uploaded source package without fetching the rest.
func (j *Job) sourceHeader(ctx context.Context, srpm string) (*rpm.Header, error) {
	address, err := j.Settings.fileURL("work/" + srpm)
	if err != nil {
		return nil, err
	}
	body, err := j.Settings.open(ctx, address)
	if errors.Is(err, errNotThere) {
		return nil, fault.Wrap(err, fault.Build, "SRPM file missing: %s", srpm)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return sourceHeader(body, srpm)
}

func sourceHeader(r io.Reader, name string) (*rpm.Header, error) {
	h, err := rpm.ReadHeader(r)
	if err != nil {
		return nil, fault.Wrap(err, fault.Build, "%s is not an rpm package: %s", name, err)
	}
	if !h.IsSource() {
		return nil, fault.New(fault.Build, "%s is not a source package", name)
	}
	return h, nil
}

// fetchSRPM gets an uploaded source package into the job's directory and reads its header.
func (j *Job) fetchSRPM(ctx context.Context, srpm string) (string, *rpm.Header, error) {
	dir := filepath.Join(j.Dir, "srpm")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make a directory: %w", err)
	}
	local := filepath.Join(dir, path.Base(srpm))
	err := j.Settings.download(ctx, "work/"+srpm, local)
	if errors.Is(err, errNotThere) {
		return "", nil, fault.Wrap(err, fault.Build, "SRPM file missing: %s", srpm)
	}
	if err != nil {
		return "", nil, err
	}
	f, err := os.Open(local)
	if err != nil {
		return "", nil, fmt.Errorf("open the source package: %w", err)
	}
	defer f.Close()
	h, err := sourceHeader(f, srpm)
	return local, h, err
}
