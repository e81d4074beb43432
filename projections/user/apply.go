// Package user is the read model of users, groups, permissions and who holds what.
package user

import (
	"moromi/events"
	"moromi/projections"
)

// Projection writes users, user_krb_principals, user_perms and user_groups.
type Projection struct{ perms, groups projections.Versioned }

// New makes the projection.
func New() *Projection {
	return &Projection{
		perms:  projections.NewVersioned("user_perms", []string{"user_id", "perm_id"}),
		groups: projections.NewVersioned("user_groups", []string{"user_id", "group_id"}),
	}
}

// Handles lists the events of the user aggregate.
func (p *Projection) Handles() []string {
	return []string{"user.created", "user.renamed", "user.status_set", "user.type_set", "user.principal_added", "user.principal_removed",
		"user.permission_granted", "user.permission_revoked", "user.group_joined", "user.group_left"}
}

// Apply queues the rows of one event.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	switch e := e.(type) {
	case events.UserCreated:
		b.Exec(`insert into users (id, name, status, usertype) values ($1, $2, $3, $4)`, e.ID, e.Name, e.Status, e.Type)
		for _, k := range e.Principals {
			addPrincipal(b, e.ID, k)
		}
	case events.UserRenamed:
		b.Exec(`update users set name = $2 where id = $1`, e.ID, e.Name)
	case events.UserStatusSet:
		b.Exec(`update users set status = $2 where id = $1`, e.ID, e.Status)
	case events.UserTypeSet:
		b.Exec(`update users set usertype = $2 where id = $1`, e.ID, e.Type)
	case events.UserPrincipalAdded:
		addPrincipal(b, e.ID, e.Principal)
	case events.UserPrincipalRemoved:
		b.Exec(`delete from user_krb_principals where user_id = $1 and krb_principal = $2`, e.ID, e.Principal)
	case events.PermissionGranted:
		projections.NoteEvent(b, c)
		p.perms.Insert(b, c, e.UserID, e.PermissionID)
	case events.PermissionRevoked:
		projections.NoteEvent(b, c)
		p.perms.Revoke(b, c, e.UserID, e.PermissionID)
	case events.GroupJoined:
		projections.NoteEvent(b, c)
		p.groups.Insert(b, c, e.UserID, e.GroupID)
	case events.GroupLeft:
		projections.NoteEvent(b, c)
		p.groups.Revoke(b, c, e.UserID, e.GroupID)
	}
	return nil
}

func addPrincipal(b *projections.Batch, id int64, principal string) {
	b.Exec(`insert into user_krb_principals (user_id, krb_principal) values ($1, $2)`, id, principal)
}
