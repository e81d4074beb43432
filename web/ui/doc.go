// Package ui is the web pages: what is being built, what was, why it failed, what a tag holds, what changed and by whom.
//
// Pages are rendered on the server and read only. Every page takes ?at=, an event id or a time, and then shows that moment; all links keep it.
// Pages about something that is under way follow it: they hold one event stream open, over which the server sends the sections that changed,
// rendered by the same templates.
//
// One file per noun has the page's queries and its view; the route table in route.go says which query parameters each page takes, and no
// handler sees another. Scripts and styles are files of this package under a strict Content-Security-Policy: nothing inline runs.
package ui
