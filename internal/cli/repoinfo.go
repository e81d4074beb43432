package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func waitRepoRequest() spec {
	var verbose, quiet bool
	var timeout int64
	return spec{
		use: "wait-repo-request REQUEST", short: "Wait for the repository of a request", group: groupMonitor, login: true, min: 1, max: 1, json: true,
		flags: func(f *pflag.FlagSet) {
			f.Int64Var(&timeout, "timeout", defaultRepoTimeout, "give up after so many `MINUTES`")
			f.BoolVarP(&verbose, "verbose", "v", false, "say what is waited for")
			f.BoolVar(&quiet, "quiet", false, "say nothing")
		},
		run: func(v *invocation) error {
			n, ok := reference(v.args[0]).(int64)
			if !ok {
				return usagef("a request is named by its number, not %q", v.args[0])
			}
			check, err := v.one("repo.checkRequest", n)
			if err != nil {
				return err
			}
			repo, request := hubclient.Struct(check["repo"]), hubclient.Struct(check["request"])
			if repo == nil {
				w := &repoWaiter{
					invocation: v, tag: row{"id": request["tag_id"], "name": first(text(request, "tag_name"), fmt.Sprintf("tag %s", str(request, "tag_id")))},
					verbose: verbose, deadline: v.Now().Add(time.Duration(timeout) * time.Minute),
				}
				if repo, err = w.waitRequest(request); err != nil {
					return err
				}
			}
			if v.json {
				return v.printJSON(repo)
			}
			if !quiet {
				v.gotRepo(repo)
			}
			return nil
		},
	}
}

func repoInfo() spec {
	var buildroots bool
	return spec{
		use: "repoinfo REPO…", short: "Show repositories", group: groupInfo, min: 1, max: -1, json: true,
		flags: func(f *pflag.FlagSet) { f.BoolVar(&buildroots, "buildroots", false, "list the buildroots made of it") },
		run: func(v *invocation) error {
			return v.each("repo", func(arg string) (row, error) {
				n, ok := reference(arg).(int64)
				if !ok {
					return nil, usagef("a repository is named by its number, not %q", arg)
				}
				return v.one("repoInfo", n, kw{"strict": false})
			}, func(r row) error { return v.showRepo(r, buildroots) })
		},
	}
}

func (v *invocation) showRepo(r row, buildroots bool) error {
	if r["tag_name"] == nil {
		return errors.New("the hub's answer about the repository has no tag")
	}
	address := fmt.Sprintf("%s/repos/%s/%d", v.cfg.topURL, str(r, "tag_name"), id(r))
	if hubclient.Bool(r["dist"]) {
		address = fmt.Sprintf("%s/repos-dist/%s/%d", v.cfg.topURL, str(r, "tag_name"), id(r))
	}
	v.printf("ID: %d\nTag ID: %s\nTag name: %s\nState: %s\nCreated: %s\nCreated event: %s\nURL: %s\nRepo json: %s/repo.json\nDist repo?: %s\nTask ID: %s\n",
		id(r), str(r, "tag_id"), str(r, "tag_name"), koji.RepoState(hubclient.Int(r["state"])), v.longTime(r["create_ts"]), str(r, "create_event"),
		address, address, yesNo(r["dist"]), str(r, "task_id"))
	roots, err := v.list("listBuildroots", kw{"repoID": r["id"]})
	if err != nil {
		return err
	}
	v.printf("Number of buildroots: %d\n", len(roots))
	if !buildroots || len(roots) == 0 {
		return nil
	}
	v.println("Buildroots ID:")
	for _, b := range roots {
		v.printf("%15s%d\n", "", id(b))
	}
	return nil
}
