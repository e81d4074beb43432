package commands

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"moromi/commands/policy"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// EditSideTag is a change of a side tag. Macros are set as the extra settings rpm.macro.NAME; what of all this is allowed, the tag says that the
// side tag was made over (extra settings sidetag_debuginfo_allowed, sidetag_rpm_macros_allowed). Extra and RemoveExtra are for who has the
// permission sidetag_admin; nil is none.
type EditSideTag struct {
	Debuginfo    *bool
	Macros       any // name to value, a struct as clients give it; nil: none
	RemoveMacros any // a list of names; nil: none
	SetExtra     map[string]json.RawMessage
	RemoveExtra  []string
}

// macroKey is the extra setting of an rpm macro without the macro's name.
const macroKey = "rpm.macro."

// EditSideTag changes a side tag of the actor's. t is as tagmodel.Get gives it.
func (s *Service) EditSideTag(ctx context.Context, a Actor, t query.Row, in EditSideTag) error {
	if err := ownSideTag(a, t); err != nil {
		return err
	}
	if in.SetExtra != nil || in.RemoveExtra != nil {
		if err := s.mayEditExtra(ctx, a); err != nil {
			return err
		}
	}
	parent, err := s.sideTagParent(ctx, t)
	if err != nil {
		return err
	}
	allowed, _ := parent["extra"].(map[string]any)
	if in.Debuginfo != nil && !xmlrpc.Truthy(allowed["sidetag_debuginfo_allowed"]) {
		return fault.New(fault.Generic, "Debuginfo setting is not allowed in parent tag.")
	}
	change := EditTag{SetExtra: map[string]json.RawMessage{}, RemoveExtra: in.RemoveExtra}
	for k, v := range in.SetExtra {
		change.SetExtra[k] = v
	}
	if in.Debuginfo != nil {
		change.SetExtra["with_debuginfo"], err = json.Marshal(*in.Debuginfo)
		if err != nil {
			return err
		}
	}
	if err := editMacros(&change, in, parent); err != nil {
		return err
	}
	for _, k := range change.RemoveExtra {
		if _, both := change.SetExtra[k]; both {
			return fault.New(fault.Generic, "Can not both add/update and remove tag-extra: '%s'", k)
		}
	}
	return s.EditTag(ctx, a, t["id"].(int64), change)
}

func (s *Service) mayEditExtra(ctx context.Context, a Actor) error {
	if a.Admin {
		return nil
	}
	perms, err := s.permissions(ctx, a.UserID)
	if err == nil && !slices.Contains(perms, "sidetag_admin") {
		err = fault.New(fault.Generic, "Extra can be modified only with sidetag_admin or admin permissions.")
	}
	return err
}

// sideTagParent is the tag that a side tag was made over: what it inherits from first.
func (s *Service) sideTagParent(ctx context.Context, t query.Row) (query.Row, error) {
	links, err := tagmodel.Direct(ctx, s.DB, t["id"].(int64), nil)
	if err != nil {
		return nil, err
	}
	if len(links) == 0 {
		return nil, fault.New(fault.Generic, "%s inherits from no tag that would say what may be changed", t["name"])
	}
	parent, err := tagmodel.Get(ctx, s.DB, tagmodel.Spec{ID: links[0]["parent_id"].(int64)}, nil, false)
	if err == nil && parent == nil {
		err = fault.New(fault.Generic, "the tag that %s inherits from is not there", t["name"])
	}
	return parent, err
}

// editMacros adds the change of macros, as far as the parent lets its side tags have it.
func editMacros(change *EditTag, in EditSideTag, parent query.Row) error {
	var allowed []string
	if xmlrpc.Truthy(in.Macros) || xmlrpc.Truthy(in.RemoveMacros) {
		var err error
		if allowed, err = allowedMacros(parent); err != nil {
			return err
		}
	}
	macros, ok := in.Macros.(map[string]any)
	if in.Macros != nil && !ok {
		return fault.New(fault.Parameter, "rpm_macros must be a struct of macros and their values")
	}
	for macro, value := range macros {
		if r, size := utf8.DecodeRuneInString(macro); size == len(macro) || r != '_' && !unicode.IsLetter(r) {
			return fault.New(fault.Generic, "Invalid macro name '%s'", macro)
		}
		if !policy.Match(macro, allowed...) {
			return fault.New(fault.Generic, "RPM macro %s editing is not allowed via parent tag", macro)
		}
		b, err := json.Marshal(value)
		if err != nil {
			return fault.Wrap(err, fault.Parameter, "the value of the macro %s cannot be kept as JSON", macro)
		}
		change.SetExtra[macroKey+macro] = b
	}
	remove, ok := in.RemoveMacros.([]any)
	if in.RemoveMacros != nil && !ok {
		return fault.New(fault.Parameter, "remove_rpm_macros must be a list of macros")
	}
	for _, v := range remove {
		macro, ok := v.(string)
		if !ok {
			return fault.New(fault.Parameter, "remove_rpm_macros must be a list of texts")
		}
		if !policy.Match(macro, allowed...) {
			return fault.New(fault.Generic, "RPM macro %s editing is not allowed via parent tag", macro)
		}
		change.RemoveExtra = append(change.RemoveExtra, macroKey+macro)
	}
	return nil
}

// allowedMacros are the patterns of macros that the side tags over a tag may set.
func allowedMacros(parent query.Row) ([]string, error) {
	extra, _ := parent["extra"].(map[string]any)
	var list []string
	switch v := extra["sidetag_rpm_macros_allowed"].(type) {
	case nil:
	case string:
		list = strings.Fields(v)
	case []any:
		for _, x := range v {
			pattern, ok := x.(string)
			if !ok {
				return nil, fault.New(fault.Generic, "Allowed rpm macro list is invalid for %s.", parent["name"])
			}
			list = append(list, pattern)
		}
	default:
		return nil, fault.New(fault.Generic, "rpm_macros_allowed in %s has invalid type: neither text nor a list", parent["name"])
	}
	if len(list) == 0 {
		return nil, fault.New(fault.Generic, "RPM macros change is not allowed in parent tag.")
	}
	return list, nil
}
