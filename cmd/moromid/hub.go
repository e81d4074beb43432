package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"
)

// defaultListen is loopback: a hub is opened to others on purpose.
const defaultListen = "127.0.0.1:8080"

func hubCommand() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "hub --config FILE",
		Short: "Run the hub of a site: API, web, read models, repositories, scheduler",
		Long: `Runs a hub on a PostgreSQL that is already there. The configuration file is ini, with a section [hub]:

  database_url = postgres://moromi@db/moromi    where sessions and read models are, and the ledger unless said otherwise
  ledger       = esdb://ledger:2113             the ledger on EventStoreDB or KurrentDB
  topdir       = /mnt/koji                      packages, repositories, uploads
  listen       = 127.0.0.1:8080
  public_url   = https://koji.example.com       how others reach it, for links

Several hubs may run on the same database; one of them leads read models, repositories and scheduler.`,
		Example: "  moromid hub --config /etc/moromi/hub.conf",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.resolve(); err != nil {
				return err
			}
			return runHub(c.Context(), &s, nil)
		},
	}
	s.addSiteFlags(c)
	c.Flags().StringVar(&s.Listen, "listen", "", "address to listen on (default "+defaultListen+")")
	c.Flags().StringVar(&s.Topdir, "topdir", "", "directory of packages, repositories and uploads")
	c.Flags().StringVar(&s.PolicyFile, "policy", "", "file with a [policy] section, as in Koji's hub.conf")
	return c
}

// runHub runs every part of a hub until ctx ends. started is called when it answers, with its address.
func runHub(ctx context.Context, s *settings, started func(context.Context, *site, net.Addr) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.Listen == "" {
		s.Listen = defaultListen
	}
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.Listen, err)
	}
	defer l.Close() //nolint:errcheck // the server closes it, too
	if s.PublicURL == "" {
		s.PublicURL = "http://" + l.Addr().String()
	}
	st, err := openSite(ctx, s, s.logger(), true)
	if err != nil {
		return err
	}
	defer st.Close()
	defer cancel(nil) // before Close, which waits for the parts
	st.engine.OnCommit(st.service.Scheduler.Watch)
	handler, err := st.handler(ctx)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- st.serve(ctx, l, handler) }()
	st.background(ctx, "read models", st.engine.Run)
	st.background(ctx, "scheduler", st.service.Scheduler.Run)
	if err := st.ensureFirstRows(ctx); err != nil {
		return err
	}
	if started != nil {
		if err := started(ctx, st, l.Addr()); err != nil {
			return err
		}
	}
	st.background(ctx, "repo projector", st.projector.Run)
	st.started.Store(true)
	return st.waitForEnd(ctx, served)
}

// waitForEnd returns when the server ends, when PostgreSQL does, or when the process is told to stop.
func (st *site) waitForEnd(ctx context.Context, served <-chan error) error {
	var pgDone <-chan struct{}
	if st.postgres != nil {
		pgDone = st.postgres.Done()
	}
	select {
	case err := <-served:
		return err
	case <-pgDone:
		return fmt.Errorf("PostgreSQL ended: %w; its log is in %s", errors.Join(st.postgres.Err(), ctx.Err()), st.settings.Data)
	}
}
