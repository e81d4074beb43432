package hub

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// Limits bound what one request may cost. Zero fields mean the defaults.
type Limits struct {
	// Body is the longest XML-RPC request in bytes.
	Body int64
	// UploadFile is the longest file that uploads may make, in bytes.
	UploadFile int64
	// Multicall bounds what the results of one multicall may hold together, in bytes, roughly.
	Multicall int64
	// Streams is how many builder streams one hub process keeps.
	Streams int64
	// Ping is how often a builder stream says that it is alive, which keeps proxies from closing it, and checks its session.
	Ping time.Duration
}

// The default limits.
const (
	DefaultBody       = 4 << 20  // Koji's MaxRequestLength
	DefaultUploadFile = 64 << 30 // past every disk image seen; less than a disk
	DefaultMulticall  = 256 << 20
	DefaultStreams    = 10_000
	DefaultPing       = 20 * time.Second
)

func (l Limits) orDefault() Limits {
	for _, f := range []struct {
		field *int64
		value int64
	}{{&l.Body, DefaultBody}, {&l.UploadFile, DefaultUploadFile}, {&l.Multicall, DefaultMulticall}, {&l.Streams, DefaultStreams}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	if l.Ping <= 0 {
		l.Ping = DefaultPing
	}
	return l
}

// Times that a connection may take. They are per step, so a large upload over a slow line is fine and a stalled one is not.
const (
	headerTimeout   = 10 * time.Second  // for the request's headers
	bodyTimeout     = 60 * time.Second  // for an XML-RPC request, or from one piece of an upload to the next
	writeTimeout    = 60 * time.Second  // for the client to take the next piece of an answer
	idleTimeout     = 120 * time.Second // between requests on a kept connection
	maxHeader       = 64 << 10          // bytes of headers: session headers and a query, with room
	minUploadRate   = 1 << 10           // bytes a second, on average, below which an upload is cut
	minDownloadRate = 16 << 10          // bytes a second, on average, below which a download is cut
	drainLimit      = 16 << 20          // bytes of a refused upload that are read before the answer: 16 of a client's usual pieces
	maxDepth        = 8                 // of multiCall and count in one another
	answerInMemory  = 256 << 10         // bytes of an answer that are in memory; a longer one is a file until the client has it
	answerPiece     = 256 << 10         // bytes of a file that are in memory while it is sent
)

// Server makes the HTTP server for a handler with the timeouts that the hub's surfaces are written for.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// ReadTimeout and WriteTimeout would bound whole uploads and streams: the handlers set deadlines step by step instead.
	}
}

// paced reads an upload's body: each read has bodyTimeout, and the whole must keep minUploadRate.
type paced struct {
	r     io.Reader
	rc    *http.ResponseController
	start time.Time
	n     int64
	err   error // the first read error, to tell it from a write error
}

func (p *paced) Read(b []byte) (int, error) {
	allowed := p.start.Add(bodyTimeout + time.Duration(p.n/minUploadRate)*time.Second)
	if next := time.Now().Add(bodyTimeout); next.Before(allowed) {
		allowed = next
	}
	if err := p.rc.SetReadDeadline(allowed); err != nil && !errors.Is(err, http.ErrNotSupported) {
		p.err = err
		return 0, err
	}
	n, err := p.r.Read(b)
	p.n += int64(n)
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
