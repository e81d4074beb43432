package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

func volumeCommands() []spec { return []spec{addVolume(), listVolumes(), setBuildVolume()} }

func addVolume() spec {
	return spec{
		use: "add-volume NAME", short: "Add a storage volume, whose directory exists already", group: groupAdmin, login: true, min: 1, max: 1,
		run: func(v *invocation) error {
			known, err := v.one("getVolume", v.args[0])
			if err != nil {
				return err
			}
			if known != nil {
				return fmt.Errorf("there is a volume %s already", v.args[0])
			}
			added, err := v.change("addVolume", v.args[0])
			if err != nil {
				return err
			}
			if r, ok := added.(row); ok {
				v.printf("Added volume %s with id %d\n", str(r, "name"), id(r))
			}
			return nil
		},
	}
}

func listVolumes() spec {
	return spec{
		use: "list-volumes", short: "List storage volumes", group: groupInfo, json: true,
		run: func(v *invocation) error {
			volumes, err := v.list("listVolumes")
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(volumes)
			}
			for _, r := range volumes {
				v.println(str(r, "name"))
			}
			return nil
		},
	}
}

func setBuildVolume() spec {
	var verbose bool
	return spec{
		use: "set-build-volume VOLUME BUILD…", short: "Move builds to another storage volume", group: groupAdmin, login: true, min: 2, max: -1, complete: []string{"volume", "build"},
		flags: func(f *pflag.FlagSet) { f.BoolVarP(&verbose, "verbose", "v", false, "say what is moved") },
		run: func(v *invocation) error {
			volume, err := v.need("volume", "getVolume", v.args[0])
			if err != nil {
				return err
			}
			var builds []row
			missing := false
			for _, name := range v.args[1:] {
				b, err := v.one("getBuild", name)
				switch {
				case err != nil:
					return err
				case b == nil:
					v.printf("No such build: %s\n", name)
					missing = true
				case b["volume_id"] == volume["id"]:
					v.printf("Build %s already on volume %s\n", name, str(volume, "name"))
				default:
					builds = append(builds, b)
				}
			}
			if len(builds) == 0 {
				return errors.New("no builds to move")
			}
			for _, b := range builds {
				if _, err := v.change("changeBuildVolume", b["id"], volume["id"]); err != nil {
					return err
				}
				if verbose {
					v.printf("%s: %s -> %s\n", str(b, "nvr"), str(b, "volume_name"), str(volume, "name"))
				}
			}
			if missing {
				return &statusError{statusFailed}
			}
			return nil
		},
	}
}
