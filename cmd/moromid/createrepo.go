package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"moromi/repoprojector/createrepo"
	"moromi/repoprojector/repodata"
)

// partlyError says that a repository was written, but not with all that it should hold; createrepo_c's exit status
// for it is exitPartly.
type partlyError struct{ error }

// createrepoFlags are the flags that are not an option of the engine as they are.
type createrepoFlags struct {
	createrepo.Options
	checksum, compress, general string
	noDatabase, uniqueNames     bool
	errorExit, quiet, verbose   bool
	pretty, localSqlite         bool
	retainOld                   int
}

func createrepoCommand() *cobra.Command {
	var f createrepoFlags
	c := &cobra.Command{
		Use:   "createrepo [OPTIONS] DIR",
		Short: "Write the yum metadata of a directory of rpms, as createrepo_c does",
		Long: `Writes DIR/repodata (or that of --outputdir) for the rpms below DIR, or for those that --pkglist names. Options, order of packages and
text are createrepo_c's. The old repodata is replaced at once when the new one is on disk, and stays whole if the run fails.

With --update, what was learned of the rpms is kept in ` + createrepo.DefaultState + ` beside repodata (or in --cachedir), and the next
--update reads only rpms that came or changed. It may be deleted at any time; the next run is then a whole one.

An rpm that cannot be read is named on standard error and left out; with --error-exit-val the exit status is then 2.
Exit status 1: nothing was written. There are no sqlite databases unless --database asks sqliterepo_c for them.`,
		Example: `  moromid createrepo /srv/repo
  moromid createrepo --update --skip-stat -i pkglist -g comps.xml -o /srv/new /srv/packages
  moromid createrepo --compress-type zstd -x '*-debuginfo-*' --revision 17 /srv/repo`,
		Version: version,
		Args:    args(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(c *cobra.Command, a []string) error {
			f.Dir = a[0]
			if err := f.check(c); err != nil {
				return usageError{err}
			}
			return f.run(c.Context())
		},
	}
	f.add(c)
	return c
}

func (f *createrepoFlags) add(c *cobra.Command) {
	l := c.Flags()
	l.BoolP("version", "V", false, "print the version and exit")
	l.BoolVarP(&f.quiet, "quiet", "q", false, "say only what is wrong")
	l.BoolVarP(&f.verbose, "verbose", "v", false, "say more")
	l.StringArrayVarP(&f.Excludes, "excludes", "x", nil, "leave out files and places that match the `PATTERN` (* and ?); may be repeated")
	l.StringVarP(&f.BaseURL, "baseurl", "u", "", "the `URL` where clients find the rpms")
	l.StringVarP(&f.GroupFile, "groupfile", "g", "", "package groups (comps); a relative `FILE` is relative to DIR")
	l.StringVarP(&f.checksum, "checksum", "s", "sha256", "the `TYPE` of checksums: sha256 alone")
	l.BoolVarP(&f.Database, "database", "d", false, "add sqlite databases; needs sqliterepo_c")
	l.BoolVar(&f.noDatabase, "no-database", false, "add no sqlite databases (default)")
	l.BoolVar(&f.Update, "update", false, "keep what is known of unchanged rpms (by size and time) and take it over")
	l.BoolVar(&f.SkipStat, "skip-stat", false, "with --update: an rpm at the same place is the same")
	l.StringVarP(&f.State, "cachedir", "c", "", "the `DIR` where --update keeps what it knows, for this repository alone (default "+createrepo.DefaultState+" beside repodata)")
	l.StringVarP(&f.PkgList, "pkglist", "i", "", "a `FILE` with the rpms, one a line, relative to DIR")
	l.StringArrayVarP(&f.Include, "includepkg", "n", nil, "an `RPM`, relative to DIR; may be repeated")
	l.StringVarP(&f.Output, "outputdir", "o", "", "the `DIR` that gets repodata (default DIR)")
	l.BoolVarP(&f.SkipSymlinks, "skip-symlinks", "S", false, "leave out symbolic links to rpms")
	l.BoolVar(&f.uniqueNames, "unique-md-filenames", true, "put checksums into the names of files")
	l.BoolVar(&f.SimpleNames, "simple-md-filenames", false, "put no checksums into the names of files")
	l.IntVar(&f.retainOld, "retain-old-md", 0, "keep the files of the old repodata, if not 0")
	l.BoolVar(&f.KeepAll, "keep-all-metadata", false, "with --update: keep what other programs added to repodata")
	l.StringArrayVar(&f.Distro, "distro", nil, "a distribution, `TEXT` or CPEID,TEXT; may be repeated")
	l.StringArrayVar(&f.Content, "content", nil, "a `TAG` for the content; may be repeated")
	l.StringArrayVar(&f.Repo, "repo", nil, "a `TAG` for the repository; may be repeated")
	l.StringVar(&f.Revision, "revision", "", "the `REVISION` in repomd.xml (default the time)")
	l.BoolVar(&f.TimestampRevision, "set-timestamp-to-revision", false, "give all files the time that --revision says, in seconds")
	l.IntVar(&f.Workers, "workers", createrepo.DefaultWorkers, "how many rpms are read at once")
	l.StringVar(&f.compress, "compress-type", "gz", "`gz` or zstd")
	l.StringVar(&f.general, "general-compress-type", "", "the same as --compress-type")
	l.StringVar(&f.LocationPrefix, "location-prefix", "", "put the `PREFIX` before places")
	l.IntVar(&f.CutDirs, "cut-dirs", 0, "cut so many directories off places")
	l.BoolVar(&f.errorExit, "error-exit-val", false, "exit with status 2 if an rpm could not be read")
	l.BoolVarP(&f.pretty, "pretty", "p", true, "nothing: it is always pretty")
	l.BoolVar(&f.localSqlite, "local-sqlite", false, "nothing")
	for _, flag := range []string{"pretty", "local-sqlite", "general-compress-type"} {
		_ = l.MarkHidden(flag) // only an unknown flag is an error
	}
	for flag, values := range map[string][]string{"compress-type": {"gz", "zstd"}, "checksum": {"sha256"}} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	for _, flag := range []string{"outputdir", "cachedir"} {
		_ = c.MarkFlagDirname(flag)
	}
}

// check completes the engine's options.
func (f *createrepoFlags) check(c *cobra.Command) error {
	if f.checksum != "sha256" {
		return fmt.Errorf("checksums are sha256; %q is not written", f.checksum)
	}
	if f.general != "" {
		f.compress = f.general
	}
	switch f.compress {
	case "gz":
		f.Compression = repodata.Gzip
	case "zstd", "zst":
		f.Compression = repodata.Zstd
	default:
		return fmt.Errorf("%q is no compression that is written: gz or zstd", f.compress)
	}
	if f.noDatabase && f.Database {
		return errors.New("--database and --no-database contradict each other")
	}
	if f.Database && f.Compression == repodata.Zstd {
		return errors.New("sqliterepo_c reads no zstd: --database needs --compress-type gz")
	}
	if f.Workers < 1 {
		return errors.New("--workers must be 1 or more")
	}
	f.RetainOld = f.retainOld != 0
	if c.Flags().Changed("unique-md-filenames") && f.uniqueNames {
		f.SimpleNames = false
	}
	return nil
}

// How many percent of what is in use may be garbage. A whole run leaves little garbage beside what it holds, and is to be small;
// an update needs little in all.
const (
	createrepoGC = 10
	updateGC     = 400
)

func (f *createrepoFlags) run(ctx context.Context) error {
	if f.Update {
		debug.SetGCPercent(updateGC)
	} else {
		debug.SetGCPercent(createrepoGC)
		_ = releaseProgram() // without /proc the run is larger, and as good
	}
	start := time.Now()
	out := &createrepoOutput{quiet: f.quiet}
	if !f.quiet && stderrIsTerminal() {
		f.Progress = out.progress
	}
	f.Problem, f.Warn = out.problem, out.warn
	report, err := createrepo.Run(ctx, f.Options)
	out.clear()
	if err != nil {
		return err
	}
	if !f.quiet {
		fmt.Printf("%d packages, %d read from rpms, %.1f s\n", report.Packages, report.Read, time.Since(start).Seconds())
	}
	if f.verbose {
		fmt.Fprintf(os.Stderr, "%d of %d blocks were made\n", report.Built, report.Blocks)
		if report.Whole != nil {
			fmt.Fprintf(os.Stderr, "nothing was taken over: %v\n", report.Whole)
		}
	}
	if report.Bad > 0 && f.errorExit {
		return partlyError{fmt.Errorf("%d packages were left out", report.Bad)}
	}
	return nil
}

// createrepoOutput writes to standard error, where progress and messages must not mix.
type createrepoOutput struct {
	quiet bool
	mu    sync.Mutex
	drawn time.Time // when progress was drawn last; zero if it is not on the screen
}

// progressEvery is how often progress is drawn.
const progressEvery = 100 * time.Millisecond

func (o *createrepoOutput) progress(done, total int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); now.Sub(o.drawn) >= progressEvery {
		o.drawn = now
		fmt.Fprintf(os.Stderr, "\rread %d of %d rpms (%d %%)", done, total, 100*done/max(total, 1))
	}
}

// clear wipes the progress off the screen.
func (o *createrepoOutput) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wipe()
}

func (o *createrepoOutput) wipe() {
	if !o.drawn.IsZero() {
		fmt.Fprintf(os.Stderr, "\r%s\r", strings.Repeat(" ", 40))
		o.drawn = time.Time{}
	}
}

func (o *createrepoOutput) problem(name string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wipe()
	fmt.Fprintf(os.Stderr, "moromid: left out %q: %v\n", name, err)
}

func (o *createrepoOutput) warn(err error) {
	if o.quiet {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wipe()
	fmt.Fprintf(os.Stderr, "moromid: %v\n", err)
}
