package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func hostCommands() []spec {
	return []spec{addHost(), editHost(), switchHost("enable-host", "Give tasks to hosts again", "enableHost"), switchHost("disable-host", "Give no more tasks to hosts", "disableHost"), listHosts(), hostInfo()}
}

func addHost() spec {
	var principal string
	var force bool
	return spec{
		use: "add-host NAME ARCH…", short: "Add a build host", group: groupAdmin, login: true, min: 2, max: -1, example: "  moromi add-host builder1.example.com x86_64 i686",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&principal, "krb-principal", "", "Kerberos principal of the host, if it is not the usual one")
			f.BoolVar(&force, "force", false, "make a host of a user of that name")
		},
		run: func(v *invocation) error {
			known, err := v.one("getHost", v.args[0])
			if err != nil {
				return err
			}
			if known != nil {
				return fmt.Errorf("there is a host %s already", v.args[0])
			}
			opts := kw{"force": force}
			if principal != "" {
				opts["krb_principal"] = principal
			}
			n, err := v.changeNumber("addHost", v.args[0], v.args[1:], opts)
			if err != nil {
				return err
			}
			v.printf("%s added: id %d\n", v.args[0], n)
			return nil
		},
	}
}

// knownHosts checks that all hosts named exist, before anything is changed.
func (v *invocation) knownHosts() error {
	var calls []hubclient.Call
	for _, h := range v.args {
		calls = append(calls, method("getHost", h))
	}
	hosts, err := v.multi(calls)
	if err != nil {
		return err
	}
	var missing []string
	for i, h := range hosts {
		if h == nil {
			missing = append(missing, v.args[i])
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("no such host: %s; nothing was changed", strings.Join(missing, ", "))
	}
	return nil
}

func editHost() spec {
	var archList, description, comment string
	var capacity float64
	return spec{
		use: "edit-host HOST…", short: "Change hosts", group: groupAdmin, login: true, min: 1, max: -1, complete: []string{"host"}, example: "  moromi edit-host builder1 --capacity 4 --arches x86_64,i686",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&archList, "arches", "", "architectures it builds for")
			f.Float64Var(&capacity, "capacity", 0, "weight of the tasks it takes at once")
			f.StringVar(&description, "description", "", "what it is")
			f.StringVar(&comment, "comment", "", "a remark")
		},
		run: func(v *invocation) error {
			opts := kw{}
			if v.flags.Changed("arches") {
				a, err := arches(archList)
				if err != nil {
					return err
				}
				opts["arches"] = a
			}
			if v.flags.Changed("capacity") {
				opts["capacity"] = capacity
			}
			if v.flags.Changed("description") {
				opts["description"] = description
			}
			if v.flags.Changed("comment") {
				opts["comment"] = comment
			}
			if err := v.knownHosts(); err != nil {
				return err
			}
			var calls []hubclient.Call
			for _, h := range v.args {
				calls = append(calls, method("editHost", h, opts))
			}
			results, err := v.changeAll(calls)
			if err != nil {
				return err
			}
			for i, changed := range results {
				if hubclient.Bool(changed) {
					v.printf("Edited %s\n", v.args[i])
				} else {
					v.printf("No changes made to %s\n", v.args[i])
				}
			}
			return nil
		},
	}
}

func switchHost(name, short, call string) spec {
	var comment string
	return spec{
		use: name + " HOST…", short: short, group: groupAdmin, login: true, min: 1, max: -1, complete: []string{"host"},
		flags: func(f *pflag.FlagSet) { f.StringVar(&comment, "comment", "", "why") },
		run: func(v *invocation) error {
			if err := v.knownHosts(); err != nil {
				return err
			}
			var calls []hubclient.Call
			for _, h := range v.args {
				calls = append(calls, method(call, h))
				if v.flags.Changed("comment") {
					calls = append(calls, method("editHost", h, kw{"comment": comment}))
				}
			}
			_, err := v.changeAll(calls)
			return err
		},
	}
}

// listHostsFlags are the options of list-hosts.
type listHostsFlags struct {
	archList                                                                           []string
	channel                                                                            string
	ready, notReady, enabled, notEnabled, disabled, showChannels, comment, description bool
}

func (o *listHostsFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&o.archList, "arch", nil, "hosts for this architecture (repeatable)")
	f.StringVar(&o.channel, "channel", "", "hosts in this channel")
	f.BoolVar(&o.ready, "ready", false, "hosts that are ready")
	f.BoolVar(&o.notReady, "not-ready", false, "hosts that are not ready")
	f.BoolVar(&o.enabled, "enabled", false, "hosts that are enabled")
	f.BoolVar(&o.notEnabled, "not-enabled", false, "hosts that are disabled")
	f.BoolVar(&o.disabled, "disabled", false, "the same as --not-enabled")
	f.BoolVar(&o.showChannels, "show-channels", false, "show the hosts' channels")
	f.BoolVar(&o.comment, "comment", false, "show remarks")
	f.BoolVar(&o.description, "description", false, "show descriptions")
}

func listHosts() spec {
	var o listHostsFlags
	return spec{
		use: "list-hosts", short: "List build hosts", group: groupInfo, json: true, flags: func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			opts := kw{}
			if len(o.archList) > 0 {
				opts["arches"] = o.archList
			}
			if o.channel != "" {
				c, err := v.need("channel", "getChannel", o.channel)
				if err != nil {
					return err
				}
				opts["channelID"] = c["id"]
			}
			onOff(opts, "ready", o.ready, o.notReady)
			onOff(opts, "enabled", o.enabled, o.notEnabled || o.disabled)
			hosts, err := v.list("listHosts", opts)
			if err != nil {
				return err
			}
			sortBy(hosts, "name")
			if o.showChannels {
				if err := v.addChannels(hosts); err != nil {
					return err
				}
			}
			if v.json {
				return v.printJSON(hosts)
			}
			if len(hosts) == 0 {
				v.warnf("No hosts found.")
				return nil
			}
			v.showHosts(hosts, &o)
			return nil
		},
	}
}

// addChannels puts the names of each host's channels into its member channels; disabled ones have a star.
func (v *invocation) addChannels(hosts []row) error {
	var calls []hubclient.Call
	for _, h := range hosts {
		calls = append(calls, method("listChannels", h["id"]))
	}
	answers, err := v.multi(calls)
	if err != nil {
		return err
	}
	for i, a := range answers {
		var names []string
		for _, c := range hubclient.Structs(a) {
			name := text(c, "name")
			if c["enabled"] == false {
				name = "*" + name
			}
			names = append(names, name)
		}
		slices.Sort(names)
		hosts[i]["channels"] = strings.Join(names, ",")
	}
	return nil
}

func yn(v any) string {
	if hubclient.Bool(v) {
		return "Y"
	}
	return "N"
}

func (v *invocation) showHosts(hosts []row, o *listHostsFlags) {
	longest := 0
	for _, h := range hosts {
		longest = max(longest, len(text(h, "name")))
	}
	if !v.global.quiet {
		header := fmt.Sprintf("%-*s Enb Rdy Load/Cap  Arches           Last Update                         ", longest, "Hostname")
		if o.description {
			header += fmt.Sprintf("%-51s", "Description")
		}
		if o.comment {
			header += fmt.Sprintf("%-51s", "Comment")
		}
		if o.showChannels {
			header += "Channels"
		}
		v.printf("%s\n%s\n", header, dashes(len(header)))
	}
	for _, h := range hosts {
		update := "-"
		if h["update_ts"] != nil {
			update = v.longTime(h["update_ts"])
		}
		v.printf("%-*s %-3s %-3s %4.1f/%-4.1f %-16s %-35s", longest, text(h, "name"), yn(h["enabled"]), yn(h["ready"]),
			hubclient.Float(h["task_load"]), hubclient.Float(h["capacity"]), strings.Join(strings.Fields(text(h, "arches")), ","), update)
		if o.description {
			v.printf(" %-50s", shorten(text(h, "description")))
		}
		if o.comment {
			v.printf(" %-50s", shorten(text(h, "comment")))
		}
		if o.showChannels {
			v.printf(" %s", text(h, "channels"))
		}
		v.println()
	}
}

func hostInfo() spec {
	return spec{
		use: "hostinfo HOST…", short: "Show build hosts", group: groupInfo, min: 1, max: -1, json: true, past: true, complete: []string{"host"},
		run: func(v *invocation) error {
			event, err := v.asOf()
			if err != nil {
				return err
			}
			v.showMoment(event, "Querying")
			return v.each("host", func(arg string) (row, error) { return v.one("getHost", reference(arg), withEvent(kw{}, event)) },
				func(h row) error { return v.showHost(h, event) })
		},
	}
}

func (v *invocation) showHost(h, event row) error {
	v.printf("Name: %s\nID: %d\nArches: %s\nCapacity: %s\nTask Load: %.2f\n", str(h, "name"), id(h), str(h, "arches"), str(h, "capacity"), hubclient.Float(h["task_load"]))
	v.paragraph("Description", text(h, "description"))
	v.paragraph("Comment", text(h, "comment"))
	update := "never"
	if h["update_ts"] != nil {
		update = v.longTime(h["update_ts"])
	}
	v.printf("Enabled: %s\nReady: %s\nLast Update: %s\n", yesNo(h["enabled"]), yesNo(h["ready"]), update)
	channels, err := v.list("listChannels", withEvent(kw{"hostID": h["id"]}, event))
	if err != nil {
		return err
	}
	var names []string
	for _, c := range channels {
		names = append(names, str(c, "name"))
	}
	v.printf("Channels: %s\nActive Buildroots:\n", strings.Join(names, " "))
	const format = "%-50s %-10s %-20s\n"
	none := true
	for _, state := range []koji.BuildrootState{koji.BuildrootInit, koji.BuildrootWaiting, koji.BuildrootBuilding} {
		roots, err := v.list("listBuildroots", kw{"hostID": h["id"], "state": int(state)})
		if err != nil {
			return err
		}
		for _, b := range roots {
			if none {
				v.printf(format, "NAME", "STATE", "CREATION TIME")
				none = false
			}
			created, _, _ := strings.Cut(text(b, "create_event_time"), ".")
			v.printf(format, fmt.Sprintf("%s-%d-%d", str(b, "tag_name"), id(b), hubclient.Int(b["repo_id"])), state, created)
		}
	}
	if none {
		v.println("None")
	}
	return nil
}

// paragraph prints a text of several lines, the later ones below the first.
func (v *invocation) paragraph(name, s string) {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if s == "" {
		v.println(name + ":")
		return
	}
	v.printf("%s: %s\n", name, lines[0])
	for _, l := range lines[1:] {
		v.printf("%s%s\n", strings.Repeat(" ", len(name)+2), l)
	}
}
