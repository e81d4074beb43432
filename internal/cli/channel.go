package cli

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func channelCommands() []spec {
	return []spec{addChannel(), editChannel(), switchChannel("enable-channel", "Use a channel again", "enableChannel"), switchChannel("disable-channel", "Use a channel no more", "disableChannel"),
		addHostToChannel(), removeHostFromChannel(), listChannels()}
}

func addChannel() spec {
	var description string
	return spec{
		use: "add-channel NAME", short: "Add a channel", group: groupAdmin, login: true, min: 1, max: 1,
		flags: func(f *pflag.FlagSet) { f.StringVar(&description, "description", "", "what it is for") },
		run: func(v *invocation) error {
			var d any
			if description != "" {
				d = description
			}
			n, err := v.changeNumber("addChannel", v.args[0], kw{"description": d})
			if err != nil {
				return err
			}
			v.printf("%s added: id %d\n", v.args[0], n)
			return nil
		},
	}
}

func editChannel() spec {
	var name, description, comment string
	return spec{
		use: "edit-channel CHANNEL", short: "Change a channel", group: groupAdmin, login: true, min: 1, max: 1, complete: []string{"channel"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&name, "name", "", "new name")
			f.StringVar(&description, "description", "", "what it is for")
			f.StringVar(&comment, "comment", "", "a remark")
		},
		run: func(v *invocation) error {
			opts := kw{}
			for key, value := range map[string]string{"name": name, "description": description, "comment": comment} {
				if v.flags.Changed(key) {
					opts[key] = value
				}
			}
			if len(opts) == 0 {
				return usagef("say what to change: --name, --description or --comment")
			}
			if _, err := v.need("channel", "getChannel", v.args[0]); err != nil {
				return err
			}
			_, err := v.change("editChannel", v.args[0], opts)
			return err
		},
	}
}

func switchChannel(name, short, call string) spec {
	var comment string
	return spec{
		use: name + " CHANNEL…", short: short, group: groupAdmin, login: true, min: 1, max: -1, complete: []string{"channel"},
		flags: func(f *pflag.FlagSet) { f.StringVar(&comment, "comment", "", "why") },
		run: func(v *invocation) error {
			opts := kw{}
			if comment != "" {
				opts["comment"] = comment
			}
			for _, c := range v.args {
				if _, err := v.need("channel", "getChannel", c); err != nil {
					return err
				}
			}
			for _, c := range v.args {
				if _, err := v.change(call, c, opts); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func addHostToChannel() spec {
	var create, force, list bool
	return spec{
		use: "add-host-to-channel HOST CHANNEL", short: "Let a host take a channel's tasks", group: groupAdmin, login: true, max: 2, complete: []string{"host", "channel"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&create, "new", false, "create the channel if need be")
			f.BoolVar(&force, "force", false, "even if the channel is disabled")
			f.BoolVar(&list, "list", false, "list the channels instead")
			f.Lookup("list").Hidden = true
		},
		run: func(v *invocation) error {
			if list {
				return v.channelNames()
			}
			if len(v.args) != 2 {
				return usagef("add-host-to-channel needs a host and a channel")
			}
			opts := kw{}
			if create {
				opts["create"] = true
			} else if _, err := v.need("channel", "getChannel", v.args[1]); err != nil {
				return err
			}
			if force {
				opts["force"] = true
			}
			if _, err := v.need("host", "getHost", v.args[0]); err != nil {
				return err
			}
			_, err := v.change("addHostToChannel", v.args[0], v.args[1], opts)
			return err
		},
	}
}

func (v *invocation) channelNames() error {
	channels, err := v.list("listChannels")
	if err != nil {
		return err
	}
	if v.json {
		for _, c := range channels {
			v.done = append(v.done, row{"name": c["name"]})
		}
	}
	for _, c := range channels {
		v.println(str(c, "name"))
	}
	return nil
}

func removeHostFromChannel() spec {
	return spec{
		use: "remove-host-from-channel HOST CHANNEL", short: "Let a host take a channel's tasks no more", group: groupAdmin, login: true, min: 2, max: 2, complete: []string{"host", "channel"},
		run: func(v *invocation) error {
			h, err := v.need("host", "getHost", v.args[0])
			if err != nil {
				return err
			}
			channels, err := v.list("listChannels", h["id"])
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(channels, func(c row) bool { return text(c, "name") == v.args[1] }) {
				return errors.New("host " + v.args[0] + " is not in channel " + v.args[1])
			}
			_, err = v.change("removeHostFromChannel", v.args[0], v.args[1])
			return err
		},
	}
}

func listChannels() spec {
	var simple, comment, description, enabled, notEnabled, disabled bool
	var arch string
	return spec{
		use: "list-channels", short: "List channels", group: groupInfo, json: true,
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&simple, "simple", false, "only names")
			f.BoolVar(&comment, "comment", false, "show remarks")
			f.BoolVar(&description, "description", false, "show descriptions")
			f.BoolVar(&enabled, "enabled", false, "channels that are enabled")
			f.BoolVar(&notEnabled, "not-enabled", false, "channels that are disabled")
			f.BoolVar(&disabled, "disabled", false, "the same as --not-enabled")
			f.StringVar(&arch, "arch", "", "count only hosts for this architecture")
		},
		run: func(v *invocation) error {
			opts := kw{}
			onOff(opts, "enabled", enabled, notEnabled || disabled)
			channels, err := v.list("listChannels", opts)
			if err != nil {
				return err
			}
			sortBy(channels, "name")
			if v.json {
				return v.printJSON(channels)
			}
			if simple {
				if !v.global.quiet {
					v.printf("Channel\n%s\n", dashes(7))
				}
				for _, c := range channels {
					v.println(str(c, "name"))
				}
				return nil
			}
			return v.showChannels(channels, arch, description, comment)
		},
	}
}

func (v *invocation) showChannels(channels []row, arch string, description, comment bool) error {
	var calls []hubclient.Call
	for _, c := range channels {
		opts := kw{"channelID": c["id"]}
		if arch != "" {
			opts["arches"] = arch
		}
		calls = append(calls, method("listHosts", opts))
	}
	hosts, err := v.multi(calls)
	if err != nil {
		return err
	}
	longest := 8
	for i, c := range channels {
		if c["enabled"] == false {
			c["name"] = text(c, "name") + " [disabled]"
		}
		if i == 0 {
			longest = 0
		}
		longest = max(longest, len(text(c, "name")))
	}
	if !v.global.quiet {
		header := fmt.Sprintf("%-*sEnabled  Ready Disbld   Load    Cap   Perc    ", longest, "Channel")
		if description {
			header += fmt.Sprintf("%-53s", "Description")
		}
		if comment {
			header += fmt.Sprintf("%-53s", "Comment")
		}
		v.printf("%s\n%s\n", header, dashes(len(header)))
	}
	for i, c := range channels {
		var on, ready, all int
		var load, capacity, percent float64
		for _, h := range hubclient.Structs(hosts[i]) {
			all++
			if hubclient.Bool(h["enabled"]) {
				on++
			}
			if hubclient.Bool(h["ready"]) {
				ready++
			}
			load += hubclient.Float(h["task_load"])
			capacity += hubclient.Float(h["capacity"])
		}
		if capacity > 0 {
			percent = load / capacity * 100
		}
		v.printf("%-*s %6d %6d %6d %6d %6d %6d%%", longest, text(c, "name"), on, ready, all-on, int(load), int(capacity), int(percent))
		if description {
			v.printf("   %-50s", shorten(text(c, "description")))
		}
		if comment {
			v.printf("   %-50s", shorten(text(c, "comment")))
		}
		v.println()
	}
	return nil
}
