package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"moromi/builder"
	"moromi/builder/buildroot/native"
	"moromi/commands"
	"moromi/projections/host"
)

// embeddedHost is the build host that `moromid up` runs.
const embeddedHost = "localhost"

// builderStop bounds how long an embedded builder may take to give its tasks back.
const builderStop = 20 * time.Second

// enterBuildroot takes over when the process was started as the first one of a build root (builder/buildroot/native starts itself so).
func enterBuildroot() bool {
	if len(os.Args) == 2 && os.Args[1] == native.InitVerb {
		os.Exit(native.Init())
	}
	return false
}

func builderCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "builder --config FILE",
		Short: "Run a build host",
		Long: `Runs the builder of one build host. The configuration file is in the style of kojid.conf, with a section [kojid] (or [builder]):

  server        = https://koji.example.com/kojihub     the hub
  topurl        = https://koji.example.com/kojifiles   its files
  user          = builder1                             the host's account
  password_file = /etc/moromi/builder.password
  workdir       = /var/lib/moromi                      work, build roots, caches
  allowed_scms  = git.example.com:/rpms/*:no           where sources may come from

docs/operations.md lists every setting.`,
		Example: "  moromid builder --config /etc/moromi/builder.conf",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{errors.New("say how: --config FILE")}
			}
			cfg, err := builder.ReadConfig(file)
			if err != nil {
				return err
			}
			cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
			return builder.Run(c.Context(), cfg)
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration file")
	return c
}

// startBuilder makes the embedded build host's account on the first start and runs its builder as a process of its own.
func (st *site) startBuilder(ctx context.Context, addr net.Addr) error {
	if err := st.ensureEmbeddedHost(ctx); err != nil {
		return fmt.Errorf("make build host: %w", err)
	}
	conf := filepath.Join(st.settings.Data, "builder.conf")
	if err := st.writeBuilderConfig(conf, addr); err != nil {
		return err
	}
	done := make(chan struct{})
	st.builder = done
	st.background(ctx, "builder", func(ctx context.Context) error {
		defer close(done)
		return st.keepBuilder(ctx, conf)
	})
	return nil
}

func (st *site) ensureEmbeddedHost(ctx context.Context) error {
	h, err := host.ByName(ctx, st.db, embeddedHost, nil)
	if err != nil {
		return err
	}
	file := filepath.Join(st.settings.Data, "builder.password")
	if _, statErr := os.Stat(file); h != nil && statErr == nil {
		return nil
	}
	if h == nil {
		if _, err := st.service.CreateHost(ctx, commands.Actor{}, commands.CreateHost{Name: embeddedHost, Arches: machineArches()}); err != nil {
			return err
		}
		if h, err = host.ByName(ctx, st.db, embeddedHost, nil); err != nil {
			return err
		}
		ch, err := host.Channel(ctx, st.db, "createrepo")
		if err != nil {
			return err
		}
		if err := st.service.JoinChannel(ctx, commands.Actor{}, h["id"].(int64), ch["id"].(int64), "createrepo"); err != nil {
			return err
		}
	}
	password, err := newPasswordFile(file)
	if err != nil {
		return err
	}
	return setPassword(ctx, st, h["user_id"].(int64), password)
}

// machineArches are the rpm arches that this machine builds for.
func machineArches() []string {
	switch runtime.GOARCH {
	case "amd64":
		return []string{"x86_64"}
	case "arm64":
		return []string{"aarch64"}
	}
	return []string{runtime.GOARCH}
}

func (st *site) writeBuilderConfig(file string, addr net.Addr) error {
	url, serverCA := st.localURL(addr), st.localCA()
	if _, err := os.Stat(file); err == nil {
		return st.refreshBuilderConfig(file, url, serverCA)
	}
	text := fmt.Sprintf(`# the build host that moromid up runs; yours to change, but server, topurl and serverca are set anew at every start
[kojid]
server = %s/kojihub
topurl = %s/kojifiles
serverca = %s
user = %s
password_file = %s
workdir = %s
vendor = %s
packager = %s
distribution = %s
allowed_scms = *:*:no
force_lock = yes
# the site has no other host that could take a task while this machine is busy
max_load_per_cpu = 0
`, url, url, serverCA, embeddedHost, filepath.Join(st.settings.Data, "builder.password"), filepath.Join(st.settings.Data, "builder"), "Moromi", "Moromi", "Moromi")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write builder configuration: %w", err)
	}
	return nil
}

// refreshBuilderConfig sets the hub's address and authority anew, which may be others at every start, and leaves the rest as its owner made
// it. An authority that the owner wrote there for a certificate of the site's own stays.
func (st *site) refreshBuilderConfig(file, url, serverCA string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read builder configuration: %w", err)
	}
	lines := strings.Split(string(b), "\n")
	topurl, found := 0, false
	for i, l := range lines {
		key, value, _ := strings.Cut(l, "=")
		switch strings.TrimSpace(key) {
		case "server":
			lines[i] = "server = " + url + "/kojihub"
		case "topurl":
			lines[i], topurl = "topurl = "+url+"/kojifiles", i
		case "serverca":
			found = true
			if ours := st.tlsDir(); serverCA != "" || strings.HasPrefix(strings.TrimSpace(value), ours) {
				lines[i] = "serverca = " + serverCA
			}
		}
	}
	if !found && serverCA != "" {
		lines[topurl] += "\nserverca = " + serverCA
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return fmt.Errorf("write builder configuration: %w", err)
	}
	return nil
}

// keepBuilder runs the builder and starts it again when it ends by itself, until ctx ends.
func (st *site) keepBuilder(ctx context.Context, conf string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	for ctx.Err() == nil {
		err := runBuilder(ctx, self, conf)
		if ctx.Err() != nil {
			break
		}
		st.log.Warn("builder ended, starting it again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return ctx.Err()
}

// runBuilder runs the builder once. It is told to stop when ctx ends, and dies with this process however that ends.
func runBuilder(ctx context.Context, self, conf string) error {
	runtime.LockOSThread() // the parent-death signal is that of the thread that started the child
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, self, "builder", "--config", conf)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = builderStop
	return cmd.Run()
}
