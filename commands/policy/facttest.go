package policy

import (
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// factTests are the tests that ask about the site.
var factTests = map[string]func(*env, []string) (bool, error){
	"user": func(e *env, args []string) (bool, error) {
		u, err := e.user()
		if err != nil || !u.Found {
			return false, err
		}
		return e.match("_username", u.Name, args)
	},
	"user_in_group": func(e *env, args []string) (bool, error) { return e.ofUser(args, Groups) },
	"has_perm":      func(e *env, args []string) (bool, error) { return e.ofUser(args, Permissions) },
	"is_build_owner": func(e *env, _ []string) (bool, error) {
		b, err := e.build()
		if err != nil {
			return false, err
		}
		u, err := e.user()
		if err != nil || !u.Found || u.ID == b.Owner {
			return err == nil && u.Found, err
		}
		groups, err := e.ask(Groups, u.ID)
		for _, g := range groups.IDs {
			if g == b.Owner {
				return err == nil, err
			}
		}
		return false, err
	},
	"is_new_package": func(e *env, _ []string) (bool, error) {
		p, err := e.pkg()
		return err == nil && !p.Found, err
	},
	"package": func(e *env, args []string) (bool, error) {
		p, err := e.pkg()
		if err != nil {
			return false, err
		}
		return e.match("_package", p.Name, args)
	},
	"version": func(e *env, args []string) (bool, error) {
		return e.part("version", args, func(b *Build) string { return b.Version })
	},
	"release": func(e *env, args []string) (bool, error) {
		return e.part("release", args, func(b *Build) string { return b.Release })
	},
	"volume":  volumeTest,
	"tag":     func(e *env, args []string) (bool, error) { return e.tag("tag", args) },
	"fromtag": func(e *env, args []string) (bool, error) { return e.tag("fromtag", args) },
	"hastag":  func(e *env, args []string) (bool, error) { return e.ofBuild(args, TagsOf) },
	"buildtag": func(e *env, args []string) (bool, error) {
		tags, err := e.buildTags()
		for _, t := range tags {
			if matchAny(t.Name, args) {
				return err == nil, err
			}
		}
		return false, err
	},
	"buildtag_inherits_from": func(e *env, args []string) (bool, error) {
		tags, err := e.buildTags()
		for _, t := range tags {
			up, err := e.askAt(Ancestors, t.ID, t.Event)
			if err != nil || anyMatches(up.Names, args) {
				return err == nil, err
			}
		}
		return false, err
	},
	"buildtype": buildTypeTest,
	"imported": func(e *env, _ []string) (bool, error) {
		b, err := e.build()
		if err != nil {
			return false, err
		}
		roots, err := e.ask(RootsOf, b.ID)
		for _, r := range roots.Roots {
			if r.None {
				return err == nil, err
			}
		}
		return false, err
	},
	"cg_match_any": func(e *env, args []string) (bool, error) {
		cgs, err := e.generators()
		return err == nil && anyMatches(cgs, args), err
	},
	"cg_match_all": func(e *env, args []string) (bool, error) {
		cgs, err := e.generators()
		for _, cg := range cgs {
			if cg == "" || !matchAny(cg, args) {
				return false, err
			}
		}
		return len(cgs) > 0, err
	},
	"is_draft": func(e *env, _ []string) (bool, error) {
		if _, there := e.data["draft"]; there {
			return e.truth("draft"), nil
		}
		if _, there := e.data["build"]; !there {
			return false, nil
		}
		b, err := e.build()
		return err == nil && b.Draft, err
	},
	"source":           sourceTest,
	"is_sidetag":       sideTagTest,
	"is_sidetag_owner": sideTagOwnerTest,
}

func anyMatches(values, patterns []string) bool {
	for _, v := range values {
		if v != "" && matchAny(v, patterns) {
			return true
		}
	}
	return false
}

// truth is Python's truth of a field.
func (e *env) truth(field string) bool { return xmlrpc.Truthy(e.data[field]) }

// match matches what a test found out, and leaves it in the data under Koji's name, where other tests may look at it.
func (e *env) match(field string, value any, args []string) (bool, error) {
	e.data[field] = value
	return matchValue(value, args)
}

// user is who the rules are asked about: the data's, or who calls.
func (e *env) user() (Answer, error) {
	ref, there := e.data["user_id"]
	if there && ref != nil {
		return e.ask(User, ref)
	}
	if e.caller != 0 {
		return e.ask(User, e.caller)
	}
	if there {
		return Answer{}, fault.New(fault.Generic, "No user provided")
	}
	return Answer{}, nil
}

func (e *env) ofUser(args []string, kind Kind) (bool, error) {
	u, err := e.user()
	if err != nil || !u.Found {
		return false, err
	}
	a, err := e.ask(kind, u.ID)
	return err == nil && anyMatches(a.Names, args), err
}

func (e *env) build() (*Build, error) {
	ref := e.data["build"]
	if ref == nil {
		return nil, fault.New(fault.Generic, "policy data must contain a build")
	}
	a, err := e.ask(BuildOf, ref)
	if err == nil && a.Build == nil {
		err = fault.New(fault.Generic, "No such build")
	}
	return a.Build, err
}

func (e *env) ofBuild(args []string, kind Kind) (bool, error) {
	if _, there := e.data["build"]; !there {
		return false, nil
	}
	b, err := e.build()
	if err != nil {
		return false, err
	}
	a, err := e.ask(kind, b.ID)
	return err == nil && anyMatches(a.Names, args), err
}

func (e *env) pkg() (Answer, error) {
	if ref, there := e.data["package"]; there {
		return e.ask(Package, ref)
	}
	if _, there := e.data["build"]; !there {
		return Answer{}, fault.New(fault.Generic, "policy requires package data")
	}
	b, err := e.build()
	if err != nil {
		return Answer{}, err
	}
	return Answer{Found: true, Name: b.Name}, nil
}

// part is the version or release of the data, or of its build.
func (e *env) part(field string, args []string, of func(*Build) string) (bool, error) {
	if v, there := e.data[field]; there {
		return e.match("_"+field, v, args)
	}
	if _, there := e.data["build"]; !there {
		return false, fault.New(fault.Generic, "policy requires %s data", field)
	}
	b, err := e.build()
	if err != nil {
		return false, err
	}
	return e.match("_"+field, of(b), args)
}

func (e *env) tag(field string, args []string) (bool, error) {
	if e.data[field] == nil {
		return false, nil
	}
	t, err := e.ask(Tag, e.data[field])
	if err != nil || !t.Found {
		return false, err
	}
	return e.match("_tagname", t.Name, args)
}

// roots are the buildroots of the data, or of its build.
func (e *env) roots() ([]Root, error) {
	if list, there := e.data["buildroots"]; there {
		a, err := e.ask(Roots, list)
		return a.Roots, err
	}
	if _, there := e.data["build"]; !there {
		return nil, nil
	}
	b, err := e.build()
	if err != nil {
		return nil, err
	}
	a, err := e.ask(RootsOf, b.ID)
	return a.Roots, err
}

// buildTags are the tags that the build was, or is to be, built in.
func (e *env) buildTags() ([]Answer, error) {
	var refs []any
	if ref, there := e.data["build_tag"]; there {
		refs = []any{ref}
	} else if list, there := e.data["build_tags"]; there {
		refs, _ = list.([]any)
	}
	var tags []Answer
	for _, ref := range refs {
		t, err := e.ask(LastTag, ref)
		if err != nil {
			return nil, err
		}
		tags = append(tags, t)
	}
	if len(tags) > 0 {
		return tags, nil
	}
	if e.truth("target") {
		t, err := e.ask(Target, e.data["target"])
		if err != nil || t.Found {
			return []Answer{t}, err
		}
	}
	roots, err := e.roots()
	for _, r := range roots {
		if r.Tag != "" {
			tags = append(tags, Answer{ID: r.TagID, Name: r.Tag, Event: r.Event})
		}
	}
	return tags, err
}

func volumeTest(e *env, args []string) (bool, error) {
	if ref, there := e.data["volume"]; there {
		v, err := e.ask(Volume, ref)
		if err != nil || !v.Found {
			return false, err
		}
		return e.match("_volume", v.Name, args)
	}
	if _, there := e.data["build"]; !there {
		return false, nil
	}
	b, err := e.build()
	if err != nil {
		return false, err
	}
	return e.match("_volume", b.Volume, args)
}

func buildTypeTest(e *env, args []string) (bool, error) {
	v, there := e.data["btypes"]
	if !there {
		return e.ofBuild(args, BuildTypes)
	}
	list, ok := v.([]any)
	if !ok && v != nil {
		return false, fault.New(fault.Internal, "btypes is no list")
	}
	for _, x := range list {
		if ok, err := matchValue(x, args); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// generators are the content generators of the data, or of the buildroots; "" stands for a part without.
func (e *env) generators() ([]string, error) {
	var out []string
	if v, there := e.data["cg_list"]; there {
		list, _ := v.([]any)
		for _, ref := range list {
			g, err := e.ask(Generator, ref)
			if err != nil {
				return nil, err
			}
			out = append(out, g.Name)
		}
		return out, nil
	}
	roots, err := e.roots()
	for _, r := range roots {
		out = append(out, r.Generator)
	}
	return out, err
}

// sourceTest matches where a build came from: what it says itself, or what its task was given.
func sourceTest(e *env, args []string) (bool, error) {
	if v, there := e.data["source"]; there {
		return e.match("_source", v, args)
	}
	if _, there := e.data["build"]; !there {
		return false, nil
	}
	b, err := e.build()
	if err != nil {
		return false, err
	}
	if b.Source != nil {
		return e.match("_source", *b.Source, args)
	}
	if b.Task == 0 {
		return false, nil
	}
	s, err := e.ask(SourceOf, b.Task)
	if err != nil || !s.Found {
		return false, err
	}
	return e.match("_source", s.Name, args)
}
