package cli

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func groupCommands() []spec {
	return []spec{
		addGroup(), ownGroup("block-group TAG GROUP", "Block a group in a tag", "groupListBlock"), ownGroup("remove-group TAG GROUP", "Remove a group from a tag", "groupListRemove"),
		listGroups(), showGroups(), importComps(),
		groupPackages("add-group-pkg", "Add packages to a group", "groupPackageListAdd"),
		groupPackages("block-group-pkg", "Block packages in a group, also where the tag is inherited", "groupPackageListBlock"),
		groupPackages("unblock-group-pkg", "End the block of packages in a group", "groupPackageListUnblock"),
		groupRequirement("add-group-req", "Make a group require another", "groupReqListAdd"),
		groupRequirement("block-group-req", "Block that a group requires another", "groupReqListBlock"),
		groupRequirement("unblock-group-req", "End the block of a requirement", "groupReqListUnblock"),
	}
}

// ownGroups are the names of a tag's groups, without inherited ones.
func (v *invocation) ownGroups(tag string) ([]string, error) {
	if _, err := v.need("tag", "getTag", tag); err != nil {
		return nil, err
	}
	groups, err := v.list("getTagGroups", tag, kw{"inherit": false})
	var names []string
	for _, g := range groups {
		names = append(names, text(g, "name"))
	}
	return names, err
}

func addGroup() spec {
	return spec{
		use: "add-group TAG GROUP", short: "Add a group to a tag", group: groupTag, login: true, min: 2, max: 2, complete: []string{"tag", ""},
		run: func(v *invocation) error {
			names, err := v.ownGroups(v.args[0])
			if err != nil {
				return err
			}
			if slices.Contains(names, v.args[1]) {
				return fmt.Errorf("tag %s has a group %s already", v.args[0], v.args[1])
			}
			_, err = v.change("groupListAdd", v.args[0], v.args[1])
			return err
		},
	}
}

// ownGroup is block-group and remove-group: the group must be the tag's own.
func ownGroup(use, short, call string) spec {
	return spec{
		use: use, short: short, group: groupTag, login: true, min: 2, max: 2, complete: []string{"tag", ""},
		run: func(v *invocation) error {
			names, err := v.ownGroups(v.args[0])
			if err != nil {
				return err
			}
			if !slices.Contains(names, v.args[1]) {
				return fmt.Errorf("tag %s has no group %s of its own", v.args[0], v.args[1])
			}
			_, err = v.change(call, v.args[0], v.args[1])
			return err
		},
	}
}

func groupPackages(name, short, call string) spec {
	return spec{
		use: name + " TAG GROUP PACKAGE…", short: short, group: groupTag, login: true, min: 3, max: -1, complete: []string{"tag", "", "package"},
		run: func(v *invocation) error {
			for _, pkg := range v.args[2:] {
				if _, err := v.change(call, v.args[0], v.args[1], pkg); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func groupRequirement(name, short, call string) spec {
	return spec{
		use: name + " TAG GROUP REQUIRED_GROUP", short: short, group: groupTag, login: true, min: 3, max: 3, complete: []string{"tag", ""},
		run: func(v *invocation) error {
			_, err := v.change(call, v.args[0], v.args[1], v.args[2])
			return err
		},
	}
}

func listGroups() spec {
	var blocked bool
	var when eventOptions
	return spec{
		use: "list-groups TAG [GROUP]", short: "List a tag's groups and what is in them", past: true, group: groupInfo, min: 1, max: 2, json: true, complete: []string{"tag", ""},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&blocked, "show-blocked", false, "blocked ones too")
			when.register(f)
		},
		run: func(v *invocation) error {
			event, err := v.moment(&when)
			if err != nil {
				return err
			}
			v.showMoment(event, "Querying")
			opts := kw{}
			if blocked {
				opts["incl_blocked"] = true
			}
			groups, err := v.list("getTagGroups", v.args[0], withEvent(opts, event))
			if err != nil {
				return err
			}
			if len(v.args) > 1 {
				groups = slices.DeleteFunc(groups, func(g row) bool { return text(g, "name") != v.args[1] })
			}
			sortBy(groups, "name")
			if v.json {
				return v.printJSON(groups)
			}
			return v.showGroupList(groups)
		},
	}
}

func (v *invocation) showGroupList(groups []row) error {
	names := map[any]string{}
	tagName := func(r row) (string, error) {
		if _, ok := names[r["tag_id"]]; !ok {
			tag, err := v.one("getTag", r["tag_id"], kw{"strict": false})
			if err != nil {
				return "", err
			}
			names[r["tag_id"]] = pyStr(r["tag_id"])
			if tag != nil {
				names[r["tag_id"]] = str(tag, "name")
			}
		}
		return names[r["tag_id"]], nil
	}
	for _, g := range groups {
		tag, err := tagName(g)
		if err != nil {
			return err
		}
		v.printf("%s  [%s]\n", str(g, "name"), tag)
		required := hubclient.Structs(g["grouplist"])
		sortBy(required, "name")
		for _, r := range required {
			if tag, err = tagName(r); err != nil {
				return err
			}
			v.printf("  @%s  [%s]\n", str(r, "name"), tag)
		}
		packages := hubclient.Structs(g["packagelist"])
		sortBy(packages, "package")
		for _, p := range packages {
			if tag, err = tagName(p); err != nil {
				return err
			}
			v.printf("  %s: %s, %s  [%s]", str(p, "package"), str(p, "basearchonly"), str(p, "type"), tag)
			if hubclient.Bool(p["blocked"]) {
				v.printf(" [BLOCKED]")
			}
			v.println()
		}
	}
	return nil
}

func showGroups() spec {
	var comps, expand, asSpec, blocked bool
	return spec{
		use: "show-groups TAG", short: "Show a tag's groups as data, or as comps.xml", group: groupInfo, min: 1, max: 1, json: true, past: true, complete: []string{"tag"},
		example: "  moromi show-groups --comps f42-build >comps.xml",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&comps, "comps", false, "as comps.xml")
			f.BoolVarP(&expand, "expand", "x", false, "with the packages of required groups in comps.xml")
			f.BoolVar(&asSpec, "spec", false, "as the spec file of a package that requires what the group build has")
			f.BoolVar(&blocked, "show-blocked", false, "blocked ones too")
		},
		run: func(v *invocation) error {
			if blocked && (comps || asSpec) {
				return usagef("--show-blocked does not go with --comps and --spec")
			}
			event, err := v.asOf()
			if err != nil {
				return err
			}
			opts := withEvent(kw{}, event)
			if blocked {
				opts["incl_blocked"] = true
			}
			answer, err := v.call("getTagGroups", v.args[0], opts)
			if err != nil {
				return err
			}
			switch {
			case v.json:
				return v.printJSON(answer)
			case comps:
				v.printf("%s\n", v.Comps(hubclient.Structs(answer), expand))
				return nil
			case asSpec:
				v.println(groupSpec(hubclient.Structs(answer)))
				return nil
			}
			v.println(pprint(answer))
			return nil
		},
	}
}

// comps.xml as dnf groups are described in it: only what Koji keeps of it.
type comps struct {
	Groups []compsGroup `xml:"group"`
}

type compsGroup struct {
	ID          string      `xml:"id"`
	Name        []compsText `xml:"name"`
	Description []compsText `xml:"description"`
	Default     string      `xml:"default"`
	UserVisible string      `xml:"uservisible"`
	BiarchOnly  string      `xml:"biarchonly"`
	LangOnly    string      `xml:"langonly"`
	Packages    []struct {
		Name         string `xml:",chardata"`
		Type         string `xml:"type,attr"`
		BasearchOnly string `xml:"basearchonly,attr"`
		Requires     string `xml:"requires,attr"`
	} `xml:"packagelist>packagereq"`
}

// compsText may come in several languages; the one without is the text itself.
type compsText struct {
	Lang string `xml:"lang,attr"`
	Text string `xml:",chardata"`
}

func untranslated(texts []compsText) any {
	for _, t := range texts {
		if t.Lang == "" {
			return t.Text
		}
	}
	return nil
}

// maxComps is far above real comps files, the largest of which have about 1 MiB.
const maxComps = 32 << 20

func importComps() spec {
	var force bool
	return spec{
		use: "import-comps FILE TAG", short: "Add the groups of a comps.xml to a tag", group: groupTag, login: true, min: 2, max: 2, complete: []string{"file", "tag"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&force, "force", false, "change groups and packages that are there already")
		},
		run: func(v *invocation) error {
			if _, err := v.need("tag", "getTag", v.args[1]); err != nil {
				return err
			}
			file, err := os.Open(v.args[0])
			if err != nil {
				return fmt.Errorf("import comps: %w", err)
			}
			defer file.Close()
			var c comps
			d := xml.NewDecoder(io.LimitReader(file, maxComps))
			if err := d.Decode(&c); err != nil {
				return fmt.Errorf("import comps: %s: %w", v.args[0], err)
			}
			for _, g := range c.Groups {
				if err := v.importGroup(g, v.args[1], force); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (v *invocation) importGroup(g compsGroup, tag string, force bool) error {
	name := untranslated(g.Name)
	var lang any
	if g.LangOnly != "" {
		lang = g.LangOnly
	}
	v.printf("Group: %s (%s)\n", g.ID, pyStr(name))
	if _, err := v.change("groupListAdd", tag, g.ID, kw{
		"force": force, "display_name": name, "is_default": isTrue(g.Default), "uservisible": isTrue(g.UserVisible),
		"description": untranslated(g.Description), "langonly": lang, "biarchonly": isTrue(g.BiarchOnly),
	}); err != nil {
		return err
	}
	for _, p := range g.Packages {
		opts := kw{"type": first(p.Type, "mandatory"), "basearchonly": isTrue(p.BasearchOnly)}
		if p.Type == "conditional" {
			opts["requires"] = p.Requires
		}
		v.printf("  Package: %s: %s\n", p.Name, pyRepr(row(opts)))
		opts["force"] = force
		if _, err := v.change("groupPackageListAdd", tag, g.ID, p.Name, opts); err != nil {
			return err
		}
	}
	return nil
}

func isTrue(s string) bool { return strings.EqualFold(strings.TrimSpace(s), "true") || s == "1" }
