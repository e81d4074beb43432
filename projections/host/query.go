package host

import (
	"context"

	"moromi/projections/query"
)

var channelColumns = []query.Col{{Name: "id", Expr: "channels.id"}, {Name: "name", Expr: "channels.name"}, {Name: "description", Expr: "channels.description"},
	{Name: "enabled", Expr: "channels.enabled"}, {Name: "comment", Expr: "channels.comment"}}

var columns = []query.Col{{Name: "id", Expr: "host.id"}, {Name: "user_id", Expr: "host.user_id"}, {Name: "name", Expr: "host.name"},
	{Name: "update_ts", Expr: "extract(epoch from s.update_time)::float8"}, {Name: "task_load", Expr: "coalesce(s.task_load, 0)"},
	{Name: "ready", Expr: "coalesce(s.ready, false)"}, {Name: "arches", Expr: "host_config.arches"}, {Name: "capacity", Expr: "host_config.capacity"},
	{Name: "description", Expr: "host_config.description"}, {Name: "comment", Expr: "host_config.comment"}, {Name: "enabled", Expr: "host_config.enabled"}}

func hosts(event *int64) *query.Query {
	return query.New(columns, "host").Join("join host_config on host_config.host_id = host.id").Join("left join ops.host_status s on s.host_id = host.id").At("host_config", event)
}

// ByID gives a host in getHost's shape, nil if there is none.
func ByID(ctx context.Context, db query.DB, id int64, event *int64) (query.Row, error) {
	return hosts(event).Where("host.id = ?", id).One(ctx, db)
}

// ByName gives a host in getHost's shape, nil if there is none.
func ByName(ctx context.Context, db query.DB, name string, event *int64) (query.Row, error) {
	return hosts(event).Where("host.name = ?", name).One(ctx, db)
}

// IDOfUser gives the id of the host that a user is, 0 if the user is none.
func IDOfUser(ctx context.Context, db query.DB, user int64) (int64, error) {
	row, err := query.New([]query.Col{{Name: "id", Expr: "id"}}, "host").Where("user_id = ?", user).One(ctx, db)
	if err != nil || row == nil {
		return 0, err
	}
	return row["id"].(int64), nil
}

// Filter says which hosts List gives; nil fields do not filter.
type Filter struct {
	Arches         []string // any of them
	Channel        *int64
	Ready, Enabled *bool
	User           *int64
}

// List gives hosts in listHosts' shape.
func List(ctx context.Context, db query.DB, f Filter, o query.Opts) (any, error) {
	q := hosts(nil).OrderBy("host.id")
	if f.Channel != nil {
		q.Join("join host_channels on host_channels.host_id = host.id and host_channels.active").Where("host_channels.channel_id = ?", *f.Channel)
	}
	if f.Arches != nil {
		q.Where("string_to_array(host_config.arches, ' ') && ?::text[]", f.Arches)
	}
	if f.Ready != nil {
		q.Where("coalesce(s.ready, false) = ?", *f.Ready)
	}
	if f.Enabled != nil {
		q.Where("host_config.enabled = ?", *f.Enabled)
	}
	if f.User != nil {
		q.Where("host.user_id = ?", *f.User)
	}
	return q.Run(ctx, db, o)
}

// Channel gives a channel in getChannel's shape by id (int64) or name (string), nil if there is none.
func Channel(ctx context.Context, db query.DB, key any) (query.Row, error) {
	q := query.New(channelColumns, "channels")
	if _, ok := key.(string); ok {
		return q.Where("channels.name = ?", key).One(ctx, db)
	}
	return q.Where("channels.id = ?", key).One(ctx, db)
}

// Channels gives all channels, or those of a host (as of an event), in listChannels' shape.
func Channels(ctx context.Context, db query.DB, host *int64, event *int64, enabled *bool) ([]query.Row, error) {
	q := query.New(channelColumns, "channels").OrderBy("channels.id")
	if host != nil {
		q.Join("join host_channels on host_channels.channel_id = channels.id").Where("host_channels.host_id = ?", *host).At("host_channels", event)
	}
	if enabled != nil {
		q.Where("channels.enabled = ?", *enabled)
	}
	return q.All(ctx, db)
}

// Data gives what hosts told the scheduler of themselves, of one host or of all.
func Data(ctx context.Context, db query.DB, host *int64) ([]query.Row, error) {
	q := query.New([]query.Col{{Name: "host_id", Expr: "host_id"}, {Name: "data", Expr: "data::text"}}, "ops.host_status").Where("data is not null").OrderBy("host_id")
	if host != nil {
		q.Where("host_id = ?", *host)
	}
	rows, err := q.All(ctx, db)
	if err != nil {
		return nil, err
	}
	return rows, query.DecodeKey(rows, "data")
}
