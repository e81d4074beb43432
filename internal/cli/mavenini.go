package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// readINI reads files as Python's ConfigParser does: names of keys without case, %(name)s for other keys, values over several lines.
// Later files add to earlier ones.
func readINI(paths []string) (*ini.File, error) {
	all := ini.Empty(ini.LoadOptions{
		IgnoreInlineComment: true, AllowPythonMultilineValues: true, PreserveSurroundedQuote: true, InsensitiveKeys: true,
	})
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		// An empty line would end a value here, and does not there.
		lines := slices.DeleteFunc(strings.Split(string(data), "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
		if err := all.Append([]byte(strings.Join(lines, "\n"))); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return all, nil
}

// iniSections are the sections with a name.
func iniSections(f *ini.File) []*ini.Section {
	return slices.DeleteFunc(f.Sections(), func(s *ini.Section) bool { return s.Name() == ini.DefaultSection })
}

// iniValue is a key's value, also one that stands in the section DEFAULT; empty if there is none.
func iniValue(s *ini.Section, key string) (value string, there bool) {
	if !s.HasKey(key) {
		return "", false
	}
	return strings.ReplaceAll(s.Key(key).String(), "%%", "%"), true
}

// mavenParams are the parameters of one Maven build, from options or a section of a file.
type mavenParams struct {
	patches, specfile                                string
	goals, profiles, packages, jvmOptions, mavenOpts []string
	properties, envs                                 []string // NAME=VALUE
}

// options are the opts of the hub's mavenBuild (koji.util.maven_opts).
func (p *mavenParams) options() (row, error) {
	opts := row{}
	for name, value := range map[string]string{"patches": p.patches, "specfile": p.specfile} {
		if value != "" {
			opts[name] = value
		}
	}
	for name, list := range map[string][]string{"goals": p.goals, "profiles": p.profiles, "packages": p.packages, "jvm_options": p.jvmOptions, "maven_options": p.mavenOpts} {
		if len(list) > 0 {
			opts[name] = list
		}
	}
	properties := row{}
	for _, text := range p.properties {
		if name, value, given := strings.Cut(text, "="); given {
			properties[name] = value
		} else {
			properties[name] = nil // as -DNAME
		}
	}
	if len(properties) > 0 {
		opts["properties"] = properties
	}
	envs := row{}
	for _, text := range p.envs {
		name, value, given := strings.Cut(text, "=")
		if !given {
			return nil, usagef("environment variables must be in NAME=VALUE format, not %q", text)
		}
		envs[name] = value
	}
	if len(envs) > 0 {
		opts["envs"] = envs
	}
	return opts, nil
}

// mavenSection reads the parameters of one build: a Maven build or (type = wrapper) one of wrapper rpms.
func mavenSection(s *ini.Section, chain, scratch bool) (row, error) {
	text := func(key string) string { v, _ := iniValue(s, key); return v }
	lines := func(key string) []string {
		var all []string
		for l := range strings.Lines(text(key)) {
			if l = strings.TrimSpace(l); l != "" {
				all = append(all, l)
			}
		}
		return all
	}
	requires := strings.Fields(text("buildrequires"))
	var opts row
	switch kind, given := iniValue(s, "type"); {
	case !given || kind == "maven":
		p := mavenParams{patches: text("patches"), specfile: text("specfile"), goals: strings.Fields(text("goals")), profiles: strings.Fields(text("profiles")),
			packages: strings.Fields(text("packages")), jvmOptions: strings.Fields(text("jvm_options")), mavenOpts: strings.Fields(text("maven_options")),
			properties: lines("properties"), envs: lines("envs")}
		var err error
		if opts, err = p.options(); err != nil {
			return nil, err
		}
		if chain && len(requires) > 0 {
			opts["buildrequires"] = requires
		}
		if scratch && !chain {
			opts["scratch"] = true
		}
	case kind == "wrapper":
		if len(requires) != 1 {
			return nil, usagef("section %s: a wrapper-rpm must depend on exactly one package", s.Name())
		}
		opts = row{"type": kind, "buildrequires": requires}
		if !scratch {
			opts["create_build"] = true
		}
	default:
		return nil, usagef("section %s: unsupported build type: %s", s.Name(), kind)
	}
	source := text("scmurl")
	if source == "" {
		return nil, usagef("section %s is missing the scmurl parameter", s.Name())
	}
	opts["scmurl"] = source
	return opts, nil
}

// mavenBuilds reads the builds of parameter files, by package (koji.util.parse_maven_params).
func mavenBuilds(paths []string, chain, scratch bool) (map[string]row, error) {
	f, err := readINI(paths)
	if err != nil {
		return nil, usagef("%v", err)
	}
	builds := map[string]row{}
	for _, s := range iniSections(f) {
		if builds[s.Name()], err = mavenSection(s, chain, scratch); err != nil {
			return nil, err
		}
	}
	if len(builds) == 0 {
		return nil, usagef("no sections found in %s", strings.Join(paths, ", "))
	}
	return builds, nil
}

// oneMavenBuild is the build of a section, which need not be named if there is one only.
func oneMavenBuild(paths []string, section string, scratch bool) (name string, params row, err error) {
	builds, err := mavenBuilds(paths, false, scratch)
	if err != nil {
		return "", nil, err
	}
	names := sortedKeys(builds)
	switch {
	case section != "" && builds[section] == nil:
		return "", nil, usagef("section %s does not exist in %s", section, strings.Join(paths, ", "))
	case section != "":
		return section, builds[section], nil
	case len(names) > 1:
		return "", nil, usagef("there are several sections in %s (%s); choose one by --section", strings.Join(paths, ", "), strings.Join(names, ", "))
	}
	return names[0], builds[names[0]], nil
}

// orderable tells whether builds can be done in some order: each needs only builds of the chain, and none of those that need it.
func orderable(builds map[string]row) bool {
	done := map[string]bool{}
	for len(done) < len(builds) {
		before := len(done)
		for name, params := range builds {
			requires, _ := params["buildrequires"].([]string)
			if !done[name] && !slices.ContainsFunc(requires, func(r string) bool { return !done[r] }) {
				done[name] = true
			}
		}
		if len(done) == before {
			return false
		}
	}
	return true
}
