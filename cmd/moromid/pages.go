package main

import (
	"fmt"

	"github.com/labstack/echo/v4"

	"moromi/internal/storage"
	"moromi/web/metric"
	"moromi/web/rest"
	"moromi/web/ui"
)

// registerPages puts what people and monitoring look at on the router: the web pages, the stream of events and the metrics.
func (st *site) registerPages(e *echo.Echo, top *storage.Topdir) error {
	metrics, err := metric.New(metric.Config{Ledger: st.ledger, Position: st.engine.Position, Pool: st.db})
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	metrics.Register(e)
	api, err := rest.New(rest.Config{Ledger: st.ledger, Policies: st.service.Policies, Log: st.log})
	if err != nil {
		return fmt.Errorf("rest: %w", err)
	}
	api.Register(e)
	pages, err := ui.New(ui.Config{DB: st.db, Ledger: st.ledger, Storage: top, Position: st.engine.Position, Log: st.log, PublicURL: st.settings.PublicURL,
		ExternalFailure: st.projector.ExternalFailure})
	if err != nil {
		return fmt.Errorf("web pages: %w", err)
	}
	st.engine.OnCommit(pages.Watch)
	pages.Register(e)
	return nil
}
