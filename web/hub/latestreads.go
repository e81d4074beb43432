package hub

import (
	"hash/maphash"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"moromi/repoprojector/repodata"
)

const (
	// signatureWait is for how long, at least, it is remembered which repository a client found behind "latest": dnf asks for the signature of repomd.xml right after it. It is at most twice as long.
	signatureWait = 10 * time.Second
	// maxReaders bounds how many clients' reads are remembered in that time, some 50 bytes each. Past it clients get the signature of the newest repository.
	maxReaders = 100_000
)

// latestReads remembers which repositories clients found behind "latest" when they read repomd.xml, so that each gets the signature of what it read, and of dist repositories the files that it names, though "latest" moves in between. dnf opens a
// connection for each of the two (librepo 1.14), so clients are told apart by address and program; of those that look alike all get the signature of what one of them read last. It is safe for
// concurrent use.
type latestReads struct {
	seed  maphash.Seed
	clock func() time.Time

	mu    sync.Mutex
	since time.Time // when young was begun
	// young has the ids of repositories by reader; old is what it was before.
	young, old map[uint64]int64
}

func newLatestReads(clock func() time.Time) *latestReads {
	return &latestReads{seed: maphash.MakeSeed(), clock: clock, since: clock(), young: map[uint64]int64{}}
}

// reader is who asks for a file in a directory: an address, a program by its User-Agent, and the directory.
type reader struct{ address, program, dir string }

// reader is who asks for a file.
func (f *files) reader(r *http.Request, rel string) reader {
	return reader{f.remote(r), r.UserAgent(), path.Dir(rel)}
}

// note takes note that a repository's repomd.xml was read behind "latest".
func (l *latestReads) note(r reader, repo int64) {
	key := maphash.Comparable(l.seed, r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.age()
	if _, known := l.young[key]; known || len(l.young) < maxReaders {
		l.young[key] = repo
	} else {
		delete(l.old, key)
	}
}

// last gives the repository that was read last; ok is false if none was, or too long ago.
func (l *latestReads) last(r reader) (repo int64, ok bool) {
	key := maphash.Comparable(l.seed, r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.age()
	if repo, ok = l.young[key]; !ok {
		repo, ok = l.old[key]
	}
	return repo, ok
}

// age forgets what is old.
func (l *latestReads) age() {
	now := l.clock()
	switch gone := now.Sub(l.since); {
	case gone >= 2*signatureWait:
		l.young, l.old = map[uint64]int64{}, nil
	case gone >= signatureWait:
		l.young, l.old = map[uint64]int64{}, l.young
	default:
		return
	}
	l.since = now
}

// sameAsIndex lets the signature of metadata behind "latest" be of the repository whose index the client read just before.
func (f *files) sameAsIndex(r *http.Request, p repoPath, rel string) repoPath {
	switch {
	case !p.latest || r.Method != http.MethodGet:
	case strings.HasSuffix(rel, "/repodata/"+repodata.RepomdName):
		f.reads.note(f.reader(r, rel), p.id)
	case strings.HasSuffix(rel, "/repodata/"+repodata.SignatureName):
		p = f.lastRead(r, p, rel)
	}
	return p
}

// lastRead is a file behind "latest" in the repository whose index, in the same directory, the client read just before.
func (f *files) lastRead(r *http.Request, p repoPath, rel string) repoPath {
	if id, ok := f.reads.last(f.reader(r, rel)); ok && p.latest {
		p.id = id
	}
	return p
}
