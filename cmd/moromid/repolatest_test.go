package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"moromi/internal/hubclient"
	"moromi/internal/rpm/rpmtest"
	"moromi/internal/xmlrpc"
	"moromi/repoprojector"
)

// How often the link "latest" moves under clients, in the short form and with `make torture`.
const (
	shortMoves   = 6
	tortureMoves = 500
)

// repoSite is a site with a build tag and builds for it.
type repoSite struct {
	*testing.T
	admin *hubclient.Client
	nvrs  []string // one of each package
	next  int      // the one that is to be tagged or untagged
	in    map[string]bool
	// linked: the topdir's link to the latest repository was there, so it must stay.
	linked bool
}

// makeRepoSite gives a site the build tag dist with the first half of its builds in it. The first of these has so many rpms besides the source.
func makeRepoSite(t *testing.T, d *daemon, first int) *repoSite {
	t.Helper()
	s := &repoSite{T: t, admin: d.admin(), in: map[string]bool{}}
	s.call("createTag", "dist", nil, "x86_64")
	s.call("createBuildTarget", "dist", "dist", "dist")
	corpus := rpmtest.NewCorpus(5)
	for i := range 6 {
		name := fmt.Sprintf("p%d", i)
		nvr := name + "-1-1"
		specs := []rpmtest.Spec{{Name: name, Version: "1", Release: "1", Arch: "x86_64", Source: true, BuildTime: 1700000000, Summary: name}}
		subs := 3
		if i == 0 {
			subs = first
		}
		for sub := range subs {
			spec := corpus.Package(4*i+sub, 0)
			spec.Name, spec.Version, spec.Release, spec.Epoch, spec.SourceRPM = fmt.Sprintf("%s-%d", name, sub), "1", "1", nil, nvr+".src.rpm"
			specs = append(specs, spec)
		}
		for _, spec := range specs {
			if err := importFile(t, s.admin, spec.Bytes(), spec.NEVRA().FileName()); err != nil {
				t.Fatal(err)
			}
		}
		s.call("packageListAdd", "dist", name, "kojiadmin")
		if s.nvrs = append(s.nvrs, nvr); len(s.nvrs) <= 3 {
			s.call("tagBuildBypass", "dist", nvr)
			s.in[nvr] = true
		}
	}
	return s
}

func (s *repoSite) call(method string, args ...any) any {
	s.Helper()
	answer, err := s.admin.Call(s.Context(), method, args...)
	if err != nil {
		s.Fatalf("%s: %v", method, err)
	}
	return answer
}

// change tags a build, or takes it out; the first one stays.
func (s *repoSite) change(ctx context.Context) error {
	nvr := s.nvrs[1+s.next%(len(s.nvrs)-1)]
	s.next++
	method := "tagBuildBypass"
	if s.in[nvr] {
		method = "untagBuildBypass"
	}
	_, err := s.admin.Call(ctx, method, "dist", nvr)
	if err == nil {
		s.in[nvr] = !s.in[nvr]
	}
	return err
}

// newest waits for the repository that has all that the tag has now, and gives its id.
func (s *repoSite) newest() int64 {
	s.Helper()
	last := s.call("tagLastChangeEvent", "dist")
	request := hubclient.Struct(hubclient.Struct(s.call("repo.request", "dist", xmlrpc.Kwargs{"min_event": last}))["request"])
	for request != nil { // each question waits for the answer of the one before
		if repo, _ := hubclient.Struct(s.call("repo.checkRequest", request["id"]))["repo"].(map[string]any); repo != nil {
			return hubclient.Int(repo["id"])
		}
	}
	return hubclient.Int(hubclient.Struct(s.call("getRepo", "dist"))["id"])
}

// checkMetadata reads all metadata at an address and holds it to repomd.xml. The files may be asked for by the same name after another has become latest.
func checkMetadata(ctx context.Context, c *http.Client, base string) error {
	read := func(name string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+name, nil)
		if err != nil {
			return nil, err
		}
		resp, err := c.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", name, resp.Status)
		}
		return b, err
	}
	return checkIndex(read)
}

func checkIndex(read func(name string) ([]byte, error)) error {
	raw, err := read("repodata/repomd.xml")
	if err != nil {
		return err
	}
	var index struct {
		Data []struct {
			Checksum string `xml:"checksum"`
			Location struct {
				Href string `xml:"href,attr"`
			} `xml:"location"`
		} `xml:"data"`
	}
	if err := xml.Unmarshal(raw, &index); err != nil {
		return err
	}
	if len(index.Data) < 3 {
		return fmt.Errorf("repomd.xml lists %d files", len(index.Data))
	}
	for _, d := range index.Data {
		b, err := read(d.Location.Href)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != d.Checksum {
			return fmt.Errorf("%s has another digest", d.Location.Href)
		}
	}
	return nil
}

// TestClientsWhileLatestMoves lets dnf and others read the latest repository of a tag over and over while it becomes another: nobody fails.
func TestClientsWhileLatestMoves(t *testing.T) {
	t.Parallel()
	clientsWhileLatestMoves(t, shortMoves)
}

func TestTortureClientsWhileLatestMoves(t *testing.T) {
	torture(t)
	clientsWhileLatestMoves(t, tortureMoves)
}

func clientsWhileLatestMoves(t *testing.T, moves int) {
	t.Helper()
	dnf, err := exec.LookPath("dnf")
	if err != nil {
		t.Skip("dnf is not installed")
	}
	d := up(t, siteDir(t))
	s := makeRepoSite(t, d, 3)
	s.newest()
	base := d.url + "/kojifiles/repos/dist/latest/x86_64/"
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	reads := [2]int{}
	clients.Go(func() { // who reads repomd.xml, and the rest as late as can be
		for ; ctx.Err() == nil; reads[0]++ {
			if err := checkMetadata(ctx, d.http, base); err != nil && ctx.Err() == nil {
				t.Errorf("read %d: %v", reads[0], err)
				return
			}
		}
	})
	clients.Go(func() {
		for ; ctx.Err() == nil; reads[1]++ {
			dir := filepath.Join(t.TempDir(), fmt.Sprint(reads[1]))
			args := []string{"-q", "--disablerepo=*", "--repofrompath=r," + base, "--enablerepo=r", "--setopt=cachedir=" + dir, "--setopt=reposdir=" + dir, "--setopt=retries=1",
				"--setopt=r.gpgcheck=0", "--setopt=r.retries=1", "--installroot=" + dir, "--releasever=1", "--forcearch=x86_64", "repoquery", "--available", "--qf", "%{name} %{files}"}
			out, err := exec.CommandContext(ctx, dnf, args...).CombinedOutput()
			if ctx.Err() == nil && (err != nil || len(strings.TrimSpace(string(out))) == 0 || strings.Contains(string(out), "rror")) {
				t.Errorf("dnf, read %d: %v\n%s", reads[1], err, out)
				return
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
				return
			}
		}
	})
	seen := map[int64]bool{}
	for len(seen) < moves && !t.Failed() {
		if err := s.change(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen[s.newest()] = true
	}
	stop()
	clients.Wait()
	if reads[0] < moves/2 || reads[1] == 0 {
		t.Errorf("only %v reads while it moved %d times", reads, moves)
	}
	t.Logf("%d and %d reads, by dnf, while it moved %d times", reads[0], reads[1], moves)
}

// sizes of repositories, by when their files are written: before READY, or at leisure.
var sizes = map[string]int{"small": 3, "large": repoprojector.DefaultLazyFrom}

// TestHubIsKilledAsItMakesRepositories kills the hub while it makes repositories one after the other. What is READY is whole, served and in the topdir, and
// the next hub goes on.
func TestHubIsKilledAsItMakesRepositories(t *testing.T) {
	t.Parallel()
	for name, rpms := range sizes {
		t.Run(name, func(t *testing.T) { t.Parallel(); killedAsItMakesRepositories(t, shortRounds, rpms) })
	}
}

func TestTortureHubIsKilledAsItMakesRepositories(t *testing.T) {
	torture(t)
	for name, rpms := range sizes {
		t.Run(name, func(t *testing.T) { killedAsItMakesRepositories(t, tortureRounds/len(sizes), rpms) })
	}
}

func killedAsItMakesRepositories(t *testing.T, rounds, rpms int) {
	t.Helper()
	dir := siteDir(t)
	d := up(t, dir)
	s := makeRepoSite(t, d, rpms)
	ready := map[int64]bool{s.newest(): true}
	for range rounds {
		var writer sync.WaitGroup
		writer.Go(func() {
			for s.change(t.Context()) == nil {
				select { // longer than the hub waits for more, so that each change has its repository
				case <-d.ended:
					return
				case <-time.After(300 * time.Millisecond):
				}
			}
		})
		<-time.After(rand.N(time.Second)) // the moment must not depend on what the hub is doing
		d.kill()
		writer.Wait()
		d = up(t, dir)
		s.admin = d.admin()
		s.in = map[string]bool{} // the last change may be there though it was not acknowledged
		for _, b := range hubclient.Structs(s.call("listTagged", "dist")) {
			s.in[hubclient.String(b["nvr"])] = true
		}
		id := s.newest()
		if ready[id] = true; !s.wantReady(d, id, ready) {
			return
		}
	}
	wantSound(t, "--data", dir)
}

// wantReady looks at the repositories that were READY, and at the one that "latest" leads to.
func (s *repoSite) wantReady(d *daemon, newest int64, ready map[int64]bool) bool {
	s.Helper()
	for id := range ready {
		if err := checkMetadata(s.Context(), d.http, fmt.Sprintf("%s/kojifiles/repos/dist/%d/x86_64/", d.url, id)); err != nil {
			s.Errorf("repository %d: %v", id, err)
		}
	}
	if err := checkMetadata(s.Context(), d.http, d.url+"/kojifiles/repos/dist/latest/x86_64/"); err != nil {
		s.Errorf("the latest repository: %v", err)
	}
	repos := filepath.Join(d.dir, "topdir/repos/dist")
	link, err := os.Readlink(filepath.Join(repos, "latest"))
	if err == nil { // what it leads to is whole at any moment
		err = checkIndex(func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(repos, link, "x86_64", name)) })
		s.linked = true
	} else if errors.Is(err, os.ErrNotExist) && !s.linked {
		err = nil // no files had time to be written yet
	}
	if err != nil {
		s.Errorf("the link leads to %q: %v", link, err)
	}
	for _, r := range hubclient.Structs(s.call("repo.query", []any{[]any{"tag_id", s.tag()}, []any{"id", "<", newest}}, []any{"id", "state"})) {
		if state := hubclient.Int(r["state"]); state == 0 || state == 4 {
			s.Errorf("repository %v is %v after the start", r["id"], state)
		}
	}
	return !s.Failed()
}

func (s *repoSite) tag() any {
	s.Helper()
	return hubclient.Struct(s.call("getTag", "dist"))["id"]
}
