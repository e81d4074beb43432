package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// kojiPages are the addresses under which Koji's web pages have what ours have: programs print them, people keep them in mails. Each names
// the parameter that says which one is meant, and the page of ours that it goes to.
var kojiPages = map[string]struct{ param, to string }{
	"taskinfo": {"taskID", "/task/"}, "buildinfo": {"buildID", "/build/"}, "taginfo": {"tagID", "/tag/"}, "packageinfo": {"packageID", "/package/"},
	"rpminfo": {"rpmID", "/rpm/"}, "hostinfo": {"hostID", "/host/"}, "userinfo": {"userID", "/user/"}, "buildrootinfo": {"buildrootID", "/buildroot/"},
	"buildtargetinfo": {"targetID", "/target/"}, "repoinfo": {"repoID", "/repo/"}, "watchlogs": {"taskID", "/task/"},
}

// kojiLists are those of Koji's lists that go by another name here.
var kojiLists = map[string]string{"buildtargets": "/targets", "buildsbyuser": "/users", "index": "/", "reporequests": "/repos"}

// registerKojiLinks answers Koji's addresses, at the root and under /koji, with the page of ours.
func registerKojiLinks(e *echo.Echo) {
	for _, base := range []string{"", "/koji"} {
		for name, p := range kojiPages {
			e.GET(base+"/"+name, func(c echo.Context) error {
				v := strings.TrimSpace(c.QueryParam(p.param))
				if v == "" || len(v) > maxKojiID {
					return c.Redirect(http.StatusFound, "/")
				}
				return c.Redirect(http.StatusMovedPermanently, p.to+url.PathEscape(v))
			})
		}
		for name, to := range kojiLists {
			e.GET(base+"/"+name, func(c echo.Context) error { return c.Redirect(http.StatusMovedPermanently, to) })
		}
	}
	for _, same := range []string{"builds", "tasks", "tags", "packages", "hosts", "users"} {
		e.GET("/koji/"+same, func(c echo.Context) error { return c.Redirect(http.StatusMovedPermanently, "/"+same) })
	}
	e.GET("/koji", func(c echo.Context) error { return c.Redirect(http.StatusMovedPermanently, "/") })
}

// maxKojiID bounds what a redirect repeats: names of tags and packages have at most 256 characters.
const maxKojiID = 256
