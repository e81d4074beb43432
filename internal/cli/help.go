package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

// helpCommand is help: of everything, of a verb, or the verbs of a group, which Koji calls a category.
func helpCommand() *cobra.Command {
	var admin bool
	cmd := &cobra.Command{
		Use: "help [COMMAND | GROUP]…", Short: "Help about commands", Aliases: []string{"list-commands"}, GroupID: groupMisc, DisableFlagsInUseLine: true,
		Long: "Help about commands, or the commands of groups: build, tag, info, monitor, download, admin, misc or all.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if admin {
				args = append(args, groupAdmin)
			}
			root := cmd.Root()
			if len(args) == 0 || slices.Contains(args, "all") {
				return root.Help()
			}
			for _, name := range args {
				if group := slices.IndexFunc(root.Groups(), func(g *cobra.Group) bool { return g.ID == name }); group >= 0 {
					listGroup(root, root.Groups()[group])
				} else if verb, _, err := root.Find([]string{name}); err == nil && verb != root {
					if err := verb.Help(); err != nil {
						return err
					}
				} else {
					return usagef("there is neither a command nor a group %q", name)
				}
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range cmd.Root().Commands() {
				names = append(names, c.Name())
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&admin, "admin", false, "the commands of the group admin")
	cmd.Flags().Lookup("admin").Hidden = true
	return cmd
}

func listGroup(root *cobra.Command, group *cobra.Group) {
	fmt.Fprintln(root.OutOrStdout(), group.Title)
	for _, c := range root.Commands() {
		if c.GroupID == group.ID && c.IsAvailableCommand() {
			fmt.Fprintf(root.OutOrStdout(), "  %-*s %s\n", c.NamePadding(), c.Name(), c.Short)
		}
	}
}
