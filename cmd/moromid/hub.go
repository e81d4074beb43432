package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

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
  tls_cert     = /etc/moromi/hub.pem            serve HTTPS; with tls_key
  client_ca    = /etc/moromi/clients.pem        log in users by certificates of these authorities
  AuthKeytab   = /etc/moromi/http.keytab        log in users by Kerberos

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
	s.Login.addFlags(c)
	s.addHubFlags(c)
	c.Flags().StringVar(&s.Topdir, "topdir", "", "directory of packages, repositories and uploads")
	return c
}

// runHub runs every part of a hub until ctx ends; then the builder stops first, since it says goodbye to the hub. started is called when the
// hub answers, with its address; what it starts under ctx is what stops first.
func runHub(ctx context.Context, s *settings, started func(context.Context, *site, net.Addr) error) error {
	if s.Listen == "" {
		s.Listen = defaultListen
	}
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.Listen, err)
	}
	defer l.Close() //nolint:errcheck // the server closes it, too
	in, err := s.Login.open(s.logger())
	if err != nil {
		return err
	}
	if s.PublicURL == "" {
		s.PublicURL = in.scheme() + "://" + l.Addr().String()
	}
	st, err := openSite(ctx, s, s.logger(), true)
	if err != nil {
		return err
	}
	defer st.Close()
	st.logins = in
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel() // before Close, which waits for the parts
	served, err := st.startParts(run, l)
	if err != nil {
		return err
	}
	if err := st.ensureFirstRows(ctx); err != nil {
		return err
	}
	if started != nil {
		if err := started(ctx, st, l.Addr()); err != nil {
			return err
		}
	}
	st.background(run, "repo projector", st.projector.Run)
	st.started.Store(true)
	return st.waitForEnd(ctx, served)
}

// startParts starts what a hub consists of, the repo projector excepted. The channel tells how the read models ended.
func (st *site) startParts(ctx context.Context, l net.Listener) (<-chan error, error) {
	st.engine.OnCommit(st.service.Scheduler.Watch)
	handler, err := st.handler(ctx)
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- st.serve(ctx, l, handler) }()
	st.onClose(func() { <-served })
	ended := make(chan error, 1)
	st.background(ctx, "read models", func(ctx context.Context) error {
		err := st.engine.Run(ctx)
		ended <- err
		return err
	})
	st.background(ctx, "heap", giveHeapRoom)
	st.background(ctx, "scheduler", st.service.Scheduler.Run)
	st.background(ctx, "decisions of policies", st.service.Decisions.Run)
	return ended, nil
}

// waitForEnd returns when the process is told to stop, or when something ends without which there is no hub.
func (st *site) waitForEnd(ctx context.Context, ended <-chan error) error {
	var postgres <-chan struct{}
	if st.postgres != nil {
		postgres = st.postgres.Done()
	}
	select {
	case <-ctx.Done():
		if st.builder != nil {
			<-st.builder
		}
		return nil
	case err := <-ended:
		return fmt.Errorf("read models: %w", err)
	case <-postgres:
		return fmt.Errorf("PostgreSQL ended: %w; its log is %s", st.postgres.Err(), filepath.Join(st.settings.Data, "postgres", "server.log"))
	}
}
