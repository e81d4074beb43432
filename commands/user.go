package commands

import (
	"context"

	"moromi/aggregates/catalog"
	"moromi/aggregates/name"
	"moromi/aggregates/user"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	usermodel "moromi/projections/user"
)

// CreateUser is a user to be made. Principal may be empty.
type CreateUser struct {
	Name      string
	Type      koji.UserType
	Status    koji.UserStatus
	Principal string
}

// CreateUser makes a user and answers its id.
func (s *Service) CreateUser(ctx context.Context, a Actor, in CreateUser) (int64, error) {
	if in.Name == "" {
		return 0, fault.New(fault.Generic, "a user must have a non-empty name")
	}
	verify := koji.VerifyUserName
	if in.Type == koji.UserGroup {
		verify = koji.VerifyName
	}
	if err := verify(in.Name); err != nil {
		return 0, err
	}
	if there, err := usermodel.ByName(ctx, s.DB, in.Name); err != nil || there != nil {
		return 0, orFault(err, fault.New(fault.Generic, "user already exists: %s", in.Name))
	}
	var principals []string
	if in.Principal != "" {
		if err := s.freePrincipal(ctx, in.Principal); err != nil {
			return 0, err
		}
		principals = []string{in.Principal}
	}
	// invalid type or status must not use up the name
	if _, err := new(user.User).Create(0, in.Name, in.Type, in.Status); err != nil {
		return 0, err
	}
	return makeNamed(ctx, s, a, "create user", name.User, in.Name, user.Stream, func(id int64, u *user.User) ([]events.Event, error) {
		return u.Create(id, in.Name, in.Type, in.Status, principals...)
	})
}

// orFault is err, or f if err is nil.
func orFault(err error, f *fault.Error) error {
	if err != nil {
		return err
	}
	return f
}

func (s *Service) freePrincipal(ctx context.Context, principal string) error {
	if err := koji.VerifyUserName(principal); err != nil {
		return err
	}
	if err := s.Realms.Check(principal); err != nil {
		return err
	}
	if there, err := usermodel.ByPrincipal(ctx, s.DB, principal); err != nil || there != nil {
		return orFault(err, fault.New(fault.Generic, "user with this Kerberos principal already exists: %s", principal))
	}
	return nil
}

func (s *Service) decideUser(ctx context.Context, a Actor, command string, id int64, f func(*user.User) ([]events.Event, error)) error {
	_, err := Decide(ctx, s, a, command, user.Stream(id), f)
	return err
}

// SetUserStatus blocks or enables a user's logins.
func (s *Service) SetUserStatus(ctx context.Context, a Actor, id int64, st koji.UserStatus) error {
	return s.decideUser(ctx, a, "set user status", id, func(u *user.User) ([]events.Event, error) { return u.SetStatus(st) })
}

// EditUser renames a user (newName "" keeps the name) and takes away and adds Kerberos principals.
func (s *Service) EditUser(ctx context.Context, a Actor, id int64, newName string, remove, add []string) error {
	for _, p := range add {
		if err := s.freePrincipal(ctx, p); err != nil {
			return err
		}
	}
	if newName != "" {
		if err := koji.VerifyUserName(newName); err != nil {
			return err
		}
		if err := s.rename(ctx, a, name.User, id, newName); err != nil {
			return err
		}
	}
	return s.decideUser(ctx, a, "edit user", id, func(u *user.User) ([]events.Event, error) { return u.Edit(newName, remove, add) })
}

// AddPrincipal lets a Kerberos principal log in as the user.
func (s *Service) AddPrincipal(ctx context.Context, a Actor, id int64, principal string) error {
	return s.EditUser(ctx, a, id, "", nil, []string{principal})
}

// RemovePrincipal takes a Kerberos principal away from the user.
func (s *Service) RemovePrincipal(ctx context.Context, a Actor, id int64, principal string) error {
	return s.decideUser(ctx, a, "remove principal", id, func(u *user.User) ([]events.Event, error) { return u.RemovePrincipal(principal) })
}

// GrantPermission gives a user a permission.
func (s *Service) GrantPermission(ctx context.Context, a Actor, id, perm int64, permName string) error {
	return s.decideUser(ctx, a, "grant permission", id, func(u *user.User) ([]events.Event, error) { return u.Grant(perm, permName) })
}

// RevokePermission takes a permission from a user.
func (s *Service) RevokePermission(ctx context.Context, a Actor, id, perm int64, permName string) error {
	return s.decideUser(ctx, a, "revoke permission", id, func(u *user.User) ([]events.Event, error) { return u.Revoke(perm, permName) })
}

// JoinGroup makes a user a member of a group.
func (s *Service) JoinGroup(ctx context.Context, a Actor, id, group int64, strict bool) error {
	return s.decideUser(ctx, a, "join group", id, func(u *user.User) ([]events.Event, error) { return u.Join(group, strict) })
}

// LeaveGroup ends a user's membership in a group.
func (s *Service) LeaveGroup(ctx context.Context, a Actor, id, group int64, groupName string) error {
	return s.decideUser(ctx, a, "leave group", id, func(u *user.User) ([]events.Event, error) { return u.Leave(group, groupName) })
}

// DefinePermission makes a permission and answers its id; with a description it sets the description of one that is there.
func (s *Service) DefinePermission(ctx context.Context, a Actor, permName, description string) (int64, error) {
	if err := koji.VerifyName(permName); err != nil {
		return 0, err
	}
	var id int64
	_, err := Decide(ctx, s, a, "define permission", catalog.Stream(catalog.Permission), func(c *catalog.Catalog) ([]events.Event, error) {
		var there bool
		id, there = c.ID(permName)
		if there && description == "" {
			return nil, nil
		}
		evs := c.DefinePermission(permName, description)
		id = evs[0].(events.PermissionDefined).ID
		return evs, nil
	})
	return id, err
}
