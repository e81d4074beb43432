package commands

import (
	"context"
	"fmt"

	"moromi/internal/fault"
	"moromi/internal/koji"
	usermodel "moromi/projections/user"
)

// Enrol is somebody who logs in for the first time and is known to be who they say.
type Enrol struct {
	Name      string
	Principal string // the Kerberos principal; empty for certificates
	// Join lets the principal become another one of a user of this name who is there already.
	Join bool
}

// Enrol makes the user of a first login and answers its id; or it gives the principal to the user of that name, as Koji does. Logins of the
// same newcomer at once make one user.
func (s *Service) Enrol(ctx context.Context, in Enrol) (int64, error) {
	for again := false; ; again = true {
		id, err := s.enrolled(ctx, in)
		if err != nil || id != 0 {
			return id, err
		}
		id, err = s.CreateUser(ctx, Actor{}, CreateUser{Name: in.Name, Principal: in.Principal})
		if err == nil || again || fault.Of(err) == nil {
			return id, err
		}
		// refused: the name is bad, or another login made the user just now; the second round tells
		if err := s.Models.CatchUp(ctx); err != nil {
			return 0, fmt.Errorf("first login: %w", err)
		}
	}
}

// enrolled gives the id of the user who is there, 0 if there is none.
func (s *Service) enrolled(ctx context.Context, in Enrol) (int64, error) {
	if in.Principal != "" {
		if u, err := usermodel.ByPrincipal(ctx, s.DB, in.Principal); err != nil || u != nil {
			return idOf(u), err
		}
	}
	u, err := usermodel.ByName(ctx, s.DB, in.Name)
	if err != nil || u == nil {
		return 0, err
	}
	switch {
	case in.Principal == "" && u["name"] == in.Name:
		return idOf(u), nil
	case u["name"] != in.Name || koji.UserType(u["usertype"].(int64)) == koji.UserGroup:
		return 0, fault.New(fault.Auth, "%s is not the name of a user who can log in", in.Name)
	case koji.UserStatus(u["status"].(int64)) != koji.StatusNormal:
		return 0, fault.New(fault.Auth, "logins by %s are not allowed", in.Name)
	case !in.Join:
		return 0, fault.New(fault.Auth, "%s is not a Kerberos principal of the user %s: an administrator can add it", in.Principal, in.Name)
	}
	id := idOf(u)
	if err := s.AddPrincipal(ctx, Actor{}, id, in.Principal); err != nil {
		if now, lookErr := usermodel.ByPrincipal(ctx, s.DB, in.Principal); lookErr == nil && idOf(now) == id {
			return id, nil // another login was first
		}
		return 0, fmt.Errorf("add principal at first login: %w", err)
	}
	return id, nil
}

// idOf is the id of a user's row, 0 without one.
func idOf(u map[string]any) int64 {
	id, _ := u["id"].(int64)
	return id
}
