package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

// pruneFlags are the options of prune-signed-copies.
type pruneFlags struct {
	test, verbose                       bool
	days                                int64
	pkg, build, ignoreFile, protectFile string
	ignore, protect                     []string
	trashcan                            string
}

// buildPage is how many builds are asked for in one call.
const buildPage = 50000

func (o *pruneFlags) register(f *pflag.FlagSet) {
	f.BoolVarP(&o.test, "test", "n", false, "only say what would be done")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say what is done")
	f.Int64Var(&o.days, "days", 5, "keep copies of builds that were the latest in a tag within so many `DAYS`")
	f.StringVarP(&o.pkg, "package", "p", "", "only builds of this package (also --pkg)")
	f.StringVar(&o.pkg, "pkg", "", "the same as --package")
	f.Lookup("pkg").Hidden = true
	f.StringVarP(&o.build, "build", "b", "", "only this build")
	f.StringArrayVarP(&o.ignore, "ignore-tag", "i", nil, "a build that is the latest in a tag of this `PATTERN` is not kept for it (repeatable)")
	f.StringVar(&o.ignoreFile, "ignore-tag-file", "", "a `FILE` of such patterns, one a line")
	f.StringArrayVarP(&o.protect, "protect-tag", "r", nil, "keep copies of all builds in tags of this `PATTERN` (repeatable)")
	f.StringVar(&o.protectFile, "protect-tag-file", "", "a `FILE` of such patterns, one a line")
	f.StringVar(&o.trashcan, "trashcan-tag", "trashcan", "this tag keeps nothing")
}

// readPatterns adds the patterns of the files to those of the options.
func (o *pruneFlags) readPatterns() error {
	for _, list := range []struct {
		file     string
		patterns *[]string
	}{{o.ignoreFile, &o.ignore}, {o.protectFile, &o.protect}} {
		if list.file == "" {
			continue
		}
		data, err := os.ReadFile(list.file)
		if err != nil {
			return fmt.Errorf("read tag patterns: %w", err)
		}
		for line := range strings.Lines(string(data)) {
			*list.patterns = append(*list.patterns, strings.TrimSpace(line))
		}
	}
	for _, patterns := range [][]string{o.ignore, o.protect} {
		for i, p := range patterns {
			patterns[i] = strings.ReplaceAll(p, "[!", "[^") // as in the shell
			if _, err := path.Match(patterns[i], ""); err != nil {
				return usagef("%q is not a pattern of tags", p)
			}
		}
	}
	return nil
}

// pruner removes signed copies of builds that are not, and lately were not, the latest in a tag.
type pruner struct {
	*invocation
	pruneFlags
	cutoff       float64
	files, bytes int64
	removed      []string
}

func pruneSigned() spec {
	var o pruneFlags
	return spec{
		use: "prune-signed-copies", short: "Remove signed copies of builds that are no longer the latest in any tag", group: groupAdmin, login: true, json: true,
		long: `Remove signed copies of builds that are the latest in no tag, and were not for some days. The signatures are kept, so copies can
be made again with write-signed-rpm. The hub's top directory must be mounted here, writable: see topdir in the configuration.`,
		example: "  moromi prune-signed-copies --test --days 30 --protect-tag 'f*-gold'",
		flags:   func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			if err := o.readPatterns(); err != nil {
				return err
			}
			p := &pruner{invocation: v, pruneFlags: o, cutoff: float64(v.Now().Add(-time.Duration(o.days)*24*time.Hour).UnixMicro()) / 1e6, removed: []string{}}
			p.verbose = o.verbose || v.global.debug
			builds, err := p.builds()
			if err != nil {
				return err
			}
			for _, b := range builds {
				if err := p.prune(b); err != nil {
					return err
				}
			}
			if v.json {
				return v.printJSON(row{"test": o.test, "files": p.removed, "bytes": p.bytes})
			}
			v.printf("--- Grand Totals ---\nFiles: %d\nBytes: %d\n", p.files, p.bytes)
			return nil
		},
	}
}

// builds are the builds to look at, by name. A build is a struct with id, name and nvr.
func (p *pruner) builds() ([]row, error) {
	if p.build != "" {
		b, err := p.need("build", "getBuild", p.build)
		return []row{b}, err
	}
	if p.verbose {
		p.println("Getting builds...")
	}
	opts := kw{"state": int(koji.BuildComplete)}
	if p.pkg != "" {
		pkg, err := p.need("package", "getPackage", p.pkg)
		if err != nil {
			return nil, err
		}
		opts["packageID"] = pkg["id"]
	}
	var builds []row
	for {
		opts["queryOpts"] = row{"limit": buildPage, "offset": len(builds), "order": "build_id"}
		page, err := p.list("listBuilds", opts)
		if err != nil {
			return nil, err
		}
		for _, b := range page {
			b["id"] = b["build_id"]
		}
		builds = append(builds, page...)
		if len(page) < buildPage {
			break
		}
	}
	if p.verbose {
		p.printf("...got %d builds\n", len(builds))
	}
	sortBy(builds, "nvr")
	return builds, nil
}

// prune removes the signed copies of a build, unless it is to be kept.
func (p *pruner) prune(b row) error {
	keep, err := p.kept(b)
	if err != nil || keep {
		return err
	}
	rpms, err := p.list("listRPMs", kw{"buildID": b["id"]})
	if err != nil {
		return err
	}
	signatures, err := p.signatures(rpms, "")
	if err != nil {
		return err
	}
	dir := buildDir(p.cfg.topDir, b)
	byKey := map[string][]string{}
	for i, r := range rpms {
		for _, s := range signatures[i] {
			key := text(s, "sigkey")
			byKey[key] = append(byKey[key], filepath.Join(dir, signedFile(r, key)))
		}
	}
	files, bytes := p.files, p.bytes
	for _, key := range sortedKeys(byKey) {
		p.removeCopies(byKey[key])
	}
	if p.files > files && p.verbose {
		p.printf("Build: %s, Removed %d signed copies (%d bytes). Total: %d/%d\n", str(b, "nvr"), p.files-files, p.bytes-bytes, p.files, p.bytes)
	}
	return nil
}

// removeCopies removes files, which are all copies signed with one key, and directories that are empty then. What cannot be removed is said.
func (p *pruner) removeCopies(paths []string) {
	var dirs []string
	for _, file := range paths {
		info, err := os.Lstat(file)
		switch {
		case err != nil:
			continue
		case !info.Mode().IsRegular():
			p.printf("Skipping %s. Not a regular file\n", file)
			continue
		case float64(info.ModTime().UnixMicro())/1e6 > p.cutoff:
			p.printf("Skipping %s. File newer than cutoff\n", file)
			continue
		}
		if p.test {
			p.printf("Would have unlinked: %s\n", file)
		} else {
			if p.verbose {
				p.printf("Unlinking: %s\n", file)
			}
			if err := os.Remove(file); err != nil {
				p.printf("Error removing %s: %v\nThis command needs write access to %s\n", file, err, p.cfg.topDir)
				continue
			}
		}
		p.files++
		p.bytes += info.Size()
		p.removed = append(p.removed, file)
		if d := filepath.Dir(file); !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	if len(dirs) > 0 {
		dirs = append(dirs, filepath.Dir(dirs[0]))
	}
	for _, d := range dirs {
		p.removeDir(d)
	}
}

// removeDir removes a directory, if it is empty: another key's copies or files that were skipped stay where they are.
func (p *pruner) removeDir(dir string) {
	if p.test {
		p.printf("Would have removed dir: %s\n", dir)
		return
	}
	if p.verbose {
		p.printf("Removing dir: %s\n", dir)
	}
	if err := os.Remove(dir); err != nil {
		var reason error = err
		if pathErr, ok := err.(*fs.PathError); ok {
			reason = pathErr.Err
		}
		p.printf("Error removing %s: %v\n", dir, reason)
	}
}

// kept tells whether a build is or lately was the latest in a tag, or in a protected tag.
func (p *pruner) kept(b row) (bool, error) {
	answer, err := p.one("queryHistory", kw{"build": b["id"]})
	if err != nil {
		return false, err
	}
	var tags []string
	for _, e := range hubclient.Structs(answer["tag_listing"]) {
		if tag := text(e, "tag.name"); !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	for _, tag := range tags {
		if tag == p.trashcan || matches(tag, p.ignore) {
			continue
		}
		name := first(text(b, "package_name"), text(b, "name"))
		answer, err := p.one("queryHistory", kw{"tag": tag, "package": name})
		if err != nil {
			return false, err
		}
		last, err := tenureOf(hubclient.Structs(answer["tag_listing"]), hubclient.Int(b["id"]))
		if err != nil {
			return false, fmt.Errorf("history of %s in %s: %w", str(b, "nvr"), tag, err)
		}
		if last.latest || last.until > p.cutoff || matches(tag, p.protect) && (last.tagged || last.untagged > p.cutoff) {
			if p.global.debug {
				p.printf("%s is kept for tag %s\n", str(b, "nvr"), tag)
			}
			return true, nil
		}
	}
	return false, nil
}
