package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"moromi/aggregates/host"
	"moromi/aggregates/name"
	"moromi/aggregates/user"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	hostmodel "moromi/projections/host"
	usermodel "moromi/projections/user"
)

// CreateHost is a build host to be made. Force lets a person's account become one.
type CreateHost struct {
	Name      string
	Arches    []string
	Principal string
	Force     bool
}

// CreateHost makes a build host, in the channel default, with its user if there is none, and answers its id.
func (s *Service) CreateHost(ctx context.Context, a Actor, in CreateHost) (int64, error) {
	if err := koji.VerifyHostName(in.Name); err != nil {
		return 0, err
	}
	arches, err := koji.ParseArches(strings.Join(in.Arches, " "))
	if err != nil {
		return 0, err
	}
	if there, err := hostmodel.ByName(ctx, s.DB, in.Name, nil); err != nil || there != nil {
		return 0, orFault(err, fault.New(fault.Generic, "host already exists: %s", in.Name))
	}
	userID, err := s.hostUser(ctx, a, in)
	if err != nil {
		return 0, err
	}
	id, err := s.claim(ctx, a, name.Host, in.Name)
	if err != nil {
		return 0, err
	}
	def, err := hostmodel.Channel(ctx, s.DB, "default")
	if err != nil || def == nil {
		return 0, orFault(err, fault.New(fault.Generic, "No such channel: default"))
	}
	_, err = Decide(ctx, s, a, "create host", host.Stream(id), func(h *host.Host) ([]events.Event, error) {
		return h.Create(id, userID, in.Name, arches, def["id"].(int64))
	})
	return id, err
}

// hostUser gives the user of a host to be made: a new one, one of type HOST, or with force any other.
func (s *Service) hostUser(ctx context.Context, a Actor, in CreateHost) (int64, error) {
	u, err := usermodel.ByName(ctx, s.DB, in.Name)
	if err != nil {
		return 0, err
	}
	if u == nil {
		return s.CreateUser(ctx, a, CreateUser{Name: in.Name, Type: koji.UserHost, Principal: in.Principal})
	}
	id := u["id"].(int64)
	if u["usertype"].(int64) == int64(koji.UserHost) {
		return id, nil
	}
	if !in.Force || u["usertype"].(int64) != int64(koji.UserNormal) {
		return 0, fault.New(fault.Generic, "user %s already exists and it is not a host", in.Name)
	}
	return id, s.decideUser(ctx, a, "make user a host", id, func(u *user.User) ([]events.Event, error) { return u.BecomeHost(), nil })
}

func (s *Service) decideHost(ctx context.Context, a Actor, command string, id int64, f func(*host.Host) ([]events.Event, error)) (bool, error) {
	pos, err := Decide(ctx, s, a, command, host.Stream(id), f)
	return pos != 0, err
}

// EditHost changes a host's configuration and answers whether anything was different.
func (s *Service) EditHost(ctx context.Context, a Actor, id int64, ch host.Change) (bool, error) {
	return s.decideHost(ctx, a, "edit host", id, func(h *host.Host) ([]events.Event, error) { return h.Edit(ch) })
}

// JoinChannel lets a host take the tasks of a channel.
func (s *Service) JoinChannel(ctx context.Context, a Actor, id, channel int64, channelName string) error {
	_, err := s.decideHost(ctx, a, "add host to channel", id, func(h *host.Host) ([]events.Event, error) { return h.Join(channel, channelName) })
	return err
}

// LeaveChannel ends that.
func (s *Service) LeaveChannel(ctx context.Context, a Actor, id, channel int64, channelName string) error {
	_, err := s.decideHost(ctx, a, "remove host from channel", id, func(h *host.Host) ([]events.Event, error) { return h.Leave(channel, channelName) })
	return err
}

// ReportHost keeps what a host says of itself: its load, whether it takes tasks, and with data not nil what its builder tells the scheduler.
// It is a heartbeat, not an event, and need not be on the disk: the next one comes soon. The scheduler looks again.
func (s *Service) ReportHost(ctx context.Context, id int64, load float64, ready bool, data map[string]any) error {
	doc, err := hostData(data)
	if err != nil {
		return err
	}
	if load < 0 {
		return fault.New(fault.Generic, "task load must not be negative: %g", load)
	}
	b := &pgx.Batch{} // PostgreSQL runs what comes in one batch as one transaction
	b.Queue(`with soon as materialized (select set_config('synchronous_commit', 'off', true))
		insert into ops.host_status (host_id, update_time, task_load, ready, data) select $1::bigint, $2::timestamptz, $3::float8, $4::boolean, $5::jsonb from soon
		on conflict (host_id) do update set update_time = excluded.update_time, task_load = excluded.task_load, ready = excluded.ready,
		data = coalesce(excluded.data, ops.host_status.data)`, id, s.Clock(), load, ready, doc)
	if err := s.writeWithRider(ctx, b); err != nil {
		return fmt.Errorf("report host %d: %w", id, err)
	}
	s.Scheduler.Wake()
	return nil
}

// SetHostData keeps what a host's builder tells the scheduler.
func (s *Service) SetHostData(ctx context.Context, id int64, data map[string]any) error {
	doc, err := hostData(data)
	if err != nil {
		return err
	}
	_, err = s.DB.Exec(ctx, `insert into ops.host_status (host_id, data) values ($1, $2)
		on conflict (host_id) do update set data = excluded.data`, id, doc)
	if err != nil {
		return fmt.Errorf("set host data of %d: %w", id, err)
	}
	return nil
}

func hostData(data map[string]any) (*string, error) {
	if data == nil {
		return nil, nil
	}
	b, err := json.Marshal(data)
	if err != nil {
		return nil, fault.Wrap(err, fault.Parameter, "host data cannot be kept as JSON")
	}
	doc := string(b)
	return &doc, nil
}

// HostChannels gives the ids of a host's channels. The list is everybody's.
func (s *Service) HostChannels(ctx context.Context, host int64) ([]int64, error) {
	return s.hostChannels.Get(host, func() ([]int64, error) {
		rows, err := hostmodel.Channels(ctx, s.DB, &host, nil, nil)
		ids := make([]int64, len(rows))
		for i, r := range rows {
			ids[i] = r["id"].(int64)
		}
		return ids, err
	})
}
