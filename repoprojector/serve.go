package repoprojector

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections/event"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
	"moromi/repoprojector/repodata"
)

// File is a file of a repository, out of the blocks.
type File struct {
	io.ReadSeeker
	// ETag is the file's digest, or empty if it has none at hand; Modified is when the repository was made.
	ETag     string
	Modified time.Time
}

// Latest gives the id of the newest READY repository of a tag with the tag's own options: what is behind "latest". The error wraps fs.ErrNotExist if there
// is none.
func (p *Projector) Latest(ctx context.Context, tagName string) (int64, error) {
	id, err := p.latestOf.Get(tagName, func() (int64, error) { return repomodel.LatestOf(ctx, p.DB, tagName) })
	if err == nil && id == 0 {
		err = notThere("repository of", tagName)
	}
	return id, err
}

// At gives the id of a repository that has what the tag held as of an event, or 0 if there is none that is kept.
func (p *Projector) At(ctx context.Context, tagName string, at int64) (id, tag, begin int64, err error) {
	if tag, err = p.Source.TagID(ctx, tagName); err != nil {
		return 0, 0, 0, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	before := at + 1
	last, err := event.TagLastChange(ctx, p.DB, tag, &before, true)
	if err != nil {
		return 0, 0, 0, err
	}
	if last == nil {
		return 0, 0, 0, notThere("tag as of "+strconv.FormatInt(at, 10), tagName)
	}
	id, err = repomodel.Beginning(ctx, p.DB, tag, *last)
	return id, tag, *last, err
}

// DistAt gives the id of the dist repository that "latest" of a tag led to as of an event. The error wraps fs.ErrNotExist if it led to none.
func (p *Projector) DistAt(ctx context.Context, tagName string, at int64) (int64, error) {
	id, err := repomodel.LedAt(ctx, p.DB, tagName, at)
	if err == nil && id == 0 {
		err = notThere("dist repository of", tagName)
	}
	return id, err
}

// OpenFile opens a file of a repository that is READY or EXPIRED, by its name in the repository's directory: DIR/repodata/NAME, DIR/pkglist or
// DIR/rpmlist.jsonl. What is no longer at hand is made again from the ledger. The error wraps fs.ErrNotExist if there is no such file.
func (p *Projector) OpenFile(ctx context.Context, tagName string, id int64, name string) (*File, error) {
	v, err := p.views.Get(id, func() (view, error) { return p.viewRepo(ctx, id) })
	if err == nil && v.tagName != tagName {
		err = notThere("repository of "+tagName, strconv.FormatInt(id, 10))
	}
	if err != nil {
		return nil, err
	}
	return p.open(ctx, v, name)
}

// OpenRecent opens a file of metadata, whose name has its checksum in it, by its name in the directory of one of the tag's newest repositories: for clients
// that have read the repomd.xml behind "latest" just before that led to another. The error wraps fs.ErrNotExist if none has it.
func (p *Projector) OpenRecent(ctx context.Context, tagName, name string) (*File, error) {
	dir, file, ok := strings.Cut(name, "/repodata/")
	if !ok || file == repodata.RepomdName {
		return nil, notThere("file", name)
	}
	ids, err := p.recent.Get(tagName, func() ([]int64, error) { return repomodel.Recent(ctx, p.DB, tagName, keptVersions) })
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		v, err := p.store.Version(strconv.FormatInt(id, 10) + "/" + dir)
		if err == nil && slices.ContainsFunc(v.Files, func(f repodata.File) bool { return f.Name == file }) {
			return p.OpenFile(ctx, tagName, id, name)
		}
	}
	return nil, notThere("file", name)
}

// viewRepo gives the view of a repository that is READY or EXPIRED.
func (p *Projector) viewRepo(ctx context.Context, id int64) (v view, err error) {
	row, err := repomodel.Get(ctx, p.DB, id, nil)
	if err != nil {
		return v, err
	}
	if row == nil || row["dist"] == true {
		return v, notThere("repository", strconv.FormatInt(id, 10))
	}
	switch koji.RepoState(row["state"].(int64)) {
	case koji.RepoReady, koji.RepoExpired:
	default:
		return v, notThere("repository", strconv.FormatInt(id, 10))
	}
	v = view{key: strconv.FormatInt(id, 10), tag: row["tag_id"].(int64), tagName: row["tag_name"].(string), at: row["create_event"].(int64)}
	v.repo = commands.StartedRepo{ID: id, Event: v.at, Opts: optsOf(row)}
	if made, ok := row["creation_ts"].(float64); ok {
		v.made = time.UnixMicro(int64(made * 1e6))
	}
	return v, nil
}

// remakeRepo reads what a repository is made of again.
func (p *Projector) remakeRepo(ctx context.Context, id int64) (*build, error) {
	v, err := p.viewRepo(ctx, id)
	if err != nil {
		return nil, err
	}
	return p.remake(ctx, v)
}

// OpenAt opens a file, named as in OpenFile, of the repository that the tag has as of an event. begin is the tag's last change up to there, which At gives.
func (p *Projector) OpenAt(ctx context.Context, tag, begin int64, name string) (*File, error) {
	opts, err := p.Service.RepoOptsAt(ctx, tag, begin)
	if err != nil {
		return nil, err
	}
	made, err := event.Time(ctx, p.DB, begin)
	if err != nil {
		return nil, err
	}
	return p.open(ctx, view{key: fmt.Sprintf("%s/%d-%d", atVersions, tag, begin), tag: tag, at: begin, made: made, repo: commands.StartedRepo{Event: begin, Opts: opts}}, name)
}

// atVersions is where versions of the past are kept for a while that are no repository of their own.
const atVersions = "at"

// view is a repository that is looked at.
type view struct {
	key     string // where its versions are kept
	tag, at int64
	tagName string // of a repository
	made    time.Time
	repo    commands.StartedRepo
}

func (p *Projector) open(ctx context.Context, v view, name string) (*File, error) {
	dir, rest, _ := strings.Cut(name, "/")
	if dir == "" || dir[0] == '.' {
		return nil, notThere("file", name)
	}
	file, metadata := strings.CutPrefix(rest, "repodata/")
	switch {
	case metadata:
		return p.openMetadata(ctx, v, dir, file)
	case rest == pkglistName, rest == rpmlistName:
		b, err := p.remake(ctx, v)
		if err != nil {
			return nil, err
		}
		if _, ok := b.dirs[dir]; !ok {
			return nil, notThere("directory", dir)
		}
		pkglist, rpmlist := b.lists(dir)
		if rest == rpmlistName {
			pkglist = rpmlist
		}
		return &File{ReadSeeker: bytes.NewReader(pkglist), Modified: v.made}, nil
	}
	return nil, notThere("file", name)
}

// openMetadata opens a file of metadata, and composes the version again if the store has lost of it.
func (p *Projector) openMetadata(ctx context.Context, v view, dir, file string) (*File, error) {
	name := v.key + "/" + dir
	x, err := p.store.Version(name)
	if errors.Is(err, fs.ErrNotExist) {
		x, err = p.compose(ctx, v, dir)
	}
	if err != nil {
		return nil, err
	}
	if file == repodata.SignatureName {
		return p.openSignature(ctx, x, v)
	}
	r, err := p.store.Open(x, file)
	if err != nil {
		return nil, err
	}
	again := func() (*repodata.Reader, error) {
		p.Log.Warn("blocks of a repository were lost and are made again", "repository", name)
		p.writer.Forget()
		x, err := p.compose(ctx, v, dir)
		if err != nil {
			return nil, err
		}
		return p.store.Open(x, file)
	}
	return &File{ReadSeeker: &mending{r, again}, ETag: r.Checksum, Modified: v.made}, nil
}

// mending reads a file of metadata, and goes on reading after what the store had lost of it was made again: once.
type mending struct {
	*repodata.Reader
	again func() (*repodata.Reader, error) // nil: it was
}

// Read implements io.Reader.
func (m *mending) Read(b []byte) (int, error) {
	n, err := m.Reader.Read(b)
	if m.again == nil || !repodata.Lost(err) {
		return n, err
	}
	again := m.again
	m.again = nil
	at, err := m.Reader.Seek(0, io.SeekCurrent)
	if err != nil {
		return n, err
	}
	if m.Reader, err = again(); err != nil {
		return n, err
	}
	if _, err := m.Reader.Seek(at, io.SeekStart); err != nil {
		return n, err
	}
	return m.Reader.Read(b)
}

// signature signs a version's repomd.xml, if repositories are signed: it is made when somebody wants it, not before a repository is READY.
func (p *Projector) signature(ctx context.Context, x *repodata.Version) ([]byte, error) {
	if p.Sign == nil {
		return nil, nil
	}
	return p.Sign(ctx, x.Repomd, time.Unix(x.Revision, 0))
}

// openSignature opens the signature of a version's repomd.xml.
func (p *Projector) openSignature(ctx context.Context, x *repodata.Version, v view) (*File, error) {
	sig, err := p.signature(ctx, x)
	if err != nil {
		return nil, err
	}
	if sig == nil {
		return nil, notThere("file", repodata.SignatureName)
	}
	sum := sha256.Sum256(sig)
	return &File{ReadSeeker: bytes.NewReader(sig), ETag: hex.EncodeToString(sum[:]), Modified: v.made}, nil
}

// compose makes a version of the past again.
func (p *Projector) compose(ctx context.Context, v view, dir string) (*repodata.Version, error) {
	made, err, _ := p.composing.Do(v.key, func() (any, error) {
		b, err := p.remake(context.WithoutCancel(ctx), v) // others may wait for it, too
		if err != nil {
			return nil, err
		}
		p.remaking.done(v.key)
		p.countMade()
		return b, b.compose(context.WithoutCancel(ctx), v.key)
	})
	if err != nil {
		return nil, err
	}
	if _, ok := made.(*build).dirs[dir]; !ok {
		return nil, notThere("directory", dir)
	}
	return p.store.Version(v.key + "/" + dir)
}

// remake reads what a repository is made of again.
func (p *Projector) remake(ctx context.Context, v view) (*build, error) {
	leave, err := p.remaking.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	x := p.states.get(v.tag)
	if x == nil || x.event != v.at {
		if x, err = p.readState(ctx, v.tag, v.at); err != nil {
			return nil, err
		}
	}
	b, err := p.newBuild(ctx, v.repo, x, nil)
	if err != nil || v.repo.ID == 0 {
		return b, err
	}
	info, err := b.readInfo()
	if errors.Is(err, fs.ErrNotExist) { // its directory was taken away
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	b.format, err = info.Format.Format() // the writer puts the packages into its order
	return b, err
}

// optsOf reads the options of a repository's row.
func optsOf(row query.Row) (o events.RepoOpts) {
	set, _ := row["opts"].(map[string]any)
	for i, to := range []**bool{&o.Src, &o.Debuginfo, &o.SeparateSrc, &o.Maven} {
		if b, ok := set[optNames[i]].(bool); ok {
			*to = &b
		}
	}
	return o
}

func notThere(what, which string) error { return fmt.Errorf("%s %s: %w", what, which, fs.ErrNotExist) }
