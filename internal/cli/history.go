package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func historyCommands() []spec { return []spec{listHistory()} }

// historyFlags are the options of list-history.
type historyFlags struct {
	build, pkg, tag, editor, user, permission, cg, externalRepo, target, group, host, channel, xkey string
	before, after                                                                                   timeValue
	beforeEvent, afterEvent                                                                         int64
	watch, active, revoked, context, verbose, events, all, utc                                      bool
	show                                                                                            []string
}

func (o *historyFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.build, "build", "", "what concerns this build")
	f.StringVar(&o.pkg, "package", "", "what concerns this package")
	f.StringVar(&o.tag, "tag", "", "what concerns this tag")
	f.StringVar(&o.editor, "editor", "", "what this user did (also --by)")
	f.StringVar(&o.editor, "by", "", "the same as --editor")
	f.StringVar(&o.user, "user", "", "what was done to this user")
	f.StringVar(&o.permission, "permission", "", "what concerns this permission")
	f.StringVar(&o.cg, "cg", "", "what concerns this content generator")
	f.StringVar(&o.externalRepo, "external-repo", "", "what concerns this external repository (also --erepo)")
	f.StringVar(&o.externalRepo, "erepo", "", "the same as --external-repo")
	f.StringVar(&o.target, "build-target", "", "what concerns this build target (also --target)")
	f.StringVar(&o.target, "target", "", "the same as --build-target")
	f.StringVar(&o.group, "group", "", "what concerns this group")
	f.StringVar(&o.host, "host", "", "what concerns this host")
	f.StringVar(&o.channel, "channel", "", "what concerns this channel")
	f.StringVar(&o.xkey, "xkey", "", "what concerns this tag option")
	f.Var(&o.before, "before", "what was before this time: "+timeHelp)
	f.Var(&o.after, "after", "what was after this time")
	f.Int64Var(&o.beforeEvent, "before-event", 0, "what was before this `EVENT`")
	f.Int64Var(&o.afterEvent, "after-event", 0, "what was after this `EVENT`")
	f.BoolVar(&o.watch, "watch", false, "go on, showing what happens")
	f.BoolVar(&o.active, "active", false, "only what is still in force")
	f.BoolVar(&o.revoked, "revoked", false, "only what is no longer in force")
	f.BoolVar(&o.context, "context", false, "with entries that belong to those found")
	f.StringArrayVarP(&o.show, "show", "s", nil, "only these `TABLES` (repeatable, or separated by commas)")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "more about each entry")
	f.BoolVarP(&o.events, "events", "e", false, "show the numbers of events")
	f.BoolVar(&o.all, "all", false, "the history of everything")
	f.BoolVar(&o.utc, "utc", false, "times in UTC")
	for _, alias := range []string{"by", "erepo", "target"} {
		f.Lookup(alias).Hidden = true
	}
}

// query are the named arguments of queryHistory.
func (o *historyFlags) query() (kw, error) {
	args := kw{}
	for key, value := range map[string]string{
		"package": o.pkg, "tag": o.tag, "build": o.build, "editor": o.editor, "user": o.user, "permission": o.permission, "cg": o.cg,
		"external_repo": o.externalRepo, "build_target": o.target, "group": o.group, "host": o.host, "channel": o.channel, "xkey": o.xkey,
	} {
		if value != "" {
			args[key] = value
		}
	}
	if o.before.set() {
		args["before"] = o.before.ts
	}
	if o.after.set() {
		args["after"] = o.after.ts
	}
	if len(args) == 0 && !o.all {
		return nil, usagef("say what about, by --tag, --package, --after or another option, or --all")
	}
	if o.active && o.revoked {
		return nil, usagef("--active and --revoked exclude each other")
	}
	if o.active || o.revoked {
		args["active"] = o.active
	}
	if o.beforeEvent != 0 {
		args["beforeEvent"] = o.beforeEvent
	}
	if o.afterEvent != 0 {
		args["afterEvent"] = o.afterEvent
	}
	return args, nil
}

func listHistory() spec {
	var o historyFlags
	return spec{
		use: "list-history", short: "Show what was changed, when and by whom", group: groupInfo, json: true,
		example: "  moromi list-history --tag f42 --package foo\n  moromi list-history --by alice --after 2026-01-31 -v\n  moromi list-history --tag f42 --watch",
		flags:   func(f *pflag.FlagSet) { o.register(f) },
		run: func(v *invocation) error {
			args, err := o.query()
			if err != nil {
				return err
			}
			if o.host != "" {
				if _, err := v.need("host", "getHost", o.host); err != nil {
					return err
				}
			}
			if o.channel != "" {
				if _, err := v.need("channel", "getChannel", o.channel); err != nil {
					return err
				}
			}
			args["tables"] = nil
			if len(o.show) > 0 {
				args["tables"] = strings.Split(strings.Join(o.show, ","), ",")
			}
			if o.watch && args["afterEvent"] == nil && args["after"] == nil {
				last, err := v.one("getLastEvent")
				if err != nil {
					return err
				}
				args["afterEvent"] = last["id"]
			}
			for {
				last, err := v.showHistory(args, &o)
				if err != nil || !o.watch {
					return err
				}
				if last != 0 {
					args["afterEvent"] = last
				}
				if err := wait(v.ctx, v.cfg.poll); err != nil {
					return err
				}
			}
		},
	}
}

// showHistory asks once and prints. last is the last event shown.
func (v *invocation) showHistory(args kw, o *historyFlags) (last int64, err error) {
	tables, err := v.one("queryHistory", args)
	if err != nil {
		return 0, err
	}
	if v.json {
		return 0, v.printJSON(tables)
	}
	entries := timeline(tables, o.context)
	zone := v.Zone
	if o.utc {
		zone = time.UTC
	}
	for _, e := range mergeEdits(entries) {
		v.println(e.line(zone, o.events || o.verbose))
		for _, d := range e.details(o.verbose) {
			v.println("    " + d)
		}
		last = max(last, e.event)
	}
	return last, nil
}

// historyEntry is the beginning or the end of a row, or both at once: an edit.
type historyEntry struct {
	event  int64
	table  string
	create bool
	row    row // of an edit: what was before
	edit   row // of an edit: what is after
}

// timeline puts the beginnings and ends of rows in order: ends first within an event.
func timeline(tables row, context bool) []*historyEntry {
	var entries []*historyEntry
	for _, table := range sortedKeys(tables) {
		for _, r := range hubclient.Structs(tables[table]) {
			if r["revoke_event"] != nil && (context || matched(r, "_revoked")) {
				entries = append(entries, &historyEntry{event: hubclient.Int(r["revoke_event"]), table: table, row: r})
			}
			if context || matched(r, "_created") {
				entries = append(entries, &historyEntry{event: hubclient.Int(r["create_event"]), table: table, create: true, row: r})
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b *historyEntry) int {
		if c := compare(a.event, b.event); c != 0 {
			return c
		}
		if c := strings.Compare(a.table, b.table); c != 0 {
			return c
		}
		switch {
		case a.create == b.create:
			return 0
		case b.create:
			return -1
		}
		return 1
	})
	return entries
}

// matched tells whether it was this end of the row that the query found. The hub says so in members like
// _created_by and _revoked_after_event, where it can be only one of both.
func matched(r row, prefix string) bool {
	for k, v := range r {
		if strings.HasPrefix(k, prefix) && !hubclient.Bool(v) {
			return false
		}
	}
	return true
}

// mergeEdits joins the end of a row and the beginning of its successor in one event.
func mergeEdits(entries []*historyEntry) []*historyEntry {
	type key struct {
		event int64
		id    string
	}
	ends := map[key]*historyEntry{}
	var merged []*historyEntry
	for _, e := range entries {
		var parts []string
		for _, k := range tableKeys(e.table) {
			parts = append(parts, pyRepr(e.row[k]))
		}
		k := key{e.event, e.table + " " + strings.Join(parts, " ")}
		if end := ends[k]; end != nil && e.create && end.edit == nil && len(parts) > 0 {
			end.edit = e.row
			continue
		}
		if !e.create {
			ends[k] = e
		}
		merged = append(merged, e)
	}
	return merged
}

// tableKeys are the members that say what a table's row is about.
func tableKeys(table string) []string {
	switch table {
	case "user_perms":
		return []string{"user_id", "perm_id"}
	case "user_groups":
		return []string{"user_id", "group_id"}
	case "cg_users":
		return []string{"user_id", "cg_id"}
	case "tag_inheritance":
		return []string{"tag_id", "parent_id"}
	case "tag_config":
		return []string{"tag_id"}
	case "tag_extra":
		return []string{"tag_id", "key"}
	case "build_target_config":
		return []string{"build_target_id"}
	case "external_repo_config", "external_repo_data":
		return []string{"external_repo_id"}
	case "host_config":
		return []string{"host_id"}
	case "host_channels":
		return []string{"host_id", "channel_id"}
	case "tag_external_repos":
		return []string{"tag_id", "external_repo_id"}
	case "tag_listing":
		return []string{"build_id", "tag_id"}
	case "tag_packages", "tag_package_owners":
		return []string{"package_id", "tag_id"}
	case "group_config":
		return []string{"group_id", "tag_id"}
	case "group_req_listing":
		return []string{"group_id", "tag_id", "req_id"}
	case "group_package_listing":
		return []string{"group_id", "tag_id", "package"}
	}
	return nil
}
