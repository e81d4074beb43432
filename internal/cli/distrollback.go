package cli

import "strconv"

func distRepoRollback() spec {
	return spec{
		use: "dist-repo-rollback TAG [REPO]", short: "Take users of a tag's dist repositories back to an earlier one", group: groupBuild, login: true, min: 1, max: 2, json: true, complete: []string{"tag", ""},
		long: `Let "latest" of a tag's dist repositories lead to another one that is READY: to REPO, or to the one before. It stays so until the next dist repository
of the tag is made. Needs the permission dist-repo.`,
		example: "  moromi dist-repo-rollback f42\n  moromi dist-repo-rollback f42 1234",
		run: func(v *invocation) error {
			args := []any{v.args[0]}
			if len(v.args) > 1 {
				id, err := strconv.ParseInt(v.args[1], 10, 64)
				if err != nil || id <= 0 {
					return usagef("%q is no id of a repository", v.args[1])
				}
				args = append(args, id)
			}
			r, err := v.one("moromi.rollbackDistRepo", args...)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(r)
			}
			if !v.global.quiet {
				v.printf("latest of %s leads to %s now\n", v.args[0], str(r, "repo_id"))
			}
			return nil
		},
	}
}
