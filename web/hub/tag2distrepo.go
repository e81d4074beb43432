package hub

import (
	"strings"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	"moromi/projections/rpm"
	"moromi/projections/tag"
)

// distRepoAfter begins dist repositories of the tags that a build was just put into or taken out of, as far as they want that: their extra setting
// tag2distrepo.enabled says so (Koji's plugin tag2distrepo). The tagging is done, whatever comes of it.
func (d Deps) distRepoAfter(c *Call, actor commands.Actor, ch commands.TagChange) {
	for _, t := range []query.Row{ch.From, ch.To} {
		if t == nil {
			continue
		}
		extra, _ := t["extra"].(map[string]any)
		if !xmlrpc.Truthy(extra["tag2distrepo.enabled"]) {
			continue
		}
		if err := d.tagToDistRepo(c, actor, t, extra); err != nil {
			d.Service.Log.Warn("no dist repository after tagging", "tag", t["name"], "error", err)
		}
	}
}

// tagToDistRepo begins the dist repository that a tag's extra settings describe: keys, inherit, latest and split_debuginfo of tag2distrepo.
func (d Deps) tagToDistRepo(c *Call, actor commands.Actor, t query.Row, extra map[string]any) error {
	arches, _ := t["arches"].(string)
	if strings.TrimSpace(arches) == "" {
		return fault.New(fault.Generic, "the tag has no arches")
	}
	wanted, _ := extra["tag2distrepo.keys"].(string)
	keys, latest := strings.Fields(wanted), xmlrpc.Truthy(extra["tag2distrepo.latest"])
	if err := d.writeSigned(c, actor, t["id"].(int64), keys, latest); err != nil {
		return err
	}
	opts := map[string]any{
		"arch": anyList(strings.Fields(arches)), "comp": nil, "delta": []any{}, "event": nil, "inherit": xmlrpc.Truthy(extra["tag2distrepo.inherit"]), "latest": latest,
		"multilib": false, "split_debuginfo": xmlrpc.Truthy(extra["tag2distrepo.split_debuginfo"]), "skip_missing_signatures": false,
		"allow_missing_signatures": len(keys) == 0,
	}
	_, err := d.startDistRepo(c, actor, t["name"], t, anyList(keys), opts)
	return err
}

func anyList(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// writeSigned makes sure that the signed copies are there of the tag's rpms that have a signature of one of the keys.
func (d Deps) writeSigned(c *Call, actor commands.Actor, tagID int64, keys []string, latest bool) error {
	if len(keys) == 0 {
		return nil
	}
	f := tag.BuildFilter{}
	if latest {
		f.Latest = 1
	}
	list, err := tag.SignedRPMs(c.Context(), d.DB, tagID, f, keys)
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := d.Service.WriteSignedRPM(c.Context(), actor, rpm.Spec{ID: s.ID}, s.Key, false); err != nil {
			return err
		}
	}
	return nil
}
