package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxWireText is how much of a request or an answer --debug-xmlrpc shows.
const maxWireText = 64 << 10

// wire shows what is sent and received. Logins and uploads are only named: they carry passwords, session keys and files.
type wire struct {
	next http.RoundTripper
	out  io.Writer
}

// RoundTrip sends the request on.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	shown := w.request(r)
	answer, err := w.next.RoundTrip(r)
	if err != nil {
		fmt.Fprintf(w.out, "error: %v\n", err)
		return nil, err
	}
	fmt.Fprintf(w.out, "answer: %s\n", answer.Status)
	if shown && strings.HasPrefix(answer.Header.Get("Content-Type"), "text/xml") {
		head, err := io.ReadAll(io.LimitReader(answer.Body, maxWireText))
		answer.Body = &joined{io.MultiReader(bytes.NewReader(head), &failing{answer.Body, err}), answer.Body}
		w.text(head)
	}
	return answer, nil
}

// request shows a request and tells whether its answer may be shown.
func (w *wire) request(r *http.Request) bool {
	address := *r.URL
	address.RawQuery = ""
	fmt.Fprintf(w.out, "%s %s\n", r.Method, address.Redacted())
	if r.GetBody == nil || r.Header.Get("Content-Type") != "text/xml" {
		return false
	}
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	defer body.Close()
	head, err := io.ReadAll(io.LimitReader(body, maxWireText))
	if err != nil {
		return false
	}
	for _, secret := range []string{"login", "sslLogin", "krbLogin", "gssapiLogin", "subsession"} {
		if bytes.Contains(head, []byte("<methodName>"+secret+"</methodName>")) {
			fmt.Fprintf(w.out, "(%s is not shown)\n", secret)
			return false
		}
	}
	w.text(head)
	return true
}

func (w *wire) text(data []byte) {
	if utf8.Valid(data) {
		fmt.Fprintf(w.out, "%s\n", bytes.TrimRight(data, "\n"))
		return
	}
	fmt.Fprintf(w.out, "%q\n", data)
}

// joined reads from one and closes another.
type joined struct {
	io.Reader
	io.Closer
}

// failing gives an earlier error, or reads on.
type failing struct {
	io.Reader
	err error
}

// Read reads on, unless reading had failed before.
func (f *failing) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Reader.Read(p)
}
