package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"gopkg.in/ini.v1"

	"moromi/commands"
	"moromi/commands/policy"
	"moromi/events"
	"moromi/events/esdbledger"
	"moromi/events/pgledger"
	"moromi/internal/pgserver"
	"moromi/internal/storage"
	"moromi/migrations"
	"moromi/projections"
	"moromi/projections/readmodel"
	"moromi/repoprojector"
	"moromi/repoprojector/format"
	"moromi/repoprojector/repodata"
)

// appConnections bounds a hub's connections to PostgreSQL besides the ledger's; the private server allows 100.
const appConnections = 32

// settings say where a site is and how it runs. They come from flags and, for `hub`, from a file.
type settings struct {
	Data        string // of `up`: DIR/postgres, DIR/topdir
	DatabaseURL string // a PostgreSQL that is already there
	LedgerURL   string // esdb://… puts the ledger on EventStoreDB; empty keeps it in PostgreSQL
	Topdir      string
	Listen      string
	PublicURL   string // how clients reach the hub, for links; empty: http://Listen
	PolicyFile  string
	RepoOrder   string // name or newest, empty for name: the order of packages in repositories' metadata
	OpenSums    string // yes or no, empty for yes: whether repositories' metadata has open-checksums
	EnableMaven string // yes or no, empty for yes: whether there are Maven builds
	EnableWin   string // likewise for Windows builds
	RepoFiles   string // latest or all, empty for latest: of which repositories the metadata is written to the topdir
	DistRepos   string // hub or builders, empty for hub: who makes dist repositories
	SignKey     string // a file, or gpg:ID: the key that repositories are signed with; empty: they are not
	SignHome    string // GnuPG's directory, for gpg:ID
	PublicKeys  string // files of further public keys, separated by commas
	ConfigFile  string
	Verbose     bool
	Login       loginSettings

	plugins *pluginSettings // nil: as in Koji
}

// addSiteFlags adds the flags by which every verb that works on a site finds it.
func (s *settings) addSiteFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.Data, "data", "", "directory of a site made by `moromid up`")
	f.StringVar(&s.ConfigFile, "config", "", "configuration file of a hub")
	f.StringVar(&s.DatabaseURL, "database-url", "", "PostgreSQL to use instead of a private one (postgres://…)")
	f.StringVar(&s.LedgerURL, "ledger", "", "where the ledger is kept if not in PostgreSQL (esdb://…)")
	f.BoolVarP(&s.Verbose, "verbose", "v", false, "say more")
}

// resolve reads the configuration file and fills in what follows from what is given.
func (s *settings) resolve() error {
	if s.ConfigFile != "" {
		if err := s.readFile(); err != nil {
			return err
		}
	}
	if s.Data == "" && s.DatabaseURL == "" {
		return usageError{errors.New("say where the site is: --data DIR, --config FILE or --database-url URL")}
	}
	if s.Data != "" {
		dir, err := filepath.Abs(s.Data)
		if err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
		s.Data = dir
		if s.Topdir == "" {
			s.Topdir = filepath.Join(dir, "topdir")
		}
	}
	return nil
}

// known are the settings of a configuration file by their names there, where upper and lower case are one.
func (s *settings) known() map[string]*string {
	known := map[string]*string{"data": &s.Data, "database_url": &s.DatabaseURL, "ledger": &s.LedgerURL, "topdir": &s.Topdir, "listen": &s.Listen,
		"public_url": &s.PublicURL, "policy": &s.PolicyFile,
		"repo_files": &s.RepoFiles, "dist_repos": &s.DistRepos, "repo_order": &s.RepoOrder, "repo_open_checksum": &s.OpenSums, "repo_sign_key": &s.SignKey, "repo_sign_home": &s.SignHome, "repo_public_keys": &s.PublicKeys,
		"enable_maven": &s.EnableMaven, "enable_win": &s.EnableWin}
	maps.Copy(known, s.Login.known())
	return known
}

// addHubFlags adds the flags by which the verbs that run a hub are told how.
func (s *settings) addHubFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.Listen, "listen", "", "address to listen on (default "+defaultListen+")")
	f.StringVar(&s.PolicyFile, "policy", "", "file with a [policy] section, as in Koji's hub.conf")
	f.StringVar(&s.RepoFiles, "repo-files", "", "latest or all: of which repositories the metadata is in the topdir's files; the hub serves all (default latest)")
	f.StringVar(&s.DistRepos, "dist-repos", "", "hub or builders: who makes dist repositories (default hub)")
	f.StringVar(&s.SignKey, "repo-sign-key", "", "sign repositories with the private key in this file, or gpg:ID for one of GnuPG")
	f.StringVar(&s.SignHome, "repo-sign-home", "", "GnuPG's directory, for a key gpg:ID")
	f.StringVar(&s.PublicKeys, "repo-public-keys", "", "files of further public keys to publish, separated by commas")
	f.StringVar(&s.RepoOrder, "repo-order", "", "name or newest: the order of packages in the metadata of repositories, newest for the last ones last (default name)")
	f.StringVar(&s.OpenSums, "repo-open-checksum", "", "yes or no: whether the metadata of repositories has checksums of the uncompressed files (default yes)")
	f.StringVar(&s.EnableMaven, "enable-maven", "", "yes or no: whether Maven builds are supported (default yes)")
	f.StringVar(&s.EnableWin, "enable-win", "", "yes or no: whether Windows builds are supported (default yes)")
}

// on reads a setting that is yes or no, empty for yes.
func on(name, value string) (bool, error) {
	switch strings.ToLower(value) {
	case "", "yes", "true", "on", "1":
		return true, nil
	case "no", "false", "off", "0":
		return false, nil
	}
	return false, usageError{fmt.Errorf("%s: %q is neither yes nor no", name, value)}
}

// lazyFiles reads RepoFiles.
func (s *settings) lazyFiles() (bool, error) {
	switch s.RepoFiles {
	case "", "latest":
		return true, nil
	case "all":
		return false, nil
	}
	return false, usageError{fmt.Errorf("repo_files: %q is neither latest nor all", s.RepoFiles)}
}

// distByBuilders reads DistRepos.
func (s *settings) distByBuilders() (bool, error) {
	switch s.DistRepos {
	case "", "hub":
		return false, nil
	case "builders":
		return true, nil
	}
	return false, usageError{fmt.Errorf("dist_repos: %q is neither hub nor builders", s.DistRepos)}
}

// repoFormat reads RepoOrder and OpenSums.
func (s *settings) repoFormat() (f repodata.Format, err error) {
	if s.RepoOrder != "" {
		if f.Order, err = format.ParseOrder(s.RepoOrder); err != nil {
			return f, usageError{fmt.Errorf("repo_order: %w", err)}
		}
	}
	sums, err := on("repo_open_checksum", s.OpenSums)
	f.NoOpenChecksum = !sums
	return f, err
}

// readFile takes what flags left open from the [hub] section of the configuration file.
func (s *settings) readFile() error {
	f, err := ini.LoadSources(ini.LoadOptions{Insensitive: true}, s.ConfigFile)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	known := map[string]*string{}
	for name, to := range s.known() {
		known[strings.ToLower(name)] = to // Koji reads upper and lower case as one, too
	}
	for _, k := range f.Section("hub").Keys() {
		to := known[k.Name()]
		if to == nil {
			return usageError{fmt.Errorf("%s: unknown setting %q in [hub]", s.ConfigFile, k.Name())}
		}
		if *to == "" {
			*to = k.String()
		}
	}
	if s.plugins, err = readPlugins(f); err != nil {
		return usageError{fmt.Errorf("%s: %w", s.ConfigFile, err)}
	}
	return nil
}

func (s *settings) logger() *slog.Logger {
	level := slog.LevelInfo
	if s.Verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// site is the opened parts that the verbs share.
type site struct {
	settings  *settings
	log       *slog.Logger
	postgres  *pgserver.Server // nil if it is not ours
	db        *pgxpool.Pool
	ledger    events.Store
	engine    *projections.Engine
	logins    *logins // nil in verbs that serve nothing
	service   *commands.Service
	policies  []policy.Section // of the file that the settings name
	projector *repoprojector.Projector
	builder   <-chan struct{} // closed when the embedded builder has ended; nil without one
	started   atomic.Bool     // everything that a start has to do is done
	close     []func()
}

// openSite starts or finds PostgreSQL, brings the schemas up to date and opens the ledger. The engine is made but does not run.
// With own, the site's private PostgreSQL must be started by this process: it is the hub's start, not a visit.
func openSite(ctx context.Context, s *settings, log *slog.Logger, own bool) (_ *site, err error) {
	st := &site{settings: s, log: log}
	// a file with a mistake is refused before anything is started
	if st.policies, err = st.policyFile(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			st.Close()
		}
	}()
	url := s.DatabaseURL
	if url == "" {
		if url, err = st.privatePostgres(ctx, own); err != nil {
			return nil, err
		}
	}
	if err := st.openPool(ctx, url); err != nil {
		return nil, err
	}
	if err := migrations.Apply(ctx, st.db); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	if err := st.openLedger(ctx); err != nil {
		return nil, err
	}
	st.engine, err = projections.NewEngine(st.ledger, st.db, migrations.ReadModelSchema(), log, readmodel.All()...)
	if err != nil {
		return nil, err
	}
	if l, ok := st.ledger.(*pgledger.Ledger); ok { // its database is the read models', too
		l.SetFollower(st.engine)
	}
	st.service = commands.NewService(st.ledger, st.engine, st.db, log, time.Now)
	if p := s.plugins; p != nil {
		st.service.SideTag, st.service.FailedTree = p.sideTag, p.failedTree
	}
	return st, nil
}

// privatePostgres gives the URL of the site's own PostgreSQL: the one that is running, or one started now and ended with the site.
func (st *site) privatePostgres(ctx context.Context, own bool) (string, error) {
	dir := filepath.Join(st.settings.Data, "postgres")
	if !own {
		if url, ok := pgserver.Running(ctx, dir); ok {
			return url, nil
		}
		if _, err := os.Stat(dir); err != nil {
			return "", fmt.Errorf("there is no site in %s (moromid up --data %s makes one)", st.settings.Data, st.settings.Data)
		}
	}
	pg, err := pgserver.Start(ctx, pgserver.Config{Dir: dir, Log: st.log})
	if errors.Is(err, pgserver.ErrInUse) {
		return "", fmt.Errorf("%s is already running (another moromid up holds it); stop that one first", st.settings.Data)
	}
	if err != nil {
		return "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	st.postgres = pg
	st.onClose(func() {
		ctx, cancel := context.WithTimeout(context.Background(), postgresStop)
		defer cancel()
		if err := pg.Stop(ctx); err != nil {
			st.log.Warn("stop PostgreSQL", "error", err)
		}
	})
	return pg.URL(), nil
}

// postgresStop bounds PostgreSQL's fast shutdown, which writes a checkpoint.
const postgresStop = time.Minute

func (st *site) openPool(ctx context.Context, url string) error {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		// what pgx says quotes the URL, and a password may stand anywhere in it
		return errors.New("the database URL cannot be read: it should be like postgres://USER@HOST/NAME")
	}
	c.MaxConns = appConnections
	c.ConnConfig.RuntimeParams["search_path"] = migrations.ReadModelSchema() + ", public"
	c.ConnConfig.RuntimeParams["application_name"] = "moromid"
	st.db, err = pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	st.onClose(st.db.Close)
	if err := st.db.Ping(ctx); err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return nil
}

func (st *site) openLedger(ctx context.Context) (err error) {
	switch url := st.settings.LedgerURL; {
	case url == "":
		st.ledger, err = pgledger.Open(ctx, pgledger.Config{Pool: st.db, Log: st.log})
	case strings.HasPrefix(url, "esdb://") || strings.HasPrefix(url, "esdb+discover://"):
		st.ledger, err = esdbledger.Open(ctx, url, esdbledger.Config{Log: st.log})
	default:
		return usageError{fmt.Errorf("--ledger %q: want esdb://HOST:PORT", url)}
	}
	if err != nil {
		return fmt.Errorf("open ledger: %w", err)
	}
	st.onClose(func() {
		if err := st.ledger.Close(); err != nil {
			st.log.Warn("close ledger", "error", err)
		}
	})
	return nil
}

// policyFile reads the policies of the file that the settings name; none without one.
func (st *site) policyFile() ([]policy.Section, error) {
	if st.settings.PolicyFile == "" {
		return nil, nil
	}
	f, err := os.Open(st.settings.PolicyFile)
	if err != nil {
		return nil, fmt.Errorf("open policies: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	file, err := policy.ReadFile(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.settings.PolicyFile, err)
	}
	return file, nil
}

// follow runs the engine until the site is closed. For verbs that only visit: commands wait for the read models.
func (st *site) follow(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := st.engine.Run(ctx); err != nil && ctx.Err() == nil {
			st.log.Error("read models", "error", err)
		}
	}()
	st.onClose(func() { cancel(); <-done })
}

// topdir opens the site's file tree, making it if it is not there.
func (st *site) topdir() (*storage.Topdir, error) {
	if st.settings.Topdir == "" {
		return nil, usageError{errors.New("say where the topdir is: topdir = DIR in [hub]")}
	}
	if err := os.MkdirAll(st.settings.Topdir, 0o755); err != nil {
		return nil, fmt.Errorf("make topdir: %w", err)
	}
	top, err := storage.Open(st.settings.Topdir)
	if err != nil {
		return nil, fmt.Errorf("open topdir: %w", err)
	}
	st.onClose(func() { _ = top.Close() })
	return top, nil
}

// cacheDir is a directory for what can be made again: beside the topdir, or under the site's own directory.
func (st *site) cacheDir(name string) string {
	if st.settings.Data != "" {
		return filepath.Join(st.settings.Data, "cache", name)
	}
	return filepath.Join(st.settings.Topdir, ".cache", name)
}

// answerDir is where long answers are until they are sent: under the site's own directory, else where the system has temporary files. The topdir
// may be on another machine.
func (st *site) answerDir() string {
	if st.settings.Data == "" {
		return ""
	}
	return filepath.Join(st.settings.Data, "cache", "answers")
}

func (st *site) onClose(f func()) { st.close = append(st.close, f) }

// Close ends what was opened, the last first.
func (st *site) Close() {
	for i := len(st.close) - 1; i >= 0; i-- {
		st.close[i]()
	}
	st.close = nil
}

// quietLogger is for verbs that people run: only what went wrong.
func (s *settings) quietLogger() *slog.Logger {
	level := slog.LevelWarn
	if s.Verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
