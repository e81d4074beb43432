// Command moromi is the command line of a Moromi or Koji hub. Its verbs, options and output are those of Koji's.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"moromi/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Run(ctx, os.Args[1:], cli.System(comps))
	stop()
	os.Exit(status)
}
