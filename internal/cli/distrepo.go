package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

// distRepoFlags are the options of dist-repo.
type distRepoFlags struct {
	allowMissing, skipMissing, withSource, splitDebug, nonLatest, noInherit, zchunk, writeSigned, skipStat, noSkipStat bool
	arches, deltas                                                                                                     []string
	comps, volume, multilib, zchunkDicts                                                                               string
	event                                                                                                              int64
	wait                                                                                                               waitOptions
}

func (o *distRepoFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&o.allowMissing, "allow-missing-signatures", false, "take rpms that lack the signatures unsigned")
	f.BoolVar(&o.skipMissing, "skip-missing-signatures", false, "leave rpms that lack the signatures out")
	f.StringArrayVarP(&o.arches, "arch", "a", nil, "for this architecture (repeatable); otherwise for those of the tag")
	f.BoolVar(&o.withSource, "with-src", false, "with a repository of source rpms")
	f.BoolVar(&o.splitDebug, "split-debuginfo", false, "debuginfo rpms in a repository of their own for each architecture")
	f.StringVar(&o.comps, "comps", "", "put this comps `FILE` into the repository")
	f.StringArrayVar(&o.deltas, "delta-rpms", nil, "make delta rpms against this `REPO`, or the one of this tag (repeatable)")
	f.Int64Var(&o.event, "event", 0, "with what was in the tag at this `EVENT`")
	f.StringVar(&o.volume, "volume", "", "on this storage volume")
	f.BoolVar(&o.nonLatest, "non-latest", false, "older builds, too")
	f.StringVar(&o.multilib, "multilib", "", "with multilib packages as this configuration `FILE` says")
	f.BoolVar(&o.noInherit, "noinherit", false, "without what the tag inherits")
	f.BoolVar(&o.zchunk, "zck", false, "zchunk files, too")
	f.StringVar(&o.zchunkDicts, "zck-dict-dir", "", "directory on the builder with dictionaries for zchunk")
	f.BoolVar(&o.writeSigned, "write-signed-rpms", false, "make signed copies that are missing first")
	f.BoolVar(&o.skipStat, "skip-stat", false, "believe what the hub knows of the rpms' files")
	f.BoolVar(&o.noSkipStat, "no-skip-stat", false, "look at the rpms' files")
	o.wait.register(f)
}

func (o *distRepoFlags) check(keys []string) error {
	switch {
	case len(keys) == 0 && !o.allowMissing:
		return usagef("dist-repo needs the ids of signing keys, or --allow-missing-signatures")
	case o.allowMissing && o.skipMissing:
		return usagef("--allow-missing-signatures and --skip-missing-signatures exclude each other")
	case o.skipStat && o.noSkipStat:
		return usagef("--skip-stat and --no-skip-stat exclude each other")
	}
	return nil
}

func distRepo() spec {
	var o distRepoFlags
	return spec{
		use: "dist-repo TAG [KEY]…", short: "Make a repository of a tag for users, of signed rpms", group: groupBuild, login: true, min: 1, max: -1, json: true, past: true, complete: []string{"tag", ""},
		long: `Make a repository of a tag for users, of rpms signed with the first of the keys that there is.

With the tag's extra data distrepo.cancel_others set to True, a new task cancels earlier ones for the tag.`,
		example: "  moromi dist-repo f42 105ef944 --comps comps-f42.xml",
		flags:   func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			if err := o.check(v.args[1:]); err != nil {
				return err
			}
			event, err := v.asOf()
			if err != nil {
				return err
			}
			if event != nil {
				if o.event != 0 {
					return usagef("--at and --event exclude each other")
				}
				o.event = id(event)
			}
			opts, err := v.distRepoOptions(&o)
			if err != nil {
				return err
			}
			task, err := v.number("distRepo", v.args[0], v.args[1:], opts)
			if err != nil {
				return err
			}
			v.printf("Creating dist repo for tag %s\n", v.args[0])
			return v.finish([]int64{task}, &o.wait, v.global.quiet || v.json)
		},
	}
}

// distRepoOptions are the named arguments of distRepo. Files are checked before any is uploaded.
func (v *invocation) distRepoOptions(o *distRepoFlags) (kw, error) {
	tag, err := v.need("tag", "getTag", v.args[0])
	if err != nil {
		return nil, err
	}
	archList, err := v.distRepoArches(tag, o)
	if err != nil {
		return nil, err
	}
	deltas, err := v.deltaRepos(o.deltas)
	if err != nil {
		return nil, err
	}
	dir := v.uniquePath("cli-dist-repo")
	comps, err := v.sideFile(o.comps, dir)
	if err != nil {
		return nil, err
	}
	multilib, err := v.sideFile(o.multilib, dir)
	if err != nil {
		return nil, err
	}
	opts := kw{
		"arch": archList, "comps": comps, "delta": deltas, "event": orNil(o.event), "volume": orNil(o.volume), "inherit": !o.noInherit, "latest": !o.nonLatest,
		"multilib": multilib, "split_debuginfo": o.splitDebug, "skip_missing_signatures": o.skipMissing, "allow_missing_signatures": o.allowMissing,
		"zck": o.zchunk, "zck_dict_dir": orNil(o.zchunkDicts), "write_signed_rpms": o.writeSigned,
	}
	if o.skipStat || o.noSkipStat {
		opts["createrepo_skip_stat"] = o.skipStat
	}
	return opts, nil
}

// orNil is nil for what was not given.
func orNil[T comparable](value T) any {
	var none T
	if value == none {
		return nil
	}
	return value
}

// distRepoArches are the architectures asked for, or those of the tag or of the first that it inherits from that has some.
func (v *invocation) distRepoArches(tag row, o *distRepoFlags) ([]string, error) {
	allowed := strings.Fields(text(tag, "arches"))
	if len(allowed) == 0 {
		parents, err := v.list("getFullInheritance", tag["id"])
		if err != nil {
			return nil, err
		}
		for _, p := range parents {
			parent, err := v.one("getTag", p["parent_id"])
			if err != nil {
				return nil, err
			}
			if allowed = strings.Fields(text(parent, "arches")); len(allowed) > 0 {
				break
			}
		}
	}
	chosen := slices.Clone(o.arches)
	if len(chosen) == 0 {
		if chosen = slices.Clone(allowed); len(chosen) == 0 {
			return nil, usagef("tag %s has no architectures; give --arch", str(tag, "name"))
		}
	} else if len(allowed) == 0 {
		v.warnf("Tag %s has an empty arch list", str(tag, "name"))
	}
	for _, a := range chosen {
		if len(allowed) > 0 && !slices.Contains(allowed, a) {
			v.warnf("%s is not in the list of tag arches", a)
		}
	}
	if o.multilib != "" {
		for _, pair := range [][2]string{{"x86_64", "i686"}, {"s390x", "s390"}, {"ppc64", "ppc"}} {
			if slices.Contains(chosen, pair[0]) && !slices.Contains(chosen, pair[1]) {
				return nil, usagef("--multilib for %s needs --arch %s, too", pair[0], pair[1])
			}
		}
	}
	chosen = slices.DeleteFunc(chosen, func(a string) bool { return a == "noarch" })
	if o.withSource && !slices.Contains(chosen, "src") {
		chosen = append(chosen, "src")
	}
	if len(chosen) == 0 {
		return nil, usagef("noarch packages go into the other architectures' repositories: give one")
	}
	return chosen, nil
}

// deltaRepos finds repositories by their number, or by a tag that has one, even an expired one.
func (v *invocation) deltaRepos(names []string) ([]any, error) {
	ids := []any{}
	for _, name := range names {
		var repo row
		var err error
		if n, ok := reference(name).(int64); ok {
			repo, err = v.one("repoInfo", n, kw{"strict": true})
		} else if repo, err = v.one("getRepo", name, kw{"dist": true}); err == nil && repo == nil {
			repo, err = v.one("getRepo", name, kw{"state": int(koji.RepoExpired), "dist": true})
		}
		if err != nil {
			return nil, err
		}
		if repo == nil {
			return nil, fmt.Errorf("tag %s has no dist repo", name)
		}
		ids = append(ids, hubclient.Int(repo["id"]))
	}
	return ids, nil
}

// sideFile uploads a file that belongs to a task's request and gives its name on the hub, or nil for none.
func (v *invocation) sideFile(path, dir string) (any, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, usagef("there is no file %s", path)
	}
	if info.IsDir() {
		return nil, usagef("%s is a directory", path)
	}
	if err := v.upload(path, dir, false); err != nil {
		return nil, err
	}
	v.println()
	return dir + "/" + filepath.Base(path), nil
}
