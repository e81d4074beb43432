package cli

import (
	"fmt"
	"path"
	"strings"

	"moromi/internal/hubclient"
	"moromi/internal/xmlrpc"
)

// taskParams are the parameters of a task by name, from its request.
type taskParams map[string]any

// paramNames lists the parameters of the task methods whose labels show some (koji/tasks.py, LEGACY_SIGNATURES); those
// with a default have a question mark.
func paramNames(method string) string {
	switch method {
	case "build":
		return "src target opts?"
	case "maven":
		return "url target opts?"
	case "buildSRPMFromSCM", "buildMaven":
		return "url build_tag opts?"
	case "rebuildSRPM":
		return "srpm build_tag opts?"
	case "buildArch":
		return "pkg root arch keep_srpm opts?"
	case "wrapperRPM":
		return "spec_url build_target build task opts?"
	case "winbuild":
		return "name source_url target opts"
	case "vmExec":
		return "name task_info opts"
	case "buildNotification":
		return "recipients build target weburl"
	case "tagBuild":
		return "tag_id build_id force? fromtag? ignore_success?"
	case "newRepo":
		return "tag event? src? debuginfo? separate_src? opts?"
	case "distRepo":
		return "tag repo_id keys task_opts"
	case "createrepo":
		return "repo_id arch oldrepo"
	case "createdistrepo":
		return "tag repo_id arch keys opts"
	case "dependantTask":
		return "wait_list task_list"
	case "chainbuild":
		return "srcs target opts?"
	case "chainmaven":
		return "builds target opts?"
	case "waitrepo":
		return "tag newer_than? nvrs? min_event?"
	case "restart":
		return "host"
	case "restartVerify":
		return "task_id host"
	case "appliance", "livecd":
		return "name version arch target ksfile opts?"
	case "livemedia":
		return "name version arches target ksfile opts?"
	case "image":
		return "name version arches target inst_tree opts?"
	case "createLiveCD", "createAppliance", "createLiveMedia":
		return "name version release arch target_info build_tag repo_info ksfile opts?"
	case "createImage":
		return "name version release arch target_info build_tag repo_info inst_tree opts?"
	case "indirectionimage":
		return "opts"
	}
	return ""
}

// parseTask names the parameters of a request. ok is false if they are not those of the method.
func parseTask(method string, request any) (params taskParams, ok bool) {
	positional, named := xmlrpc.SplitKwargs(hubclient.List(request))
	params = taskParams(named)
	names := strings.Fields(paramNames(method))
	ok = len(positional) <= len(names) || len(names) == 0
	for i, name := range names {
		name, optional := strings.CutSuffix(name, "?")
		if i < len(positional) {
			params[name] = positional[i]
		} else if _, given := params[name]; !given && !optional {
			ok = false
		}
	}
	return params, ok
}

// name is a parameter that may be a struct with a name, or the name itself.
func (p taskParams) name(key string) string {
	if m := hubclient.Struct(p[key]); m != nil {
		return str(m, "name")
	}
	return pyStr(p[key])
}

func (p taskParams) first(keys ...string) any {
	for _, k := range keys {
		if v := p[k]; v != nil && v != "" {
			return v
		}
	}
	return nil
}

// sourceName shortens a source: path and revision of an address, the file's name otherwise.
func sourceName(src string) string {
	_, rest, isURL := strings.Cut(src, "://")
	if !isURL {
		return path.Base(src)
	}
	repo, revision, _ := strings.Cut(rest, "#")
	repo, module, hasModule := strings.Cut(repo, "?")
	if i := strings.Index(repo, "/"); i >= 0 {
		repo = repo[i:]
	}
	if hasModule {
		return repo + ":" + module + ":" + revision
	}
	return repo + ":" + revision
}

// taskLabel names a task in a line, as Koji does: method and what it works on.
func taskLabel(info row) string {
	method := str(info, "method")
	params, ok := parseTask(method, info["request"])
	if !ok {
		return method + " (" + str(info, "arch") + ", unknown args)"
	}
	extra := taskSubject(method, params)
	if extra == "" {
		extra = str(info, "arch")
	}
	return method + " (" + extra + ")"
}

func taskSubject(method string, p taskParams) string {
	switch method {
	case "build", "maven":
		target := "target"
		if p.first("target") == nil && p["build_tag"] != nil {
			target = "build_tag"
		}
		return p.name(target) + ", " + sourceName(pyStr(p.first("src", "url")))
	case "buildSRPMFromSCM":
		return sourceName(pyStr(p["url"]))
	case "buildArch":
		return path.Base(p.name("pkg")) + ", " + pyStr(p["arch"])
	case "buildMaven":
		return p.name("build_tag")
	case "wrapperRPM":
		if b := hubclient.Struct(p["build"]); b != nil {
			return p.name("build_target") + ", " + buildLabel(b)
		}
		return p.name("build_target")
	case "winbuild":
		return p.name("target") + ", " + sourceName(pyStr(p["source_url"]))
	case "vmExec":
		return p.name("name")
	case "buildNotification":
		return buildLabel(hubclient.Struct(p["build"]))
	case "newRepo", "distRepo":
		return p.name("tag")
	case "createrepo":
		return pyStr(p["arch"])
	case "createdistrepo":
		return pyStr(p["repo_id"]) + ", " + pyStr(p["arch"])
	case "dependantTask":
		var methods []string
		for _, t := range hubclient.List(p["task_list"]) {
			if parts := hubclient.List(t); len(parts) > 0 {
				methods = append(methods, pyStr(parts[0]))
			}
		}
		return strings.Join(methods, ", ")
	case "chainbuild", "chainmaven":
		return p.name("target")
	case "waitrepo":
		return strings.Join(append([]string{p.name("tag")}, hubclient.Strings(p["nvrs"])...), ", ")
	case "restart", "restartVerify":
		return p.name("host")
	}
	return imageSubject(method, p)
}

func imageSubject(method string, p taskParams) string {
	kickstart := func() string { return pyStr(p.first("ksfile", "inst_tree")) }
	switch method {
	case "indirectionimage":
		o := hubclient.Struct(p["opts"])
		return fmt.Sprintf("%s, %s, %s", str(o, "name"), str(o, "version"), str(o, "release"))
	case "livecd", "appliance", "image", "livemedia":
		return fmt.Sprintf("%s, %s-%s, %s", pyStr(p.first("arch", "arches")), pyStr(p["name"]), pyStr(p["version"]), kickstart())
	case "createLiveCD", "createAppliance", "createImage", "createLiveMedia":
		return fmt.Sprintf("%s, %s-%s-%s, %s, %s", p.name("target_info"), pyStr(p["name"]), pyStr(p["version"]), pyStr(p["release"]), kickstart(), pyStr(p["arch"]))
	}
	return ""
}
