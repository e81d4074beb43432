package ui_test

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/web/ui"
)

// watch counts violations of the Content-Security-Policy from the first line of a page on.
const watch = `window.__csp = 0; document.addEventListener('securitypolicyviolation', () => window.__csp++)`

// browser gives a tab of a headless Chromium.
func browser(t testing.TB) context.Context {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("there is no chromium here")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()))
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	all, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	tab, shut := chromedp.NewContext(all)
	t.Cleanup(func() {
		shut()
		stop()
	})
	if err := chromedp.Do(tab); err != nil { // starts it
		t.Fatalf("start chromium: %v", err)
	}
	if _, err := chromedp.Call(tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch}); err != nil {
		t.Fatalf("prepare pages: %v", err)
	}
	return tab
}

func do(t testing.TB, tab context.Context, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func eval[T any](t testing.TB, tab context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for an expression to be true.
func until(t testing.TB, tab context.Context, what, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression)); err != nil {
		html, _ := chromedp.Run(tab, chromedp.Evaluate[string](`document.body.innerText`))
		t.Fatalf("%s: %v\n%s", what, err, html)
	}
}

func lawful(t testing.TB, tab context.Context, where string) {
	t.Helper()
	if n := eval[int](t, tab, `window.__csp`); n != 0 {
		t.Errorf("%s: %d violations of the content security policy", where, n)
	}
}

func TestBrowserFront(t *testing.T) {
	s := newSite(t)
	s.populate()
	tab := browser(t)
	do(t, tab, "open the front page", chromedp.Navigate(s.url+"/"))
	until(t, tab, "the page goes live", `document.body.dataset.updates > 0 && document.getElementById('live').textContent === 'live'`)
	before := s.service.Models.Position()
	s.append(build.Stream(s.openBuild), events.BuildFailed{ID: s.openBuild})
	s.tell(before)
	until(t, tab, "the build moves", `document.querySelector('#recent').innerText.includes('zed-3.2-7') && !document.querySelector('#running').innerText.includes('zed-3.2-7')`)
	until(t, tab, "the new row lights up", `document.querySelector('#recent tr.fresh').innerText.includes('zed-3.2-7')`)
	pkg, err := s.service.EnsurePackage(s.ctx, s.admin, "quux")
	s.must(err)
	before = s.service.Models.Position()
	s.append(build.Stream(9), events.BuildCreated{BuildStart: events.BuildStart{ID: 9, PackageID: pkg, Version: "1", Release: "1", Owner: 1}})
	s.tell(before)
	until(t, tab, "the new build appears", `document.querySelector('#running').innerText.includes('quux-1-1')`)
	lawful(t, tab, "front page")
}

func TestBrowserLog(t *testing.T) {
	s := newSite(t)
	s.populate()
	tab := browser(t)
	do(t, tab, "open the log", chromedp.Navigate(fmt.Sprintf("%s/task/%d/log?file=build.log", s.url, s.openArch)))
	until(t, tab, "the log is there", `document.querySelectorAll('#log .l').length === 2`)
	s.grow("src/a.c:1:1: error: <b>no</b>\n")
	until(t, tab, "the new line", `document.querySelector('#L3.error code')?.textContent === 'src/a.c:1:1: error: <b>no</b>'`)
	until(t, tab, "the way to the error", `!document.getElementById('next-error').hidden`)
	s.finish(s.openArch, map[string]any{}, "")
	until(t, tab, "the end", `document.getElementById('follow-state').textContent === 'ended'`)
	lawful(t, tab, "log")
	long := fmt.Sprintf("/task/%d/log?file=long.log", s.failedArch)
	s.write(s.failedArch, "long.log", strings.Repeat("0123456789012345678901234567890123456789\n", 10_000))
	do(t, tab, "open a long log", chromedp.Navigate(s.url+long), chromedp.Click("#earlier"))
	until(t, tab, "the beginning", `document.getElementById('L1') && document.getElementById('L10000') && document.querySelectorAll('#log .l').length === 10000 && !document.getElementById('earlier')`)
	do(t, tab, "from the failure to the line", chromedp.Navigate(fmt.Sprintf("%s/build/%d", s.url, s.failedBuild)), chromedp.Click(".cause a"), chromedp.WaitVisible("#log .found"))
	until(t, tab, "the line is in view", `(r => r && r.top >= 0 && r.bottom <= innerHeight)(document.getElementById('found')?.getBoundingClientRect())`)
	lawful(t, tab, "long log")
}

// payloads are texts that run in a page that forgets to escape them somewhere: between tags, in attributes of either quote, in addresses, in
// scripts and in templates.
func payloads() []string {
	return []string{
		`<script>window.__xss=1</script>`, `"><script>window.__xss=1</script>`, `'><script>window.__xss=1</script>`, `</title><script>window.__xss=1</script>`,
		`</textarea><script>window.__xss=1</script>`, `<img src=x onerror=window.__xss=1>`, `"><img src=x onerror=window.__xss=1>`, `<svg onload=window.__xss=1>`,
		`<svg><script>window.__xss=1</script></svg>`, `" autofocus onfocus=window.__xss=1 x="`, `' autofocus onfocus=window.__xss=1 x='`, ` onmouseover=window.__xss=1 `,
		`javascript:window.__xss=1`, `java	script:window.__xss=1`, `data:text/html,<script>window.__xss=1</script>`, `<iframe srcdoc="<script>parent.__xss=1</script>">`,
		`<a href="javascript:window.__xss=1" id=main>x</a>`, `<style>@import 'javascript:window.__xss=1'</style>`, `<base href="//evil.example/">`, `<meta http-equiv=refresh content="0;url=javascript:window.__xss=1">`,
		`<form action="javascript:window.__xss=1"><button autofocus>`, `{{.}}<script>window.__xss=1</script>`, "`${window.__xss=1}`", `\"-window.__xss=1-\"`, `<!--><script>window.__xss=1</script>-->`,
		`%3Cscript%3Ewindow.__xss=1%3C/script%3E`, `<details open ontoggle=window.__xss=1>`,
	}
}

// sample is a value for each part of a path, so that pages are shown and not only their errors.
func (s *site) sample(name string) string {
	s.t.Helper()
	v, known := map[string]string{"build": "3", "task": "3", "tag": "f42-candidate", "target": "f42", "package": "foo", "host": "builder-01.example.org", "user": "kojiadmin",
		"repo": "1", "buildroot": "1", "rpm": "21"}[name]
	if !known {
		s.t.Fatalf("there is no sample for the part %q of a path: add one", name)
	}
	return v
}

// addresses gives the addresses of a page with a text in it: in each parameter alone, in each part of the path, and in all parameters at once.
func (s *site) addresses(r ui.RouteInfo, payload string) (each []string, all string) {
	path := func(bad int) string {
		parts := strings.Split(r.Path, "/")
		for i, p := range parts {
			if name, is := strings.CutPrefix(p, ":"); is && i == bad {
				parts[i] = url.PathEscape(payload)
			} else if is {
				parts[i] = s.sample(name)
			}
		}
		return strings.Join(parts, "/")
	}
	q := url.Values{}
	for _, p := range append([]string{"at"}, r.Params...) {
		each = append(each, path(-1)+"?"+url.Values{p: {payload}}.Encode())
		if p != "at" { // a bad moment would hide the page
			q.Set(p, payload)
		}
	}
	for i, p := range strings.Split(r.Path, "/") {
		if strings.HasPrefix(p, ":") {
			each = append(each, path(i))
		}
	}
	return each, path(-1) + "?" + q.Encode()
}

// TestHostileParameters gives every parameter of every route each text, and looks at what a parser makes of the page. The routes' own table says what
// there is, so a new page or parameter is looked at without being named here.
func TestHostileParameters(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	head, err := s.service.Ledger.Head(s.ctx)
	s.must(err)
	n := 0
	for _, r := range ui.Routes() {
		if r.Stream {
			continue
		}
		for _, p := range payloads() {
			each, all := s.addresses(r, p)
			for _, path := range append(each, all) {
				a := s.get(path)
				n++
				if a.status >= 500 {
					t.Errorf("%s: status %d", path, a.status)
				}
				s.harmless(path, a)
			}
		}
	}
	if after, err := s.service.Ledger.Head(s.ctx); err != nil || after != head {
		t.Errorf("the pages made events: from %d to %d (%v)", head, after, err)
	}
	t.Logf("%d pages", n)
}

// harmless checks that a page has no element or attribute that a text brought in.
func (s *site) harmless(path string, a answer) {
	s.t.Helper()
	for _, n := range a.all(func(*html.Node) bool { return true }) {
		bad := false
		switch n.Data {
		case "script":
			bad = !strings.HasPrefix(attr(n, "src"), "/ui/")
		case "img", "iframe", "style", "base", "object", "embed", "textarea":
			bad = true
		case "meta":
			bad = attr(n, "http-equiv") != ""
		}
		for _, at := range n.Attr {
			v := strings.ToLower(strings.TrimSpace(at.Val))
			bad = bad || strings.HasPrefix(at.Key, "on") || at.Key == "autofocus" || at.Key == "srcdoc" ||
				(at.Key == "href" || at.Key == "src" || at.Key == "action") && (strings.HasPrefix(v, "javascript:") || strings.HasPrefix(v, "data:") || strings.HasPrefix(v, "//"))
		}
		if bad {
			s.t.Errorf("%s: <%s %v> came in", path, n.Data, n.Attr)
		}
	}
}

// TestBrowserHostile has a browser show every page with hostile texts in its parameters and in the data: nothing of them runs, and the pages
// themselves break no rule of their policy.
func TestBrowserHostile(t *testing.T) {
	s := newSite(t)
	s.populate()
	tab := browser(t)
	chosen := []string{payloads()[1], payloads()[6], payloads()[9], payloads()[12]}
	start := time.Now()
	n := 0
	for _, r := range ui.Routes() {
		if r.Stream {
			continue
		}
		for i, p := range chosen {
			if i > 0 && len(r.Params) == 0 {
				break // the page has nothing else to show
			}
			_, all := s.addresses(r, p)
			do(t, tab, all, chromedp.Navigate(s.url+all))
			if eval[bool](t, tab, `window.__xss !== undefined`) {
				t.Errorf("%s: it ran", all)
			}
			lawful(t, tab, all)
			n++
		}
	}
	t.Logf("%d pages in %v", n, time.Since(start))
}
