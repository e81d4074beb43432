package hub

import (
	"moromi/commands"
	"moromi/projections/archive"
)

// generatorMethods are content generators: programs that build elsewhere and import what they built.
func generatorMethods(d Deps) []Method {
	return []Method{
		{Name: "listCGs", Params: "", Auth: Anonymous, Help: "The content generators that somebody may import as, by name: id and users.", Func: func(c *Call, _ Args) (any, error) {
			return archive.Generators(c.Context(), d.DB)
		}},
		{Name: "grantCGAccess", Params: "user, cg, create=False", Auth: Admin, Write: true, Help: "Let a user import as a content generator; create makes one of a new name.", Func: d.grantCGAccess},
		{Name: "revokeCGAccess", Params: "user, cg", Auth: Admin, Write: true, Help: "Take that away.", Func: d.revokeCGAccess},
	}
}

// generatorUser gives the user of a call about access.
func (d Deps) generatorUser(c *Call, a Args) (int64, commands.Actor, error) {
	u, err := d.theUser(c, a.Get("user"))
	if err != nil {
		return 0, commands.Actor{}, err
	}
	actor, err := d.actor(c)
	return u["id"].(int64), actor, err
}

func (d Deps) grantCGAccess(c *Call, a Args) (any, error) {
	user, actor, err := d.generatorUser(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.GrantGenerator(c.Context(), actor, user, a.Get("cg"), a.Bool("create"))
}

func (d Deps) revokeCGAccess(c *Call, a Args) (any, error) {
	user, actor, err := d.generatorUser(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RevokeGenerator(c.Context(), actor, user, a.Get("cg"))
}
