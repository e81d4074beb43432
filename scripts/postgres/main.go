// Command postgres runs a private PostgreSQL in a directory until it is told to stop: one that writes to the disk before it answers, for
// the benchmarks. It prints the server's URL when it is ready.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"moromi/internal/pgserver"
)

// stopTimeout bounds the server's orderly shutdown.
const stopTimeout = time.Minute

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: postgres DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	server, err := pgserver.Start(ctx, pgserver.Config{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println(server.URL())
	select {
	case <-server.Done():
		return server.Err()
	case <-ctx.Done():
	}
	stop, release := context.WithTimeout(context.Background(), stopTimeout)
	defer release()
	return server.Stop(stop)
}
