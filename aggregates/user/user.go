// Package user decides about one user: a person, a build host or a group of users.
package user

import (
	"fmt"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

// Stream is the stream of a user.
func Stream(id int64) string { return fmt.Sprintf("user-%d", id) }

// User is the folded state of one user. The zero value does not exist.
type User struct {
	ID          int64
	Name        string
	Type        koji.UserType
	Status      koji.UserStatus
	principals  map[string]bool
	permissions map[int64]bool
	groups      map[int64]bool
}

// Exists tells whether the user was created.
func (u *User) Exists() bool { return u.ID != 0 }

// Apply takes an event of the stream.
func (u *User) Apply(e events.Event) {
	switch e := e.(type) {
	case events.UserCreated:
		*u = User{ID: e.ID, Name: e.Name, Type: koji.UserType(e.Type), Status: koji.UserStatus(e.Status),
			principals: map[string]bool{}, permissions: map[int64]bool{}, groups: map[int64]bool{}}
		for _, p := range e.Principals {
			u.principals[p] = true
		}
	case events.UserRenamed:
		u.Name = e.Name
	case events.UserStatusSet:
		u.Status = koji.UserStatus(e.Status)
	case events.UserTypeSet:
		u.Type = koji.UserType(e.Type)
	case events.UserPrincipalAdded:
		u.principals[e.Principal] = true
	case events.UserPrincipalRemoved:
		delete(u.principals, e.Principal)
	case events.PermissionGranted:
		u.permissions[e.PermissionID] = true
	case events.PermissionRevoked:
		delete(u.permissions, e.PermissionID)
	case events.GroupJoined:
		u.groups[e.GroupID] = true
	case events.GroupLeft:
		delete(u.groups, e.GroupID)
	}
}

// Create makes the user.
func (u *User) Create(id int64, name string, t koji.UserType, st koji.UserStatus, principals ...string) ([]events.Event, error) {
	switch {
	case u.Exists():
		return nil, fault.New(fault.Generic, "user already exists: %s", name)
	case t < koji.UserNormal || t > koji.UserGroup:
		return nil, fault.New(fault.Generic, "invalid user type: %d", t)
	case st != koji.StatusNormal && st != koji.StatusBlocked:
		return nil, fault.New(fault.Generic, "invalid status: %d", st)
	}
	return []events.Event{events.UserCreated{ID: id, Name: name, Type: int(t), Status: int(st), Principals: principals}}, nil
}

// SetStatus blocks or enables logins; nothing happens when it is so already.
func (u *User) SetStatus(st koji.UserStatus) ([]events.Event, error) {
	if !u.Exists() {
		return nil, fault.New(fault.Generic, "No such user")
	}
	if u.Status == st {
		return nil, nil
	}
	return []events.Event{events.UserStatusSet{ID: u.ID, Status: int(st)}}, nil
}

// Edit renames the user (name "" keeps it) and takes away and adds principals.
func (u *User) Edit(name string, remove, add []string) ([]events.Event, error) {
	var evs []events.Event
	if name != "" && name != u.Name {
		evs = append(evs, events.UserRenamed{ID: u.ID, Name: name})
	}
	for _, p := range remove {
		if !u.principals[p] {
			return nil, fault.New(fault.Generic, "Cannot remove non-existent Kerberos principals: %s", p)
		}
		evs = append(evs, events.UserPrincipalRemoved{ID: u.ID, Principal: p})
	}
	for _, p := range add {
		if u.principals[p] {
			return nil, fault.New(fault.Generic, "Cannot add existing Kerberos principals: %s", p)
		}
		evs = append(evs, events.UserPrincipalAdded{ID: u.ID, Principal: p})
	}
	return evs, nil
}

// BecomeHost makes a person's account a build host's.
func (u *User) BecomeHost() []events.Event {
	if u.Type == koji.UserHost {
		return nil
	}
	return []events.Event{events.UserTypeSet{ID: u.ID, Type: int(koji.UserHost)}}
}

// RemovePrincipal takes one principal away.
func (u *User) RemovePrincipal(p string) ([]events.Event, error) {
	if !u.principals[p] {
		return nil, fault.New(fault.Auth, "cannot remove Kerberos Principal: %s with user %s", p, u.Name)
	}
	return []events.Event{events.UserPrincipalRemoved{ID: u.ID, Principal: p}}, nil
}

// Grant gives a permission that the user does not hold directly.
func (u *User) Grant(perm int64, name string) ([]events.Event, error) {
	if u.permissions[perm] {
		return nil, fault.New(fault.Generic, "user %s already has permission: %s", u.Name, name)
	}
	return []events.Event{events.PermissionGranted{UserID: u.ID, PermissionID: perm}}, nil
}

// Revoke takes away a permission that the user holds directly.
func (u *User) Revoke(perm int64, name string) ([]events.Event, error) {
	if !u.permissions[perm] {
		return nil, fault.New(fault.Generic, "user %s does not have permission: %s", u.Name, name)
	}
	return []events.Event{events.PermissionRevoked{UserID: u.ID, PermissionID: perm}}, nil
}

// Join makes the user a member of a group. Unless strict, being one already is fine.
func (u *User) Join(group int64, strict bool) ([]events.Event, error) {
	if u.Type == koji.UserGroup {
		return nil, fault.New(fault.Generic, "Groups cannot be members of other groups")
	}
	if u.groups[group] {
		if strict {
			return nil, fault.New(fault.Generic, "User already in group")
		}
		return nil, nil
	}
	return []events.Event{events.GroupJoined{UserID: u.ID, GroupID: group}}, nil
}

// Leave ends a membership.
func (u *User) Leave(group int64, name string) ([]events.Event, error) {
	if !u.groups[group] {
		return nil, fault.New(fault.Generic, "No such user in group: %s", name)
	}
	return []events.Event{events.GroupLeft{UserID: u.ID, GroupID: group}}, nil
}
