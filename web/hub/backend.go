package hub

import (
	"context"
	"fmt"
	"sync"

	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections"
	"moromi/projections/catalog"
	"moromi/projections/host"
	"moromi/projections/query"
	"moromi/projections/task"
	"moromi/projections/user"
	"moromi/web/auth"
)

// Backend answers what the hub and its sessions ask of the read models. It implements Users, Tasks and Volumes. What every call of somebody who
// is logged in asks is read again only after it may have changed.
type Backend struct {
	db    query.DB
	users *projections.Memo[int64, *auth.User]
	perms *projections.Memo[int64, []string]
	hosts *projections.Memo[int64, int64] // by user; 0: none
}

// NewBackend makes a backend over the read models whose changes are told of.
func NewBackend(db query.DB, changes Changes) *Backend {
	return &Backend{db: db, users: projections.NewMemo[int64, *auth.User](changes, "user"), perms: projections.NewMemo[int64, []string](changes, "user", "catalog"),
		hosts: projections.NewMemo[int64, int64](changes, "host")}
}

// User implements auth.Users.
func (b *Backend) User(ctx context.Context, id int64) (*auth.User, error) {
	return b.users.Get(id, func() (*auth.User, error) { return authUser(user.ByID(ctx, b.db, id)) })
}

// UserByName implements auth.Users.
func (b *Backend) UserByName(ctx context.Context, name string) (*auth.User, error) {
	u, err := user.ByName(ctx, b.db, name)
	if u != nil && u["name"] != name {
		return nil, nil // found by a Kerberos principal
	}
	return authUser(u, err)
}

func authUser(r query.Row, err error) (*auth.User, error) {
	if err != nil || r == nil {
		return nil, err
	}
	u := &auth.User{ID: r["id"].(int64), Name: r["name"].(string), Status: koji.UserStatus(r["status"].(int64)), Type: koji.UserType(r["usertype"].(int64))}
	for _, p := range r["krb_principals"].([]any) {
		u.Principals = append(u.Principals, p.(string))
	}
	return u, nil
}

// UserByPrincipal implements auth.Users.
func (b *Backend) UserByPrincipal(ctx context.Context, principal string) (*auth.User, error) {
	return authUser(user.ByPrincipal(ctx, b.db, principal))
}

// Permissions implements Users.
func (b *Backend) Permissions(ctx context.Context, id int64) ([]string, error) {
	return b.perms.Get(id, func() ([]string, error) { return user.Perms(ctx, b.db, id, true) })
}

// PermissionExists implements Users.
func (b *Backend) PermissionExists(ctx context.Context, name string) (bool, error) {
	p, err := catalog.Find(ctx, b.db, "permission", name)
	return p != nil, err
}

// HostOf implements Users.
func (b *Backend) HostOf(ctx context.Context, userID int64) (int64, bool, error) {
	id, err := b.hosts.Get(userID, func() (int64, error) { return host.IDOfUser(ctx, b.db, userID) })
	return id, id != 0, err
}

// OpenOn implements Tasks.
func (b *Backend) OpenOn(ctx context.Context, id int64) (int64, bool, error) {
	t, err := task.ByID(ctx, b.db, id, false, nil)
	if err != nil || t == nil {
		return 0, false, err
	}
	if h, ok := t["host_id"].(int64); ok && koji.TaskState(t["state"].(int64)) == koji.TaskOpen {
		return h, true, nil
	}
	return 0, true, nil
}

// VolumeNames implements Volumes.
func (b *Backend) VolumeNames(ctx context.Context) ([]string, error) {
	rows, err := query.New([]query.Col{{Name: "name", Expr: "name"}}, "volume").OrderBy("id").All(ctx, b.db)
	if err != nil {
		return nil, fmt.Errorf("read volumes: %w", err)
	}
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r["name"].(string)
	}
	return names, nil
}

// noticesKept is how many notices wait for a slow builder: each only says "look", so more tell nothing new.
const noticesKept = 16

// Notices tells builders of their tasks as the read models learn of them. It implements Notifier; Watch is for projections.Engine.OnCommit.
type Notices struct {
	mu    sync.Mutex
	next  int
	hosts map[int64]map[int]chan Notice
	runs  map[int64]int64 // task → host that has it
	waits map[int64]int64 // unfinished child → parent
}

// NewNotices makes a notifier without subscribers.
func NewNotices() *Notices {
	return &Notices{hosts: map[int64]map[int]chan Notice{}, runs: map[int64]int64{}, waits: map[int64]int64{}}
}

// Subscribe implements Notifier.
func (n *Notices) Subscribe(hostID int64) (<-chan Notice, func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	key, ch := n.next, make(chan Notice, noticesKept)
	if n.hosts[hostID] == nil {
		n.hosts[hostID] = map[int]chan Notice{}
	}
	n.hosts[hostID][key] = ch
	return ch, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.hosts[hostID], key)
	}
}

// Watch turns commits into notices. It knows the tasks that were assigned since this process began; builders look by themselves now and then
// for the sake of older ones.
func (n *Notices) Watch(commits []*events.Commit) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range commits {
		for _, e := range c.Events {
			n.note(e)
		}
	}
}

func (n *Notices) note(e events.Event) {
	switch e := e.(type) {
	case events.TaskCreated:
		if e.HostID != 0 {
			n.assigned(e.ID, e.HostID)
		}
		if e.Parent != 0 {
			n.waits[e.ID] = e.Parent
		}
	case events.TaskAssigned:
		n.assigned(e.ID, e.HostID)
	case events.TaskOpened:
		n.runs[e.ID] = e.HostID
	case events.TaskFreed:
		n.ended(e.ID, "canceled")
	case events.TaskCanceled:
		n.ended(e.ID, "canceled")
		n.awaited(e.ID)
	case events.TaskClosed:
		n.ended(e.ID, "")
		n.awaited(e.ID)
	case events.TaskFailed:
		n.ended(e.ID, "")
		n.awaited(e.ID)
	}
}

func (n *Notices) assigned(id, host int64) {
	if old := n.runs[id]; old != 0 && old != host {
		n.send(old, Notice{Reason: "canceled", Task: id})
	}
	n.runs[id] = host
	n.send(host, Notice{Reason: "assigned", Task: id})
}

func (n *Notices) ended(id int64, reason string) {
	if host := n.runs[id]; host != 0 && reason != "" {
		n.send(host, Notice{Reason: reason, Task: id})
	}
	delete(n.runs, id)
}

// awaited tells the host of the parent that a sub-task is finished.
func (n *Notices) awaited(id int64) {
	parent := n.waits[id]
	if host := n.runs[parent]; host != 0 {
		n.send(host, Notice{Reason: "awaited", Task: parent})
	}
	delete(n.waits, id)
}

func (n *Notices) send(host int64, x Notice) {
	for _, ch := range n.hosts[host] {
		select {
		case ch <- x:
		default: // full: the builder is about to look anyway
		}
	}
}
