package ui

import (
	"moromi/projections/host"
	"moromi/projections/query"
)

// hosts gives hosts with their settings as of the request's moment, and with the load that they told last and the tasks that they have.
func (r *request) hosts() *query.Query {
	running := "(select count(*) from task t where t.host_id = host.id and t.state = 1)"
	args := []any{}
	if r.at != nil {
		running, args = "(select count(*) from task_at(?) t where t.host_id = host.id and t.state = 1)", []any{r.at.Event}
	}
	return query.New(cols("id", "host.id", "name", "host.name", "user_id", "host.user_id", "arches", "host_config.arches", "capacity", "host_config.capacity", "enabled", "host_config.enabled",
		"description", "host_config.description", "comment", "host_config.comment", "ready", "coalesce(s.ready, false)", "load", "coalesce(s.task_load, 0)",
		"update_time", "s.update_time", "running", "load.n",
		"channels", "member.names"), "host").
		Join("join host_config on host_config.host_id = host.id").Join("left join ops.host_status s on s.host_id = host.id").
		Join("join lateral (select "+running+" n) load on true", args...).
		Join("join lateral (select string_agg(channels.name, ' ' order by channels.name) names from host_channels hc join channels on channels.id = hc.channel_id"+
			" where hc.host_id = host.id and "+current("hc", r)+") member on true", currentArgs(r)...).At("host_config", r.event())
}

// maxHosts bounds the list of hosts; the largest sites have a few hundred.
const maxHosts = 2000

func hosts(r *request) (*page, error) {
	rows, _, err := r.rows(r.hosts().OrderBy("host.name"), maxHosts)
	if err != nil {
		return nil, err
	}
	return &page{Title: "Hosts", Template: "hosts", Data: map[string]any{"hosts": rows}}, nil
}

func hostPage(r *request) (*page, error) {
	q := r.hosts().OrderBy("host.id")
	if id := r.id("host"); id != 0 {
		q.Where("host.id = ? or host.name = ?", id, r.name("host"))
	} else {
		q.Where("host.name = ?", r.name("host"))
	}
	rows, _, err := r.rows(q, 1)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, r.missing("host", r.name("host"))
	}
	h := rows[0]
	id := h["id"].(int64)
	data := map[string]any{"host": h}
	if data["channels"], err = host.Channels(r, r.db, &id, r.event(), nil); err != nil {
		return nil, err
	}
	now, _, err := r.rows(r.tasks().Where("task.host_id = ? and task.state in (1, 4)", id).OrderBy("task.id"), pageSize)
	if err != nil {
		return nil, err
	}
	done, _, err := r.rows(r.tasks().Where("task.host_id = ? and task.state in (2, 3, 5)", id).OrderBy("task.id desc"), 20)
	if err != nil {
		return nil, err
	}
	subjects(now)
	subjects(done)
	data["now"], data["done"] = now, done
	if data["roots"], _, err = r.rows(rootQuery(r).Where("buildroot.host_id = ? and buildroot.state <> 3", id).OrderBy("buildroot.id desc"), 20); err != nil {
		return nil, err
	}
	if data["history"], err = hostHistory(r, id); err != nil {
		return nil, err
	}
	return &page{Title: "Host " + h["name"].(string), Template: "host", Data: data}, nil
}

// hostHistory gives the settings that a host had, the newest first.
func hostHistory(r *request, id int64) ([]query.Row, error) {
	q := query.New(cols("arches", "c.arches", "capacity", "c.capacity", "enabled", "c.enabled", "comment", "c.comment", "create_event", "c.create_event",
		"create_time", "made.time", "creator_name", "creator.name"), "host_config c").Join("left join events made on made.id = c.create_event").
		Join("left join users creator on creator.id = c.creator_id").Where("c.host_id = ?", id).OrderBy("c.create_event desc")
	if r.at != nil {
		q.Where("c.create_event <= ?", r.at.Event)
	}
	rows, _, err := r.rows(q, 20)
	return rows, err
}
