package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// passwordBytes is the length of generated passwords before they are written as hex: 128 bits.
const passwordBytes = 16

func upCommand() *cobra.Command {
	var s settings
	var admin string
	var noBuilder, withTLS, signRepos bool
	c := &cobra.Command{
		Use:   "up --data DIR",
		Short: "Run a whole site in one place: private PostgreSQL, hub, web, repositories, scheduler, one builder",
		Long: `Runs everything in one process group on embedded defaults. On the first start it makes the directory, a private PostgreSQL in DIR/postgres,
the file tree in DIR/topdir, and an administrator whose password is in DIR/admin.password. It is ready when GET /readyz answers 200.
With --tls it also makes certificates in DIR/tls, serves HTTPS by them, and writes DIR/koji.conf, by which koji and moromi are the administrator.
SIGINT and SIGTERM end it and all that it started.`,
		Example: `  moromid up --data ./site
  moromid up --data ./site --listen 0.0.0.0:8080 --no-builder
  moromid up --data ./site --tls
  moromid up --data ./site --ledger esdb://localhost:2113?tls=false`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if s.Data == "" {
				return usageError{errors.New("say where: --data DIR")}
			}
			if err := s.resolve(); err != nil {
				return err
			}
			if err := os.MkdirAll(s.Data, 0o755); err != nil {
				return fmt.Errorf("make data directory: %w", err)
			}
			if withTLS {
				if err := s.makeCertificates(admin); err != nil {
					return err
				}
			}
			if signRepos {
				if err := s.makeSignKey(); err != nil {
					return err
				}
			}
			return runHub(c.Context(), &s, func(ctx context.Context, st *site, addr net.Addr) error {
				if err := st.ensureAdmin(ctx, admin); err != nil {
					return err
				}
				if withTLS {
					if err := st.explainTLS(addr, admin); err != nil {
						return err
					}
				}
				if noBuilder {
					return nil
				}
				return st.startBuilder(ctx, addr)
			})
		},
	}
	s.addSiteFlags(c)
	s.addHubFlags(c)
	f := c.Flags()
	f.StringVar(&admin, "admin", "kojiadmin", "name of the administrator made on the first start")
	f.BoolVar(&withTLS, "tls", false, "serve HTTPS with certificates made in DIR/tls, and let the administrator log in by one")
	f.BoolVar(&signRepos, "sign-repos", false, "sign repositories with a key made in DIR/repo-sign.key")
	s.Login.addFlags(c)
	f.BoolVar(&noBuilder, "no-builder", false, "run no build host")
	return c
}

// ensureFirstRows brings an empty ledger to the state of a fresh Koji.
func (st *site) ensureFirstRows(ctx context.Context) error {
	if err := st.engine.CatchUp(ctx); err != nil {
		return err
	}
	if err := st.service.SyncCounters(ctx); err != nil {
		return err
	}
	if err := st.service.BootstrapCatalog(ctx); err != nil {
		return err
	}
	if err := st.service.LoadPolicies(ctx, st.policies); err != nil {
		return fmt.Errorf("%s: %w", st.settings.PolicyFile, err)
	}
	return nil
}

// ensureAdmin makes the administrator on the first start, with a random password that is kept in a file for the owner of the site.
func (st *site) ensureAdmin(ctx context.Context, name string) error {
	file := filepath.Join(st.settings.Data, "admin.password")
	err := st.service.BootstrapAdmin(ctx, name, func(id int64) error {
		password, err := newPasswordFile(file)
		if err != nil {
			return err
		}
		st.log.Info("administrator made", "name", name, "password in", file)
		return setPassword(ctx, st, id, password)
	})
	if err != nil {
		return fmt.Errorf("make administrator: %w", err)
	}
	return nil
}

// newPasswordFile makes a random password and keeps it in a file that only the owner reads.
func newPasswordFile(file string) (string, error) {
	b := make([]byte, passwordBytes)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make password: %w", err)
	}
	password := hex.EncodeToString(b)
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep password: %w", err)
	}
	return password, nil
}
