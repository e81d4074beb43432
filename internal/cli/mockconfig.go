package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/mockconf"
)

// buildTimeout is what Koji gives a build in mock.
const buildTimeout = 24 * time.Hour

// mockFlags are the options of mock-config.
type mockFlags struct {
	arch, name, tag, target, task, buildroot         string
	dir, topDir, topURL, distribution, proxy, output string
	latest                                           bool
}

func (o *mockFlags) register(f *pflag.FlagSet) {
	f.StringVarP(&o.arch, "arch", "a", "", "architecture")
	f.StringVarP(&o.name, "name", "n", "", "name of the root")
	f.StringVar(&o.tag, "tag", "", "as builds in this build tag")
	f.StringVar(&o.target, "target", "", "as builds for this target")
	f.StringVar(&o.task, "task", "", "as this task's root was")
	f.BoolVar(&o.latest, "latest", false, "with whatever repository is the latest when mock runs")
	f.StringVar(&o.buildroot, "buildroot", "", "as the root of this number was")
	f.StringVar(&o.dir, "mockdir", "/var/lib/mock", "mock's base `DIR`ectory")
	f.StringVar(&o.topDir, "topdir", "", "repositories are below this `DIR`ectory")
	f.StringVar(&o.topURL, "topurl", "", "repositories are below this `URL`, unless --topdir is given")
	f.StringVar(&o.distribution, "distribution", "Koji Testing", "distribution that packages are marked with")
	f.StringVar(&o.proxy, "yum-proxy", "", "proxy for the repository")
	f.StringVarP(&o.output, "output", "o", "", "write it to this `FILE`")
}

func mockConfig() spec {
	var o mockFlags
	return spec{
		use: "mock-config [NAME]", short: "Make a configuration of mock for the root that builds get", group: groupInfo, max: 1, json: true, past: true,
		example: "  moromi mock-config --target f42 --arch x86_64 -o /etc/mock/f42.cfg\n  moromi mock-config --task 1234",
		flags:   func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			if len(v.args) > 0 {
				if o.name != "" {
					return usagef("the name is given twice")
				}
				o.name = v.args[0]
			}
			root, err := v.mockRoot(&o)
			if err != nil {
				return err
			}
			text, err := v.mockText(root, &o)
			if err != nil {
				return err
			}
			if o.output != "" {
				if err := os.WriteFile(o.output, []byte(text), 0o644); err != nil {
					return fmt.Errorf("write the configuration: %w", err)
				}
			}
			switch {
			case v.json:
				return v.printJSON(row{"name": root.name, "tag": root.tag, "arch": root.arch, "repo": root.repo, "config": text})
			case o.output == "":
				v.println(text)
			}
			return nil
		},
	}
}

// mockRoot is a root to make again: the repository is an id, or "latest".
type mockRoot struct {
	name, tag, arch string
	repo            any
}

func (v *invocation) mockRoot(o *mockFlags) (mockRoot, error) {
	var root mockRoot
	var err error
	switch {
	case v.past.set() && (o.buildroot != "" || o.task != "" || o.latest):
		return root, usagef("--at chooses a repository of --tag or --target; --buildroot, --task and --latest have theirs")
	case o.buildroot != "":
		n, ok := reference(o.buildroot).(int64)
		if !ok {
			return root, usagef("--buildroot takes a number, not %q", o.buildroot)
		}
		root, err = v.earlierRoot(v.one("getBuildroot", n))
	case o.task != "":
		root, err = v.taskRoot(o)
	case o.tag != "", o.target != "":
		root, err = v.currentRoot(o)
	default:
		return root, usagef("mock-config needs --tag, --target, --task or --buildroot")
	}
	if o.latest {
		root.repo = "latest"
	}
	root.name = first(o.name, root.name, fmt.Sprintf("%s-repo_%v", root.tag, root.repo))
	return root, err
}

// earlierRoot is a root that the hub has on record.
func (v *invocation) earlierRoot(r row, err error) (mockRoot, error) {
	if err == nil && r == nil {
		err = errors.New("no such buildroot")
	}
	return mockRoot{tag: text(r, "tag_name"), arch: text(r, "arch"), repo: r["repo_id"]}, err
}

func (v *invocation) taskRoot(o *mockFlags) (mockRoot, error) {
	n, ok := reference(o.task).(int64)
	if !ok {
		return mockRoot{}, usagef("--task takes a number, not %q", o.task)
	}
	roots, err := v.list("listBuildroots", kw{"taskID": n})
	if err != nil {
		return mockRoot{}, err
	}
	if len(roots) == 0 {
		return mockRoot{}, fmt.Errorf("task %d has no buildroot, or there is no such task", n)
	}
	if len(roots) > 1 {
		ids := make([]any, len(roots))
		for i, r := range roots {
			ids[i] = r["id"]
		}
		v.printf("Multiple buildroots found: %s\n", pyRepr(ids))
	}
	root, err := v.earlierRoot(roots[len(roots)-1], nil)
	root.name = fmt.Sprintf("%s-task_%d", root.tag, n)
	return root, err
}

// currentRoot is a root of a tag or target with the repository of now, or of the moment chosen.
func (v *invocation) currentRoot(o *mockFlags) (mockRoot, error) {
	if o.arch == "" {
		return mockRoot{}, errors.New("mock-config needs --arch")
	}
	event, err := v.asOf()
	if err != nil {
		return mockRoot{}, err
	}
	root := mockRoot{arch: o.arch}
	var tagID any
	if o.tag != "" {
		tag, err := v.need("tag", "getTag", o.tag, withEvent(kw{}, event))
		if err != nil {
			return root, err
		}
		root.tag, tagID = text(tag, "name"), tag["id"]
	} else {
		target, err := v.need("build target", "getBuildTarget", o.target, withEvent(kw{}, event))
		if err != nil {
			return root, err
		}
		root.tag, tagID = text(target, "build_tag_name"), target["build_tag"]
	}
	if o.latest {
		return root, nil
	}
	repo, err := v.one("getRepo", tagID, withEvent(kw{}, event))
	if err == nil && repo == nil {
		err = fmt.Errorf("tag %s has no repository", root.tag)
	}
	root.repo = repo["id"]
	return root, err
}

// mockText writes the configuration with what the tag said when the repository was made.
func (v *invocation) mockText(root mockRoot, o *mockFlags) (string, error) {
	opts := kw{}
	if root.repo != "latest" {
		repo, err := v.one("repoInfo", root.repo)
		if err != nil {
			return "", err
		}
		if repo != nil {
			opts["event"] = repo["create_event"]
		}
	}
	config, err := v.one("getBuildConfig", root.tag, opts)
	if err != nil {
		return "", err
	}
	switch arches := text(config, "arches"); {
	case root.arch == "":
	case arches == "":
		v.warnf("Tag %s has an empty arch list", root.tag)
	case !slices.Contains(strings.Fields(arches), root.arch):
		v.warnf("%s is not in the list of tag arches", root.arch)
	}
	top := first(o.topURL, v.cfg.topURL)
	if o.topDir != "" {
		dir, err := filepath.Abs(o.topDir)
		if err != nil {
			return "", fmt.Errorf("--topdir: %w", err)
		}
		top = "file://" + dir
	}
	extra := mockconf.Extra(hubclient.Struct(config["extra"]))
	macros := map[string]any{"%_rpmfilename": mockconf.RPMFileName, "%vendor": "Koji", "%packager": "Koji", "%distribution": o.distribution}
	for name, value := range extra.Macros() {
		macros[name] = value
	}
	macros["%_topdir"], macros["%_host_cpu"], macros["%_host"] = mockconf.Topdir, root.arch, root.arch+"-koji-linux-gnu"
	return mockconf.Config{
		Name: root.name, Dir: o.dir, Arch: root.arch, Group: "build", Repos: []string{fmt.Sprintf("%s/repos/%s/%v/%s", top, root.tag, root.repo, root.arch)},
		Proxy: o.proxy, Timeout: buildTimeout, BootstrapImage: true, Macros: macros, Extra: extra,
	}.Text()
}
