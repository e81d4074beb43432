package cli

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// fileChoice says which files of tasks download-task takes, and how they are called.
type fileChoice struct {
	filter, skip       []*regexp.Regexp
	arches             []string
	logs, all, perTask bool
}

func newFileChoice(filter, skip []string) (*fileChoice, error) {
	c := &fileChoice{}
	for _, list := range []struct {
		patterns []string
		to       *[]*regexp.Regexp
	}{{filter, &c.filter}, {skip, &c.skip}} {
		for _, p := range list.patterns {
			re, err := regexp.Compile(p)
			if err != nil {
				return nil, usagef("regular expression %q: %v", p, err)
			}
			*list.to = append(*list.to, re)
		}
	}
	return c, nil
}

// local is the name that a file of a task gets here, or empty if it is not wanted.
func (c *fileChoice) local(task row, file taskFile) string {
	for _, re := range c.filter {
		if !re.MatchString(file.name) {
			return ""
		}
	}
	for _, re := range c.skip {
		if re.MatchString(file.name) {
			return ""
		}
	}
	isBuild := slices.Contains([]string{"build", "buildArch"}, text(task, "method"))
	ext := strings.TrimPrefix(path.Ext(file.name), ".")
	name := file.name
	switch {
	case ext == "rpm" && isBuild:
		if !c.wantsArch(name) {
			return ""
		}
	case ext == "log":
		if !c.logs {
			return ""
		}
		name = c.withArch(name, text(task, "arch"), ext)
	case c.all && strings.HasSuffix(name, ".src.rpm"):
	case c.all:
		name = c.withArch(name, text(task, "arch"), ext)
	default:
		return ""
	}
	if c.perTask {
		name = fmt.Sprintf("%d/%s", id(task), file.name)
		if file.volume != "DEFAULT" {
			name = fmt.Sprintf("%d/%s/%s", id(task), file.volume, file.name)
		}
	} else if file.volume != "DEFAULT" {
		name = file.volume + "/" + name
	}
	return name
}

func (c *fileChoice) wantsArch(rpm string) bool {
	parts := strings.Split(rpm, ".")
	return len(c.arches) == 0 || len(parts) > 2 && slices.Contains(c.arches, parts[len(parts)-2])
}

// withArch puts the task's architecture into a name that many tasks use.
func (c *fileChoice) withArch(name, arch, ext string) string {
	if c.perTask || arch == "" || strings.Contains(name, arch) {
		return name
	}
	if ext == "" {
		return name + "." + arch
	}
	return strings.TrimSuffix(name, "."+ext) + "." + arch + "." + ext
}
