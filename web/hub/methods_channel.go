package hub

import (
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/host"
	"moromi/projections/query"
)

// channelMethods are the channels that group tasks and hosts.
func channelMethods(d Deps) []Method {
	return []Method{
		{Name: "getChannel", Params: "channelInfo, strict=False", Auth: Anonymous, Help: "A channel by id or name.", Func: d.getChannel},
		{Name: "listChannels", Params: "hostID=None, event=None, enabled=None", Auth: Anonymous, Help: "All channels, or those of a host, as of an event if one is given.", Func: d.listChannels},
		{Name: "addChannel", Params: "channel_name, description=None", Auth: Admin, Write: true, Help: "Make a channel; answers its id.", Func: d.addChannel},
		{Name: "editChannel", Params: "channelInfo, **kw", Auth: Admin, Write: true, Help: "Change a channel's name, description or comment.", Func: d.editChannel},
		{Name: "renameChannel", Params: "old, new", Auth: Admin, Write: true, Help: "Rename a channel (superseded by editChannel).", Func: d.renameChannel},
		{Name: "enableChannel", Params: "channelname, comment=None", Auth: Perm("host"), Write: true, Help: "Let tasks into the channel again.", Func: d.enableChannel(true)},
		{Name: "disableChannel", Params: "channelname, comment=None", Auth: Perm("host"), Write: true, Help: "Refuse tasks for the channel.", Func: d.enableChannel(false)},
	}
}

// findChannel looks a channel up by id, name or a struct of these; nil if there is none.
func (d Deps) findChannel(c *Call, info any) (query.Row, error) {
	if m, ok := info.(map[string]any); ok {
		info = m["id"]
		if info == nil {
			info = m["name"]
		}
	}
	switch info.(type) {
	case int64, string:
		return host.Channel(c.Context(), d.DB, info)
	}
	return nil, fault.New(fault.Parameter, "Invalid type for channelInfo: %s", pyType(info))
}

func (d Deps) theChannel(c *Call, info any) (query.Row, error) {
	ch, err := d.findChannel(c, info)
	if err == nil && ch == nil {
		err = fault.New(fault.Generic, "No such channel: %s", clip(pyRepr(info)))
	}
	return ch, err
}

func (d Deps) getChannel(c *Call, a Args) (any, error) {
	if a.Bool("strict") {
		return orNil(d.theChannel(c, a.Get("channelInfo")))
	}
	return orNil(d.findChannel(c, a.Get("channelInfo")))
}

// orNil keeps a nil row from becoming an empty struct in the answer.
func orNil(r query.Row, err error) (any, error) {
	if err != nil || r == nil {
		return nil, err
	}
	return r, nil
}

func (d Deps) listChannels(c *Call, a Args) (any, error) {
	event, err := a.IntOrNil("event")
	if err != nil {
		return nil, err
	}
	var enabled *bool
	if !a.IsNil("enabled") {
		b := a.Bool("enabled")
		enabled = &b
	}
	var hostID *int64
	if !a.IsNil("hostID") {
		h, err := d.theHost(c, a.Get("hostID"), nil)
		if err != nil {
			return nil, err
		}
		id := h["id"].(int64)
		hostID = &id
	} else if event != nil {
		return nil, fault.New(fault.Generic, "list_channels with event and not host is not allowed.")
	}
	return host.Channels(c.Context(), d.DB, hostID, event, enabled)
}

func (d Deps) addChannel(c *Call, a Args) (any, error) {
	name, err := a.Reject(fault.Generic).String("channel_name")
	if err != nil {
		return nil, err
	}
	description, err := a.StringOrNil("description")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.CreateChannel(c.Context(), actor, name, description)
}

func (d Deps) editChannel(c *Call, a Args) (any, error) {
	ch, err := d.theChannel(c, a.Get("channelInfo"))
	if err != nil {
		return nil, err
	}
	if n, ok := a.Extra()["name"].(string); ok && n != ch["name"] {
		if err := koji.VerifyName(n); err != nil {
			return nil, err // before a look at the texts
		}
	}
	texts := map[string]*string{}
	for k, v := range a.Extra() {
		s, ok := v.(string)
		switch {
		case k != "name" && k != "description" && k != "comment", v == ch[k]: // as Koji, which ignores options that it does not know
		case !ok:
			return nil, fault.New(fault.Parameter, "Invalid type for %s: %s", k, pyType(v))
		default:
			texts[k] = &s
		}
	}
	if len(texts) == 0 {
		return false, nil
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return true, d.Service.EditChannel(c.Context(), actor, ch["id"].(int64), texts["name"], texts["description"], texts["comment"], nil)
}

func (d Deps) renameChannel(c *Call, a Args) (any, error) {
	ch, err := d.theChannel(c, a.Get("old"))
	if err != nil {
		return nil, err
	}
	name, err := a.Reject(fault.Generic).String("new")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.EditChannel(c.Context(), actor, ch["id"].(int64), &name, nil, nil, nil)
}

func (d Deps) enableChannel(on bool) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		comment, err := a.StringOrNil("comment")
		if err != nil {
			return nil, err
		}
		ch, err := d.theChannel(c, a.Get("channelname"))
		if err != nil {
			return nil, err
		}
		actor, err := d.actor(c)
		if err != nil {
			return nil, err
		}
		return nil, d.Service.EditChannel(c.Context(), actor, ch["id"].(int64), nil, nil, comment, &on)
	}
}
