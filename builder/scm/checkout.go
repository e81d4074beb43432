package scm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"moromi/internal/fault"
)

const (
	// DefaultTimeout ends a checkout that hangs. The largest dist-git repositories clone in minutes.
	DefaultTimeout = time.Hour
	// fetchHead is the local name of the fetched revision, Koji's.
	fetchHead = "KOJI_FETCH_HEAD"
)

// Command is one command of a checkout. Words after "--" come from the address, the others are fixed,
// but for the revision of git reset, which has a place of its own before "--".
type Command struct {
	Argv []string
	// Dir is where it runs, relative to the checkout's directory.
	Dir string
	// Env is added to the environment.
	Env []string
}

// plan is all commands of a checkout.
type plan struct {
	get     []Command
	recover *Command // instead of the rest of get, if one after the first fails
	common  Command
	dir     string // of the sources, relative
}

// Tree is a checkout.
type Tree struct {
	// Dir is the sources' directory, relative to the checkout's: the module in it, if there is one.
	Dir string
	// Commit is the full hash that was checked out, empty for other tools than git.
	Commit string
	// Source is the address to record.
	Source string
}

// Checkout gets sources.
type Checkout struct {
	URL URL
	// Dir is an empty directory for the checkout and, beside it, common.
	Dir       string
	UseCommon bool
	// Log takes the commands' output: checkout.log.
	Log io.Writer
	// Timeout is DefaultTimeout if zero.
	Timeout time.Duration
}

// Run checks the sources out. Errors that the log explains are Koji's BuildError naming it.
func (c Checkout) Run(ctx context.Context) (Tree, error) {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout,
		fault.New(fault.Build, "the checkout took longer than %s; see checkout.log for details", c.Timeout))
	defer cancel()
	p, err := commands(c.URL)
	if err != nil {
		return Tree{}, err
	}
	program := p.get[0].Argv[0]
	if _, err := exec.LookPath(program); err != nil {
		return Tree{}, fault.New(fault.Build, "this builder cannot check out %s addresses: %s is not installed", c.URL.Scheme, program)
	}
	for i, cmd := range p.get {
		err := c.run(ctx, cmd)
		if err != nil && i > 0 && p.recover != nil && ctx.Err() == nil {
			err = c.run(ctx, *p.recover)
			if err == nil {
				break
			}
		}
		if err != nil {
			return Tree{}, err
		}
	}
	if c.UseCommon {
		if err := c.run(ctx, p.common); err != nil {
			return Tree{}, err
		}
		if err := linkCommon(c.Dir, p.dir); err != nil {
			return Tree{}, fmt.Errorf("link common: %w", err)
		}
	}
	t := Tree{Dir: p.dir, Source: c.URL.Source(c.URL.Revision)}
	if c.URL.Kind() == Git || c.URL.Kind() == GitSSH {
		if t.Commit, err = c.head(ctx); err != nil {
			return Tree{}, err
		}
		t.Source = c.URL.Source(t.Commit)
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return Tree{}, fmt.Errorf("open the checkout: %w", err)
	}
	defer root.Close()
	// Through os.Root: a module that is a link out of the checkout is none.
	if st, err := root.Stat(t.Dir); err != nil || !st.IsDir() {
		return Tree{}, fault.New(fault.Build, "no directory %q in %s%s at %s", c.URL.Module, c.URL.Host, c.URL.Repository, c.URL.Revision)
	}
	return t, nil
}

// run runs one command. The children of git (git-remote-https) share its process group and end with it.
func (c Checkout) run(ctx context.Context, cmd Command) error {
	fmt.Fprintf(c.Log, "$ %s\n", c.URL.safe(strings.Join(cmd.Argv, " ")))
	err := execute(ctx, cmd, c.Dir, c.Log)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Fprintf(c.Log, "%s: %v\n", cmd.Argv[0], err)
	return fault.New(fault.Build, "Error running %s command %q, see checkout.log for details", c.URL.Kind(), c.URL.safe(strings.Join(cmd.Argv, " ")))
}

func execute(ctx context.Context, cmd Command, dir string, out io.Writer) error {
	x := exec.CommandContext(ctx, cmd.Argv[0], cmd.Argv[1:]...)
	x.Dir = filepath.Join(dir, cmd.Dir)
	x.Env = append(os.Environ(), cmd.Env...)
	x.Stdout, x.Stderr = out, out
	x.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	x.Cancel = func() error { return syscall.Kill(-x.Process.Pid, syscall.SIGKILL) }
	x.WaitDelay = 5 * time.Second // for a grandchild that left the group with the pipe open
	return x.Run()
}

// head reads the commit that is checked out.
func (c Checkout) head(ctx context.Context) (string, error) {
	var out bytes.Buffer
	err := execute(ctx, Command{Argv: []string{"git", "rev-parse", "--verify", "HEAD^{commit}"}, Dir: c.URL.Name(), Env: gitEnv()}, c.Dir, &out)
	hash := strings.TrimSpace(out.String())
	if err != nil || strings.Trim(hash, "0123456789abcdef") != "" || len(hash) < 40 {
		return "", fault.Wrap(err, fault.Generic, "Error getting commit hash for git")
	}
	return hash, nil
}

// Branches are the repository's branches that have the commit which Run checked out, without "origin/". Other tools than git have none.
func (c Checkout) Branches(ctx context.Context) ([]string, error) {
	if kind := c.URL.Kind(); kind != Git && kind != GitSSH {
		return nil, nil
	}
	var out bytes.Buffer
	argv := append(append([]string{"git"}, gitFlags...), "branch", "-r", "--contains", "HEAD", "--format=%(refname:lstrip=3)")
	if err := execute(ctx, Command{Argv: argv, Dir: c.URL.Name(), Env: gitEnv()}, c.Dir, &out); err != nil {
		return nil, fault.Wrap(err, fault.Generic, "Error getting branches for git checkout")
	}
	var names []string
	for line := range strings.Lines(out.String()) {
		if name := strings.TrimSpace(line); name != "" && name != "HEAD" {
			names = append(names, name)
		}
	}
	return names, nil
}

// gitEnv keeps git from asking questions, and from any transport but the plain ones (ext:: runs commands).
func gitEnv() []string {
	return []string{"GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=git:http:https:ssh", "GIT_SSH_COMMAND=ssh -oBatchMode=yes", "LC_ALL=C.UTF-8"}
}

// gitFlags keep what a repository brings along from running.
var gitFlags = []string{"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false"}

// commands makes the command lines for an address.
func commands(u URL) (plan, error) {
	switch u.Kind() {
	case Git, GitSSH:
		return gitCommands(u)
	case SVN, SVNSSH:
		return svnCommands(u)
	default:
		return cvsCommands(u)
	}
}

func gitCommands(u URL) (plan, error) {
	scheme := u.Scheme
	if _, transport, ok := strings.Cut(scheme, "+"); ok {
		scheme = transport
	}
	if u.Kind() == GitSSH && u.User == "" {
		return plan{}, fault.New(fault.Build, "No user specified for repository access scheme: %s://", u.Scheme)
	}
	base := scheme + "://" + userPrefix(u) + u.Host
	name := u.Name()
	common := path.Dir(u.Repository)
	switch {
	case strings.HasSuffix(u.Repository, "/.git"):
		common = path.Join(path.Dir(strings.TrimSuffix(u.Repository, "/.git")), "common/.git")
	case strings.HasSuffix(u.Repository, ".git"):
		common = path.Join(common, "common.git")
	default:
		common = path.Join(common, "common")
	}
	git := func(args ...string) []string { return append(append([]string{"git"}, gitFlags...), args...) }
	rev := strings.TrimPrefix(u.Revision, "origin/")
	return plan{
		get: []Command{
			{Argv: git("clone", "-n", "--", base+u.Repository, name), Env: gitEnv()},
			{Argv: git("fetch", "--", "origin", rev+":"+fetchHead), Dir: name, Env: gitEnv()},
			{Argv: git("reset", "--hard", fetchHead, "--"), Dir: name, Env: gitEnv()},
		},
		recover: &Command{Argv: git("reset", "--hard", u.Revision, "--"), Dir: name, Env: gitEnv()},
		common:  Command{Argv: git("clone", "--", base+common, "common"), Env: gitEnv()},
		dir:     path.Join(name, u.Module),
	}, nil
}

func userPrefix(u URL) string {
	switch {
	case u.User == "" && u.Password == "":
		return ""
	case u.Password != "":
		return u.User + ":" + u.Password + "@"
	default:
		return u.User + "@"
	}
}

func svnCommands(u URL) (plan, error) {
	scheme := u.Scheme
	if _, transport, ok := strings.Cut(scheme, "+"); ok && u.Kind() == SVN {
		scheme = transport
	}
	if u.Kind() == SVNSSH && u.User == "" {
		return plan{}, fault.New(fault.Build, "No user specified for repository access scheme: %s://", u.Scheme)
	}
	base := scheme + "://" + userPrefix(u) + u.Host + u.Repository
	dir := u.Name()
	target := base
	if u.Module != "" {
		dir, target = u.Module, base+"/"+u.Module
	}
	svn := []string{"svn", "checkout", "--non-interactive"}
	return plan{
		// The @ ends an address that has one of its own in it.
		get:    []Command{{Argv: append(append([]string{}, svn...), "-r", u.Revision, "--", target+"@", dir)}},
		common: Command{Argv: append(append([]string{}, svn...), "--", base+"/common@", "common")},
		dir:    dir,
	}, nil
}

func cvsCommands(u URL) (plan, error) {
	user, method := u.User, ":pserver:"
	var env []string
	if u.Kind() == CVSSSH {
		if user == "" {
			return plan{}, fault.New(fault.Build, "No user specified for repository access scheme: %s://", u.Scheme)
		}
		method, env = ":ext:", []string{"CVS_RSH=ssh"}
	}
	if user == "" {
		user = "anonymous"
	}
	if u.Module == "" {
		return plan{}, fault.New(fault.Build, "a cvs address needs a module: %s", u.safe(u.String()))
	}
	root := method + user + "@" + u.Host + ":" + u.Repository
	return plan{
		get:    []Command{{Argv: []string{"cvs", "-d", root, "checkout", "-r", u.Revision, "--", u.Module}, Env: env}},
		common: Command{Argv: []string{"cvs", "-d", root, "checkout", "--", "common"}, Env: env},
		dir:    u.Module,
	}, nil
}

// linkCommon makes ../common reachable from the sources' directory, as Makefiles of dist-cvs times expect.
func linkCommon(dir, sources string) error {
	parent := path.Dir(sources)
	if parent == "." {
		return nil // common is there
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	name := path.Join(parent, "common")
	if _, err := root.Lstat(name); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return root.Symlink(strings.Repeat("../", strings.Count(parent, "/")+1)+"common", name)
}
