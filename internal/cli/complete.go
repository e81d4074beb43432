package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

const (
	// completionTimeout is as long as a person waits for the tab key.
	completionTimeout = 3 * time.Second
	// maxCompletions keeps a shell from printing pages.
	maxCompletions = 200
)

// completions makes the shell complete names of tags, targets and so on by asking the hub.
func (p *program) completions(cmd *cobra.Command, s spec) {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(s.complete) == 0 || s.max >= 0 && len(args) >= s.max {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return p.complete(cmd, s.complete[min(len(args), len(s.complete)-1)], word)
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		kind := ""
		switch f.Name {
		case "tag", "parent", "build-tag", "dest-tag", "latestfrom":
			kind = "tag"
		case "host", "channel", "package", "build", "volume":
			kind = f.Name
		case "owner", "editor", "by", "old-user", "from":
			kind = "user"
		case "perm", "permission":
			kind = "permission"
		case "target", "build-target":
			if f.Value.Type() == "string" {
				kind = "target"
			}
		case "config", "cert", "serverca", "keytab", "comps", "multilib", "ignore-tag-file", "protect-tag-file", "output":
			kind = "file"
		}
		if kind == "" || f.Value.Type() == "bool" {
			return
		}
		// The error says that the option has a completion already, which the shared global ones have after the first verb.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return p.complete(cmd, kind, word)
		})
	})
}

// complete gives names of a kind that begin with a word. Without an answer there are none: completion never complains.
func (p *program) complete(cmd *cobra.Command, kind, word string) ([]string, cobra.ShellCompDirective) {
	if kind == "file" {
		return nil, cobra.ShellCompDirectiveDefault
	}
	if kind == "" || p.configure() != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	v := &invocation{program: p, ctx: ctx}
	names, err := v.namesOf(kind, word)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" || !strings.HasPrefix(n, word) })
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxCompletions)], cobra.ShellCompDirectiveNoFileComp
}

func (v *invocation) namesOf(kind, word string) ([]string, error) {
	var rows []row
	var err error
	switch kind {
	case "tag":
		rows, err = v.list("listTags", kw{"pattern": word + "*"})
	case "target":
		rows, err = v.list("getBuildTargets")
	case "host":
		rows, err = v.list("listHosts")
	case "channel":
		rows, err = v.list("listChannels")
	case "permission":
		rows, err = v.list("getAllPerms")
	case "volume":
		rows, err = v.list("listVolumes")
	case "externalrepo":
		rows, err = v.list("listExternalRepos")
	case "package", "build", "user":
		rows, err = v.list("search", word+"*", kind, "glob", row{"limit": maxCompletions})
	case "task":
		rows, err = v.findTasks(&taskFilter{}, kw{})
		var ids []string
		for _, r := range rows {
			ids = append(ids, str(r, "id"))
		}
		return ids, err
	case "method":
		methods, err := v.call("system.listMethods")
		return hubclient.Strings(methods), err
	}
	var names []string
	for _, r := range rows {
		names = append(names, text(r, "name"))
	}
	return names, err
}
