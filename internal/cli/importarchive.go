package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
	"moromi/internal/maven"
)

func archiveCommands() []spec { return []spec{importArchive()} }

func registerLink(f *pflag.FlagSet, link *bool) {
	f.BoolVar(link, "link", false, "link the files into the hub's directory (topdir of the profile) instead of uploading them")
}

// archiveFlags are the options of import-archive.
type archiveFlags struct {
	noProgress, create, link bool
	kind, info               string
}

func importArchive() spec {
	var o archiveFlags
	return spec{
		use: "import-archive BUILD FILE…", short: "Import files of a Maven, Windows or image build", group: groupAdmin, login: true, min: 2, max: -1, complete: []string{"build", "file"},
		long: `Import files that were built elsewhere into a build, which is an id or a name.

--type-info says more about the files:
  maven   a pom file on this machine, whose coordinates the files get
  win     DIRECTORY:PLATFORMS[:FLAGS], platforms and flags with spaces between
  image   the architecture`,
		example: `  moromi import-archive --create-build --type maven --type-info foo-1.pom org.example-foo-1-1 foo-1.jar
  moromi import-archive --type win --type-info 'bin:win10-x64 win10-i386:debug' foo-1-1 foo.exe
  moromi import-archive --type image --type-info x86_64 disk-1-1 disk.qcow2`,
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&o.noProgress, "noprogress", false, "do not show the progress of the upload")
			f.BoolVar(&o.create, "create-build", false, "create the build if it is not there")
			registerLink(f, &o.link)
			f.StringVar(&o.kind, "type", "", "type of the files: maven, win or image")
			f.StringVar(&o.info, "type-info", "", "more about the files")
		},
		run: func(v *invocation) error {
			info, err := o.typeInfo()
			if err != nil {
				return err
			}
			if err := v.mayImport(o.kind); err != nil {
				return err
			}
			build, err := o.build(v, info)
			if err != nil {
				return err
			}
			for _, file := range v.args[1:] {
				name, dir := filepath.Base(file), v.uniquePath("cli-import")
				v.printf("Uploading archive: %s\n", name)
				if err := v.deliver(file, dir, o.link, o.noProgress); err != nil {
					return err
				}
				if _, err := v.change("importArchive", dir+"/"+name, build, o.kind, info); err != nil {
					return err
				}
				v.printf("Imported: %s\n", name)
			}
			return nil
		},
	}
}

// typeInfo is the hub's struct about the files.
func (o *archiveFlags) typeInfo() (row, error) {
	switch {
	case o.kind == "":
		return nil, usagef("--type is missing: maven, win or image")
	case o.kind != "maven" && o.kind != "win" && o.kind != "image":
		return nil, usagef("unsupported archive type: %s; there are maven, win and image", o.kind)
	case o.info == "" && o.kind == "maven":
		return nil, usagef("--type-info must name a pom file for Maven archives")
	case o.info == "":
		return nil, usagef("--type-info is missing")
	case o.kind == "image":
		return row{"arch": o.info}, nil
	case o.kind == "win":
		parts := strings.SplitN(o.info, ":", 3)
		if len(parts) < 2 {
			return nil, usagef("--type-info must be DIRECTORY:PLATFORMS[:FLAGS] for Windows archives")
		}
		info := row{"relpath": parts[0], "platforms": strings.Fields(parts[1]), "flags": []string{}}
		if len(parts) > 2 {
			info["flags"] = strings.Fields(parts[2])
		}
		return info, nil
	}
	f, err := os.Open(o.info)
	if err != nil {
		return nil, fmt.Errorf("--type-info: %w", err)
	}
	defer f.Close()
	c, err := maven.ParsePOM(f)
	if err != nil {
		return nil, fmt.Errorf("--type-info %s: %v", o.info, err) // a fault in here is not the hub's
	}
	return c.Row(), nil
}

// mayImport asks before anything is uploaded.
func (v *invocation) mayImport(kind string) error {
	for _, perm := range []string{kind + "-import", "admin"} {
		has, err := v.call("hasPerm", perm)
		if err != nil || hubclient.Bool(has) {
			return err
		}
	}
	return fmt.Errorf("this needs the permission %s-import", kind)
}

// build finds the build, or makes it if that is wanted.
func (o *archiveFlags) build(v *invocation, info row) (row, error) {
	build, err := v.one("getBuild", reference(v.args[0]))
	if err != nil || build != nil {
		return build, err
	}
	if !o.create {
		return nil, fmt.Errorf("no such build: %s; --create-build makes it", v.args[0])
	}
	n, err := koji.ParseNVR(v.args[0])
	if err != nil {
		return nil, err
	}
	if build, err = namedBuild(n); err != nil {
		return nil, err
	}
	switch o.kind {
	case "maven":
		_, err = v.change("createMavenBuild", build, info)
	case "win":
		_, err = v.change("createWinBuild", build, row{"platform": "import"}) // on which it was built is not known
	case "image":
		_, err = v.change("createImageBuild", build)
	}
	return build, err
}

// deliver brings a file to a directory below the hub's work directory: by an upload or, with link, on a machine that has that directory.
func (v *invocation) deliver(file, dir string, link, noProgress bool) error {
	if link {
		return v.link(file, dir)
	}
	err := v.upload(file, dir, noProgress)
	if !v.global.quiet {
		v.println()
	}
	return err
}

// link makes a file an upload by a hard link. The directory belongs to whom the hub's work directory belongs to.
func (v *invocation) link(file, dir string) error {
	work := filepath.Join(v.cfg.topDir, "work")
	root, err := os.OpenRoot(work)
	if err != nil {
		return fmt.Errorf("--link: %w (topdir in the profile says where the hub's directory is)", err)
	}
	defer root.Close()
	if err := root.MkdirAll(dir, 0o775); err != nil {
		return fmt.Errorf("--link: %w", err)
	}
	owner, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("--link: %w", err)
	}
	if sys, ok := owner.Sys().(*syscall.Stat_t); ok { // the hub must be able to move the file out of there
		if err := root.Chown(dir, int(sys.Uid), int(sys.Gid)); err != nil {
			return fmt.Errorf("--link: %w", err)
		}
	}
	dest := filepath.Join(work, dir, filepath.Base(file))
	v.printf("Linking rpm to: %s\n", dest)
	if err := os.Link(file, dest); err != nil {
		return fmt.Errorf("--link: %w", err)
	}
	return nil
}
