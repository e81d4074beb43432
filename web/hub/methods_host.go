package hub

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	hostaggregate "moromi/aggregates/host"
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/host"
	"moromi/projections/query"
)

// hostMethods are the build hosts as people manage them, and what hosts tell and ask about themselves.
func hostMethods(d Deps) []Method {
	return []Method{
		{Name: "getHost", Params: "hostInfo, strict=False, event=None", Auth: Anonymous, Help: "A build host by id or name, configured as it was at an event if one is given.", Func: d.getHost},
		{Name: "listHosts", Params: "arches=None, channelID=None, ready=None, enabled=None, userID=None, queryOpts=None", Auth: Anonymous, Help: "Build hosts that match all that is given.", Func: d.listHosts},
		{Name: "addHost", Params: "hostname, arches, krb_principal=None, force=False", Auth: Perm("host"), Write: true, Help: "Make a build host and its user; answers the host's id.", Func: d.addHost},
		{Name: "editHost", Params: "hostInfo, **kw", Auth: Perm("host"), Write: true, Help: "Change arches, capacity, description, comment; answers whether anything was different.", Func: d.editHost},
		{Name: "enableHost", Params: "hostname", Auth: Perm("host"), Write: true, Help: "Let the host take tasks again.", Func: d.enableHost(true)},
		{Name: "disableHost", Params: "hostname", Auth: Perm("host"), Write: true, Help: "Give the host no more tasks.", Func: d.enableHost(false)},
		{Name: "addHostToChannel", Params: "hostname, channel_name, create=False, force=False", Auth: Perm("host"), Write: true, Help: "Let the host take a channel's tasks; create makes the channel.", Func: d.addHostToChannel},
		{Name: "removeHostFromChannel", Params: "hostname, channel_name", Auth: Perm("host"), Write: true, Help: "Keep a channel's tasks from the host.", Func: d.removeHostFromChannel},
		{Name: "getLastHostUpdate", Params: "hostID, ts=False", Auth: Anonymous, Help: "When the host was last heard of, as text or seconds since the epoch; nil if never.", Func: d.getLastHostUpdate},
		{Name: "getAllArches", Params: "", Auth: Anonymous, Help: "All arches that any host builds for.", Func: d.getAllArches},
		{Name: "host.getID", Params: "", Auth: Host, Help: "The calling host's id.", Func: func(c *Call, _ Args) (any, error) { return c.RequireHost() }},
		{Name: "host.getHost", Params: "", Auth: Host, Help: "The calling host.", Func: d.hostGetHost},
		{Name: "host.isEnabled", Params: "", Auth: Host, Help: "Whether the calling host is enabled.", Func: d.hostIsEnabled},
		{Name: "host.updateHost", Params: "task_load, ready, data=None", Auth: Host, Rides: true, Help: "The calling host's load, whether it takes tasks, and facts for the scheduler.", Func: d.hostUpdateHost},
		{Name: "host.setHostData", Params: "hostdata", Auth: Host, Help: "Facts for the scheduler, as a struct or as JSON.", Func: d.hostSetHostData},
		{Name: "scheduler.getHostData", Params: "hostID=None", Auth: Anonymous, Help: "What hosts told the scheduler.", Func: d.schedulerGetHostData},
	}
}

// findHost looks a host up by id, name or a struct of these; nil if there is none.
func (d Deps) findHost(c *Call, info any, event *int64) (query.Row, error) {
	if m, ok := info.(map[string]any); ok {
		info = m["id"]
		if info == nil {
			info = m["name"]
		}
	}
	switch v := info.(type) {
	case int64:
		return host.ByID(c.Context(), d.DB, v, event)
	case string:
		return host.ByName(c.Context(), d.DB, v, event)
	}
	return nil, fault.New(fault.Parameter, "Invalid type for hostInfo: %s", pyType(info))
}

func (d Deps) theHost(c *Call, info any, event *int64) (query.Row, error) {
	h, err := d.findHost(c, info, event)
	if err == nil && h == nil {
		err = fault.New(fault.Generic, "No such host: %s", clip(pyRepr(info)))
	}
	return h, err
}

func (d Deps) getHost(c *Call, a Args) (any, error) {
	event, err := a.IntOrNil("event")
	if err != nil {
		return nil, err
	}
	if a.Bool("strict") {
		return orNil(d.theHost(c, a.Get("hostInfo"), event))
	}
	return orNil(d.findHost(c, a.Get("hostInfo"), event))
}

func (d Deps) listHosts(c *Call, a Args) (any, error) {
	var f host.Filter
	switch v := a.Get("arches").(type) {
	case nil:
	case string:
		f.Arches = []string{v}
	default:
		arches, err := a.Strings("arches")
		if err != nil {
			return nil, err
		}
		if len(arches) == 0 {
			return nil, fault.New(fault.Generic, "arches option cannot be empty")
		}
		f.Arches = arches
	}
	if !a.IsNil("channelID") {
		ch, err := d.theChannel(c, a.Get("channelID"))
		if err != nil {
			return nil, err
		}
		id := ch["id"].(int64)
		f.Channel = &id
	}
	for name, to := range map[string]**bool{"ready": &f.Ready, "enabled": &f.Enabled} {
		if !a.IsNil(name) {
			b := a.Bool(name)
			*to = &b
		}
	}
	if !a.IsNil("userID") {
		u, err := d.theUser(c, a.Get("userID"))
		if err != nil {
			return nil, err
		}
		id := u["id"].(int64)
		f.User = &id
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return host.List(c.Context(), d.DB, f, o)
}

func (d Deps) addHost(c *Call, a Args) (any, error) {
	in := commands.CreateHost{Force: a.Bool("force")}
	var err error
	if in.Name, err = a.Reject(fault.Generic).String("hostname"); err != nil {
		return nil, err
	}
	if err := koji.VerifyHostName(in.Name); err != nil {
		return nil, err // before a look at the arches
	}
	if in.Arches, err = a.Strings("arches"); err != nil {
		return nil, err
	}
	if in.Principal, err = a.StringOr("krb_principal", ""); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.CreateHost(c.Context(), actor, in)
}

func (d Deps) editHost(c *Call, a Args) (any, error) {
	h, err := d.theHost(c, a.Get("hostInfo"), nil)
	if err != nil {
		return nil, err
	}
	var ch hostaggregate.Change
	texts := map[string]**string{"arches": &ch.Arches, "description": &ch.Description, "comment": &ch.Comment}
	for k, v := range a.Extra() {
		switch {
		case texts[k] != nil && v != nil:
			s, ok := v.(string)
			if !ok {
				return nil, fault.New(fault.Parameter, "Invalid type for %s: %s", k, pyType(v))
			}
			*texts[k] = &s
		case k == "capacity" && v != nil:
			f, ok := v.(float64)
			if n, isInt := v.(int64); isInt {
				f, ok = float64(n), true
			}
			if !ok {
				return nil, fault.New(fault.Parameter, "Invalid type for capacity: %s", pyType(v))
			}
			ch.Capacity = &f
		}
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.EditHost(c.Context(), actor, h["id"].(int64), ch)
}

func (d Deps) enableHost(on bool) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		h, err := d.theHost(c, a.Get("hostname"), nil)
		if err != nil {
			return nil, err
		}
		actor, err := d.actor(c)
		if err != nil {
			return nil, err
		}
		_, err = d.Service.EditHost(c.Context(), actor, h["id"].(int64), hostaggregate.Change{Enabled: &on})
		return nil, err
	}
}

func (d Deps) addHostToChannel(c *Call, a Args) (any, error) {
	h, err := d.theHost(c, a.Get("hostname"), nil)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	ch, err := d.findChannel(c, a.Get("channel_name"))
	if err != nil {
		return nil, err
	}
	if name, ok := a.Get("channel_name").(string); ok && ch == nil && a.Bool("create") {
		if _, err := d.Service.CreateChannel(c.Context(), actor, name, nil); err != nil {
			return nil, err
		}
	}
	if ch, err = d.theChannel(c, a.Get("channel_name")); err != nil {
		return nil, err
	}
	if !ch["enabled"].(bool) && !a.Bool("force") {
		return nil, fault.New(fault.Generic, "channel %v is disabled; force adds the host all the same", ch["name"])
	}
	return nil, d.Service.JoinChannel(c.Context(), actor, h["id"].(int64), ch["id"].(int64), ch["name"].(string))
}

func (d Deps) removeHostFromChannel(c *Call, a Args) (any, error) {
	h, err := d.theHost(c, a.Get("hostname"), nil)
	if err != nil {
		return nil, err
	}
	ch, err := d.theChannel(c, a.Get("channel_name"))
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.LeaveChannel(c.Context(), actor, h["id"].(int64), ch["id"].(int64), ch["name"].(string))
}

func (d Deps) getLastHostUpdate(c *Call, a Args) (any, error) {
	id, err := a.Lookup("hostID")
	if err != nil {
		return nil, err
	}
	h, err := host.ByID(c.Context(), d.DB, id, nil)
	if err != nil || h == nil || h["update_ts"] == nil {
		return nil, err
	}
	ts := h["update_ts"].(float64)
	if a.Bool("ts") {
		return ts, nil
	}
	return time.UnixMicro(int64(ts * 1e6)).UTC(), nil
}

func (d Deps) getAllArches(c *Call, _ Args) (any, error) {
	out, err := host.List(c.Context(), d.DB, host.Filter{}, query.Opts{})
	if err != nil {
		return nil, err
	}
	arches, seen := []string{}, map[string]bool{}
	for _, h := range out.([]query.Row) {
		own, _ := h["arches"].(string)
		for _, x := range strings.Fields(own) {
			if !seen[x] {
				seen[x] = true
				arches = append(arches, x)
			}
		}
	}
	return arches, nil
}

func (d Deps) hostGetHost(c *Call, _ Args) (any, error) {
	id, err := c.RequireHost()
	if err != nil {
		return nil, err
	}
	return orNil(host.ByID(c.Context(), d.DB, id, nil))
}

func (d Deps) hostIsEnabled(c *Call, _ Args) (any, error) {
	id, err := c.RequireHost()
	if err != nil {
		return nil, err
	}
	h, err := host.ByID(c.Context(), d.DB, id, nil)
	if err != nil {
		return nil, err
	}
	return h["enabled"], nil
}

func (d Deps) hostUpdateHost(c *Call, a Args) (any, error) {
	id, err := c.RequireHost()
	if err != nil {
		return nil, err
	}
	load, err := a.Float("task_load")
	if err != nil {
		return nil, err
	}
	data, err := a.Map("data")
	if err != nil {
		return nil, err
	}
	return nil, d.Service.ReportHost(c.Context(), id, load, a.Bool("ready"), data)
}

func (d Deps) hostSetHostData(c *Call, a Args) (any, error) {
	id, err := c.RequireHost()
	if err != nil {
		return nil, err
	}
	data, isMap := a.Get("hostdata").(map[string]any)
	if text, ok := a.Get("hostdata").(string); ok {
		if err := json.Unmarshal([]byte(text), &data); err != nil {
			return nil, fault.Wrap(err, fault.Parameter, "Host data should be a dictionary")
		}
		isMap = true
	}
	if !isMap {
		return nil, fault.New(fault.Parameter, "Host data should be a dictionary")
	}
	if err := d.Service.SetHostData(c.Context(), id, data); err != nil {
		return nil, fmt.Errorf("set host data: %w", err)
	}
	return nil, nil
}

func (d Deps) schedulerGetHostData(c *Call, a Args) (any, error) {
	id, err := a.IntOrNil("hostID")
	if err != nil {
		return nil, err
	}
	return host.Data(c.Context(), d.DB, id)
}
