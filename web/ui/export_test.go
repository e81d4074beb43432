package ui

// RouteInfo is a route as tests that go over all of them see it.
type RouteInfo struct {
	Path   string
	Params []string
	Stream bool
}

// Routes is the route table.
func Routes() []RouteInfo {
	var out []RouteInfo
	for _, r := range routes() {
		out = append(out, RouteInfo{r.Path, r.Params, r.stream != nil})
	}
	return out
}

// Topics is how many live pages are looked at.
func (u *UI) Topics() int {
	u.live.mu.Lock()
	defer u.live.mu.Unlock()
	return len(u.live.topics)
}
