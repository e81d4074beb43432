package hub

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Register puts the hub's addresses on a router: /kojihub with everything under it, the builders' stream, /kojifiles, and the repositories of past events.
func (h *Hub) Register(e *echo.Echo) {
	rpc := echo.WrapHandler(h.logged("kojihub", h))
	e.Any("/kojihub", rpc)
	e.Any("/kojihub/*", rpc)
	e.GET("/kojihub/stream", echo.WrapHandler(h.logged("stream", http.HandlerFunc(h.serveStream))))
	files := echo.WrapHandler(h.logged("kojifiles", h.files))
	e.Any("/kojifiles", files)
	e.Any("/kojifiles/*", files)
	e.Any("/repos/:tag/at/*", echo.WrapHandler(h.logged("repos", http.HandlerFunc(h.files.serveAt))))
	e.Any("/repos-dist/:tag/at/*", echo.WrapHandler(h.logged("repos", http.HandlerFunc(h.files.serveDistAt))))
}

// logged writes one line for each request when it ends. The query is left out: old clients put their session key there.
func (h *Hub) logged(surface string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, id := time.Now(), identified(w)
		rec := &recorder{ResponseWriter: w}
		defer func() {
			h.cfg.Log.LogAttrs(r.Context(), slog.LevelDebug, "request",
				slog.String("surface", surface), slog.String("request", id), slog.String("method", r.Method),
				slog.String("path", clip(r.URL.Path)), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
				slog.String("remote", h.remoteAddr(r)), slog.Duration("elapsed", time.Since(start)))
		}()
		next.ServeHTTP(rec, r)
	})
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// ReadFrom keeps the way open for the kernel to send files.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := io.Copy(r.ResponseWriter, src)
	r.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
