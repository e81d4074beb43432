package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"moromi/repoprojector"
	"moromi/web/auth"
	"moromi/web/hub"
)

// The HTTP server's limits. Bodies may be long uploads and answers long streams, so only headers and idleness have a time.
const (
	headerTimeout   = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 10 * time.Second
	maxHeaderBytes  = 64 << 10
	// readyTimeout bounds how long the readiness page waits for the read models.
	readyTimeout = 2 * time.Second
)

// serve runs the hub's surfaces on the listener until ctx ends.
func (st *site) serve(ctx context.Context, l net.Listener, handler http.Handler) error {
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(st.log.Handler(), slog.LevelDebug)} // what clients do wrong in TLS and HTTP
	l = st.logins.listener(l)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	st.log.Info("listening", "address", l.Addr().String(), "tls", st.logins.pair != nil)
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close() // streams that did not end by themselves
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// handler puts every surface on one router. It registers watchers, so it comes before the engine runs; st.projector is made here.
func (st *site) handler(ctx context.Context) (http.Handler, error) {
	top, err := st.topdir()
	if err != nil {
		return nil, err
	}
	st.service.Files = top
	backend := hub.NewBackend(st.db, st.engine)
	sessions, err := auth.New(auth.Config{Pool: st.db, Users: backend, Log: st.log, AnyClientIP: !st.logins.checkClientIP, WithLedger: st.settings.LedgerURL == ""})
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	st.background(ctx, "sessions", sessions.Run)
	notices := hub.NewNotices()
	st.engine.OnCommit(notices.Watch)
	lazy, err := st.settings.lazyFiles()
	if err != nil {
		return nil, err
	}
	if st.service.Repos.DistByBuilders, err = st.settings.distByBuilders(); err != nil {
		return nil, err
	}
	format, err := st.settings.repoFormat()
	if err != nil {
		return nil, err
	}
	signer, err := st.signer(ctx)
	if err != nil {
		return nil, err
	}
	repos := repoprojector.Config{Service: st.service, DB: st.db, Storage: top, CacheDir: st.cacheDir("repodata"), Log: st.log, LazyFiles: lazy, LazyFrom: repoprojector.DefaultLazyFrom, Format: format}
	if signer != nil {
		repos.Sign, repos.Renew = signer.Sign, signer.Renew
	}
	st.projector, err = repoprojector.New(repos)
	if err != nil {
		return nil, fmt.Errorf("repo projector: %w", err)
	}
	st.engine.OnCommit(st.projector.Watch)
	maven, err := on("enable_maven", st.settings.EnableMaven)
	if err != nil {
		return nil, err
	}
	win, err := on("enable_win", st.settings.EnableWin)
	if err != nil {
		return nil, err
	}
	deps := hub.Deps{Service: st.service, DB: st.db, Storage: top, Sign: repos.Sign, NoMaven: !maven, NoWin: !win,
		Comps: func(ctx context.Context, tag, event int64) ([]byte, error) {
			return repoprojector.Comps(ctx, st.db, tag, event)
		}}
	cfg := hub.Config{Methods: hub.DomainMethods(deps), Users: backend, Sessions: sessions, Storage: top, Tasks: backend,
		Volumes: backend, Notifier: notices, Log: st.log, Changes: st.engine, RepoFiles: st.projector, AnswerDir: st.answerDir(), ListPlugins: st.service.UsesPlugins}
	if signer != nil {
		cfg.RepoKey = signer.PublicKey()
	}
	if err := st.logins.configure(&cfg, st.service, sessions); err != nil {
		return nil, err
	}
	h, err := hub.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("method table: %w", err)
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	h.Register(e)
	if err := st.registerPages(e, top); err != nil {
		return nil, err
	}
	e.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "alive\n") })
	e.GET("/readyz", st.ready)
	return e, nil
}

// ready answers 200 when the read models hold what the ledger held when the question came.
func (st *site) ready(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	if !st.started.Load() {
		return c.String(http.StatusServiceUnavailable, "not ready: starting\n")
	}
	if err := st.engine.CatchUp(ctx); err != nil {
		st.log.Warn("not ready", "error", err)
		return c.String(http.StatusServiceUnavailable, "not ready: the read models are behind the ledger or one of them cannot be reached\n")
	}
	return c.String(http.StatusOK, fmt.Sprintf("ready at event %d\n", st.engine.Position()))
}

// background runs a part until the site's context ends; the site's Close waits for it.
func (st *site) background(ctx context.Context, name string, run func(context.Context) error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			st.log.Error("part of the hub ended", "part", name, "error", err)
		}
	}()
	st.onClose(func() { <-done })
}
