package cli

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

func generatorCommands() []spec {
	return []spec{importCG(), reserveCG(), grantCGAccess(), revokeCGAccess()}
}

// readMetadata reads what a content generator says of a build.
func readMetadata(file string) (row, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	v, err := xmlrpc.FromJSON(string(data))
	if err != nil {
		return nil, fmt.Errorf("metadata %s: %w", file, err)
	}
	metadata, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("metadata %s: not a JSON object", file)
	}
	return metadata, nil
}

// cgFlags are the options of import-cg.
type cgFlags struct {
	noProgress, link, test, draft bool
	token                         string
	build                         int64
}

// cgFile is a file of an import: where it is here, and in which directory of the upload.
type cgFile struct{ local, dir string }

func importCG() spec {
	var o cgFlags
	return spec{
		use: "import-cg METADATA DIRECTORY", short: "Import what a content generator made", group: groupAdmin, login: true, min: 2, max: 2, json: true, complete: []string{"file"},
		long: `Import a build that a content generator made. METADATA is a JSON file in the format of Koji's content generators; the files that it
lists as output are in DIRECTORY and are uploaded. A build that was reserved (see reserve-cg) needs its token.`,
		example: "  moromi import-cg metadata.json output/\n  moromi import-cg --build-id 17 --token 4f1c… metadata.json output/",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&o.noProgress, "noprogress", false, "do not show the progress of the upload")
			registerLink(f, &o.link)
			f.BoolVar(&o.test, "test", false, "only check that the files are there")
			f.StringVar(&o.token, "token", "", "token of the build's reservation")
			f.BoolVar(&o.draft, "draft", false, "as a draft build")
			f.Int64Var(&o.build, "build-id", 0, "id of the reserved build")
		},
		run: func(v *invocation) error {
			metadata, err := readMetadata(v.args[0])
			if err != nil {
				return err
			}
			if err := o.adapt(metadata); err != nil {
				return err
			}
			files, err := cgFiles(metadata, v.args[1])
			if err != nil {
				return err
			}
			if o.test {
				return v.wouldUpload(files)
			}
			dir := v.uniquePath("cli-import")
			for _, f := range files {
				if !o.link && !v.global.quiet && !v.json {
					v.printf("Uploading %s\n", f.local)
				}
				if err := v.deliver(f.local, path.Join(dir, f.dir), o.link, o.noProgress); err != nil {
					return err
				}
			}
			var token any
			if o.token != "" {
				token = o.token
			}
			build, err := v.call("CGImport", metadata, dir, token)
			if err == nil && v.json {
				err = v.printJSON(build)
			}
			return err
		},
	}
}

// wouldUpload says with --json which files were found.
func (v *invocation) wouldUpload(files []cgFile) error {
	if !v.json {
		return nil
	}
	paths := []string{}
	for _, f := range files {
		paths = append(paths, f.local)
	}
	return v.printJSON(row{"test": true, "files": paths})
}

// adapt puts what the options say into the metadata.
func (o *cgFlags) adapt(metadata row) error {
	if o.build == 0 && !o.draft {
		return nil
	}
	build := hubclient.Struct(metadata["build"])
	if build == nil {
		return errors.New("the metadata has no build")
	}
	if o.build != 0 {
		build["build_id"] = o.build
	}
	if o.draft {
		build["draft"] = true
	}
	return nil
}

// cgFiles are the files that the metadata lists as output, all of which must be there.
func cgFiles(metadata row, dir string) ([]cgFile, error) {
	output, ok := metadata["output"].([]any)
	if !ok {
		return nil, errors.New("the metadata contains no output")
	}
	var files []cgFile
	for _, o := range output {
		info := hubclient.Struct(o)
		if hubclient.Bool(info["metadata_only"]) {
			continue
		}
		name := text(info, "filename")
		if name == "" {
			return nil, errors.New("the metadata lists a file without a filename")
		}
		f := cgFile{filepath.Join(dir, text(info, "relpath"), name), text(info, "relpath")}
		if _, err := os.Stat(f.local); err != nil {
			return nil, fmt.Errorf("output of the metadata: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

// reserveFlags are the options of reserve-cg.
type reserveFlags struct {
	draft, metadata bool
	epoch           int64
}

func reserveCG() spec {
	var o reserveFlags
	return spec{
		use: "reserve-cg GENERATOR NVR|METADATA", short: "Reserve a build for a later import", group: groupAdmin, login: true, min: 2, max: 2, json: true, complete: []string{"", "file"},
		long: `Reserve a build for a later import by a content generator. The build is named, or described by the metadata file of the import. What is
printed, the build's id and the token, goes to import-cg.`,
		example: "  moromi reserve-cg osbs foo-container-1-1\n  moromi reserve-cg --metadata osbs metadata.json",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&o.draft, "draft", false, "a draft build")
			f.Int64Var(&o.epoch, "epoch", 0, "epoch of the build that is named")
			f.BoolVar(&o.metadata, "metadata", false, "the second argument is a metadata file, even if it looks like a name")
		},
		run: func(v *invocation) error {
			data, err := o.build(v)
			if err != nil {
				return err
			}
			if o.draft {
				data["draft"] = true
			}
			reserved, err := v.one("CGInitBuild", v.args[0], data)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(reserved)
			}
			v.printf("Reserved build %s with token %s\n", str(reserved, "build_id"), pyRepr(reserved["token"]))
			return nil
		},
	}
}

// build is the build to reserve.
func (o *reserveFlags) build(v *invocation) (row, error) {
	if n, err := koji.ParseNVR(v.args[1]); err == nil && !o.metadata {
		data, err := namedBuild(n)
		if v.flags.Changed("epoch") {
			data["epoch"] = o.epoch
		}
		return data, err
	}
	if v.flags.Changed("epoch") {
		return nil, usagef("--epoch is for a build that is named: the metadata has its own")
	}
	metadata, err := readMetadata(v.args[1])
	if err != nil {
		return nil, err
	}
	build := hubclient.Struct(metadata["build"])
	if build == nil {
		return nil, errors.New("the metadata has no build")
	}
	data := row{}
	for _, key := range []string{"name", "version", "release", "epoch", "draft"} {
		if value, there := build[key]; there {
			data[key] = value
		}
	}
	return data, nil
}

// namedBuild is a build's name as a struct.
func namedBuild(n koji.NVR) (row, error) {
	data := row{"name": n.Name, "version": n.Version, "release": n.Release, "epoch": nil}
	if n.Epoch == "" {
		return data, nil
	}
	epoch, err := strconv.ParseInt(n.Epoch, 10, 64)
	if err != nil {
		return data, usagef("the epoch must be a whole number, not %q", n.Epoch)
	}
	data["epoch"] = epoch
	return data, nil
}

func grantCGAccess() spec {
	var create bool
	return spec{
		use: "grant-cg-access USER GENERATOR", short: "Let a user import for a content generator", group: groupAdmin, login: true, min: 2, max: 2, complete: []string{"user", ""},
		example: "  moromi grant-cg-access --new osbs-bot osbs",
		flags:   func(f *pflag.FlagSet) { f.BoolVar(&create, "new", false, "create the content generator if need be") },
		run: func(v *invocation) error {
			user, err := v.need("user", "getUser", v.args[0])
			if err != nil {
				return err
			}
			opts := kw{}
			if create {
				opts["create"] = true
			}
			_, err = v.change("grantCGAccess", user["name"], v.args[1], opts)
			return err
		},
	}
}

func revokeCGAccess() spec {
	return spec{
		use: "revoke-cg-access USER GENERATOR", short: "Take a user's access to a content generator", group: groupAdmin, login: true, min: 2, max: 2, complete: []string{"user", ""},
		example: "  moromi revoke-cg-access osbs-bot osbs",
		run: func(v *invocation) error {
			user, err := v.need("user", "getUser", v.args[0])
			if err != nil {
				return err
			}
			_, err = v.change("revokeCGAccess", user["name"], v.args[1])
			return err
		},
	}
}
