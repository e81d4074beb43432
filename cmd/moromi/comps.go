package main

import (
	"moromi/internal/hubclient"
	"moromi/repoprojector/repodata"
)

// comps makes comps.xml of the answer of getTagGroups, with the code that makes the repositories' own.
func comps(groups []map[string]any, expand bool) []byte {
	list := make([]repodata.Group, 0, len(groups))
	for _, g := range groups {
		group := repodata.Group{
			Name: hubclient.String(g["name"]), DisplayName: hubclient.String(g["display_name"]), Description: hubclient.String(g["description"]),
			IsDefault: hubclient.Bool(g["is_default"]), UserVisible: hubclient.Bool(g["uservisible"]), BiarchOnly: hubclient.Bool(g["biarchonly"]),
		}
		for _, p := range hubclient.Structs(g["packagelist"]) {
			group.Packages = append(group.Packages, repodata.GroupPackage{
				Name: hubclient.String(p["package"]), Type: hubclient.String(p["type"]),
				BasearchOnly: hubclient.Bool(p["basearchonly"]), RequiresOther: hubclient.String(p["requires"]),
			})
		}
		for _, r := range hubclient.Structs(g["grouplist"]) {
			group.Requires = append(group.Requires, repodata.GroupRequire{
				Name: hubclient.String(r["name"]), Type: hubclient.String(r["type"]), IsMetapackage: hubclient.Bool(r["is_metapkg"]),
			})
		}
		list = append(list, group)
	}
	return repodata.Comps(list, expand)
}
