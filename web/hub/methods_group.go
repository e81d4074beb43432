package hub

import (
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	"moromi/projections/user"
)

// group looks a group of users up; what names it may be anything that names a user.
func (d Deps) group(c *Call, info any, missing string) (query.Row, error) {
	g, err := d.findUser(c, info)
	if err != nil {
		return nil, err
	}
	if g == nil || g["usertype"].(int64) != int64(koji.UserGroup) {
		return nil, fault.New(fault.Generic, "%s: %s", missing, clip(pyRepr(info)))
	}
	return g, nil
}

func (d Deps) newGroup(c *Call, a Args) (any, error) {
	name, err := a.Reject(fault.Generic).String("name")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.CreateUser(c.Context(), actor, commands.CreateUser{Name: name, Type: koji.UserGroup})
}

func (d Deps) addGroupMember(c *Call, a Args) (any, error) {
	g, err := d.group(c, a.Get("group"), "Not a group")
	if err != nil {
		return nil, err
	}
	u, err := d.theUser(c, a.Get("user"))
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.JoinGroup(c.Context(), actor, u["id"].(int64), g["id"].(int64), a.Bool("strict"))
}

func (d Deps) dropGroupMember(c *Call, a Args) (any, error) {
	u, err := d.theUser(c, a.Get("user"))
	if err != nil {
		return nil, err
	}
	g, err := d.group(c, a.Get("group"), "Not a group")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.LeaveGroup(c.Context(), actor, u["id"].(int64), g["id"].(int64), g["name"].(string))
}

func (d Deps) getGroupMembers(c *Call, a Args) (any, error) {
	g, err := d.group(c, a.Get("group"), "No such group")
	if err != nil {
		return nil, err
	}
	return user.Members(c.Context(), d.DB, g["id"].(int64), nil)
}

func (d Deps) getUserGroups(c *Call, a Args) (any, error) {
	u, err := d.theUser(c, a.Get("user"))
	if err != nil {
		return nil, err
	}
	return user.Groups(c.Context(), d.DB, u["id"].(int64), nil)
}

func (d Deps) getUserPerms(c *Call, a Args) (any, error) {
	u, err := d.theUser(c, a.Get("userID"))
	if err != nil {
		return nil, err
	}
	return user.Perms(c.Context(), d.DB, u["id"].(int64), a.Bool("with_groups"))
}

func (d Deps) getUserPermsInheritance(c *Call, a Args) (any, error) {
	u, err := d.theUser(c, a.Get("userID"))
	if err != nil {
		return nil, err
	}
	sources, err := user.PermSources(c.Context(), d.DB, u["id"].(int64), nil)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, s := range sources {
		list, _ := out[s.Perm].([]any)
		var group any
		if s.Group != nil {
			group = *s.Group
		}
		out[s.Perm] = append(list, group)
	}
	return out, nil
}
