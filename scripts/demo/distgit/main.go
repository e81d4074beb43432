// Distgit serves git repositories and their lookaside cache over HTTP on loopback, for the demo: what a site's
// dist-git server is to its build system.
//
//	/rpms/NAME.git                                git repositories, read only (git http-backend)
//	/lookaside/NAME/FILE/sha512/DIGEST/FILE       source files
//
// Usage: distgit -root DIR -listen ADDRESS. DIR has the folders rpms and lookaside.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// headerTimeout is how long a client may take to send its request.
const headerTimeout = 10 * time.Second

func main() {
	root := flag.String("root", "", "directory with the folders rpms and lookaside")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *root, *listen); err != nil {
		fmt.Fprintf(os.Stderr, "distgit: %v\n", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, root, listen string) error {
	handler, err := newHandler(ctx, root)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("serving %s at http://%s\n", root, listener.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// newHandler routes to git's own HTTP program and to the lookaside files.
func newHandler(ctx context.Context, root string) (http.Handler, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("find git's programs: %w", err)
	}
	lookaside, err := os.OpenRoot(filepath.Join(root, "lookaside"))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/rpms/", &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
	})
	mux.Handle("GET /lookaside/", http.StripPrefix("/lookaside", http.FileServerFS(lookaside.FS())))
	return mux, nil
}
