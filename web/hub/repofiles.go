package hub

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"moromi/internal/storage"
	"moromi/repoprojector"
)

// RepoFiles has the files of repositories that are served without being files. repoprojector.Projector is one.
type RepoFiles interface {
	// Latest gives the id of a tag's newest repository.
	Latest(ctx context.Context, tagName string) (int64, error)
	// OpenFile opens a file of a repository by its name within the repository.
	OpenFile(ctx context.Context, tagName string, id int64, name string) (*repoprojector.File, error)
	// OpenRecent opens a file of metadata of one of the tag's newest repositories.
	OpenRecent(ctx context.Context, tagName, name string) (*repoprojector.File, error)
	// At finds the repository that a tag has as of an event: its id, or 0 and by which event of the tag OpenAt knows it.
	At(ctx context.Context, tagName string, at int64) (id, tag, begin int64, err error)
	// OpenAt opens a file of a repository that is none of the kept ones.
	OpenAt(ctx context.Context, tag, begin int64, name string) (*repoprojector.File, error)
	// DistAt gives the id of the dist repository that a tag's "latest" led to as of an event.
	DistAt(ctx context.Context, tagName string, at int64) (int64, error)
}

// repoPath is an address below repos/ or repos-dist/: TAG/ID/NAME.
type repoPath struct {
	top, tag string
	id       int64
	name     string
	latest   bool // it was asked for as the latest
	blocks   bool // what is no file may be served out of the blocks
}

// repoPath takes an address below the topdir apart and finds which repository "latest" is. ok is false for one of nothing in a repository, and for
// those of dist repositories with a number.
func (f *files) repoPath(ctx context.Context, rel string) (p repoPath, ok bool) {
	parts := strings.SplitN(rel, "/", 4)
	if len(parts) < 4 {
		return p, false
	}
	p = repoPath{top: parts[0], tag: parts[1], name: parts[3], latest: parts[2] == latestName, blocks: parts[0] == "repos" && f.repos != nil}
	var err error
	switch {
	case p.blocks && p.latest:
		p.id, err = f.repos.Latest(ctx, p.tag)
	case p.blocks:
		p.id, err = strconv.ParseInt(parts[2], 10, 64)
	case p.top == "repos-dist" && p.latest:
		p.id, err = f.latestDist(p.tag)
	default:
		return p, false
	}
	return p, err == nil
}

// latestName is the name of the newest repository of a tag.
const latestName = "latest"

// latestDist gives the id of the dist repository that the link "latest" of a tag leads to.
func (f *files) latestDist(tag string) (int64, error) {
	link, err := storage.Parse(path.Join("repos-dist", tag, latestName))
	if err != nil {
		return 0, err
	}
	to, err := f.top.Readlink(link)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(to, 10, 64)
}

// rel is the address with the repository's number.
func (p repoPath) rel() string { return path.Join(p.top, p.tag, strconv.FormatInt(p.id, 10), p.name) }

// repoFile serves a file of a repository out of the blocks.
func (f *files) repoFile(w http.ResponseWriter, r *http.Request, p repoPath, rel string) {
	file, err := f.repos.OpenFile(f.asked(r), p.tag, p.id, p.name)
	if p.latest && errors.Is(err, fs.ErrNotExist) { // "latest" has become another since the client read repomd.xml
		file, err = f.repos.OpenRecent(r.Context(), p.tag, p.name)
	}
	f.sendRepoFile(w, r, file, err, rel)
}

// repoRetry is in how many seconds who is sent away should come again: a repository of the past takes one or two.
const repoRetry = "5"

// asked is the request's context with the client's address in it.
func (f *files) asked(r *http.Request) context.Context {
	return repoprojector.WithAsker(r.Context(), f.remote(r))
}

func (f *files) sendRepoFile(w http.ResponseWriter, r *http.Request, file *repoprojector.File, err error, rel string) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
		return
	case errors.Is(err, repoprojector.ErrBusy):
		w.Header().Set("Retry-After", repoRetry)
		plain(w, http.StatusServiceUnavailable, "Too many repositories of the past are asked for at once. Ask again in some seconds.")
		return
	case err != nil:
		f.log.ErrorContext(r.Context(), "file of a repository", "path", rel, "error", err)
		plain(w, http.StatusServiceUnavailable, "The repository's files cannot be made now; the hub's log says why.")
		return
	}
	w.Header().Set("Content-Type", contentType(rel))
	w.Header().Set("Cache-Control", cacheControl(rel))
	if file.ETag != "" {
		w.Header().Set("ETag", strconv.Quote(file.ETag))
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(repoFileTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		f.log.DebugContext(r.Context(), "set deadline", "path", rel, "error", err)
	}
	http.ServeContent(w, r, "", file.Modified, file.ReadSeeker)
}

// repoFileTime bounds the sending of a file of metadata: the largest are some 60 MB, at the rate that files have at least.
const repoFileTime = writeTimeout + 64<<20/minDownloadRate*time.Second

// serveAt serves /repos/TAG/at/EVENT/DIR/…: the repository that the tag has as of the event, with its packages behind DIR/toplink.
func (f *files) serveAt(w http.ResponseWriter, r *http.Request) {
	if !f.readOnly(w, r) {
		return
	}
	tag, event, name, ok := f.atPath(strings.TrimPrefix(r.URL.Path, "/repos/"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	if dir, below, found := strings.Cut(name, "/toplink/"); found && !strings.Contains(dir, "/") {
		f.serve(w, r, below)
		return
	}
	ctx := f.asked(r)
	id, tagID, begin, err := f.repos.At(ctx, tag, event)
	var file *repoprojector.File
	switch {
	case err == nil && id != 0:
		file, err = f.repos.OpenFile(ctx, tag, id, name)
	case err == nil:
		file, err = f.repos.OpenAt(ctx, tagID, begin, name)
	}
	f.sendRepoFile(w, r, file, err, name)
}

// serveDistAt serves /repos-dist/TAG/at/EVENT/ARCH/…: the dist repository that "latest" led to as of the event, as long as it is kept.
func (f *files) serveDistAt(w http.ResponseWriter, r *http.Request) {
	if !f.readOnly(w, r) {
		return
	}
	rel := strings.Trim(r.URL.Path, "/")
	tag, event, name, ok := f.atPath(strings.TrimPrefix(rel, "repos-dist/"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	id, err := f.repos.DistAt(r.Context(), tag, event)
	var p storage.Path
	if err == nil {
		p, err = storage.Repo{Tag: tag, ID: id, Dist: true}.Dir()
	}
	if err == nil {
		p, err = storage.Under(p, name)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.log.InfoContext(r.Context(), "dist repository as of an event", "path", rel, "error", err)
		}
		http.NotFound(w, r)
		return
	}
	st, err := f.top.Stat(p)
	f.send(w, r, p, st, err, rel)
}

// atPath takes TAG/at/EVENT/NAME apart.
func (f *files) atPath(rel string) (tag string, event int64, name string, ok bool) {
	parts := strings.SplitN(rel, "/", 4)
	if f.repos == nil || len(parts) < 4 || parts[1] != "at" || path.Clean(parts[3]) != parts[3] {
		return "", 0, "", false
	}
	event, err := strconv.ParseInt(parts[2], 10, 64)
	return parts[0], event, parts[3], err == nil && event > 0
}
