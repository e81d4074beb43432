package hub

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"moromi/internal/storage"
	"moromi/repoprojector"
	"moromi/repoprojector/repodata"
)

// maxListing is how many entries a directory listing shows. packages/ of a distribution has 25,000.
const maxListing = 100_000

// files serves the topdir, read only: what builders, dnf, mash and people's browsers fetch.
//
// Names that start with a dot do not exist here, and nothing outside the topdir is reached, whatever symlinks say (os.Root). Uploads of
// anyone are among the files, so every answer forbids scripts and guessing of types.
type files struct {
	top   *storage.Topdir
	repos RepoFiles // nil: all files of repositories are files
	key   []byte    // the public key that repositories are signed with; nil: they are not
	reads *latestReads
	log   *slog.Logger
	// remote gives a client's address.
	remote func(*http.Request) string
}

// repoKeyName is where the public key of repositories is, as if it were a file of the topdir.
const repoKeyName = "RPM-GPG-KEY-moromi"

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.readOnly(w, r) {
		return
	}
	rel := strings.Trim(strings.TrimPrefix(r.URL.Path, "/kojifiles"), "/")
	rel = strings.ReplaceAll(rel, "/./", "/") // getBuildLogs' paths have it, and not every client leaves it out
	switch {
	case rel == "":
		f.list(w, r, nil, "")
		return
	case rel == repoKeyName && f.key != nil:
		sum := sha256.Sum256(f.key)
		f.sendRepoFile(w, r, &repoprojector.File{ReadSeeker: bytes.NewReader(f.key), ETag: hex.EncodeToString(sum[:])}, nil, rel)
		return
	}
	f.serve(w, r, rel)
}

// readOnly refuses what is no reading, and forbids what browsers could do with the answer.
func (f *files) readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		plain(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return false
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	return true
}

// serve serves what is at an address below the topdir.
func (f *files) serve(w http.ResponseWriter, r *http.Request, rel string) {
	if path.Clean(rel) != rel { // "..", "." at an end, or "//": no file has such a name
		http.NotFound(w, r)
		return
	}
	at := rel
	repo, inRepo := f.repoPath(r.Context(), rel)
	if inRepo {
		repo = f.sameAsIndex(r, repo, rel)
		at = repo.rel()
	}
	p, err := storage.Parse(at)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	st, err := f.top.Stat(p)
	if inRepo && !repo.blocks && errors.Is(err, fs.ErrNotExist) {
		if before, bad := storage.Parse(f.lastRead(r, repo, rel).rel()); bad == nil && before != p {
			p = before
			st, err = f.top.Stat(p)
		}
	}
	if inRepo && repo.blocks && errors.Is(err, fs.ErrNotExist) && !f.unsigned(p) {
		f.repoFile(w, r, repo, rel)
		return
	}
	f.send(w, r, p, st, err, rel)
}

// send sends what is at p, as far as it could be looked at: a file or a directory's list. rel is the address that it was asked for by.
func (f *files) send(w http.ResponseWriter, r *http.Request, p storage.Path, st fs.FileInfo, err error, rel string) {
	switch {
	case err != nil:
		if !errors.Is(err, fs.ErrNotExist) {
			f.log.InfoContext(r.Context(), "file refused", "path", rel, "error", err)
		}
		http.NotFound(w, r)
	case st.IsDir():
		f.list(w, r, &p, rel)
	case st.Mode().IsRegular():
		f.file(w, r, p, rel)
	default: // a device or pipe is no file
		http.NotFound(w, r)
	}
}

// unsigned tells whether p is the signature of metadata that was written to files without one. Metadata that is made again has other times in it, and so another signature.
func (f *files) unsigned(p storage.Path) bool {
	if p.Base() != repodata.SignatureName {
		return false
	}
	index, err := p.Dir().Join(repodata.RepomdName)
	if err != nil {
		return true
	}
	_, err = f.top.Stat(index)
	return err == nil
}

func (f *files) file(w http.ResponseWriter, r *http.Request, p storage.Path, rel string) {
	if strings.HasSuffix(r.URL.Path, "/") {
		http.NotFound(w, r)
		return
	}
	file, err := f.top.Open(p)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil || !st.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", contentType(rel))
	w.Header().Set("Cache-Control", cacheControl(rel))
	w.Header().Set("ETag", strconv.Quote(etag(file, st, rel)))
	// One deadline for the whole file, so that the kernel can send it (sendfile) and a client that takes nothing is still cut off.
	deadline := time.Now().Add(writeTimeout + time.Duration(st.Size()/minDownloadRate)*time.Second)
	if err := http.NewResponseController(w).SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		f.log.DebugContext(r.Context(), "set deadline", "path", rel, "error", err)
	}
	http.ServeContent(w, r, "", st.ModTime(), file)
}

// longestRepomd bounds the repomd.xml that is read for its digest: it lists a dozen files.
const longestRepomd = 64 << 10

// etag names what a file holds. Metadata of repositories has the digest that it has when it is served out of the blocks, so that it makes no difference
// to caches when it becomes a file, and on which hub.
func etag(file io.ReaderAt, st fs.FileInfo, rel string) string {
	dir, name := path.Split(rel)
	if path.Base(dir) == "repodata" {
		if sum, _, ok := strings.Cut(name, "-"); ok && len(sum) == hex.EncodedLen(sha256.Size) {
			return sum
		}
		if size := st.Size(); (name == repodata.RepomdName || name == repodata.SignatureName) && size <= longestRepomd {
			b := make([]byte, size)
			if _, err := file.ReadAt(b, 0); err == nil {
				sum := sha256.Sum256(b)
				return hex.EncodeToString(sum[:])
			}
		}
	}
	return fmt.Sprintf("%x-%x", st.ModTime().UnixNano(), st.Size())
}

// contentType goes by the name alone. Nothing is ever served as HTML, SVG or script.
func contentType(rel string) string {
	name := path.Base(rel)
	switch path.Ext(name) {
	case ".log", ".txt", ".spec", ".patch", ".diff", ".cfg", ".jsonl":
		return "text/plain; charset=utf-8"
	case ".json":
		return "application/json"
	case ".xml":
		return "text/xml; charset=utf-8"
	case ".rpm":
		return "application/x-rpm"
	case ".gz", ".tgz":
		return "application/gzip"
	case ".zst":
		return "application/zstd"
	case ".xz":
		return "application/x-xz"
	case ".bz2":
		return "application/x-bzip2"
	case ".asc":
		return "application/pgp-signature"
	}
	switch name {
	case repoKeyName:
		return "application/pgp-keys"
	case "pkglist", "blocklist", "kojipkgs":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// How long what may be kept.
const (
	cacheForever = "public, max-age=31536000, immutable"
	cacheShort   = "public, max-age=300"
	cacheNever   = "no-cache"
)

// cacheControl tells caches what never changes: a build's rpms, and a repository generation named by its number. A build's data (logs, signed
// copies) may be added to or written again; everything else is asked for again, which costs a 304.
func cacheControl(rel string) string {
	part := strings.Split(rel, "/")
	if part[0] == "vol" && len(part) > 2 {
		part = part[2:]
	}
	switch {
	case part[0] == "packages" && len(part) > 5 && part[4] == "data", part[0] == "packages" && len(part) == 5:
		return cacheShort
	case part[0] == "packages" && len(part) > 5:
		return cacheForever
	case path.Base(rel) == repodata.SignatureName: // another key, another signature
	case (part[0] == "repos" || part[0] == "repos-dist") && len(part) > 3:
		if _, err := strconv.ParseUint(part[2], 10, 63); err == nil {
			return cacheForever
		}
	}
	return cacheNever
}

type listing struct {
	Title   string
	Entries []listedFile
	More    bool
}

type listedFile struct {
	Name, Href, Size, Time string
}

// list shows a directory; p is nil for the topdir itself.
func (f *files) list(w http.ResponseWriter, r *http.Request, p *storage.Path, rel string) {
	if !strings.HasSuffix(r.URL.Path, "/") {
		// Relative, so that it holds behind a proxy that changes the prefix.
		w.Header().Set("Location", url.PathEscape(path.Base(r.URL.Path))+"/")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	dir := "."
	if p != nil {
		dir = p.String()
	}
	entries, err := fs.ReadDir(f.top.FS(), dir)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") })
	page := listing{Title: "/" + rel}
	if len(entries) > maxListing {
		entries, page.More = entries[:maxListing], true
	}
	for _, e := range entries {
		page.Entries = append(page.Entries, entryOf(e))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", cacheNever)
	t, err := template.New("listing").Parse(listingHTML)
	if err == nil {
		err = t.Execute(w, page)
	}
	if err != nil {
		f.log.DebugContext(r.Context(), "directory listing", "path", rel, "error", err)
	}
}

func entryOf(e fs.DirEntry) listedFile {
	l := listedFile{Name: e.Name(), Href: "./" + url.PathEscape(e.Name())}
	if e.IsDir() {
		l.Name += "/"
		l.Href += "/"
	}
	if st, err := e.Info(); err == nil {
		l.Time = st.ModTime().UTC().Format("2006-01-02 15:04:05")
		if st.Mode().IsRegular() {
			l.Size = strconv.FormatInt(st.Size(), 10)
		}
	}
	return l
}

const listingHTML = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title>
<style>body{font-family:system-ui,sans-serif;margin:1rem}td{padding:.1rem 1rem .1rem 0}td.n{text-align:right;font-variant-numeric:tabular-nums}</style></head>
<body><h1>{{.Title}}</h1>
<table><thead><tr><th scope="col">Name</th><th scope="col">Bytes</th><th scope="col">Changed (UTC)</th></tr></thead><tbody>
{{if ne .Title "/"}}<tr><td><a href="../">../</a></td><td></td><td></td></tr>
{{end}}{{range .Entries}}<tr><td><a href="{{.Href}}">{{.Name}}</a></td><td class="n">{{.Size}}</td><td>{{.Time}}</td></tr>
{{end}}</tbody></table>{{if .More}}<p>There are more entries than a listing shows.</p>{{end}}</body></html>
`
