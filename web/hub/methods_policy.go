package hub

import (
	"moromi/internal/fault"
)

// policyMethods ask the site's policies.
func policyMethods(d Deps) []Method {
	return []Method{
		{Name: "evalPolicy", Params: "name, data", Auth: Anonymous, Help: "The action of the first rule of a policy that holds for the data; nil if none does.", Func: d.evalPolicy},
		{Name: "host.evalPolicy", Params: "name, data", Auth: Host, Help: "evalPolicy, for builders.", Func: d.evalPolicy},
		{Name: "host.checkPolicy", Params: "name, data, default='deny', strict=False", Auth: Host, Help: "Whether a policy allows, and the reason; strict refuses by a fault.", Func: d.hostCheckPolicy},
		{Name: "host.assertPolicy", Params: "name, data, default='deny'", Auth: Host, Help: "Refuse by a fault what a policy does not allow.", Func: d.hostAssertPolicy},
	}
}

// policyData is the data of a policy call; the user asked about is the caller unless it names another.
func policyData(c *Call, a Args) (map[string]any, error) {
	data, err := a.Reject(fault.Generic).Map("data")
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for k, v := range data {
		out[k] = v
	}
	if out["user_id"] == nil && c.LoggedIn() {
		out["user_id"] = c.UserID()
	}
	return out, nil
}

func (d Deps) evalPolicy(c *Call, a Args) (any, error) {
	name, err := a.Reject(fault.Generic).String("name")
	if err != nil {
		return nil, err
	}
	if !d.Service.Policies.Has(name) {
		return nil, fault.New(fault.Generic, "no such policy: %s", clip(name))
	}
	data, err := policyData(c, a)
	if err != nil {
		return nil, err
	}
	action, err := d.Service.Policies.Apply(c.Context(), name, data)
	if err != nil || action == "" {
		return nil, err
	}
	return action, nil
}

func (d Deps) hostCheckPolicy(c *Call, a Args) (any, error) {
	allowed, reason, err := d.checkPolicy(c, a)
	if err != nil {
		return nil, err
	}
	if !allowed && a.Bool("strict") {
		return nil, refusal(a, reason)
	}
	return []any{allowed, reason}, nil
}

func (d Deps) hostAssertPolicy(c *Call, a Args) (any, error) {
	allowed, reason, err := d.checkPolicy(c, a)
	if err == nil && !allowed {
		err = refusal(a, reason)
	}
	return nil, err
}

func refusal(a Args, reason string) error {
	if reason != "" {
		reason = ": " + reason
	}
	return fault.New(fault.ActionNotAllowed, "policy violation (%v)%s", a.Get("name"), reason)
}

// checkPolicy answers what a policy says; default stands in where no rule holds.
func (d Deps) checkPolicy(c *Call, a Args) (bool, string, error) {
	name, err := a.String("name")
	if err != nil {
		return false, "", err
	}
	data, err := policyData(c, a)
	if err != nil {
		return false, "", err
	}
	allowed, reason, err := d.Service.CheckPolicy(c.Context(), name, data)
	if reason == "not covered by policy" && a.Get("default") == "allow" {
		allowed = true
	}
	return allowed, reason, err
}
