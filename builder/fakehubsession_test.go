package builder_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"moromi/builder"
	"moromi/internal/xmlrpc"
)

// hubSession is the fake hub as a builder sees it.
type hubSession struct {
	*fakeHub
	id int64
}

func (s hubSession) ID() int64                             { return s.id }
func (s hubSession) Exclusive(context.Context, bool) error { return nil }
func (s hubSession) EndChild(context.Context, int64) error { return nil }
func (s hubSession) Logout(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loggedOut = true
	return nil
}
func (s hubSession) Child(context.Context) (builder.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children++
	return hubSession{s.fakeHub, int64(s.children)}, nil
}
func (s hubSession) Notices(context.Context) (<-chan builder.Notice, error) { return s.notices, nil }

func (s hubSession) UploadFile(_ context.Context, local, dir, name string, _ func(done, total int64)) error {
	src, err := os.Open(local)
	if err != nil {
		return err
	}
	defer src.Close()
	to := filepath.Join(s.top, "work", dir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

func (s hubSession) UploadChunk(_ context.Context, dir, name string, offset int64, data []byte, overwrite bool) error {
	to := filepath.Join(s.top, "work", dir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if overwrite {
		err = f.Truncate(offset)
	}
	_, werr := f.WriteAt(data, offset)
	s.mu.Lock()
	s.changed.Broadcast()
	s.mu.Unlock()
	return errors.Join(err, werr, f.Close())
}

func (s hubSession) Call(ctx context.Context, method string, args ...any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Through the wire format and back: what cannot be encoded, a real hub would not get.
	var doc strings.Builder
	if err := xmlrpc.EncodeCall(&doc, method, args); err != nil {
		return nil, err
	}
	_, params, err := xmlrpc.DecodeCall(strings.NewReader(doc.String()), xmlrpc.DefaultLimits())
	if err != nil {
		return nil, err
	}
	pos, kw := xmlrpc.SplitKwargs(params)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	s.calls = append(s.calls, method)
	return s.answer(method, pos, kw)
}
