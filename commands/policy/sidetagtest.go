package policy

import (
	"slices"

	"moromi/internal/fault"
)

// The tests of Koji's side tag plugin.

// sideTagTest tells whether the tag that the data is about is a side tag.
func sideTagTest(e *env, _ []string) (bool, error) {
	ref := e.sideTagRef()
	if ref == nil {
		return false, nil
	}
	t, err := e.ask(SideTag, ref)
	return t.Found, err
}

// sideTagRef is the tag that the data is about: the one tagged into or, without it, the one untagged from.
func (e *env) sideTagRef() any {
	if ref := e.data["tag"]; ref != nil {
		return ref
	}
	return e.data["fromtag"]
}

// sideTagOwnerTest tells whether the tags that its word names (tag, fromtag, both) are side tags of the user's. Administrators own them all.
func sideTagOwnerTest(e *env, args []string) (bool, error) {
	var refs []any
	switch {
	case len(args) > 1:
		return false, fault.New(fault.Generic, "Just one argument is allowed for this test.")
	case len(args) == 0:
		refs = []any{e.sideTagRef()}
	case args[0] == "both":
		refs = []any{e.data["tag"], e.data["fromtag"]}
	case args[0] == "tag" || args[0] == "fromtag":
		refs = []any{e.data[args[0]]}
	default:
		return false, fault.New(fault.Generic, "Policy test is_sidetag_owner has only tag/fromtag/both options (got %s)", args[0])
	}
	u, err := e.user()
	if err != nil || !u.Found {
		return false, err
	}
	for _, ref := range refs {
		if ref == nil {
			return false, nil
		}
		t, err := e.ask(SideTag, ref)
		if err != nil || !t.Found {
			return false, err
		}
		if t.ID == u.ID {
			continue
		}
		perms, err := e.ask(Permissions, u.ID)
		if err != nil || !slices.Contains(perms.Names, "admin") {
			return false, err
		}
	}
	return true, nil
}
