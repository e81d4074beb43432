package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// maxReferences is how many references between values are followed for one, far more than configurations have.
const maxReferences = 100

// profile is the section of the configuration files to use, with what [DEFAULT] says, keys in lower case and references between values
// resolved, as Python's configparser reads them for Koji. No files and no --profile is no error: then there is nothing in it.
func (p *program) profile() (map[string]string, error) {
	files, err := p.configFiles()
	if err != nil {
		return nil, err
	}
	all := ini.Empty(ini.LoadOptions{
		IgnoreInlineComment: true, IgnoreContinuation: true, AllowPythonMultilineValues: true, PreserveSurroundedQuote: true, SkipUnrecognizableLines: true,
	})
	for _, f := range files {
		if err := all.Append(f); err != nil {
			return nil, fmt.Errorf("configuration %s: %w", f, err)
		}
	}
	if name := p.global.profile; name != "" {
		if !all.HasSection(name) {
			return nil, fmt.Errorf("no profile %q in the configuration; there are: %s", name, profileNames(all))
		}
		return values(all, name)
	}
	// The name under which the command was called comes first, as for Koji: a link named stg-koji is a way to another hub.
	for _, name := range []string{p.Name, "moromi", "koji"} {
		if name != "" && name != ini.DefaultSection && all.HasSection(name) {
			return values(all, name)
		}
	}
	return nil, nil
}

// values reads a section.
func values(all *ini.File, section string) (map[string]string, error) {
	raw := map[string]string{}
	for _, name := range []string{ini.DefaultSection, section} {
		for _, key := range all.Section(name).Keys() {
			raw[strings.ToLower(key.Name())] = strings.TrimSpace(key.Value())
		}
	}
	resolved := map[string]string{}
	for key, value := range raw {
		var err error
		if resolved[key], err = interpolate(value, raw, new(int)); err != nil {
			return nil, fmt.Errorf("configuration: [%s] %s: %w", section, key, err)
		}
	}
	return resolved, nil
}

// interpolate replaces %(name)s by the value of name, and %% by %. Any other % stands for itself.
// followed counts the references that were followed.
func interpolate(value string, all map[string]string, followed *int) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(value, "%")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")s")
		switch {
		case strings.HasPrefix(rest, "%"):
			b.WriteByte('%')
			value = rest[1:]
		case strings.HasPrefix(rest, "(") && closed:
			other, ok := all[strings.ToLower(name)]
			if !ok {
				return "", fmt.Errorf("there is no %s, to which it refers", name)
			}
			if *followed++; *followed > maxReferences {
				return "", errors.New("values refer to one another without end")
			}
			text, err := interpolate(other, all, followed)
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			value = after
		default:
			b.WriteByte('%')
			value = rest
		}
	}
}

func profileNames(f *ini.File) string {
	names := slices.DeleteFunc(f.SectionStrings(), func(n string) bool { return n == ini.DefaultSection })
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// configFiles are the files there are, least important first. Directories hold *.conf files, which count in the order of their names.
func (p *program) configFiles() ([]string, error) {
	candidates := []string{filepath.Join(p.SystemDir, "koji.conf.d"), filepath.Join(p.SystemDir, "koji.conf")}
	if p.global.configFile == "" {
		candidates = append(candidates, filepath.Join(p.Home, ".koji", "config.d"), filepath.Join(p.Home, ".koji", "config"))
	}
	var files []string
	for _, c := range candidates {
		found, err := configFilesAt(c)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		files = append(files, found...)
	}
	if p.global.configFile == "" {
		return files, nil
	}
	found, err := configFilesAt(p.expand(p.global.configFile))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("there are no *.conf files in %s", p.global.configFile)
	}
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	return append(files, found...), nil
}

// configFilesAt is a file, or the files of a directory.
func configFilesAt(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	return filepath.Glob(filepath.Join(path, "*.conf")) // sorted
}
