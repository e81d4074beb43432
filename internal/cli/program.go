// Package cli is the moromi command: Koji's verbs (koji_cli/commands.py of 1.35) for a hub that speaks Koji's protocol.
//
// Each group of verbs is a file of functions that return a spec: name, options, what it does. What a verb prints for people
// is Koji's layout, because scripts read it; --json prints the hub's answer instead. Results go to standard output,
// everything else to standard error.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"moromi/internal/fault"
	"moromi/internal/hubclient"
)

// Exit statuses.
const (
	statusOK     = 0
	statusFailed = 1
	statusUsage  = 2
)

// Env is what the command takes from around it, so that tests can give their own.
type Env struct {
	Name       string // under which the command was called: a profile may have that name
	In         io.Reader
	Out, Err   io.Writer
	Getenv     func(string) string
	Dir        string                                            // where downloads go: the current directory
	Home       string                                            // where .koji is
	SystemDir  string                                            // where koji.conf and koji.conf.d are: /etc
	Now        func() time.Time                                  // the clock
	Zone       *time.Location                                    // for times that are shown
	Foreground bool                                              // a person waits: builds are watched
	Terminal   bool                                              // the output is a terminal: uploads and downloads show progress
	Comps      func(groups []map[string]any, expand bool) []byte // makes comps.xml of getTagGroups' answer
}

// System is the real environment. comps makes comps.xml of getTagGroups' answer.
func System(comps func(groups []map[string]any, expand bool) []byte) Env {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/" // no home, no personal configuration
	}
	return Env{
		Name: filepath.Base(os.Args[0]), In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Dir: ".", Home: home, SystemDir: "/etc",
		Now: time.Now, Zone: time.Local, Foreground: foreground(os.Stdin), Terminal: foreground(os.Stdout), Comps: comps,
	}
}

// foreground tells whether f is a terminal and we are in front of it, as Koji asks before it waits for a task.
func foreground(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeDevice != 0 && isForegroundGroup(f)
}

// program is one run of the command.
type program struct {
	Env
	global  globalOptions
	cfg     *config
	hub     *hubclient.Client
	started bool // a verb has begun: errors are no longer about usage
}

// usageError is a wrong command line.
type usageError struct{ error }

// statusError ends the command with a status without a word: what there was to say is said.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// Run runs the command line and returns its exit status: 0 done, 1 failed, 2 wrong usage.
// A line on standard error says what failed and what to do.
func Run(ctx context.Context, args []string, env Env) int {
	p := &program{Env: env}
	root := p.root()
	root.SetArgs(pairWords(args))
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	cmd, err := root.ExecuteContextC(ctx)
	p.logout(ctx)
	var usage *usageError
	var status *statusError
	switch {
	case err == nil:
		return statusOK
	case errors.As(err, &status):
		return status.status
	case errors.As(err, &usage) || !p.started:
		fmt.Fprintf(env.Err, "moromi: %s\nTry \"%s --help\".\n", oneLine(err), cmd.CommandPath())
		return statusUsage
	case ctx.Err() != nil:
		fmt.Fprintln(env.Err, "moromi: interrupted")
		return statusFailed
	}
	fmt.Fprintf(env.Err, "moromi: %s\n", explain(err, p.global.debug))
	return statusFailed
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

// explain makes an error one line that says what to do, where that is known.
func explain(err error, debug bool) string {
	f := fault.Of(err)
	var status *hubclient.StatusError
	var network *net.OpError
	switch {
	case f != nil:
	case errors.As(err, &status) && (status.Status == http.StatusNotFound || status.Status == http.StatusMethodNotAllowed) && strings.HasPrefix(err.Error(), "call "):
		return fmt.Sprintf("%s is not a hub (HTTP status %d); check --server, which ends in /kojihub as a rule", status.URL, status.Status)
	case errors.As(err, &network):
		return oneLine(err) + " (is the address right, and the hub running? check --server)"
	default:
		return oneLine(err)
	}
	text := strings.ReplaceAll(strings.TrimSpace(f.Message), "\n", " ")
	if debug {
		text = fmt.Sprintf("%s (fault %d, %s)", text, f.Code, faultClass(f.Code))
	}
	switch f.Code {
	case fault.Auth:
		return text + " (check --user, the password or the certificate)"
	case fault.AuthLock:
		return text + " (another program holds this user's session; end it, or use another user)"
	case fault.ServerOffline:
		return text + " (the hub is down for maintenance; try later)"
	}
	return text
}

// spec is one verb.
type spec struct {
	use      string // name and arguments, as in "add-tag NAME"
	short    string // one line
	long     string // more, if there is more to say
	example  string // command lines, two spaces before each
	group    string // id of a commandGroup
	aliases  []string
	login    bool     // it needs a session
	min, max int      // number of arguments; max < 0: any
	json     bool     // run itself prints JSON with --json; else what was changed is printed
	past     bool     // it reads something versioned: --at chooses a moment of the past
	complete []string // what the arguments name ("tag", "target", …); the last is for all that follow
	flags    func(f *pflag.FlagSet)
	run      func(v *invocation) error
}

// invocation is a verb being run.
type invocation struct {
	*program
	ctx   context.Context
	flags *pflag.FlagSet
	args  []string
	json  bool
	past  momentValue
	done  []row // what was changed, for --json
}

// The groups of verbs in the help.
const (
	groupBuild    = "build"
	groupTag      = "tag"
	groupInfo     = "info"
	groupMonitor  = "monitor"
	groupDownload = "download"
	groupAdmin    = "admin"
	groupMisc     = "misc"
)

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "moromi [global options] COMMAND [options] [arguments]",
		Short: "Command line of a Moromi or Koji build system",
		Long: `Command line of a Moromi or Koji build system.

The hub and the user come from --server and --user, from MOROMI_SERVER, MOROMI_USER, MOROMI_PASSWORD or
MOROMI_PASSWORD_FILE, or from a profile: a section of /etc/koji.conf, /etc/koji.conf.d/*.conf, ~/.koji/config or
~/.koji/config.d/*.conf. Without any of them the hub is ` + defaultServer + `.`,
		Example: `  moromi hello
  moromi build f42 git+https://git.example.com/foo#1a2b3c
  moromi list-tagged --latest --inherit f42
  moromi list-history --tag f42 --after 2026-01-01`,
		SilenceErrors: true, SilenceUsage: true, TraverseChildren: true, SuggestionsMinimumDistance: 2,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || p.global.listCommands {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	root.AddGroup(
		&cobra.Group{ID: groupBuild, Title: "Building:"}, &cobra.Group{ID: groupTag, Title: "Tags, packages and builds in them:"},
		&cobra.Group{ID: groupInfo, Title: "Looking things up:"}, &cobra.Group{ID: groupMonitor, Title: "Watching:"},
		&cobra.Group{ID: groupDownload, Title: "Downloading:"}, &cobra.Group{ID: groupAdmin, Title: "Administration:"},
		&cobra.Group{ID: groupMisc, Title: "Other:"})
	p.global.register(root.Flags())
	root.SetHelpCommand(helpCommand())
	for _, group := range [][]spec{
		buildCommands(), mavenCommands(), spinCommands(), imageCommands(), winCommands(), taskCommands(), watchCommands(), tagCommands(), inheritanceCommands(), targetCommands(), packageCommands(),
		groupCommands(), taggedCommands(), taggingCommands(), buildInfoCommands(), rpmCommands(), historyCommands(), hostCommands(),
		channelCommands(), userCommands(), permissionCommands(), repoCommands(), externalRepoCommands(), importCommands(), archiveCommands(), generatorCommands(),
		downloadCommands(), miscCommands(), taskAdminCommands(), schedulerCommands(), notificationCommands(), volumeCommands(), signedCommands(), sideTagCommands(), runRootCommands(),
	} {
		for _, s := range group {
			root.AddCommand(p.command(s, root.Flags()))
		}
	}
	root.AddCommand(p.policyCommand(root.Flags()))
	root.InitDefaultHelpCmd()
	return root
}

func unknownCommand(cmd *cobra.Command, name string) error {
	if similar := cmd.SuggestionsFor(name); len(similar) > 0 {
		return usagef("unknown command %q; did you mean %s?", name, strings.Join(similar, ", "))
	}
	return usagef("unknown command %q", name)
}

// command makes a verb's cobra command. Global options may also stand after the verb, unless it has one of that name.
func (p *program) command(s spec, global *pflag.FlagSet) *cobra.Command {
	cmd := &cobra.Command{
		Use: s.use, Short: s.short, Long: s.long, Example: s.example, Aliases: s.aliases, GroupID: s.group, DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error { return checkArgs(s, args) },
	}
	var asJSON bool
	var past momentValue
	if s.flags != nil {
		s.flags(cmd.Flags())
	}
	if cmd.Flags().Lookup("json") == nil {
		cmd.Flags().BoolVar(&asJSON, "json", false, "print the hub's answers as JSON")
	}
	if s.past {
		cmd.Flags().Var(&past, "at", "as of this moment: an event's number, or "+timeHelp)
	}
	cmd.InitDefaultHelpFlag()
	global.VisitAll(func(f *pflag.Flag) {
		if cmd.Flags().Lookup(f.Name) != nil {
			return
		}
		shared := *f
		shared.Hidden = true
		if cmd.Flags().ShorthandLookup(f.Shorthand) != nil {
			shared.Shorthand = ""
		}
		cmd.Flags().AddFlag(&shared)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v := &invocation{program: p, ctx: cmd.Context(), flags: cmd.Flags(), args: args, json: asJSON, past: past}
		if err := p.configure(); err != nil {
			return err
		}
		p.started = true
		if p.global.skipMain {
			return nil
		}
		if s.login || p.cfg.forceAuth {
			if err := v.login(); err != nil {
				return err
			}
		}
		err := s.run(v)
		if asJSON && !s.json && (err == nil || len(v.done) > 0) {
			err = errors.Join(err, v.printJSON(append([]row{}, v.done...)))
		}
		return err
	}
	p.completions(cmd, s)
	return cmd
}

func checkArgs(s spec, args []string) error {
	name, what, _ := strings.Cut(s.use, " ")
	switch {
	case len(args) < s.min && s.max == 0, s.max == 0 && len(args) > 0:
		return usagef("%s takes no arguments", name)
	case len(args) < s.min:
		return usagef("%s needs more arguments: %s", name, what)
	case s.max >= 0 && len(args) > s.max:
		return usagef("%s takes fewer arguments: %s", name, what)
	}
	return nil
}

// printf prints for people; with --json nothing but JSON is printed.
func (v *invocation) printf(format string, args ...any) {
	if !v.json {
		fmt.Fprintf(v.Out, format, args...)
	}
}

func (v *invocation) println(args ...any) {
	if !v.json {
		fmt.Fprintln(v.Out, args...)
	}
}

func (v *invocation) warnf(format string, args ...any) { fmt.Fprintf(v.Err, format+"\n", args...) }

// uniquePath is a directory for an upload that nobody else uses, as Koji's clients name it.
func (p *program) uniquePath(prefix string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	name := make([]byte, 8)
	for i := range name {
		name[i] = letters[rand.IntN(len(letters))]
	}
	return fmt.Sprintf("%s/%.6f.%s", prefix, float64(p.Now().UnixMicro())/1e6, name)
}
