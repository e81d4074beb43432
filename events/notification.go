package events

// NotificationRegistered: stream notification-USER. The user wants to be told of builds of a package (nil: of any) and into a tag (nil: any).
type NotificationRegistered struct {
	ID          int64  `json:"id"`
	UserID      int64  `json:"user_id"`
	PackageID   *int64 `json:"package_id,omitempty"`
	TagID       *int64 `json:"tag_id,omitempty"`
	SuccessOnly bool   `json:"success_only,omitempty"`
	Email       string `json:"email"`
}

// NotificationEdited gives a registration another package, tag and condition.
type NotificationEdited struct {
	ID          int64  `json:"id"`
	PackageID   *int64 `json:"package_id,omitempty"`
	TagID       *int64 `json:"tag_id,omitempty"`
	SuccessOnly bool   `json:"success_only,omitempty"`
}

// NotificationRemoved ends a registration.
type NotificationRemoved struct {
	ID int64 `json:"id"`
}

// NotificationBlocked: stream notification-USER. The user does not want to be told of builds of a package (nil: of any) and into a tag (nil:
// any), whatever else would have them told.
type NotificationBlocked struct {
	ID        int64  `json:"id"`
	UserID    int64  `json:"user_id"`
	PackageID *int64 `json:"package_id,omitempty"`
	TagID     *int64 `json:"tag_id,omitempty"`
}

// NotificationUnblocked ends a block.
type NotificationUnblocked struct {
	ID int64 `json:"id"`
}

func (NotificationRegistered) EventType() string { return "notification.registered" }
func (NotificationEdited) EventType() string     { return "notification.edited" }
func (NotificationRemoved) EventType() string    { return "notification.removed" }
func (NotificationBlocked) EventType() string    { return "notification.blocked" }
func (NotificationUnblocked) EventType() string  { return "notification.unblocked" }

func notificationEvents() []registration {
	return []registration{of[NotificationRegistered](), of[NotificationEdited](), of[NotificationRemoved](), of[NotificationBlocked](),
		of[NotificationUnblocked]()}
}
