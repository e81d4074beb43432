package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"moromi/builder/buildroot"
)

// Install adds packages to the root.
func (r *root) Install(ctx context.Context, packages []string) error {
	defer r.logs.journal.Phase("installing packages")()
	for _, p := range packages {
		// a word that dnf could take for an option, or for a file of the host's
		if p == "" || strings.HasPrefix(p, "-") || strings.HasSuffix(p, ".rpm") || strings.Contains(p, "://") {
			return &buildroot.PhaseError{Phase: "installing packages", Tool: "dnf", Exit: 1, Log: "root.log", Detail: "No matching package to install: '" + p + "'"}
		}
	}
	r.pkgsNew = false
	return r.b.dnf(ctx, r.layer, r.spec, r.base.DBPath, r.logs.root, append([]string{"install", "--"}, packages...)...)
}

// Run runs a command in the root. It is root there, with capabilities that reach nothing outside.
func (r *root) Run(ctx context.Context, c buildroot.Command) error {
	log, err := openLog(filepath.Join(r.ResultDir(), buildroot.RunLog))
	if err != nil {
		return fmt.Errorf("open %s: %w", buildroot.RunLog, err)
	}
	defer log.f.Close()
	argv := c.Argv
	if c.Shell != "" {
		argv = []string{"/bin/sh", "-c", c.Shell}
	}
	if len(argv) == 0 {
		return errors.New("run a command in the root: there is none")
	}
	r.pkgsNew = false // it may have changed them
	defer r.logs.journal.Phase("running " + tool(argv))()
	return r.inside(ctx, step{phase: "running the command", dir: "/", argv: argv, super: true, mounts: c.Mounts, network: r.spec.Network,
		log: log, notes: r.logs.root, logName: buildroot.RunLog})
}

// takeOut runs Init to take something out of the root, in a mount namespace of its own.
func (r *root) takeOut(ctx context.Context, w io.Writer, t take) error {
	err := r.b.run(ctx, job{Root: r.layer.root, Overlay: r.layer.overlay, Inside: true, Hostname: r.b.cfg.Hostname,
		Binds: []bind{{filepath.Join(r.spec.Dir, "builddir"), home}}, Take: &t}, false, w)
	var exit *exitError
	if errors.As(err, &exit) && exit.code == exitNotThere {
		return buildroot.ErrNotThere
	}
	return err
}

// CopyOut writes a file of the root.
func (r *root) CopyOut(ctx context.Context, w io.Writer, name string) error {
	return r.takeOut(ctx, w, take{File: inRoot(name)})
}

// Pack writes a part of the root as tar.gz.
func (r *root) Pack(ctx context.Context, w io.Writer, o buildroot.PackOptions) error {
	return r.takeOut(ctx, w, take{Pack: &o})
}

// inRoot is an absolute path in the root as one below it.
func inRoot(name string) string { return strings.TrimPrefix(filepath.Clean("/"+name), "/") }
