package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func externalRepoCommands() []spec {
	return []spec{addExternalRepo(), editExternalRepo(), removeExternalRepo(), listExternalRepos()}
}

// mergeModes are how an external repository's metadata goes into a tag's.
const mergeModes = "koji, simple or bare"

func mergeMode(s string) error {
	if !slices.Contains([]string{"koji", "simple", "bare"}, s) {
		return usagef("--mode: %q is none of %s", s, mergeModes)
	}
	return nil
}

func addExternalRepo() spec {
	var tags []string
	var priority int64
	var mode, archList string
	return spec{
		use: "add-external-repo NAME [URL]", short: "Create an external repository, or add one to tags", group: groupAdmin, login: true, min: 1, max: 2,
		example: "  moromi add-external-repo fedora-42 'https://mirror.example.com/fedora/42/$arch/' -t f42-build::10",
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVarP(&tags, "tag", "t", nil, "add it to this `TAG`, with priority N if written TAG::N (repeatable)")
			f.Int64VarP(&priority, "priority", "p", 0, "priority in the tags")
			f.StringVarP(&mode, "mode", "m", "", "how it is merged: "+mergeModes)
			f.StringVarP(&archList, "arches", "a", "", "use only these architectures of it")
		},
		run: func(v *invocation) error {
			if mode != "" {
				if len(tags) == 0 {
					return usagef("--mode needs --tag")
				}
				if err := mergeMode(mode); err != nil {
					return err
				}
			}
			if len(v.args) == 1 && len(tags) == 0 {
				return usagef("give an address to create a repository, or --tag to add one that exists")
			}
			var repo row
			var err error
			if len(v.args) == 1 {
				repo, err = v.one("getExternalRepo", v.args[0], kw{"strict": true})
			} else if repo, err = v.changeOne("createExternalRepo", v.args[0], v.args[1]); err == nil {
				v.printf("Created external repo %d\n", id(repo))
			}
			if err != nil {
				return err
			}
			opts := kw{}
			if mode != "" {
				opts["merge_mode"] = mode
			}
			if archList != "" {
				opts["arches"] = archList
			}
			for _, t := range tags {
				tag, number, err := v.tagPriority(t, priority)
				if err != nil {
					return err
				}
				if _, err := v.change("addExternalRepoToTag", tag, repo["name"], number, opts); err != nil {
					return err
				}
				v.printf("Added external repo %s to tag %s (priority %d)\n", str(repo, "name"), tag, number)
			}
			return nil
		},
	}
}

// tagPriority reads TAG::N. Without N it is --priority, or behind all others, with room for more between.
func (v *invocation) tagPriority(s string, priority int64) (tag string, number int64, err error) {
	tag, n, ok := strings.Cut(s, "::")
	if ok && n != "auto" && n != "-1" {
		if number, err = strconv.ParseInt(n, 10, 64); err != nil {
			return "", 0, usagef("--tag %q: the priority must be a whole number", s)
		}
		return tag, number, nil
	}
	if v.flags.Changed("priority") {
		return tag, priority, nil
	}
	repos, err := v.list("getTagExternalRepos", kw{"tag_info": tag})
	if err != nil || len(repos) == 0 {
		return tag, 5, err
	}
	last := hubclient.Int(repos[len(repos)-1]["priority"])
	return tag, (last + 7) / 5 * 5, nil
}

func editExternalRepo() spec {
	var address, name, tag, mode, archList string
	var priority int64
	return spec{
		use: "edit-external-repo NAME", short: "Change an external repository, or how a tag uses it", group: groupAdmin, login: true, min: 1, max: 1, complete: []string{"externalrepo"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&address, "url", "", "new address")
			f.StringVar(&name, "name", "", "new name")
			f.StringVarP(&tag, "tag", "t", "", "change how this `TAG` uses it")
			f.Int64VarP(&priority, "priority", "p", 0, "priority in the tag")
			f.StringVarP(&mode, "mode", "m", "", "how it is merged: "+mergeModes)
			f.StringVarP(&archList, "arches", "a", "", "use only these architectures of it")
		},
		run: func(v *invocation) error {
			repo, use := kw{}, kw{}
			if address != "" {
				repo["url"] = address
			}
			if name != "" {
				repo["name"] = name
			}
			if v.flags.Changed("priority") {
				use["priority"] = priority
			}
			if mode != "" {
				if err := mergeMode(mode); err != nil {
					return err
				}
				use["merge_mode"] = mode
			}
			if v.flags.Changed("arches") {
				use["arches"] = archList
			}
			switch {
			case len(use) > 0 && tag == "":
				return usagef("--priority, --mode and --arches need --tag")
			case tag != "" && len(use) == 0:
				return usagef("--tag needs --priority, --mode or --arches")
			case len(use)+len(repo) == 0:
				return usagef("say what to change")
			}
			if len(repo) > 0 {
				if _, err := v.change("editExternalRepo", v.args[0], repo); err != nil {
					return err
				}
			}
			if len(use) == 0 {
				return nil
			}
			use["tag_info"], use["repo_info"] = tag, first(name, v.args[0])
			_, err := v.change("editTagExternalRepo", use)
			return err
		},
	}
}

func removeExternalRepo() spec {
	var all, force bool
	return spec{
		use: "remove-external-repo NAME [TAG…]", short: "Remove an external repository, from tags or altogether", group: groupAdmin, login: true, min: 1, max: -1, complete: []string{"externalrepo", "tag"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&all, "alltags", false, "from all tags")
			f.BoolVar(&force, "force", false, "altogether, even if tags use it")
		},
		run: func(v *invocation) error {
			name, tags := v.args[0], v.args[1:]
			if all && len(tags) > 0 {
				return usagef("--alltags does not go with tags")
			}
			uses, err := v.list("getTagExternalRepos", kw{"repo_info": name})
			if err != nil {
				return err
			}
			var users []string
			for _, u := range uses {
				users = append(users, text(u, "tag_name"))
			}
			remove := len(tags) == 0 && !all
			if all {
				tags = users
				if len(users) == 0 && !force {
					v.warnf("External repo %s not associated with any tags", name)
					return nil
				}
				remove = len(users) == 0
			}
			if remove {
				if len(users) > 0 && !force {
					return fmt.Errorf("external repo %s is used by %s; --force removes it nevertheless", name, strings.Join(users, ", "))
				}
				_, err := v.change("deleteExternalRepo", name)
				return err
			}
			for _, t := range tags {
				if !slices.Contains(users, t) {
					v.printf("External repo %s not associated with tag %s\n", name, t)
					continue
				}
				if _, err := v.change("removeExternalRepoFromTag", t, name); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func listExternalRepos() spec {
	var address, name, tag string
	var number int64
	var used, inherit bool
	var when eventOptions
	return spec{
		use: "list-external-repos", short: "List external repositories", past: true, group: groupInfo, json: true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&address, "url", "", "the one with this address")
			f.StringVar(&name, "name", "", "the one of this name")
			f.Int64Var(&number, "id", 0, "the one with this id")
			f.StringVar(&tag, "tag", "", "those of this tag")
			f.BoolVar(&used, "used", false, "show which tags use them")
			f.BoolVar(&inherit, "inherit", false, "with those that the tag inherits")
			when.register(f)
		},
		run: func(v *invocation) error {
			event, err := v.moment(&when)
			if err != nil {
				return err
			}
			v.showMoment(event, "Querying")
			var which any
			if number != 0 {
				which = number
			} else if name != "" {
				which = name
			}
			var repos []row
			switch {
			case tag != "" && inherit && which != nil:
				return usagef("--inherit does not go with --name and --id")
			case tag != "" && inherit:
				repos, err = v.list("getExternalRepoList", withEvent(kw{"tag_info": tag}, event))
			case tag != "":
				repos, err = v.list("getTagExternalRepos", withEvent(kw{"tag_info": tag, "repo_info": which}, event))
			case used:
				repos, err = v.list("getTagExternalRepos", withEvent(kw{"repo_info": which}, event))
			default:
				var by any
				if address != "" {
					by = address
				}
				repos, err = v.list("listExternalRepos", withEvent(kw{"info": which, "url": by}, event))
			}
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(repos)
			}
			v.showExternalRepos(repos, tag != "" && !inherit, used || inherit)
			return nil
		},
	}
}

// showExternalRepos prints repositories: of one tag, of several tags, or by themselves.
func (v *invocation) showExternalRepos(repos []row, oneTag, tags bool) {
	header, line := fmt.Sprintf("%-25s %s", "External repo name", "URL"), dashes(25, 40)
	switch {
	case oneTag:
		header, line = fmt.Sprintf("%-3s %-25s %-10s URL", "Pri", "External repo name", "Mode"), dashes(3, 25, 10, 40)
	case tags:
		header, line = fmt.Sprintf("%-20s %-3s %-10s %s", "Tag", "Pri", "Mode", "External repo name"), dashes(20, 3, 10, 25)
	}
	if !v.global.quiet {
		v.println(header)
		v.println(line)
	}
	for _, r := range repos {
		priority := hubclient.Int(r["priority"])
		switch {
		case oneTag:
			v.printf("%-3d %-25s %-10s %s\n", priority, str(r, "external_repo_name"), str(r, "merge_mode"), str(r, "url"))
		case tags:
			v.printf("%-20s %-3d %-10s %s\n", str(r, "tag_name"), priority, str(r, "merge_mode"), str(r, "external_repo_name"))
		default:
			v.printf("%-25s %s\n", str(r, "name"), str(r, "url"))
		}
	}
}
