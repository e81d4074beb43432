package ui

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"moromi/internal/xmlrpc"
	"moromi/projections/query"
)

// signatures are the parameters of the tasks that Koji has, in order (koji.tasks.LEGACY_SIGNATURES and the handlers of kojid 1.35): tasks keep
// them by position, people know them by name.
func signatures() map[string]string {
	return map[string]string{
		"build":             "src target opts",
		"chainbuild":        "srcs target opts",
		"buildArch":         "pkg root arch keep_srpm opts",
		"buildSRPMFromSCM":  "url build_tag opts",
		"rebuildSRPM":       "srpm build_tag opts",
		"waitrepo":          "tag newer_than nvrs min_event",
		"newRepo":           "tag event src debuginfo separate_src opts",
		"createrepo":        "repo_id arch oldrepo external_repos",
		"distRepo":          "tag repo_id keys task_opts",
		"createdistrepo":    "tag repo_id arch keys opts",
		"tagBuild":          "tag_id build_id force fromtag ignore_success",
		"buildNotification": "recipients build target weburl",
		"tagNotification":   "recipients is_successful tag_info from_info build_info user_info ignore_success failure_msg",
		"dependantTask":     "wait_list task_list",
		"runroot":           "root arch command keep packages mounts repo_id skip_setarch weight upload_logs new_chroot",
		"saveFailedTree":    "buildrootID full",
		"wrapperRPM":        "spec_url build_target build task opts",
		"maven":             "url target opts",
		"buildMaven":        "url build_tag opts",
		"winbuild":          "name source_url target opts",
		"image":             "name version arches target inst_tree opts",
		"appliance":         "name version arch target ksfile opts",
		"livecd":            "name version arch target ksfile opts",
		"livemedia":         "name version arches target ksfile opts",
		"createImage":       "name version release arch target_info build_tag repo_info inst_tree opts",
		"restart":           "host",
		"restartHosts":      "options",
		"restartVerify":     "task_id host",
		"shutdown":          "",
		"vmExec":            "name task_info opts",
		"createAppliance":   "name version release arch target_info build_tag repo_info ksfile opts",
		"createLiveCD":      "name version release arch target_info build_tag repo_info ksfile opts",
		"createLiveMedia":   "name version release arch target_info build_tag repo_info ksfile opts",
	}
}

// param is one parameter of a task.
type param struct {
	Name  string
	Value any
}

// namedParams gives a task's parameters their names; those that cannot be named are numbered.
func namedParams(method string, params []any) []param {
	if len(params) == 1 {
		if m, ok := params[0].(map[string]any); ok && m["__method__"] != nil {
			return fromStruct(m)
		}
	}
	positional, named := xmlrpc.SplitKwargs(params)
	names := strings.Fields(signatures()[method])
	var out []param
	for i, v := range positional {
		name := fmt.Sprintf("parameter %d", i+1)
		if i < len(names) {
			name = names[i]
		}
		out = append(out, param{name, v})
	}
	return append(out, fromStruct(named)...)
}

func fromStruct(m map[string]any) []param {
	var out []param
	for _, n := range treeOf(m).Items {
		if n.Key != "" && !strings.HasPrefix(n.Key, "__") {
			out = append(out, param{n.Key, m[n.Key]})
		}
	}
	return out
}

// subject says in few words what a task is about: its sources, its tag, its target.
func subject(method string, params []any) string {
	args := map[string]any{}
	for _, p := range namedParams(method, params) {
		args[p.Name] = p.Value
	}
	text := func(key string) string {
		switch v := args[key].(type) {
		case nil:
			return ""
		case map[string]any:
			if n, ok := v["name"].(string); ok {
				return n
			}
			return fmt.Sprint(v["id"])
		default:
			return fmt.Sprint(v)
		}
	}
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	switch method {
	case "build", "maven":
		add(text("target"))
		add(sourceName(text("src") + text("url")))
	case "buildArch":
		add(path.Base(text("pkg")))
	case "buildSRPMFromSCM":
		add(sourceName(text("url")))
	case "rebuildSRPM":
		add(path.Base(text("srpm")))
	case "newRepo", "waitrepo", "distRepo", "createdistrepo", "tagBuild":
		add(text("tag"))
	case "createrepo":
		add("repository " + text("repo_id"))
	case "runroot":
		add(text("root"))
	case "image", "livemedia", "livecd", "appliance", "createImage":
		add(text("name"))
		add(text("version"))
	}
	return strings.Join(parts, ", ")
}

// sourceName is the part of a source URL or upload path that people know it by: the repository and the commit, or the file.
func sourceName(src string) string {
	u, commit, isSCM := strings.Cut(src, "#")
	if q := strings.IndexByte(u, '?'); q >= 0 {
		u = u[:q]
	}
	name := path.Base(strings.TrimRight(u, "/"))
	if name == "." || name == "/" {
		return src
	}
	if !isSCM {
		return name
	}
	if len(commit) == 40 {
		commit = commit[:10]
	}
	return strings.TrimSuffix(name, ".git") + " " + commit
}

// subjects adds to each task row what it is about, under "subject", and takes the request away.
func subjects(rows []query.Row) {
	for _, t := range rows {
		doc, _ := t["request"].(string)
		delete(t, "request")
		t["subject"] = ""
		if _, params, err := xmlrpc.DecodeCall(bytes.NewReader([]byte(doc)), xmlrpc.Limits{}); err == nil {
			t["subject"] = subject(t["method"].(string), params)
		}
	}
}
