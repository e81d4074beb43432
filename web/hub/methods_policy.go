package hub

import (
	"maps"

	"moromi/commands"
	"moromi/commands/policy"
	"moromi/internal/fault"
)

// policyMethods ask the site's policies.
func policyMethods(d Deps) []Method {
	return append([]Method{
		{Name: "evalPolicy", Params: "name, data", Auth: Anonymous, Help: "The action of the first rule of a policy that holds for the data; nil if none does.", Func: d.evalPolicy},
		{Name: "host.evalPolicy", Params: "name, data", Auth: Host, Help: "evalPolicy, for builders.", Func: d.evalPolicy},
		{Name: "host.checkPolicy", Params: "name, data, default='deny', strict=False", Auth: Host, Help: "Whether a policy allows, and the reason; strict refuses by a fault.", Func: d.hostCheckPolicy},
		{Name: "host.assertPolicy", Params: "name, data, default='deny'", Auth: Host, Help: "Refuse by a fault what a policy does not allow.", Func: d.hostAssertPolicy},
	}, append(ownPolicyMethods(d), ownRepoMethods(d)...)...)
}

// policyRequest is the question of a call: about the caller, unless the data names another user.
func policyRequest(c *Call, a Args) (policy.Request, error) {
	a = a.Reject(fault.Generic)
	name, err := a.String("name")
	if err != nil {
		return policy.Request{}, err
	}
	data, err := a.Map("data")
	return policy.Request{Policy: name, Data: maps.Clone(data), Caller: c.UserID()}, err
}

func (d Deps) evalPolicy(c *Call, a Args) (any, error) {
	r, err := policyRequest(c, a)
	if err != nil {
		return nil, err
	}
	v, err := d.Service.EvalPolicy(c.Context(), r)
	if err != nil || !v.Matched {
		return nil, err
	}
	return v.Action, nil
}

func (d Deps) hostCheckPolicy(c *Call, a Args) (any, error) {
	r, err := d.checkPolicy(c, a)
	if err != nil {
		return nil, err
	}
	if !r.Allowed && a.Bool("strict") {
		return nil, r.Refusal()
	}
	return []any{r.Allowed, r.Reason}, nil
}

func (d Deps) hostAssertPolicy(c *Call, a Args) (any, error) {
	r, err := d.checkPolicy(c, a)
	if err == nil && !r.Allowed {
		err = r.Refusal()
	}
	return nil, err
}

// checkPolicy answers what a policy says; default stands in where no rule holds.
func (d Deps) checkPolicy(c *Call, a Args) (commands.Ruling, error) {
	r, err := policyRequest(c, a)
	if err != nil {
		return commands.Ruling{}, err
	}
	otherwise, _ := a.Get("default").(string)
	return d.Service.CheckPolicy(c.Context(), commands.Actor{UserID: c.UserID()}, r.Policy, r.Data, otherwise)
}
