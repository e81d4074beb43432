package hub

import (
	"context"
	"fmt"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/catalog"
	"moromi/projections/query"
	"moromi/projections/user"
)

// userMethods are users, groups and permissions.
func userMethods(d Deps) []Method {
	userThere := func(c *Call, a Args) error {
		_, err := d.theUser(c, a.Get("username"))
		return err
	}
	return []Method{
		{Name: "getUser", Params: "userInfo=None, strict=False, krb_princs=True, groups=False", Auth: Anonymous,
			Help: "A user by id, name, Kerberos principal, or a struct of these; the caller if none is named.", Func: d.getUser},
		{Name: "listUsers", Params: "userType=0, prefix=None, queryOpts=None, perm=None, inherited_perm=False", Auth: Anonymous,
			Help: "Users of a type (or list of types), with a name that begins with prefix, or who hold a permission.", Func: d.listUsers},
		{Name: "createUser", Params: "username, status=None, krb_principal=None", Auth: Admin, Write: true,
			Help: "Make a user; answers the id.", Func: d.createUser},
		{Name: "editUser", Params: "userInfo, name=None, krb_principal_mappings=None", Auth: Admin, Write: true,
			Help: "Rename a user; add, remove or replace Kerberos principals by a list of {old, new}.", Func: d.editUser},
		{Name: "addUserKrbPrincipal", Params: "user, krb_principal", Auth: Admin, Write: true,
			Help: "Let a Kerberos principal log in as the user; answers the user's id.", Func: d.addPrincipal},
		{Name: "removeUserKrbPrincipal", Params: "user, krb_principal", Auth: Admin, Write: true,
			Help: "Take a Kerberos principal away from the user; answers the user's id.", Func: d.removePrincipal},
		{Name: "enableUser", Params: "username", Auth: Admin, Write: true, First: userThere, Help: "Let the user log in again.", Func: d.setStatus(koji.StatusNormal)},
		{Name: "disableUser", Params: "username", Auth: Admin, Write: true, First: userThere, Help: "Refuse the user's logins.", Func: d.setStatus(koji.StatusBlocked)},
		{Name: "newGroup", Params: "name", Auth: Admin, Write: true, Help: "Make a group of users; answers the id.", Func: d.newGroup},
		{Name: "addGroupMember", Params: "group, user, strict=True", Auth: Admin, Write: true, Help: "Add a user to a group.", Func: d.addGroupMember},
		{Name: "dropGroupMember", Params: "group, user", Auth: Admin, Write: true, Help: "Take a user out of a group.", Func: d.dropGroupMember},
		{Name: "getGroupMembers", Params: "group", Auth: Anonymous, Help: "The users in a group.", Func: d.getGroupMembers},
		{Name: "getUserGroups", Params: "user", Auth: Anonymous, Help: "The groups that a user is in.", Func: d.getUserGroups},
		{Name: "getUserPerms", Params: "userID=None, with_groups=True", Auth: Anonymous, Help: "The names of a user's permissions; the caller's if no user is named.", Func: d.getUserPerms},
		{Name: "getUserPermsInheritance", Params: "userID", Auth: Anonymous, Help: "A user's permissions and the groups each comes from; nil stands for a grant to the user.", Func: d.getUserPermsInheritance},
		{Name: "getAllPerms", Params: "", Auth: Anonymous, Help: "All permissions there are.", Func: func(c *Call, _ Args) (any, error) { return catalog.Permissions(c.Context(), d.DB) }},
		{Name: "grantPermission", Params: "userinfo, permission, create=False, description=None", Auth: Admin, Write: true,
			Help: "Give a user a permission; create makes it if there is none of that name.", Func: d.grantPermission},
		{Name: "revokePermission", Params: "userinfo, permission", Auth: Admin, Write: true, Help: "Take a permission from a user.", Func: d.revokePermission},
		{Name: "editPermission", Params: "permission, description", Auth: Admin, Write: true, Help: "Describe a permission anew.", Func: d.editPermission},
	}
}

// findUser looks a user up as Koji's get_user does; nil if there is none.
func (d Deps) findUser(c *Call, info any) (query.Row, error) {
	ctx := c.Context()
	switch v := info.(type) {
	case nil:
		if !c.LoggedIn() {
			return nil, fault.New(fault.Generic, "No user provided")
		}
		return user.ByID(ctx, d.DB, c.UserID())
	case int64:
		return user.ByID(ctx, d.DB, v)
	case string:
		return user.ByName(ctx, d.DB, v)
	case map[string]any:
		return d.findUserBy(c, v)
	}
	return nil, fault.New(fault.Generic, "Invalid type for userInfo: %s", pyType(info))
}

func (d Deps) findUserBy(c *Call, by map[string]any) (query.Row, error) {
	var u query.Row
	found := func(key string, ok bool, find func() (query.Row, error)) error {
		v, there := by[key]
		if !there || v == nil || v == "" {
			return nil
		}
		if !ok {
			return fault.New(fault.Generic, "Invalid type for %s: %s", key, pyType(v))
		}
		var err error
		u, err = find()
		return err
	}
	ctx := c.Context()
	id, isID := by["id"].(int64)
	name, isName := by["name"].(string)
	principal, isPrincipal := by["krb_principal"].(string)
	if err := found("id", isID, func() (query.Row, error) { return user.ByID(ctx, d.DB, id) }); err != nil || u != nil {
		return u, err
	}
	if err := found("name", isName, func() (query.Row, error) { return user.ByName(ctx, d.DB, name) }); err != nil || u != nil {
		return u, err
	}
	if err := found("krb_principal", isPrincipal, func() (query.Row, error) { return user.ByPrincipal(ctx, d.DB, principal) }); err != nil || u != nil {
		return u, err
	}
	if isID || name != "" || principal != "" {
		return nil, nil
	}
	// Koji answers a struct without any of these keys with some user, the first; the caller is at least somebody
	return d.findUser(c, nil)
}

// theUser is findUser for a user that must be there.
func (d Deps) theUser(c *Call, info any) (query.Row, error) {
	u, err := d.findUser(c, info)
	if err == nil && u == nil {
		err = fault.New(fault.Generic, "No such user: %s", clip(pyRepr(info)))
	}
	return u, err
}

func (d Deps) getUser(c *Call, a Args) (any, error) {
	find := d.findUser
	if a.Bool("strict") {
		find = d.theUser
	}
	u, err := find(c, a.Get("userInfo"))
	if err != nil || u == nil {
		return nil, err
	}
	if !a.Bool("krb_princs") {
		delete(u, "krb_principals")
	}
	if a.Bool("groups") {
		rows, err := user.Groups(c.Context(), d.DB, u["id"].(int64), nil)
		if err != nil {
			return nil, err
		}
		names := make([]any, len(rows))
		for i, r := range rows {
			names[i] = r["name"]
		}
		u["groups"] = names
	}
	return u, nil
}

func (d Deps) listUsers(c *Call, a Args) (any, error) {
	f := user.Filter{Inherited: a.Bool("inherited_perm")}
	var err error
	switch v := a.Get("userType").(type) {
	case nil:
	case int64:
		f.Types = []int64{v}
	default:
		if f.Types, err = a.IDs("userType"); err != nil {
			return nil, err
		}
	}
	if f.Prefix, err = a.StringOrNil("prefix"); err != nil {
		return nil, err
	}
	if a.Bool("perm") {
		if f.Perm, err = a.StringOrNil("perm"); err != nil {
			return nil, err
		}
	}
	if f.Inherited && f.Perm == nil {
		return nil, fault.New(fault.Generic, "inherited_perm option must be used with perm option")
	}
	if f.Perm != nil {
		if _, _, err := d.permission(c.Context(), *f.Perm); err != nil {
			return nil, err
		}
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	if m, _ := a.Map("queryOpts"); xmlrpc.Truthy(m["group"]) {
		return nil, fault.New(fault.Generic, "queryOpts.group is not available for this API")
	}
	return user.List(c.Context(), d.DB, f, o)
}

func (d Deps) createUser(c *Call, a Args) (any, error) {
	in := commands.CreateUser{Type: koji.UserNormal}
	var err error
	if in.Name, err = a.Reject(fault.Generic).String("username"); err != nil {
		return nil, err
	}
	if !a.IsNil("status") {
		st, err := a.Reject(fault.Generic).Int("status")
		if err != nil {
			return nil, err
		}
		in.Status = koji.UserStatus(st)
	}
	if in.Principal, err = a.Reject(fault.Generic).StringOr("krb_principal", ""); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.CreateUser(c.Context(), actor, in)
}

func (d Deps) editUser(c *Call, a Args) (any, error) {
	u, err := d.theUser(c, a.Get("userInfo"))
	if err != nil {
		return nil, err
	}
	name, err := a.Reject(fault.Generic).StringOr("name", "")
	if err != nil {
		return nil, err
	}
	pairs, err := a.List("krb_principal_mappings")
	if err != nil {
		return nil, err
	}
	var remove, add []string
	for _, p := range pairs {
		m, ok := p.(map[string]any)
		if !ok {
			return nil, fault.New(fault.Parameter, "krb_principal_mappings must be a list of structs with old and new")
		}
		if s, _ := m["old"].(string); s != "" {
			remove = append(remove, s)
		}
		if s, _ := m["new"].(string); s != "" {
			add = append(add, s)
		}
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.EditUser(c.Context(), actor, u["id"].(int64), name, remove, add)
}

func (d Deps) addPrincipal(c *Call, a Args) (any, error) {
	return d.changePrincipal(c, a, d.Service.AddPrincipal)
}

func (d Deps) removePrincipal(c *Call, a Args) (any, error) {
	return d.changePrincipal(c, a, d.Service.RemovePrincipal)
}

func (d Deps) changePrincipal(c *Call, a Args, change func(context.Context, commands.Actor, int64, string) error) (any, error) {
	u, err := d.theUser(c, a.Get("user"))
	if err != nil {
		return nil, err
	}
	principal, err := a.Reject(fault.Generic).String("krb_principal")
	if err != nil {
		return nil, err
	}
	if principal == "" {
		return nil, fault.New(fault.Generic, "krb_principal must be specified")
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return u["id"], change(c.Context(), actor, u["id"].(int64), principal)
}

func (d Deps) setStatus(st koji.UserStatus) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		u, err := d.theUser(c, a.Get("username"))
		if err != nil {
			return nil, err
		}
		actor, err := d.actor(c)
		if err != nil {
			return nil, err
		}
		return nil, d.Service.SetUserStatus(c.Context(), actor, u["id"].(int64), st)
	}
}

// permission gives the id and name of a permission named by either.
func (d Deps) permission(ctx context.Context, key any) (int64, string, error) {
	switch key.(type) {
	case int64, string:
	default:
		return 0, "", fault.New(fault.Parameter, "Invalid type for permission: %s", pyType(key))
	}
	p, err := catalog.Find(ctx, d.DB, "permission", key)
	if err != nil {
		return 0, "", err
	}
	if p == nil {
		return 0, "", fault.New(fault.Generic, "No such permission: %v", key)
	}
	return p["id"].(int64), p["name"].(string), nil
}

func (d Deps) grantPermission(c *Call, a Args) (any, error) {
	create := a.Bool("create")
	description, err := a.StringOr("description", "")
	if err != nil {
		return nil, err
	}
	if !a.IsNil("description") && !create {
		return nil, fault.New(fault.Generic, "Description should be specified only with create.")
	}
	u, err := d.theUser(c, a.Get("userinfo"))
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	key := a.Get("permission")
	if name, ok := key.(string); ok && create {
		if _, err := d.Service.DefinePermission(c.Context(), actor, name, description); err != nil {
			return nil, err
		}
	}
	id, name, err := d.permission(c.Context(), key)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.GrantPermission(c.Context(), actor, u["id"].(int64), id, name)
}

func (d Deps) revokePermission(c *Call, a Args) (any, error) {
	u, err := d.theUser(c, a.Get("userinfo"))
	if err != nil {
		return nil, err
	}
	id, name, err := d.permission(c.Context(), a.Get("permission"))
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RevokePermission(c.Context(), actor, u["id"].(int64), id, name)
}

func (d Deps) editPermission(c *Call, a Args) (any, error) {
	description, err := a.String("description")
	if err != nil {
		return nil, err
	}
	_, name, err := d.permission(c.Context(), a.Get("permission"))
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	if _, err := d.Service.DefinePermission(c.Context(), actor, name, description); err != nil {
		return nil, fmt.Errorf("describe permission: %w", err)
	}
	return nil, nil
}
