package ui_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"moromi/commands"
	tagmodel "moromi/projections/tag"
)

// answer is a page as a test looks at it.
type answer struct {
	status int
	header http.Header
	body   string
	root   *html.Node
}

// get fetches a page without following redirections.
func (s *site) get(path string) answer {
	s.t.Helper()
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Get(s.url + path)
	s.must(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	s.must(err)
	root, err := html.Parse(strings.NewReader(string(b)))
	s.must(err)
	return answer{res.StatusCode, res.Header, string(b), root}
}

// all gives the elements that f wants.
func (a answer) all(f func(*html.Node) bool) []*html.Node {
	var out []*html.Node
	for n := range a.root.Descendants() {
		if n.Type == html.ElementNode && f(n) {
			out = append(out, n)
		}
	}
	return out
}

func (a answer) tags(name string) []*html.Node {
	return a.all(func(n *html.Node) bool { return n.Data == name })
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// main is the text of the page's main part.
func (a answer) main() string {
	for _, n := range a.tags("main") {
		return text(n)
	}
	return ""
}

// links gives the links to pages of the site.
func (a answer) links() []string {
	var out []string
	for _, n := range a.tags("a") {
		if h := attr(n, "href"); strings.HasPrefix(h, "/") && !strings.HasPrefix(h, "/kojifiles/") {
			h, _, _ = strings.Cut(h, "#")
			out = append(out, h)
		}
	}
	return out
}

// check holds what is true of every page.
func (s *site) check(path string, a answer) {
	s.t.Helper()
	if !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		s.t.Errorf("%s: no content security policy", path)
	}
	if n := len(a.tags("h1")); n != 1 {
		s.t.Errorf("%s: %d main headings, want 1", path, n)
	}
	if title := a.tags("title"); len(title) != 1 || text(title[0]) == "" {
		s.t.Errorf("%s: no title", path)
	}
	ids := map[string]bool{}
	for _, n := range a.all(func(*html.Node) bool { return true }) {
		if id := attr(n, "id"); id != "" && ids[id] {
			s.t.Errorf("%s: the id %q is there twice", path, id)
		} else if id != "" {
			ids[id] = true
		}
		if attr(n, "style") != "" || n.Data == "style" || n.Data == "script" && attr(n, "src") == "" {
			s.t.Errorf("%s: inline style or script in <%s>", path, n.Data)
		}
		for _, at := range n.Attr {
			if strings.HasPrefix(at.Key, "on") {
				s.t.Errorf("%s: inline handler %s in <%s>", path, at.Key, n.Data)
			}
		}
		if n.Data == "input" && attr(n, "type") != "hidden" && attr(n, "aria-label") == "" && (n.Parent == nil || n.Parent.Data != "label") {
			s.t.Errorf("%s: the field %q has no label", path, attr(n, "name"))
		}
	}
}

// TestCrawl follows every link of the present: none leads nowhere, and every page is sound. Pages of the past are looked at, but not their links.
func TestCrawl(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	head, err := s.service.Ledger.Head(s.ctx)
	s.must(err)
	s.checkAll("/", func(path string) bool { return !strings.Contains(path, "at=") })
	after, err := s.service.Ledger.Head(s.ctx)
	s.must(err)
	if head != after {
		t.Errorf("looking at pages made events: from %d to %d", head, after)
	}
}

func (s *site) checkAll(from string, follow func(string) bool) {
	s.t.Helper()
	seen, todo := map[string]bool{from: true}, []string{from}
	for len(todo) > 0 && len(seen) < 2000 {
		path := todo[0]
		todo = todo[1:]
		a := s.get(path)
		if to := a.header.Get("Location"); to != "" {
			a = s.get(to)
		}
		if a.status != http.StatusOK {
			s.t.Errorf("%s: status %d: %.200s", path, a.status, a.main())
			continue
		}
		s.check(path, a)
		if !follow(path) {
			continue
		}
		for _, l := range a.links() {
			if !seen[l] {
				seen[l] = true
				todo = append(todo, l)
			}
		}
	}
	if len(seen) < 60 {
		s.t.Errorf("only %d pages were found from %s", len(seen), from)
	}
}

// TestPastKeepsMoment follows the links of a page of the past: all keep its moment, but for the way back and links to other moments.
func TestPastKeepsMoment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	at := fmt.Sprint(s.tagged)
	for _, path := range []string{"/", "/builds", "/tasks", "/tags", "/tag/f42-candidate", "/tag/f42-candidate/builds", "/build/foo-1.0-2", "/task/1", "/package/foo",
		"/hosts", "/host/builder-01.example.org", "/users", "/user/kojiadmin", "/repos", "/repo/1", "/buildroot/1", "/rpm/21", "/targets", "/target/f42"} {
		a := s.get(path + "?at=" + at)
		if a.status != http.StatusOK {
			t.Errorf("%s as of %s: status %d", path, at, a.status)
			continue
		}
		s.check(path, a)
		if len(a.all(func(n *html.Node) bool { return attr(n, "class") == "past" })) != 1 {
			t.Errorf("%s does not say that it shows the past", path)
		}
		for _, l := range a.links() {
			u, err := url.Parse(l)
			s.must(err)
			if u.Query().Get("at") == "" && l != path {
				t.Errorf("%s: the link %s forgets the moment", path, l)
			}
		}
		for _, f := range a.tags("form") {
			fields := 0
			for n := range f.Descendants() {
				if n.Data == "input" && attr(n, "name") == "at" {
					fields++
				}
			}
			if fields != 1 {
				t.Errorf("%s: the form %q has %d fields for the moment", path, attr(f, "action"), fields)
			}
		}
	}
}

func TestAsOf(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	now, then := s.get("/tag/f42-candidate/builds"), s.get(fmt.Sprintf("/tag/f42-candidate/builds?at=%d", s.tagged))
	if strings.Contains(now.main(), "foo-1.0-1") || !strings.Contains(now.main(), "foo-1.0-2") {
		t.Errorf("now the tag has: %s", now.main())
	}
	if !strings.Contains(then.main(), "foo-1.0-1") || !strings.Contains(then.main(), "foo-1.0-2") {
		t.Errorf("before the untagging the tag has: %s", then.main())
	}
	before := s.get(fmt.Sprintf("/tag/f42-candidate?at=%d", s.empty))
	if want := fmt.Sprintf(`There was no tag "f42-candidate" as of event %d.`, s.empty); before.status != http.StatusNotFound || !strings.Contains(before.main(), want) {
		t.Errorf("before the tag was made: %d %s", before.status, before.main())
	}
	diff := s.get(fmt.Sprintf("/tag/f42-candidate/compare?from=%d&to=%d", s.tagged-1, s.tagged))
	if m := diff.main(); !strings.Contains(m, "1 package differs") || !strings.Contains(m, "foo-1.0-1") || !strings.Contains(m, "foo-1.0-2") {
		t.Errorf("comparison: %s", m)
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	var times []string
	for r, err := range s.service.Ledger.ReadAll(s.ctx, s.tagged-1, 2) {
		s.must(err)
		times = append(times, r.At.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"))
	}
	for _, c := range []struct {
		at     string
		status int
		want   string
	}{
		{fmt.Sprint(s.tagged), http.StatusOK, fmt.Sprintf("as of event %d,", s.tagged)},
		{times[0], http.StatusOK, fmt.Sprintf("as of event %d,", s.tagged)}, // the time of an event is that event
		{"2999-01-01", http.StatusOK, fmt.Sprintf("as of event %d,", s.service.Models.Position())},
		{"2999-01-01T00:00", http.StatusOK, "The past."},
		{"0", http.StatusBadRequest, "there is no event 0"},
		{"-3", http.StatusBadRequest, "there is no event -3"},
		{"99999999", http.StatusNotFound, "There is no event 99999999 yet"},
		{"2001-02-03 04:05", http.StatusNotFound, "Nothing had happened here by 2001-02-03 04:05:00 UTC."},
		{"yesterday", http.StatusBadRequest, `"yesterday" is no moment.`},
		{"9223372036854775808", http.StatusBadRequest, "is no moment"},
	} {
		a := s.get("/?at=" + url.QueryEscape(c.at))
		body := text(a.tags("body")[0])
		if a.status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("at=%s: status %d, %.300s", c.at, a.status, body)
		}
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	for path, want := range map[string]string{
		"/build/77": `There is no build "77".`, "/build/no-such-build-1": `There is no build "no-such-build-1".`, "/build/%00": "There is no build",
		"/build/99999999999999999999": "There is no build", "/task/77": `There is no task "77".`, "/task/x": `There is no task "x".`, "/tag/nope": `There is no tag "nope".`,
		"/target/nope": `There is no build target "nope".`, "/package/nope": `There is no package "nope".`, "/host/nope": `There is no host "nope".`,
		"/user/nope": `There is no user "nope".`, "/repo/9": `There is no repository "9".`, "/buildroot/9": `There is no buildroot "9".`, "/rpm/nope": `There is no rpm "nope".`,
		"/task/4/log?file=nope.log": `There is no log "nope.log".`, "/task/4/log?file=../../1/1/x": "There is no log", "/task/4/log?file=build.log&volume=nope": "There is no log",
		"/build/1/log?file=../../../../../etc/passwd": "There is no log", "/nothing/here": "There is no such page.", "/tag/a%2Fb": `There is no tag "a/b".`,
	} {
		a := s.get(path)
		if a.status != http.StatusNotFound || !strings.Contains(a.main(), want) {
			t.Errorf("%s: status %d, %q; want %q", path, a.status, a.main(), want)
		}
		s.check(path, a)
	}
}

func TestDeletedTag(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	s.must(s.service.DeleteTag(s.ctx, s.admin, s.baseTag))
	a := s.get("/tag/f42-base")
	gone := s.service.Models.Position()
	if a.status != http.StatusNotFound || !strings.Contains(a.main(), `The tag "f42-base" was deleted by event`) {
		t.Errorf("deleted tag: %d %s", a.status, a.main())
	}
	if a := s.get(fmt.Sprintf("/tag/f42-base?at=%d", gone-5)); a.status != http.StatusOK && !strings.Contains(a.main(), "f42-base") {
		t.Errorf("before: %d %s", a.status, a.main())
	}
}

// The page of a tag says which of its external repositories cannot be read now; of the past that is not known.
func TestExternalFailure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	row, err := tagmodel.GetLast(s.ctx, s.service.DB, tagmodel.Spec{ID: s.baseTag})
	s.must(err)
	var ids []int64
	for i, name := range []string{"good", "down"} {
		repo, err := s.service.CreateExternalRepo(s.ctx, s.admin, name, "http://"+name+".example.org/")
		s.must(err)
		priority := int64(i)
		s.must(s.service.AddTagRepo(s.ctx, s.admin, commands.TagRepo{Tag: row, Repo: repo, Priority: &priority}))
		ids = append(ids, repo["id"].(int64))
	}
	s.failing = map[int64]string{ids[1]: hostile}
	page := s.get("/tag/f42-base").body
	good, down, _ := strings.Cut(page, "down.example.org")
	if strings.Contains(good[strings.Index(good, "good.example.org"):], "What it last was") || !strings.Contains(down, "What it last was stays in use. &#34;&gt;&lt;script&gt;") {
		t.Errorf("the page does not say which fails: %s", page)
	}
	if then := s.get(fmt.Sprintf("/tag/f42-base?at=%d", s.service.Models.Position())).main(); !strings.Contains(then, "down.example.org") || strings.Contains(then, "stays in use") {
		t.Errorf("of the past: %s", then)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	for q, want := range map[string]string{
		"foo": "/package/foo", "foo-1.0-2": "/build/foo-1.0-2", fmt.Sprint(s.failedTask): fmt.Sprintf("/task/%d", s.failedTask), "f42-candidate": "/tag/f42-candidate",
		"f42": "/target/f42", "kojiadmin": "/user/kojiadmin", "builder-01.example.org": "/host/builder-01.example.org", "foo-1.0-2.x86_64": "/rpm/21",
		"foo-1.0-2.x86_64.rpm": "/rpm/21", "f42-cand": "/tag/f42-candidate",
	} {
		a := s.get("/search?q=" + url.QueryEscape(q))
		if got := a.header.Get("Location"); a.status != http.StatusSeeOther || got != want {
			t.Errorf("search %s: %d %s, want %s", q, a.status, got, want)
		}
	}
	for q, want := range map[string][]string{"f42-": {"f42-base", "f42-build", "f42-candidate"}, "foo-1": {"foo-1.0-1", "foo-1.0-2", "foo-1.1-1", "foo-1.0-1.src"},
		"%": {`Nothing has "%" in its name.`}, "b*r": {"bar", "builder-01.example.org"}, "": {"Look for a package"}} {
		a := s.get("/search?q=" + url.QueryEscape(q))
		for _, w := range want {
			if !strings.Contains(a.main(), w) {
				t.Errorf("search %q does not find %q: %s", q, w, a.main())
			}
		}
	}
}

// TestFailedBuild goes from a failed build to the very line of the log.
func TestFailedBuild(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	a := s.get("/build/foo-1.1-1")
	fail := a.all(func(n *html.Node) bool { return attr(n, "class") == "failure" })
	if len(fail) != 1 {
		t.Fatalf("%d failures are told, want the one that is the cause", len(fail))
	}
	want := fmt.Sprintf("buildArch %d failed on x86_64 (builder-01.example.org) in %%build error building package (arch x86_64), rpmbuild exited with status 1 "+
		"/usr/bin/ld: cannot find -lbar: No such file or directory see it in build.log build.log root.log", s.failedArch)
	if got := text(fail[0]); got != want {
		t.Errorf("the failure says\n %s\nwant\n %s", got, want)
	}
	var to string
	for _, l := range a.all(func(n *html.Node) bool { return n.Data == "a" && strings.Contains(attr(n, "href"), "find=") }) {
		to = attr(l, "href")
	}
	if !strings.HasSuffix(to, "#found") {
		t.Fatalf("the link is %q", to)
	}
	log := s.get(strings.TrimSuffix(to, "#found"))
	found := log.all(func(n *html.Node) bool { return strings.Contains(" "+attr(n, "class")+" ", " found ") })
	if len(found) != 1 || text(found[0]) != "41204:01:40/usr/bin/ld: cannot find -lbar: No such file or directory" || attr(found[0], "id") != "L412" {
		t.Fatalf("found in the log: %d lines, %q", len(found), text(found[0]))
	}
	if n := len(log.all(func(n *html.Node) bool { return strings.Contains(attr(n, "class"), "warning") })); n != 5 {
		t.Errorf("%d lines are marked as warnings, want 5", n)
	}
}

// TestKojidFault shows what the log's end tells when a fault names no lines, as those of kojid do.
func TestKojidFault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	s.write(s.openArch, "root.log", "DEBUG util.py: installing\nError: nothing provides libquux needed by zed\nDEBUG done\n")
	s.finish(s.openArch, nil, "error building package (arch x86_64), mock exited with status 30; see build.log or root.log for more information")
	a := s.get(fmt.Sprintf("/task/%d", s.openArch))
	if m := a.main(); !strings.Contains(m, "Lines that stand out in root.log: Error: nothing provides libquux needed by zed see it in root.log") {
		t.Errorf("the page says: %s", m)
	}
}

// TestMovedLog goes from a task to its log, which was moved to the build.
func TestMovedLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	a := s.get("/task/2/log?file=build.log")
	if to := a.header.Get("Location"); to != "/build/2/log?file=x86_64%2Fbuild.log" {
		t.Fatalf("%d, location %q", a.status, to)
	}
	if a = s.get(a.header.Get("Location")); !strings.Contains(a.main(), "all went well") {
		t.Errorf("log: %s", a.main())
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.get("/")
	n := 0
	for _, e := range a.all(func(n *html.Node) bool { return n.Data == "link" || n.Data == "script" }) {
		at := attr(e, "href") + attr(e, "src")
		f := s.get(at)
		if f.status != http.StatusOK || !strings.Contains(f.header.Get("Cache-Control"), "immutable") || f.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", at, f.status, f.header)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d files, want style sheet, script and icon", n)
	}
	if f := s.get("/ui/doc.go"); f.status != http.StatusNotFound {
		t.Errorf("a file that is none: %d", f.status)
	}
}
