// Command moromid is the daemon of Moromi: hub, builder, and the operator's verbs. Each verb's file has its flags and what it does; site.go
// opens the parts that most of them share.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set when the program is linked.
var version = "devel"

// Exit statuses that scripts rely on.
const (
	exitFailed = 1
	exitUsage  = 2
	exitPartly = 2
)

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func main() {
	if enterBuildroot() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := rootCommand().ExecuteContext(ctx)
	var usage usageError
	var partly partlyError
	switch {
	case err == nil:
	case errors.As(err, &partly):
		fmt.Fprintf(os.Stderr, "moromid: %v\n", err)
		os.Exit(exitPartly)
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "moromid: %v\n", err)
		os.Exit(exitUsage)
	default:
		fmt.Fprintf(os.Stderr, "moromid: %v\n", err)
		os.Exit(exitFailed)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "moromid",
		Short:         "The build system's daemon: hub, builder and operator's verbs",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown verb %q; see moromid --help", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	root.AddCommand(upCommand(), hubCommand(), builderCommand(), migrateCommand(), replayCommand(), fsckCommand(), userCommand(), createrepoCommand())
	return root
}

// args wraps one of cobra's argument checks so that its error counts as wrong usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if err := check(c, a); err != nil {
			return usageError{fmt.Errorf("%s; see %s --help", strings.TrimSuffix(err.Error(), "."), c.CommandPath())}
		}
		return nil
	}
}
