package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func inheritanceCommands() []spec {
	return []spec{addInheritance(), editInheritance(), removeInheritance(), listInheritance()}
}

// linkOptions describe a link to a parent.
type linkOptions struct {
	priority, maxDepth, filter string
	intransitive, noConfig     bool
}

func (o *linkOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.priority, "priority", "", "priority among the parents; the lowest comes first")
	f.StringVar(&o.maxDepth, "maxdepth", "", "follow the parent's own parents only so far (none: all the way)")
	f.BoolVar(&o.intransitive, "intransitive", false, "do not inherit this link further")
	f.BoolVar(&o.noConfig, "noconfig", false, "inherit packages only")
	f.StringVar(&o.filter, "pkg-filter", "", "inherit only packages whose names match this regular expression")
}

func whole(option, s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, usagef("--%s must be a whole number, not %q", option, s)
	}
	return n, nil
}

// depth reads --maxdepth.
func (o *linkOptions) depth() (any, error) {
	if o.maxDepth == "" || strings.EqualFold(o.maxDepth, "none") {
		return nil, nil
	}
	return whole("maxdepth", o.maxDepth)
}

func priorityTaken(tag row) error {
	return fmt.Errorf("%s already has a parent with that priority; choose another with --priority", str(tag, "name"))
}

func addInheritance() spec {
	var o linkOptions
	var force bool
	return spec{
		use: "add-tag-inheritance TAG PARENT", short: "Make a tag inherit from another", group: groupTag, login: true, min: 2, max: 2, complete: []string{"tag"},
		example: "  moromi add-tag-inheritance f42-build f42 --priority 10",
		flags: func(f *pflag.FlagSet) {
			o.register(f)
			f.BoolVar(&force, "force", false, "even if it is a parent already")
		},
		run: func(v *invocation) error {
			tag, err := v.need("tag", "getTag", v.args[0])
			if err != nil {
				return err
			}
			parent, err := v.need("tag", "getTag", v.args[1])
			if err != nil {
				return err
			}
			links, err := v.list("getInheritanceData", tag["id"])
			if err != nil {
				return err
			}
			var priority int64
			if o.priority != "" {
				if priority, err = whole("priority", o.priority); err != nil {
					return err
				}
			}
			depth, err := o.depth()
			if err != nil {
				return err
			}
			for _, l := range links {
				if l["parent_id"] == parent["id"] && !force {
					return fmt.Errorf("%s is a parent of %s already; --force adds it once more", str(parent, "name"), str(tag, "name"))
				}
				if hubclient.Int(l["priority"]) == priority {
					return priorityTaken(tag)
				}
			}
			links = append(links, row{
				"parent_id": parent["id"], "priority": priority, "maxdepth": depth,
				"intransitive": o.intransitive, "noconfig": o.noConfig, "pkg_filter": o.filter,
			})
			_, err = v.change("setInheritanceData", tag["id"], links)
			return err
		},
	}
}

// findLink finds the one link that TAG [PARENT [PRIORITY]] means, among all of the tag's links.
func (v *invocation) findLink() (tag row, links []row, index int, err error) {
	if tag, err = v.need("tag", "getTag", v.args[0]); err != nil {
		return nil, nil, 0, err
	}
	var parent row
	var priority *int64
	if len(v.args) > 1 {
		if parent, err = v.need("tag", "getTag", v.args[1]); err != nil {
			return nil, nil, 0, err
		}
	}
	if len(v.args) > 2 {
		n, err := strconv.ParseInt(v.args[2], 10, 64)
		if err != nil {
			return nil, nil, 0, usagef("the priority must be a whole number, not %q", v.args[2])
		}
		priority = &n
	}
	if links, err = v.list("getInheritanceData", tag["id"]); err != nil {
		return nil, nil, 0, err
	}
	var found []int
	for i, l := range links {
		if (parent == nil || l["parent_id"] == parent["id"]) && (priority == nil || hubclient.Int(l["priority"]) == *priority) {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil, 0, fmt.Errorf("%s has no such parent", str(tag, "name"))
	case len(found) > 1 && parent == nil:
		return nil, nil, 0, fmt.Errorf("%s has several parents: say which", str(tag, "name"))
	case len(found) > 1:
		return nil, nil, 0, fmt.Errorf("%s has that parent several times: give the priority too", str(tag, "name"))
	}
	return tag, links, found[0], nil
}

func editInheritance() spec {
	var o linkOptions
	return spec{
		use: "edit-tag-inheritance TAG [PARENT [PRIORITY]]", short: "Change how a tag inherits from another", group: groupTag, login: true, min: 1, max: 3,
		complete: []string{"tag"}, flags: func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			tag, links, i, err := v.findLink()
			if err != nil {
				return err
			}
			link := links[i]
			if o.priority != "" {
				priority, err := whole("priority", o.priority)
				if err != nil {
					return err
				}
				for _, l := range links {
					if hubclient.Int(l["priority"]) == priority {
						return priorityTaken(tag)
					}
				}
				link["priority"] = priority
			}
			if o.maxDepth != "" {
				if link["maxdepth"], err = o.depth(); err != nil {
					return err
				}
			}
			if o.intransitive {
				link["intransitive"] = true
			}
			if o.noConfig {
				link["noconfig"] = true
			}
			if o.filter != "" {
				link["pkg_filter"] = o.filter
			}
			_, err = v.change("setInheritanceData", tag["id"], links)
			return err
		},
	}
}

func removeInheritance() spec {
	return spec{
		use: "remove-tag-inheritance TAG [PARENT [PRIORITY]]", short: "End that a tag inherits from another", group: groupTag, login: true, min: 1, max: 3,
		complete: []string{"tag"},
		run: func(v *invocation) error {
			tag, links, i, err := v.findLink()
			if err != nil {
				return err
			}
			links[i]["delete link"] = true
			_, err = v.change("setInheritanceData", tag["id"], links)
			return err
		},
	}
}

func listInheritance() spec {
	var reverse bool
	var stop, jump string
	var when eventOptions
	return spec{
		use: "list-tag-inheritance TAG", short: "Show the tree of tags that a tag inherits from", past: true, group: groupInfo, min: 1, max: 1, json: true, complete: []string{"tag"},
		long: `Show the tree of tags that a tag inherits from.

Letters before a tag tell of limits, whose values taginfo shows:
  M  max depth: only so many levels
  F  filter: only packages that match
  I  intransitive: not inherited further
  N  noconfig: packages only`,
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&reverse, "reverse", false, "show the tags that inherit from it instead")
			f.StringVar(&stop, "stop", "", "not supported")
			f.StringVar(&jump, "jump", "", "not supported")
			f.Lookup("stop").Hidden, f.Lookup("jump").Hidden = true, true
			when.register(f)
		},
		run: func(v *invocation) error {
			if stop != "" || jump != "" {
				return usagef("--stop and --jump are options of old; hubs know them no longer")
			}
			event, err := v.moment(&when)
			if err != nil {
				return err
			}
			v.showMoment(event, "Querying")
			tag, err := v.need("tag", "getTag", v.args[0], withEvent(kw{}, event))
			if err != nil {
				return err
			}
			links, err := v.list("getFullInheritance", tag["id"], withEvent(kw{"reverse": reverse}, event))
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(links)
			}
			v.printf("     %s (%d)\n", str(tag, "name"), id(tag))
			v.printTree(links, reverse)
			return nil
		},
	}
}

// printTree draws links, which come depth first. open are the depths at which a branch goes on below.
func (v *invocation) printTree(links []row, reverse bool) {
	side, end := "child_id", "parent_id"
	if reverse {
		side, end = "parent_id", "tag_id"
	}
	var open []int64
	for i, l := range links {
		depth := hubclient.Int(l["currdepth"])
		more := slices.ContainsFunc(links[i+1:], func(o row) bool { return o[side] == l[side] })
		var b strings.Builder
		b.WriteString(inheritanceFlags(l))
		var at int64
		for _, d := range open {
			if d < depth {
				b.WriteString(strings.Repeat(" ", max(0, int((d-at)*3-1))) + "│")
				at = d
			}
		}
		b.WriteString(strings.Repeat(" ", max(0, int((depth-at)*3-1))))
		last := len(open) > 0 && open[len(open)-1] == depth
		if more {
			b.WriteString("├─")
			if !last {
				open = append(open, depth)
			}
		} else {
			b.WriteString("└─")
			if last {
				open = open[:len(open)-1]
			}
		}
		v.printf("%s%s (%d)\n", b.String(), str(l, "name"), hubclient.Int(l[end]))
	}
}
