package repoprojector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands"
	"moromi/internal/storage"
	"moromi/repoprojector/repodata"
)

// DefaultLazyFrom is a LazyFrom from which on writing files would keep those who wait.
const DefaultLazyFrom = 500

// Config is what a Projector works with. Service, DB, Storage and CacheDir are needed; the rest has defaults.
type Config struct {
	Service *commands.Service
	// DB reads the read models: its search_path names their schema.
	DB      *pgxpool.Pool
	Storage *storage.Topdir
	// CacheDir is a directory for what is known of rpms and for pieces of metadata. It may be emptied at any time, which only costs time.
	CacheDir string
	// Source is where the content of tags comes from: the read models, if it is nil.
	Source Source
	Log    *slog.Logger
	Clock  func() time.Time
	// LazyFiles makes repositories READY as soon as they can be served (OpenFile), and writes the files of metadata afterwards, of the newest of a tag
	// only. Else all files are written before.
	LazyFiles bool
	// LazyFrom excepts repositories with fewer rpms from LazyFiles: theirs are written in a few milliseconds, and who reads the topdir finds them at once.
	LazyFrom int
	// Sign gives the armored signature of a repomd.xml that was made at a time; nil: repositories are not signed. It must remember what it signed: repositories that are served
	// without files ask for the signature anew each time.
	Sign func(ctx context.Context, repomd []byte, made time.Time) ([]byte, error)
	// Renew gives a signature in place of one that was made with a former key; nil if it need not be replaced, and an error if the text is not to be signed. nil with Sign.
	Renew func(ctx context.Context, repomd, signature []byte) ([]byte, error)
	// Format of the metadata, for tags that do not say otherwise by their extra settings repo.order, repo.compression and repo.open_checksum.
	Format repodata.Format
	// Workers is how many repositories are made at once.
	Workers   int
	Lifetimes Lifetimes
	// Settling is how long a new build tag must have been left alone before its first repository is made unasked; 0 takes the default.
	Settling time.Duration
	// ExternalPulse is how often external repositories are looked at; 0 takes a minute.
	ExternalPulse time.Duration
}

// Lifetimes say how long repositories are kept; the names and defaults are kojira's. Zero fields take the default.
type Lifetimes struct {
	// Repo and DistRepo: how long a READY repository is kept after its tag has changed.
	Repo, DistRepo time.Duration
	// Expired: how long the files of one that is EXPIRED or a PROBLEM are kept, and a directory that no repository is known for.
	Expired time.Duration
	// Init: how long one may be INIT.
	Init time.Duration
	// Recheck is how often all this is looked at.
	Recheck time.Duration
}

// kojira's lifetimes (util/kojira of Koji 1.35).
const (
	repoLifetime        = 7 * 24 * time.Hour
	expiredRepoLifetime = 7 * 24 * time.Hour
	initTimeout         = 2 * time.Hour
	recheckPeriod       = time.Hour
)

// defaultWorkers is few: a repository is mostly writing, and a big one must only not hold up the others.
const defaultWorkers = 3

func (l *Lifetimes) fill() {
	for _, f := range []struct {
		d *time.Duration
		v time.Duration
	}{{&l.Repo, repoLifetime}, {&l.DistRepo, repoLifetime}, {&l.Expired, expiredRepoLifetime}, {&l.Init, initTimeout}, {&l.Recheck, recheckPeriod}} {
		if *f.d <= 0 {
			*f.d = f.v
		}
	}
}

func (c *Config) fill() error {
	switch {
	case c.Service == nil, c.DB == nil, c.Storage == nil:
		return errors.New("repository projector: Service, DB and Storage are needed")
	case c.CacheDir == "":
		return errors.New("repository projector: CacheDir is needed")
	}
	if c.Source == nil {
		c.Source = NewSource(c.DB)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Workers <= 0 {
		c.Workers = defaultWorkers
	}
	if c.Settling <= 0 {
		c.Settling = settling
	}
	if c.ExternalPulse <= 0 {
		c.ExternalPulse = externalPulse
	}
	c.Lifetimes.fill()
	return nil
}

// openCache opens the directory of fragments and blocks.
func (c *Config) openCache() (*repodata.Store, *os.Root, error) {
	if err := os.MkdirAll(c.CacheDir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("repository projector: %w", err)
	}
	root, err := os.OpenRoot(c.CacheDir)
	if err != nil {
		return nil, nil, fmt.Errorf("repository projector: %w", err)
	}
	store, err := repodata.OpenStore(root, c.Clock)
	if err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	return store, root, nil
}
