package cli

import (
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/koji"
)

// indirectionFlags are the options of image-build-indirection. All in texts is handed on under its name.
type indirectionFlags struct {
	texts                                    map[string]*string
	config                                   string
	skipTag, scratch, background, noProgress bool
	wait                                     waitOptions
}

// indirectionTexts are the options with a value, and what they are.
func indirectionTexts() map[string]string {
	return map[string]string{
		"name": "name of the image", "version": "version of the image", "release": "release of the build; otherwise the next one",
		"arch": "architecture of all three images", "target": "build target",
		"base_image_task": "id of the createImage `TASK` that made the base image", "base_image_build": "the base image's `BUILD`",
		"utility_image_task": "id of the createImage `TASK` that made the utility image", "utility_image_build": "the utility image's `BUILD`",
		"indirection_template": "the template: a local `FILE`, or one in what --indirection-template-url names", "indirection_template_url": "the template is in the source repository at this `URL`",
		"results_loc": "where in the working space the results are, as a relative `PATH`",
	}
}

func (o *indirectionFlags) register(f *pflag.FlagSet) {
	o.texts = map[string]*string{}
	for name, help := range indirectionTexts() {
		o.texts[name] = f.String(strings.ReplaceAll(name, "_", "-"), "", help)
	}
	f.StringVar(&o.config, "config", "", "take all from the section image-build-indirection of this `FILE` instead")
	f.BoolVar(&o.skipTag, "skip-tag", false, "do not tag the build")
	f.BoolVar(&o.scratch, "scratch", false, "a scratch image: not recorded as a build, deleted after a while")
	f.BoolVar(&o.background, "background", false, "with a lower priority")
	f.BoolVar(&o.noProgress, "noprogress", false, "do not show the progress of the upload")
	o.wait.register(f)
}

func imageBuildIndirection() spec {
	var o indirectionFlags
	return spec{
		use: "image-build-indirection", short: "Make an image by means of another image", group: groupBuild, login: true, json: true,
		long: `Make an image with the indirection plugin of Image Factory: a utility image is run on a base image, by a template. Both images
come from tasks or from builds. With --config, the options come from a file, under their names with _ for -.`,
		example: `  moromi image-build-indirection --name disk --version 1 --arch x86_64 --target f42 --base-image-build base-1-1 --utility-image-build util-1-1 \
    --indirection-template t.tdl --indirection-template-url git+https://git.example.com/t#1a2b3c --results-loc out/disk.iso
  moromi image-build-indirection --config disk.conf`,
		flags: func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			if err := o.complete(); err != nil {
				return err
			}
			if _, err := v.buildable(*o.texts["target"]); err != nil {
				return err
			}
			*o.texts["arch"] = koji.CanonArch(*o.texts["arch"])
			if *o.texts["indirection_template_url"] == "" {
				name, err := v.uploadBeside(*o.texts["indirection_template"], "cli-image-indirection", o.noProgress)
				if err != nil {
					return err
				}
				*o.texts["indirection_template"] = "work/" + name
			}
			task, err := v.number("buildImageIndirection", kw{"opts": o.options(), "priority": priority(o.background)})
			if err != nil {
				return err
			}
			return v.made(task, &o.wait)
		},
	}
}

// options are the opts of the hub's buildImageIndirection. The builder looks at each of them, so that those without a value are there as nil.
func (o *indirectionFlags) options() row {
	opts := row{"scratch": nil, "skip_tag": nil}
	for name, value := range o.texts {
		opts[name] = nil
		if *value != "" {
			opts[name] = *value
		}
	}
	if o.scratch {
		opts["scratch"] = true
	}
	if o.skipTag {
		opts["skip_tag"] = true
	}
	return opts
}

// complete takes options from the file, and checks them all.
func (o *indirectionFlags) complete() error {
	if o.config != "" {
		_, s, err := configSection(o.config, "image-build-indirection")
		if err != nil {
			return err
		}
		for key, to := range o.texts {
			if value, there := iniValue(s, key); there {
				*to = value
			}
		}
		if err := iniFlags(o.config, s, map[string]*bool{"scratch": &o.scratch, "skip_tag": &o.skipTag, "background": &o.background,
			"noprogress": &o.noProgress, "wait": &o.wait.wait}); err != nil {
			return err
		}
	}
	for _, image := range []string{"utility", "base"} {
		if (*o.texts[image+"_image_task"] != "") == (*o.texts[image+"_image_build"] != "") {
			return usagef("give either --%s-image-task or --%s-image-build", image, image)
		}
	}
	var missing []string
	for _, name := range []string{"name", "version", "arch", "target", "indirection_template", "results_loc"} {
		if *o.texts[name] == "" {
			missing = append(missing, "--"+strings.ReplaceAll(name, "_", "-"))
		}
	}
	if len(missing) > 0 {
		return usagef("missing: %s", strings.Join(missing, " "))
	}
	if *o.texts["indirection_template_url"] == "" && !o.scratch {
		return usagef("--indirection-template-url is missing: only scratch images can do without")
	}
	return nil
}
