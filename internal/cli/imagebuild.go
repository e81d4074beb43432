package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"gopkg.in/ini.v1"
)

// imageFormats are what disk images can be converted to.
const imageFormats = "vmdk, qcow, qcow2, vdi, vpc, rhevm-ova, vsphere-ova, vagrant-virtualbox, vagrant-libvirt, vagrant-vmware-fusion, vagrant-hyperv, docker, raw-xz, liveimg-squashfs, tar-gz"

func imageCommands() []spec { return []spec{imageBuild(), imageBuildIndirection()} }

// imageFlags are the options of image-build. Those in texts and flags are handed on under their names.
type imageFlags struct {
	texts                       map[string]*string
	flags                       map[string]*bool
	formats, repos, ova         []string
	factory                     pairs
	canFail                     []string
	config                      string
	noProgress, background      bool
	wait                        waitOptions
	name, version, target, tree string
	arches                      []string
	optional                    string
}

func newImageFlags() *imageFlags {
	o := &imageFlags{texts: map[string]*string{}, flags: map[string]*bool{}}
	for _, name := range []string{"disk_size", "distro", "kickstart", "ksurl", "ksversion", "release", "specfile"} {
		o.texts[name] = new(string)
	}
	for _, name := range []string{"scratch", "skip_tag", "noverifyssl"} {
		o.flags[name] = new(bool)
	}
	return o
}

func (o *imageFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.config, "config", "", "take all from the section image-build of this `FILE` instead")
	f.StringVar(o.texts["disk_size"], "disk-size", "10", "size of the disk in GB")
	f.StringVar(o.texts["distro"], "distro", "", "the distribution, as Fedora-42, RHEL-9.4, CentOS-9.4 or SL-7.9")
	f.StringArrayVar(&o.formats, "format", nil, "convert the image to this format (repeatable); name raw too to keep that: "+imageFormats)
	f.StringVar(o.texts["kickstart"], "kickstart", "", "the kickstart file: a local one, or one in what --ksurl names")
	f.StringVar(o.texts["ksurl"], "ksurl", "", "the kickstart file is in the source repository at this `URL`")
	f.StringVar(o.texts["ksversion"], "ksversion", "", "version of the kickstart file's syntax")
	f.BoolVar(o.flags["noverifyssl"], "noverifyssl", false, "do not check the certificates of tree and repositories, if builders allow that")
	f.StringArrayVar(&o.ova, "ova-option", nil, "value in the OVA's description, as `NAME=VALUE` (repeatable)")
	f.Var(&o.factory, "factory-parameter", "parameter for Image Factory: a name and a value, as two words (repeatable)")
	f.StringVar(o.texts["release"], "release", "", "release of the build; otherwise the next one")
	f.StringArrayVar(&o.repos, "repo", nil, "install from this repository instead of the build tag's (repeatable)")
	f.BoolVar(o.flags["scratch"], "scratch", false, "a scratch image: not recorded as a build, deleted after a while")
	f.BoolVar(o.flags["skip_tag"], "skip-tag", false, "do not tag the build")
	f.StringVar(&o.optional, "can-fail", "", "architectures, with commas, that may fail")
	f.StringVar(o.texts["specfile"], "specfile", "", "spec file template for wrapper rpms (`URL` in a source repository)")
	f.BoolVar(&o.noProgress, "noprogress", false, "do not show the progress of the upload")
	f.BoolVar(&o.background, "background", false, "with a lower priority")
	o.wait.register(f)
}

// pairs are values of an option that takes two words, which pairWords made one.
type pairs [][]string

// pairMark stands between the words. No word of a command line has it.
const pairMark = "\x00"

func (p *pairs) String() string { return "" }
func (p *pairs) Type() string   { return "NAME VALUE" }

func (p *pairs) Set(s string) error {
	name, value, both := strings.Cut(s, pairMark)
	if !both {
		return fmt.Errorf("needs a name and a value")
	}
	*p = append(*p, []string{name, value})
	return nil
}

// pairWords joins the two words behind Koji's only option that takes two, so that it can be read as one value.
func pairWords(args []string) []string {
	const option = "--factory-parameter"
	var out []string
	for i := 0; i < len(args); i++ {
		value, joined := strings.CutPrefix(args[i], option+"=")
		switch {
		case args[i] == "--":
			return append(out, args[i:]...)
		case joined && i+1 < len(args):
			out = append(out, option+"="+value+pairMark+args[i+1])
			i++
		case args[i] == option && i+2 < len(args):
			out = append(out, option+"="+args[i+1]+pairMark+args[i+2])
			i += 2
		default:
			out = append(out, args[i])
		}
	}
	return out
}

func imageBuild() spec {
	o := newImageFlags()
	return spec{
		use: "image-build NAME VERSION TARGET INSTALL-TREE ARCH…", short: "Make disk images", group: groupBuild, login: true, max: -1, json: true, complete: []string{"", "", "target", ""},
		long: `Make disk images out of an installation tree, by a kickstart file, which is uploaded unless --ksurl says where it is.

With --config, nothing else is named: the section image-build of the file has name, version, target, install_tree, arches, and
the options under their names (with _ for -), lists with commas between. Sections ova-options and factory-parameters have the
names and values of these options.`,
		example: `  moromi image-build --distro Fedora-42 --kickstart server.ks --format qcow2 F42-Server 1 f42 https://example.com/os x86_64
  moromi image-build --config server.conf`,
		flags: func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			if err := o.complete(v.args); err != nil {
				return err
			}
			if *o.texts["ksurl"] == "" && *o.texts["kickstart"] == "" {
				return usagef("--kickstart is missing")
			}
			if *o.texts["distro"] == "" {
				return usagef("--distro is missing; it is one like Fedora-42, RHEL-9.4, CentOS-9.4 or SL-7.9")
			}
			if _, err := v.buildable(o.target); err != nil {
				return err
			}
			if *o.texts["ksurl"] == "" {
				name, err := v.uploadBeside(*o.texts["kickstart"], "cli-image", o.noProgress)
				if err != nil {
					return err
				}
				*o.texts["kickstart"] = "work/" + name
			}
			task, err := v.number("buildImageOz", o.name, o.version, canonArches(o.arches), o.target, o.tree, kw{"opts": o.options(), "priority": priority(o.background)})
			if err != nil {
				return err
			}
			return v.made(task, &o.wait)
		},
	}
}

// complete takes what to make from the arguments or from the file.
func (o *imageFlags) complete(args []string) error {
	o.canFail = commaList(o.optional)
	if o.config != "" {
		return o.read()
	}
	if len(args) < 5 {
		return usagef("give a name, a version, a build target, the URL of an installation tree and one architecture or more")
	}
	o.name, o.version, o.target, o.tree, o.arches = args[0], args[1], args[2], args[3], args[4:]
	return nil
}

// options are the opts of the hub's buildImageOz.
func (o *imageFlags) options() row {
	opts := row{"format": o.formats}
	for name, value := range o.texts {
		if *value != "" {
			opts[name] = *value
		}
	}
	for name, set := range o.flags {
		if *set {
			opts[name] = true
		}
	}
	for name, list := range map[string][]string{"repo": o.repos, "ova_option": o.ova, "optional_arches": o.canFail} {
		if len(list) > 0 {
			opts[name] = list
		}
	}
	if len(o.factory) > 0 {
		opts["factory_parameter"] = [][]string(o.factory)
	}
	return opts
}

// configSection reads a section that a file must have.
func configSection(file, name string) (*ini.File, *ini.Section, error) {
	f, err := readINI([]string{file})
	if err != nil {
		return nil, nil, usagef("%v", err)
	}
	if !f.HasSection(name) {
		return nil, nil, usagef("%s has no section [%s]", file, name)
	}
	return f, f.Section(name), nil
}

// read takes what to make from the file.
func (o *imageFlags) read() error {
	f, s, err := configSection(o.config, "image-build")
	if err != nil {
		return err
	}
	var arches string
	for key, to := range map[string]*string{"name": &o.name, "version": &o.version, "target": &o.target, "install_tree": &o.tree, "arches": &arches} {
		value, there := iniValue(s, key)
		if !there {
			return usagef("%s: section image-build has no %s", o.config, key)
		}
		*to = value
	}
	o.arches = commaList(arches)
	for key, to := range map[string]*[]string{"repo": &o.repos, "format": &o.formats, "can_fail": &o.canFail} {
		if value, there := iniValue(s, key); there {
			*to = commaList(value)
		}
	}
	for key, to := range o.texts {
		if value, there := iniValue(s, key); there {
			*to = value
		}
	}
	if err := iniFlags(o.config, s, map[string]*bool{"scratch": o.flags["scratch"], "skip_tag": o.flags["skip_tag"], "noverifyssl": o.flags["noverifyssl"],
		"background": &o.background, "noprogress": &o.noProgress, "wait": &o.wait.wait}); err != nil {
		return err
	}
	if f.HasSection("ova-options") {
		o.ova = nil
		for _, k := range f.Section("ova-options").Keys() {
			value, _ := iniValue(f.Section("ova-options"), k.Name())
			o.ova = append(o.ova, k.Name()+"="+value)
		}
	}
	if f.HasSection("factory-parameters") {
		o.factory = nil
		for _, k := range f.Section("factory-parameters").Keys() {
			value, _ := iniValue(f.Section("factory-parameters"), k.Name())
			o.factory = append(o.factory, []string{k.Name(), value})
		}
	}
	return nil
}

// iniFlags reads keys that are true or false.
func iniFlags(file string, s *ini.Section, flags map[string]*bool) error {
	for key, to := range flags {
		value, there := iniValue(s, key)
		if !there {
			continue
		}
		var err error
		if *to, err = pythonBool(value); err != nil {
			return usagef("%s: %s: %v", file, key, err)
		}
	}
	return nil
}
