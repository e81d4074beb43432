package main

import (
	"fmt"
	"strings"

	"gopkg.in/ini.v1"

	"moromi/commands"
)

// pluginSettings are what Koji's hub plugins read from files of their own. Here they are sections of the hub's file, with Koji's names in them.
type pluginSettings struct {
	sideTag    commands.SideTagConfig
	failedTree commands.FailedTreeConfig
}

// readPlugins reads the sections [sidetag] and [save_failed_tree]; what they leave out is as in Koji.
func readPlugins(f *ini.File) (*pluginSettings, error) {
	p := pluginSettings{sideTag: commands.DefaultSideTagConfig(), failedTree: commands.DefaultFailedTreeConfig()}
	for _, k := range f.Section("sidetag").Keys() {
		var err error
		switch k.Name() {
		case "remove_empty":
			p.sideTag.RemoveEmpty, err = k.Bool()
		case "allowed_suffixes":
			p.sideTag.Suffixes = commaList(k.String())
		case "name_template":
			p.sideTag.NameTemplate = strings.ReplaceAll(k.String(), "%%", "%") // as percent signs stand in Koji's file
		case "trigger_new_repo":
			p.sideTag.RequestRepo, err = k.Bool()
		default:
			err = fmt.Errorf("unknown setting")
		}
		if err != nil {
			return nil, fmt.Errorf("%s in [sidetag]: %w", k.Name(), err)
		}
	}
	for _, k := range f.Section("save_failed_tree").Keys() {
		if k.Name() != "allowed_methods" {
			return nil, fmt.Errorf("%s in [save_failed_tree]: unknown setting", k.Name())
		}
		p.failedTree.Methods = commaList(k.String())
	}
	return &p, p.sideTag.Validate()
}

// commaList splits at commas; blanks around the parts and empty parts do not count.
func commaList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
