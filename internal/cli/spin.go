package cli

import (
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/koji"
)

// longestVolumeID is what ISO 9660 has room for.
const longestVolumeID = 32

func spinCommands() []spec { return []spec{spinLiveCD(), spinLiveMedia(), spinAppliance()} }

// spinFlags are the options of the verbs that make an image with a kickstart file; each verb has a part of them.
type spinFlags struct {
	noProgress, background, scratch, skipTag           bool
	ksURL, ksVersion, release, specfile                string
	repos                                              []string
	volumeID, installTree, canFail, loraxDir, loraxURL string
	noMacBoot, ksRepo, squashOnly                      bool
	compress                                           []string
	memory, processors, format                         string
	wait                                               waitOptions
}

func (o *spinFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.ksURL, "ksurl", "", "the kickstart file is in the source repository at this `URL`")
	f.StringVar(&o.ksVersion, "ksversion", "", "version of the kickstart file's syntax")
	f.BoolVar(&o.scratch, "scratch", false, "a scratch image: not recorded as a build, deleted after a while")
	f.StringArrayVar(&o.repos, "repo", nil, "install from this repository instead of the build tag's (repeatable)")
	f.StringVar(&o.release, "release", "", "release of the build; otherwise the next one")
	f.StringVar(&o.specfile, "specfile", "", "spec file template for wrapper rpms (`URL` in a source repository)")
	f.BoolVar(&o.skipTag, "skip-tag", false, "do not tag the build")
	f.BoolVar(&o.noProgress, "noprogress", false, "do not show the progress of the upload")
	f.BoolVar(&o.background, "background", false, "with a lower priority")
	o.wait.register(f)
}

// options are the opts of the hub's buildImage.
func (o *spinFlags) options() (row, error) {
	if len(o.volumeID) > longestVolumeID {
		return nil, usagef("--volid has room for %d characters", longestVolumeID)
	}
	opts := row{}
	for name, value := range map[string]string{"ksurl": o.ksURL, "ksversion": o.ksVersion, "release": o.release, "specfile": o.specfile, "volid": o.volumeID,
		"install_tree_url": o.installTree, "lorax_dir": o.loraxDir, "lorax_url": o.loraxURL, "vmem": o.memory, "vcpu": o.processors, "format": o.format} {
		if value != "" {
			opts[name] = value
		}
	}
	for name, set := range map[string]bool{"scratch": o.scratch, "skip_tag": o.skipTag, "nomacboot": o.noMacBoot, "ksrepo": o.ksRepo, "squashfs_only": o.squashOnly} {
		if set {
			opts[name] = true
		}
	}
	for name, list := range map[string][]string{"repo": o.repos, "compress_arg": o.compress, "optional_arches": commaList(o.canFail)} {
		if len(list) > 0 {
			opts[name] = list
		}
	}
	return opts, nil
}

// commaList splits at commas. Spaces around the parts do not count, and nothing is no list.
func commaList(s string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// spin uploads the kickstart file, if it is a local one, and has the image made. The arguments are NAME VERSION TARGET ARCH KICKSTART.
func (o *spinFlags) spin(v *invocation, kind string) error {
	opts, err := o.options()
	if err != nil {
		return err
	}
	if _, err := v.buildable(v.args[2]); err != nil {
		return err
	}
	var arch any = koji.CanonArch(v.args[3])
	if kind == "livemedia" {
		arch = canonArches(commaList(v.args[3]))
	}
	kickstart := v.args[4]
	if o.ksURL == "" {
		if kickstart, err = v.uploadBeside(kickstart, "cli-"+kind, o.noProgress); err != nil {
			return err
		}
	}
	task, err := v.number("buildImage", v.args[0], v.args[1], arch, v.args[2], kickstart, kind, kw{"opts": opts, "priority": priority(o.background)})
	if err != nil {
		return err
	}
	return v.made(task, &o.wait)
}

func canonArches(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = koji.CanonArch(n)
	}
	return out
}

// buildable finds a target whose destination is there. Images may be built for a locked tag, as in Koji: their builder says what is wrong.
func (v *invocation) buildable(name string) (row, error) { return v.openTarget(name, true) }

// uploadBeside sends a file that belongs to a build's request and gives its name below the hub's work directory.
func (v *invocation) uploadBeside(path, prefix string, noProgress bool) (string, error) {
	dir := v.uniquePath(prefix)
	if err := v.upload(path, dir, noProgress); err != nil {
		return "", err
	}
	if !v.global.quiet {
		v.println()
	}
	return dir + "/" + filepath.Base(path), nil
}

// upload sends a file to a directory below the hub's work directory. Callers end the line of its progress.
func (v *invocation) upload(path, dir string, noProgress bool) error {
	hub, err := v.connection()
	if err != nil {
		return err
	}
	return hub.UploadFile(v.ctx, path, dir, filepath.Base(path), v.progress(noProgress))
}

func spinLiveCD() spec {
	var o spinFlags
	return spec{
		use: "spin-livecd NAME VERSION TARGET ARCH KICKSTART", short: "Make a live CD (use spin-livemedia)", group: groupBuild, login: true, min: 5, max: 5, json: true,
		complete: []string{"", "", "target", "", "file"},
		long:     "Make a live CD out of the packages of a build target, by a kickstart file, which is uploaded unless --ksurl says where it is.\nspin-livemedia has taken its place.",
		example:  "  moromi spin-livecd --scratch F42 1 f42 x86_64 desktop.ks",
		flags: func(f *pflag.FlagSet) {
			o.register(f)
			f.StringVar(&o.volumeID, "volid", "", "volume id of the CD")
		},
		run: func(v *invocation) error {
			v.deprecated("spin-livecd", "spin-livemedia")
			return o.spin(v, "livecd")
		},
	}
}

// deprecated says that another verb has taken a verb's place.
func (v *invocation) deprecated(verb, instead string) {
	if !v.json {
		v.printf("%s is deprecated and will be replaced with %s\n", verb, instead)
	}
}

func spinLiveMedia() spec {
	var o spinFlags
	return spec{
		use: "spin-livemedia NAME VERSION TARGET ARCH KICKSTART", short: "Make live media", group: groupBuild, login: true, min: 5, max: 5, json: true,
		complete: []string{"", "", "target", "", "file"},
		long: `Make live media out of the packages of a build target, by a kickstart file, which is uploaded unless --ksurl says where it is.
ARCH may be several architectures with commas between them.`,
		example: "  moromi spin-livemedia --install-tree-url https://example.com/os F42 1 f42 x86_64,aarch64 desktop.ks",
		flags: func(f *pflag.FlagSet) {
			o.register(f)
			f.StringVar(&o.volumeID, "volid", "", "volume id of the medium")
			f.StringVar(&o.installTree, "install-tree-url", "", "where the installation tree is")
			f.StringVar(&o.canFail, "can-fail", "", "architectures, with commas, that may fail")
			f.StringVar(&o.loraxDir, "lorax_dir", "", "directory of lorax's templates in what --lorax_url names")
			f.StringVar(&o.loraxURL, "lorax_url", "", "lorax's templates (`URL` in a source repository)")
			f.BoolVar(&o.noMacBoot, "nomacboot", false, "give livemedia-creator its option nomacboot")
			f.BoolVar(&o.ksRepo, "ksrepo", false, "leave the kickstart file's repositories as they are")
			f.BoolVar(&o.squashOnly, "squashfs-only", false, "use a plain squashfs")
			f.StringArrayVar(&o.compress, "compress-arg", nil, "option for the compression (repeatable)")
		},
		run: func(v *invocation) error {
			if o.loraxURL != "" && o.loraxDir == "" {
				return usagef("--lorax_url needs --lorax_dir")
			}
			return o.spin(v, "livemedia")
		},
	}
}

func spinAppliance() spec {
	var o spinFlags
	return spec{
		use: "spin-appliance NAME VERSION TARGET ARCH KICKSTART", short: "Make an appliance (use image-build)", group: groupBuild, login: true, min: 5, max: 5, json: true,
		complete: []string{"", "", "target", "", "file"},
		long:     "Make an appliance out of the packages of a build target, by a kickstart file, which is uploaded unless --ksurl says where it is.\nimage-build has taken its place.",
		example:  "  moromi spin-appliance --vmem 1024 --format qcow2 F42 1 f42 x86_64 server.ks",
		flags: func(f *pflag.FlagSet) {
			o.register(f)
			f.StringVar(&o.memory, "vmem", "", "memory of the virtual machine in MB (default 512)")
			f.StringVar(&o.processors, "vcpu", "", "processors of the virtual machine (default 1)")
			f.StringVar(&o.format, "format", "raw", "format of the disk: raw, qcow, qcow2 or vmx")
		},
		run: func(v *invocation) error {
			v.deprecated("spin-appliance", "image-build")
			return o.spin(v, "appliance")
		},
	}
}
