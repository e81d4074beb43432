package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func notificationCommands() []spec {
	return []spec{
		listNotifications(), addNotification(), editNotification(), blockNotification(),
		dropNotifications("remove-notification NOTIFICATION…", "End notifications of builds", "Notification", "deleteNotification"),
		dropNotifications("unblock-notification BLOCK…", "End blocks of notifications", "Notification block", "deleteNotificationBlock"),
	}
}

// about are the options that say of which builds a user is told.
type about struct{ user, pkg, tag string }

func (o *about) register(f *pflag.FlagSet) {
	f.StringVar(&o.pkg, "package", "", "builds of this package")
	f.StringVar(&o.tag, "tag", "", "builds in this tag")
}

// subject finds whose notification it is.
func (v *invocation) subject(user string) (any, error) {
	if user != "" {
		u, err := v.need("user", "getUser", user)
		return u["id"], err
	}
	u, err := v.one("getLoggedInUser")
	if err == nil && u == nil {
		err = errors.New("whose notification? Log in, or give --user")
	}
	return u["id"], err
}

// ids finds the package and the tag; none named, or "*", is nil.
func (v *invocation) ids(o *about) (pkg, tag any, err error) {
	if o.pkg != "" && o.pkg != "*" {
		if pkg, err = v.call("getPackageID", o.pkg); err == nil && pkg == nil {
			err = fmt.Errorf("no such package: %s", o.pkg)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if o.tag != "" && o.tag != "*" {
		t, err := v.need("tag", "getTag", o.tag)
		if err != nil {
			return nil, nil, err
		}
		tag = t["id"]
	}
	return pkg, tag, nil
}

func listNotifications() spec {
	var mine bool
	var user string
	return spec{
		use: "list-notifications", short: "List of which builds a user is told, and of which not", group: groupMonitor, json: true,
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&mine, "mine", false, "your own")
			f.StringVar(&user, "user", "", "those of this user")
		},
		run: func(v *invocation) error {
			if !mine && user == "" {
				return usagef("list-notifications needs --mine or --user")
			}
			var who any
			if user != "" {
				u, err := v.need("user", "getUser", user)
				if err != nil {
					return err
				}
				who = u["id"]
			} else if err := v.login(); err != nil {
				return err
			}
			list, err := v.list("getBuildNotifications", who)
			if err != nil {
				return err
			}
			blocks, err := v.list("getBuildNotificationBlocks", who)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(row{"notifications": list, "blocks": blocks})
			}
			if err := v.showNotifications("Notifications", "No notifications", list, true); err != nil {
				return err
			}
			v.println()
			return v.showNotifications("Notification blocks", "No notification blocks", blocks, false)
		},
	}
}

// showNotifications prints notifications, or with full unset blocks of them, under a title.
func (v *invocation) showNotifications(title, none string, list []row, full bool) error {
	if len(list) == 0 {
		v.println(none)
		return nil
	}
	header := fmt.Sprintf("%6s %-25s %-25s", "ID", "Tag", "Package")
	if full {
		header += fmt.Sprintf(" %-20s %-12s", "E-mail", "Success-only")
	}
	v.printf("%s\n%s\n%s\n", title, header, dashes(len(header)))
	for _, n := range list {
		tag, pkg := "*", "*"
		if n["tag_id"] != nil {
			t, err := v.one("getTag", n["tag_id"])
			if err != nil {
				return err
			}
			tag = str(t, "name")
		}
		if n["package_id"] != nil {
			p, err := v.one("getPackage", n["package_id"])
			if err != nil {
				return err
			}
			pkg = str(p, "name")
		}
		v.printf("%6d %-25s %-25s", id(n), tag, pkg)
		if full {
			v.printf(" %-20s %-12s", str(n, "email"), yesNo(n["success_only"]))
		}
		v.println()
	}
	return nil
}

func addNotification() spec {
	var o about
	var success bool
	return spec{
		use: "add-notification", short: "Tell a user of builds", group: groupMonitor, login: true, example: "  moromi add-notification --package bash --tag f42",
		flags: func(f *pflag.FlagSet) {
			o.register(f)
			f.StringVar(&o.user, "user", "", "tell this user, not yourself (administrators)")
			f.BoolVar(&success, "success-only", false, "only if they succeed")
		},
		run: func(v *invocation) error {
			if o.pkg == "" && o.tag == "" {
				return usagef("add-notification needs --package or --tag")
			}
			user, err := v.subject(o.user)
			if err != nil {
				return err
			}
			pkg, tag, err := v.ids(&o)
			if err != nil {
				return err
			}
			_, err = v.change("createNotification", user, pkg, tag, success)
			return err
		},
	}
}

func editNotification() spec {
	var o about
	var success, all bool
	return spec{
		use: "edit-notification NOTIFICATION", short: "Change of which builds a user is told", group: groupMonitor, login: true, min: 1, max: 1,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&o.pkg, "package", "", "builds of this package; * is any")
			f.StringVar(&o.tag, "tag", "", "builds in this tag; * is any")
			f.BoolVar(&success, "success-only", false, "only if they succeed")
			f.BoolVar(&all, "no-success-only", false, "also if they fail")
		},
		run: func(v *invocation) error {
			n, ok := reference(v.args[0]).(int64)
			if !ok {
				return usagef("a notification is named by its number, not %q", v.args[0])
			}
			if o.pkg == "" && o.tag == "" && !success && !all {
				return usagef("say what to change: --package, --tag, --success-only or --no-success-only")
			}
			old, err := v.one("getBuildNotification", n)
			if err != nil {
				return err
			}
			pkg, tag, err := v.ids(&o)
			if err != nil {
				return err
			}
			if o.pkg == "" {
				pkg = old["package_id"]
			}
			if o.tag == "" {
				tag = old["tag_id"]
			}
			only := success || !all && hubclient.Bool(old["success_only"])
			_, err = v.change("updateNotification", n, pkg, tag, only)
			return err
		},
	}
}

func blockNotification() spec {
	var o about
	var all bool
	return spec{
		use: "block-notification", short: "Do not tell a user of builds", group: groupMonitor, login: true,
		flags: func(f *pflag.FlagSet) {
			o.register(f)
			f.StringVar(&o.user, "user", "", "for this user, not yourself (administrators)")
			f.BoolVar(&all, "all", false, "all builds")
		},
		run: func(v *invocation) error {
			if o.pkg == "" && o.tag == "" && !all {
				return usagef("block-notification needs --package, --tag or --all")
			}
			user, err := v.subject(o.user)
			if err != nil {
				return err
			}
			pkg, tag, err := v.ids(&o)
			if err != nil {
				return err
			}
			blocks, err := v.list("getBuildNotificationBlocks", user)
			if err != nil {
				return err
			}
			for _, b := range blocks {
				if b["package_id"] == pkg && b["tag_id"] == tag {
					return fmt.Errorf("there is such a block already: %d", id(b))
				}
			}
			_, err = v.change("createNotificationBlock", user, pkg, tag)
			return err
		},
	}
}

// dropNotifications is remove-notification and unblock-notification.
func dropNotifications(use, short, what, call string) spec {
	return spec{
		use: use, short: short, group: groupMonitor, login: true, min: 1, max: -1,
		run: func(v *invocation) error {
			var ids []int64
			for _, a := range v.args {
				n, ok := reference(a).(int64)
				if !ok {
					return usagef("a %s is named by its number, not %q", strings.ToLower(what), a)
				}
				ids = append(ids, n)
			}
			for _, n := range ids {
				if _, err := v.change(call, n); err != nil {
					return err
				}
				if !v.global.quiet {
					v.printf("%s %d successfully removed.\n", what, n)
				}
			}
			return nil
		},
	}
}
