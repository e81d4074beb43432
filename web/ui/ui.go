package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/events"
	"moromi/internal/storage"
)

// assets are the templates, and the style sheet and scripts as they are served.
//
//go:embed template/*.html static/*
var assets embed.FS

// Config is what the pages need. DB, Ledger, Storage and Position must be set.
type Config struct {
	// DB reads the read models: its search_path names their schema.
	DB *pgxpool.Pool
	// Ledger finds the event for a time, and fills the page of events.
	Ledger events.Store
	// Storage is the topdir: logs and what tasks put out.
	Storage *storage.Topdir
	// Position is how far the read models are.
	Position func() events.Position
	// Clock is used for "3 minutes ago" and the like. Nil: time.Now.
	Clock func() time.Time
	// Log takes what goes wrong. Nil: slog.Default().
	Log *slog.Logger
	// SiteName stands at the top of every page. Empty: "moromi".
	SiteName string
	// PublicURL is how people reach the site, without a slash at the end; it is shown where an address is to be copied. May be empty.
	PublicURL string
	// ExternalFailure says what is wrong with an external repository now, "" for nothing that is known. May be nil.
	ExternalFailure func(id int64) string
	// Streams is how many event streams are kept open at once; 0 means DefaultStreams.
	Streams int64
}

// DefaultStreams bounds the open event streams of one process: each costs a goroutine and a few buffers.
const DefaultStreams = 2000

// UI serves the pages. It is safe for concurrent use.
type UI struct {
	cfg     Config
	pages   map[string]*template.Template // by the name of the page's file
	static  map[string]asset              // by the name under /ui/
	names   map[string]string             // the name under /ui/ by the file's own
	live    *board
	streams atomic.Int64
}

// asset is a file as it is served. Its name holds a digest of it, so it may be kept for good.
type asset struct {
	data []byte
	mime string
}

// New reads the templates. It fails only over a programming error in them or a field of Config that is missing.
func New(cfg Config) (*UI, error) {
	if cfg.DB == nil || cfg.Ledger == nil || cfg.Storage == nil || cfg.Position == nil {
		return nil, errors.New("ui: DB, Ledger, Storage and Position are needed")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.SiteName == "" {
		cfg.SiteName = "moromi"
	}
	if cfg.Streams == 0 {
		cfg.Streams = DefaultStreams
	}
	u := &UI{cfg: cfg}
	u.live = newBoard(u)
	if err := u.readStatic(); err != nil {
		return nil, err
	}
	return u, u.readTemplates()
}

func (u *UI) readStatic() error {
	u.static, u.names = map[string]asset{}, map[string]string{}
	mimes := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	entries, err := fs.ReadDir(assets, "static")
	if err != nil {
		return fmt.Errorf("list static files: %w", err)
	}
	for _, e := range entries {
		data, err := assets.ReadFile("static/" + e.Name())
		if err != nil {
			return fmt.Errorf("read static file: %w", err)
		}
		sum := sha256.Sum256(data)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:6]) + ext
		u.static[name] = asset{data: data, mime: mimes[ext]}
		u.names[e.Name()] = name
	}
	return nil
}

// readTemplates parses each page together with the frame and the parts that pages share.
func (u *UI) readTemplates() error {
	base, err := template.New("frame.html").Option("missingkey=error").Funcs(u.funcs()).ParseFS(assets, "template/frame.html", "template/part.html")
	if err != nil {
		return fmt.Errorf("parse templates: %w", err)
	}
	names, err := fs.Glob(assets, "template/*.html")
	if err != nil {
		return fmt.Errorf("list templates: %w", err)
	}
	u.pages = map[string]*template.Template{}
	for _, name := range names {
		file := strings.TrimSuffix(path.Base(name), ".html")
		if file == "frame" || file == "part" {
			continue
		}
		t, err := base.Clone()
		if err != nil {
			return fmt.Errorf("parse templates: %w", err)
		}
		if u.pages[file], err = t.ParseFS(assets, name); err != nil {
			return fmt.Errorf("parse templates: %w", err)
		}
	}
	return nil
}
