package conformance_test

import (
	"testing"

	"moromi/internal/xmlrpc"
)

// koji-web hands on what stands in a page's address, so some ids come as text; Koji leaves it to PostgreSQL to read them.
func TestListBuildrootsTakesIDsAsText(t *testing.T) {
	t.Parallel()
	c := &client{site: newSite(t, "")}
	for i, name := range []string{"hostID", "tagID", "", "rpmID", "", "taskID", "", "repoID"} {
		if name == "" {
			continue
		}
		params := make([]any, 8)
		params[i] = "17"
		if got, err := c.call("listBuildroots", params); err != nil || len(got.([]any)) != 0 {
			t.Errorf("%s='17': got %v, %v; want no buildroots", name, got, err)
		}
		params[i] = "x"
		if got, err := c.call("listBuildroots", params); err == nil {
			t.Errorf("%s='x': got %v, want a fault", name, got)
		}
	}
}

func TestListRPMsTakesIDsAsText(t *testing.T) {
	t.Parallel()
	c := &client{site: newSite(t, "")}
	for _, name := range []string{"buildID", "buildrootID", "imageID", "componentBuildrootID", "hostID"} {
		if got, err := c.call("listRPMs", []any{xmlrpc.Kwargs{name: "17"}}); err != nil || len(got.([]any)) != 0 {
			t.Errorf("%s='17': got %v, %v; want no rpms", name, got, err)
		}
		if got, err := c.call("listRPMs", []any{xmlrpc.Kwargs{name: "x"}}); err == nil {
			t.Errorf("%s='x': got %v, want a fault", name, got)
		}
	}
}
