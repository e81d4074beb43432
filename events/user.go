package events

// UserCreated: stream user-ID. Type is koji.UserType: a person, a host or a group.
type UserCreated struct {
	ID         int64    `json:"id"`
	Name       string   `json:"name"`
	Type       int      `json:"type"`
	Status     int      `json:"status"`
	Principals []string `json:"principals,omitempty"`
}

// UserRenamed: the user has another name from here on.
type UserRenamed struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// UserStatusSet blocks or enables logins (koji.UserStatus).
type UserStatusSet struct {
	ID     int64 `json:"id"`
	Status int   `json:"status"`
}

// UserTypeSet: a person's account became a host's.
type UserTypeSet struct {
	ID   int64 `json:"id"`
	Type int   `json:"type"`
}

// UserPrincipalAdded lets a Kerberos principal log in as the user.
type UserPrincipalAdded struct {
	ID        int64  `json:"id"`
	Principal string `json:"principal"`
}

// UserPrincipalRemoved takes that away.
type UserPrincipalRemoved struct {
	ID        int64  `json:"id"`
	Principal string `json:"principal"`
}

// PermissionGranted gives the user a permission.
type PermissionGranted struct {
	UserID       int64 `json:"user_id"`
	PermissionID int64 `json:"perm_id"`
}

// PermissionRevoked takes it away.
type PermissionRevoked struct {
	UserID       int64 `json:"user_id"`
	PermissionID int64 `json:"perm_id"`
}

// GroupJoined: the user became a member of a group (a user of type GROUP). In the member's stream.
type GroupJoined struct {
	UserID  int64 `json:"user_id"`
	GroupID int64 `json:"group_id"`
}

// GroupLeft: the user is no longer a member.
type GroupLeft struct {
	UserID  int64 `json:"user_id"`
	GroupID int64 `json:"group_id"`
}

func (UserCreated) EventType() string          { return "user.created" }
func (UserRenamed) EventType() string          { return "user.renamed" }
func (UserStatusSet) EventType() string        { return "user.status_set" }
func (UserTypeSet) EventType() string          { return "user.type_set" }
func (UserPrincipalAdded) EventType() string   { return "user.principal_added" }
func (UserPrincipalRemoved) EventType() string { return "user.principal_removed" }
func (PermissionGranted) EventType() string    { return "user.permission_granted" }
func (PermissionRevoked) EventType() string    { return "user.permission_revoked" }
func (GroupJoined) EventType() string          { return "user.group_joined" }
func (GroupLeft) EventType() string            { return "user.group_left" }

func userEvents() []registration {
	return []registration{of[UserCreated](), of[UserRenamed](), of[UserStatusSet](), of[UserTypeSet](), of[UserPrincipalAdded](), of[UserPrincipalRemoved](),
		of[PermissionGranted](), of[PermissionRevoked](), of[GroupJoined](), of[GroupLeft]()}
}
