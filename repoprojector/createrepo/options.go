package createrepo

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"moromi/repoprojector/repodata"
)

// Options say what a run does. They mean what createrepo_c's of the same name do.
type Options struct {
	// Dir has the rpms; places in the metadata are relative to it.
	Dir string
	// Output gets the directory repodata; Dir if empty. It is made if need be.
	Output string

	// PkgList is a file with a place a line. With it or Include, only what they name is in the repository;
	// else all rpms below Dir are.
	PkgList string
	Include []string
	// Excludes are patterns (* and ?) of file names and places that are left out.
	Excludes []string
	// SkipSymlinks leaves out symbolic links to rpms that are found below Dir.
	SkipSymlinks bool

	// Update takes over what an earlier run with Update has kept about rpms that have not changed, by size and time; with
	// SkipStat, not even that is looked at: an rpm at the same place is the same.
	Update, SkipStat bool
	// State is the directory of what is kept, DefaultState in Output if empty; a relative one is relative to Output.
	// It is for one repository alone.
	State string

	// GroupFile is a file of package groups, "" for none; a relative one is relative to Dir.
	GroupFile string
	// KeepAll takes over what other programs have added to the old repomd.xml.
	KeepAll bool
	// RetainOld leaves the files of the old repository in place beside the new ones.
	RetainOld bool
	// Database lets the program sqliterepo_c add databases.
	Database bool

	Compression repodata.Compression
	// BaseURL is where clients find the rpms, if not beside repodata.
	BaseURL string
	// CutDirs is how many directories are cut off places, LocationPrefix what is then put before them.
	CutDirs        int
	LocationPrefix string
	// SimpleNames leaves checksums out of the names of files.
	SimpleNames bool
	// Revision stands in repomd.xml; the seconds since 1970 if empty. With TimestampRevision, it is the time of all files.
	Revision          string
	TimestampRevision bool
	// Content, Repo and Distro are tags of the repository; one of Distro is "text" or "cpeid,text".
	Content, Repo, Distro []string

	// Workers is how many rpms are read at once; DefaultWorkers if 0.
	Workers int
	// Clock gives the time; time.Now if nil.
	Clock func() time.Time

	// Problem is told of each package that is left out since it cannot be read. It may be called by several goroutines.
	Problem func(name string, err error)
	// Warn is told of what a caller may want to know, though all is well.
	Warn func(err error)
	// Progress is told how many of how many rpms were read. It may be called by several goroutines.
	Progress func(done, total int)
}

// DefaultWorkers is how many rpms are read at once, as in createrepo_c: more than there are processors, for file
// systems that answer late.
const DefaultWorkers = 5

// Report says what a run did.
type Report struct {
	// Packages are in the repository, Read of them were read from their rpms, Bad could not be.
	Packages, Read, Bad int
	// Blocks are in each file, Built of them were made.
	Blocks, Built int
	// Whole says why an update had to read all rpms; nil if it did not.
	Whole error
}

func (r *Report) blocks(jobs []job) {
	r.Packages, r.Read, r.Blocks, r.Built = 0, 0, len(jobs), 0
	for i := range jobs {
		r.Packages += len(jobs[i].entries)
		if jobs[i].old == nil {
			r.Built++
		}
		for _, e := range jobs[i].entries {
			if e.old == unknown {
				r.Read++
			}
		}
	}
}

// complete checks the options and fills in what is not set.
func (o *Options) complete() error {
	if o.Dir == "" {
		return errors.New("no directory of rpms is named")
	}
	if o.Output == "" {
		o.Output = o.Dir
	}
	if o.State == "" {
		o.State = DefaultState
	}
	if !filepath.IsAbs(o.State) {
		o.State = filepath.Join(o.Output, o.State)
	}
	if o.GroupFile != "" && !filepath.IsAbs(o.GroupFile) {
		o.GroupFile = filepath.Join(o.Dir, o.GroupFile)
	}
	if o.CutDirs < 0 || o.Workers < 0 {
		return errors.New("a number is negative")
	}
	if o.Workers == 0 {
		o.Workers = max(DefaultWorkers, runtime.GOMAXPROCS(0))
	}
	if strings.HasPrefix(o.BaseURL, "/") {
		o.BaseURL = "file://" + o.BaseURL
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.TimestampRevision {
		if n, err := strconv.ParseInt(o.Revision, 0, 64); err != nil || n < 0 {
			return fmt.Errorf("the revision %q is no number of seconds since 1970", o.Revision)
		}
	}
	return nil
}

// settings is a digest of the options that the bytes of a repository depend on.
func (o *Options) settings() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %d %q %q", o.Compression, o.CutDirs, o.BaseURL, o.LocationPrefix))
}
