package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

func userCommands() []spec {
	return []spec{addUser(), editUser(), switchUser("enable-user", "Let a user log in", "enableUser"), switchUser("disable-user", "Do not let a user log in", "disableUser"), listUsers(), userInfo()}
}

func addUser() spec {
	var principal string
	var disable bool
	return spec{
		use: "add-user NAME", short: "Add a user", group: groupAdmin, login: true, min: 1, max: 1,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&principal, "principal", "", "Kerberos principal")
			f.BoolVar(&disable, "disable", false, "who may not log in")
		},
		run: func(v *invocation) error {
			status := koji.StatusNormal
			if disable {
				status = koji.StatusBlocked
			}
			opts := kw{"status": int(status), "krb_principal": nil}
			if principal != "" {
				opts["krb_principal"] = principal
			}
			n, err := v.changeNumber("createUser", v.args[0], opts)
			if err != nil {
				return err
			}
			v.printf("Added user %s (%d)\n", v.args[0], n)
			return nil
		},
	}
}

func editUser() spec {
	var rename string
	var edit, add, remove []string
	return spec{
		use: "edit-user NAME", short: "Change a user", group: groupAdmin, login: true, min: 1, max: 1, complete: []string{"user"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&rename, "rename", "", "new name")
			f.StringArrayVar(&edit, "edit-krb", nil, "change a principal `OLD=NEW` (repeatable)")
			f.StringArrayVar(&add, "add-krb", nil, "add a `PRINCIPAL` (repeatable)")
			f.StringArrayVar(&remove, "remove-krb", nil, "remove a `PRINCIPAL` (repeatable)")
		},
		run: func(v *invocation) error {
			changes := []row{}
			for _, e := range edit {
				before, after, ok := strings.Cut(e, "=")
				if !ok {
					return usagef("--edit-krb %q: write OLD=NEW", e)
				}
				changes = append(changes, row{"old": before, "new": after})
			}
			for _, a := range add {
				changes = append(changes, row{"old": nil, "new": a})
			}
			for _, r := range remove {
				changes = append(changes, row{"old": r, "new": nil})
			}
			var name any
			if rename != "" {
				name = rename
			}
			_, err := v.change("editUser", v.args[0], name, changes)
			return err
		},
	}
}

func switchUser(name, short, call string) spec {
	return spec{
		use: name + " NAME", short: short, group: groupAdmin, login: true, min: 1, max: 1, complete: []string{"user"},
		run: func(v *invocation) error {
			_, err := v.change(call, v.args[0])
			return err
		},
	}
}

func listUsers() spec {
	var kind, prefix, perm string
	var inherited bool
	return spec{
		use: "list-users", short: "List users", group: groupInfo, login: true, json: true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&kind, "usertype", "NORMAL", "NORMAL, HOST, GROUP or any")
			f.StringVar(&prefix, "prefix", "", "users whose names start with this")
			f.StringVar(&perm, "perm", "", "users with this permission")
			f.BoolVar(&inherited, "inherited-perm", false, "also if they have it from a group")
		},
		run: func(v *invocation) error {
			if inherited && perm == "" {
				return usagef("--inherited-perm needs --perm")
			}
			opts := kw{}
			switch strings.ToUpper(kind) {
			case "NORMAL":
				opts["userType"] = int(koji.UserNormal)
			case "HOST":
				opts["userType"] = int(koji.UserHost)
			case "GROUP":
				opts["userType"] = int(koji.UserGroup)
			case "ANY", "ALL":
				opts["userType"] = nil
			default:
				return usagef("--usertype: %q is none of NORMAL, HOST, GROUP and any", kind)
			}
			if prefix != "" {
				opts["prefix"] = prefix
			}
			if perm != "" {
				opts["perm"] = perm
			}
			if inherited {
				opts["inherited_perm"] = true
			}
			users, err := v.list("listUsers", opts)
			if err != nil {
				return err
			}
			if v.json {
				return v.printJSON(users)
			}
			for _, u := range users {
				v.println(str(u, "name"))
			}
			return nil
		},
	}
}

func userInfo() spec {
	return spec{
		use: "userinfo NAME…", short: "Show users", group: groupInfo, min: 1, max: -1, json: true, complete: []string{"user"},
		run: func(v *invocation) error {
			return v.each("user", func(name string) (row, error) { return v.one("getUser", name, kw{"groups": true}) }, v.showUser)
		},
	}
}

func (v *invocation) showUser(u row) error {
	count := row{"countOnly": true}
	answers, err := v.multi([]hubclient.Call{
		method("getUserPerms", u["id"]),
		method("listPackages", kw{"userID": u["id"], "with_dups": true, "queryOpts": count}),
		method("listTasks", kw{"opts": row{"owner": u["id"], "parent": nil}, "queryOpts": count}),
		method("listBuilds", kw{"userID": u["id"], "queryOpts": count}),
	})
	if err != nil {
		return err
	}
	v.printf("User name: %s\nUser ID: %d\n", str(u, "name"), id(u))
	if principals, ok := u["krb_principals"]; ok {
		v.names("krb principals", hubclient.Strings(principals), true)
	}
	v.names("Permissions", hubclient.Strings(answers[0]), false)
	groups := hubclient.Strings(u["groups"])
	slices.Sort(groups)
	v.names("Groups", groups, false)
	v.printf("Status: %s\nUsertype: %s\n", userStatus(u["status"]), userType(u["usertype"]))
	v.printf("Number of packages: %d\nNumber of tasks: %d\nNumber of builds: %d\n\n", hubclient.Int(answers[1]), hubclient.Int(answers[2]), hubclient.Int(answers[3]))
	return nil
}

func (v *invocation) names(title string, names []string, always bool) {
	if len(names) > 0 || always {
		v.println(title + ":")
	}
	for _, n := range names {
		v.println("  " + n)
	}
}

func userStatus(v any) string {
	if hubclient.Int(v) == int64(koji.StatusBlocked) {
		return "BLOCKED"
	}
	return "NORMAL"
}

func userType(v any) string {
	switch koji.UserType(hubclient.Int(v)) {
	case koji.UserHost:
		return "HOST"
	case koji.UserGroup:
		return "GROUP"
	}
	return "NORMAL"
}

func permissionCommands() []spec {
	return []spec{grantPermission(), revokePermission(), editPermission(), listPermissions()}
}

// knownUsers looks up users before anything is changed.
func (v *invocation) knownUsers(names []string) ([]row, error) {
	var users []row
	for _, n := range names {
		u, err := v.need("user", "getUser", n)
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

func grantPermission() spec {
	var create bool
	var description string
	return spec{
		use: "grant-permission PERMISSION USER…", short: "Give users a permission", group: groupAdmin, login: true, min: 2, max: -1, complete: []string{"permission", "user"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&create, "new", false, "create the permission if need be")
			f.StringVar(&description, "description", "", "what the new permission is for")
		},
		run: func(v *invocation) error {
			if description != "" && !create {
				return usagef("--description needs --new")
			}
			users, err := v.knownUsers(v.args[1:])
			if err != nil {
				return err
			}
			opts := kw{}
			if create {
				opts["create"] = true
			}
			if description != "" {
				opts["description"] = description
			}
			for _, u := range users {
				if _, err := v.change("grantPermission", u["name"], v.args[0], opts); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func revokePermission() spec {
	return spec{
		use: "revoke-permission PERMISSION USER…", short: "Take a permission from users", group: groupAdmin, login: true, min: 2, max: -1, complete: []string{"permission", "user"},
		run: func(v *invocation) error {
			users, err := v.knownUsers(v.args[1:])
			if err != nil {
				return err
			}
			for _, u := range users {
				if _, err := v.change("revokePermission", u["name"], v.args[0]); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func editPermission() spec {
	return spec{
		use: "edit-permission PERMISSION DESCRIPTION", short: "Say what a permission is for", group: groupAdmin, login: true, min: 2, max: 2, complete: []string{"permission", ""},
		run: func(v *invocation) error {
			_, err := v.change("editPermission", v.args[0], v.args[1])
			return err
		},
	}
}

func listPermissions() spec {
	var user string
	var mine bool
	return spec{
		use: "list-permissions", short: "List permissions, or those of a user", group: groupInfo, login: true, json: true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&user, "user", "", "those of this user")
			f.BoolVar(&mine, "mine", false, "your own")
		},
		run: func(v *invocation) error {
			perms, err := v.permissions(user, mine)
			if err != nil {
				return err
			}
			sortBy(perms, "name")
			if v.json {
				return v.printJSON(perms)
			}
			width := len("Permission name   ")
			for _, p := range perms {
				width = max(width, len(text(p, "name")))
			}
			if !v.global.quiet {
				header := fmt.Sprintf("%-*s", width, "Permission name")
				if len(perms) > 0 && text(perms[0], "description") != "" {
					header += fmt.Sprintf("%-53s", "   Description")
				}
				v.printf("%s\n%s\n", header, dashes(len(header)))
			}
			for _, p := range perms {
				line := fmt.Sprintf("%-*s", width, text(p, "name"))
				if d := text(p, "description"); d != "" {
					line += "   " + d
				}
				v.println(line)
			}
			return nil
		},
	}
}

// permissions are all, or those of a user, with where they come from as their description.
func (v *invocation) permissions(user string, mine bool) ([]row, error) {
	if user == "" && !mine {
		return v.list("getAllPerms")
	}
	var u row
	var err error
	if mine {
		if u, err = v.one("getLoggedInUser"); err == nil && u == nil {
			return nil, usagef("--mine: you are not logged in")
		}
	} else {
		u, err = v.need("user", "getUser", user)
	}
	if err != nil {
		return nil, err
	}
	answer, err := v.one("getUserPermsInheritance", u["id"])
	perms := []row{}
	for _, name := range sortedKeys(answer) {
		p := row{"name": name}
		if groups := hubclient.Strings(answer[name]); len(groups) > 0 {
			p["description"] = "inherited from: " + strings.Join(groups, ", ")
		}
		perms = append(perms, p)
	}
	return perms, err
}
