package policy

import (
	"context"
	"slices"

	"moromi/internal/fault"
)

// factTests are the tests that ask about the site.
var factTests = map[string]func(*env, []string) (bool, error){
	"user": func(e *env, args []string) (bool, error) {
		_, name, ok, err := e.user()
		return ok && matchAny(name, args), err
	},
	"user_in_group": func(e *env, args []string) (bool, error) {
		return e.ofUser(args, e.facts.Groups)
	},
	"has_perm": func(e *env, args []string) (bool, error) {
		return e.ofUser(args, e.facts.Permissions)
	},
	"is_build_owner": func(e *env, _ []string) (bool, error) {
		b, err := e.build()
		if err != nil {
			return false, err
		}
		id, _, ok, err := e.user()
		if err != nil || !ok {
			return false, err
		}
		return e.facts.OwnsBuild(e.ctx, id, b.Owner)
	},
	"is_new_package": func(e *env, _ []string) (bool, error) {
		_, exists, err := e.pkg()
		return err == nil && !exists, err
	},
	"package": func(e *env, args []string) (bool, error) {
		name, _, err := e.pkg()
		return err == nil && matchAny(name, args), err
	},
	"version": func(e *env, args []string) (bool, error) { return e.part("version", args) },
	"release": func(e *env, args []string) (bool, error) { return e.part("release", args) },
	"is_sidetag": func(e *env, _ []string) (bool, error) {
		ref := e.sideTagRef()
		if ref == nil {
			return false, nil
		}
		_, ok, err := e.facts.SideTag(e.ctx, ref)
		return ok, err
	},
	"is_sidetag_owner": sideTagOwnerTest,
	"volume":           volumeTest,
	"tag":              func(e *env, args []string) (bool, error) { return e.tag("tag", args) },
	"fromtag":          func(e *env, args []string) (bool, error) { return e.tag("fromtag", args) },
	"hastag":           func(e *env, args []string) (bool, error) { return e.ofBuild(args, e.facts.TagsOfBuild) },
	"buildtag": func(e *env, args []string) (bool, error) {
		tags, err := e.buildTags()
		return anyMatches(tags, args), err
	},
	"buildtag_inherits_from": func(e *env, args []string) (bool, error) {
		tags, err := e.buildTags()
		if err != nil {
			return false, err
		}
		for _, t := range tags {
			up, err := e.facts.Ancestors(e.ctx, t)
			if err != nil || anyMatches(up, args) {
				return err == nil, err
			}
		}
		return false, nil
	},
	"buildtype": buildTypeTest,
	"imported": func(e *env, _ []string) (bool, error) {
		b, err := e.build()
		if err != nil {
			return false, err
		}
		return e.facts.Imported(e.ctx, b.ID)
	},
	"cg_match_any": func(e *env, args []string) (bool, error) {
		cgs, err := e.generators()
		return anyMatches(cgs, args), err
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
		if v, there := e.data["draft"]; there {
			return truthy(v), nil
		}
		if e.data["build"] == nil {
			return false, nil
		}
		b, err := e.build()
		return err == nil && b.Draft, err
	},
	"source": func(e *env, args []string) (bool, error) {
		if s, ok := e.data["source"].(string); ok {
			return matchAny(s, args), nil
		}
		if e.data["build"] == nil {
			return false, nil
		}
		b, err := e.build()
		return err == nil && b.Source != "" && matchAny(b.Source, args), err
	},
}

func anyMatches(values, patterns []string) bool {
	for _, v := range values {
		if v != "" && matchAny(v, patterns) {
			return true
		}
	}
	return false
}

// user is who the rules are asked about.
func (e *env) user() (int64, string, bool, error) {
	ref, there := e.data["user_id"]
	if !there || ref == nil {
		return 0, "", false, nil
	}
	return e.facts.User(e.ctx, ref)
}

func (e *env) ofUser(args []string, list func(ctx context.Context, id int64) ([]string, error)) (bool, error) {
	id, _, ok, err := e.user()
	if err != nil || !ok {
		return false, err
	}
	values, err := list(e.ctx, id)
	return anyMatches(values, args), err
}

func (e *env) build() (*Build, error) {
	if e.data["build"] == nil {
		return nil, fault.New(fault.Generic, "policy data must contain a build")
	}
	return e.facts.Build(e.ctx, e.data["build"])
}

func (e *env) ofBuild(args []string, list func(ctx context.Context, id int64) ([]string, error)) (bool, error) {
	if e.data["build"] == nil {
		return false, nil
	}
	b, err := e.build()
	if err != nil {
		return false, err
	}
	values, err := list(e.ctx, b.ID)
	return anyMatches(values, args), err
}

func (e *env) pkg() (string, bool, error) {
	if ref, there := e.data["package"]; there {
		return e.facts.Package(e.ctx, ref)
	}
	b, err := e.build()
	if err != nil {
		return "", false, fault.New(fault.Generic, "policy data must contain package or build")
	}
	return b.Name, true, nil
}

// part is the version or release of the data or of its build.
func (e *env) part(field string, args []string) (bool, error) {
	if v, ok := e.data[field].(string); ok {
		return matchAny(v, args), nil
	}
	b, err := e.build()
	if err != nil {
		return false, err
	}
	if field == "version" {
		return matchAny(b.Version, args), nil
	}
	return matchAny(b.Release, args), nil
}

func (e *env) tag(field string, args []string) (bool, error) {
	if e.data[field] == nil {
		return false, nil
	}
	name, err := e.facts.Tag(e.ctx, e.data[field])
	return name != "" && matchAny(name, args), err
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
	id, _, known, err := e.user()
	if err != nil || !known {
		return false, err
	}
	for _, ref := range refs {
		if ref == nil {
			return false, nil
		}
		owner, ok, err := e.facts.SideTag(e.ctx, ref)
		if err != nil || !ok {
			return false, err
		}
		if owner == id {
			continue
		}
		perms, err := e.facts.Permissions(e.ctx, id)
		if err != nil || !slices.Contains(perms, "admin") {
			return false, err
		}
	}
	return true, nil
}

// buildTags are the tags that the build was, or is to be, built in.
func (e *env) buildTags() ([]string, error) {
	if list, ok := e.data["build_tags"].([]any); ok {
		var out []string
		for _, ref := range list {
			name, err := e.facts.Tag(e.ctx, ref)
			if err != nil {
				return nil, err
			}
			out = append(out, name)
		}
		return out, nil
	}
	if ref := e.data["build_tag"]; ref != nil {
		name, err := e.facts.Tag(e.ctx, ref)
		return []string{name}, err
	}
	if target, ok := e.data["target"].(string); ok {
		name, err := e.facts.TargetBuildTag(e.ctx, target)
		return []string{name}, err
	}
	if e.data["build"] == nil {
		return nil, nil
	}
	b, err := e.build()
	if err != nil {
		return nil, err
	}
	return e.facts.BuildTags(e.ctx, b.ID)
}

func volumeTest(e *env, args []string) (bool, error) {
	if ref := e.data["volume"]; ref != nil {
		name, err := e.facts.Volume(e.ctx, ref)
		return name != "" && matchAny(name, args), err
	}
	if e.data["build"] == nil {
		return false, nil
	}
	b, err := e.build()
	return err == nil && matchAny(b.Volume, args), err
}

func buildTypeTest(e *env, args []string) (bool, error) {
	for _, key := range []string{"btypes", "btype"} {
		switch v := e.data[key].(type) {
		case string:
			return matchAny(v, args), nil
		case []any:
			for _, x := range v {
				if s, ok := x.(string); ok && matchAny(s, args) {
					return true, nil
				}
			}
			return false, nil
		}
	}
	return e.ofBuild(args, e.facts.BuildTypes)
}

func (e *env) generators() ([]string, error) {
	if list, ok := e.data["cg_list"].([]any); ok {
		var out []string
		for _, x := range list {
			s, _ := x.(string)
			out = append(out, s)
		}
		return out, nil
	}
	if e.data["build"] == nil {
		return nil, nil
	}
	b, err := e.build()
	if err != nil {
		return nil, err
	}
	return e.facts.ContentGenerators(e.ctx, b.ID)
}
