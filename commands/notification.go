package commands

import (
	"context"

	"moromi/aggregates/notification"
	"moromi/events"
	"moromi/internal/fault"
	notifymodel "moromi/projections/notification"
	"moromi/projections/query"
)

// Notification is a user's wish to be told of builds.
type Notification struct {
	UserID      int64
	UserName    string
	About       notification.Subject
	SuccessOnly bool
}

// RegisterNotification has a user told of builds; only the user or an administrator may.
func (s *Service) RegisterNotification(ctx context.Context, a Actor, in Notification) error {
	if err := MayNotify(a, in.UserID, "create notifications"); err != nil {
		return err
	}
	id, err := s.newNotification(ctx, a, in.UserID, "notification", func(b *notification.Book) error { return b.Fresh(in.About, in.SuccessOnly) })
	if err != nil {
		return err
	}
	return s.decideNotification(ctx, a, "create notification", in.UserID, func(b *notification.Book) ([]events.Event, error) {
		return b.Register(id, in.UserID, in.About, in.SuccessOnly, s.address(in.UserName))
	})
}

// MayEditNotification refuses a notification that is not there, and one of somebody else.
func (s *Service) MayEditNotification(ctx context.Context, a Actor, id int64) error {
	_, err := s.editable(ctx, a, id)
	return err
}

// editable gives the user of a notification that the actor may edit.
func (s *Service) editable(ctx context.Context, a Actor, id int64) (user int64, err error) {
	n, err := s.theNotification(ctx, notifymodel.Registered(), id)
	if err != nil {
		return 0, err
	}
	user = n["user_id"].(int64)
	return user, MayNotify(a, user, "update notifications")
}

// EditNotification changes what a notification is about.
func (s *Service) EditNotification(ctx context.Context, a Actor, id int64, about notification.Subject, successOnly bool) error {
	user, err := s.editable(ctx, a, id)
	if err != nil {
		return err
	}
	return s.decideNotification(ctx, a, "update notification", user, func(b *notification.Book) ([]events.Event, error) {
		return b.Edit(id, about, successOnly)
	})
}

// DeleteNotification ends a notification.
func (s *Service) DeleteNotification(ctx context.Context, a Actor, id int64) error {
	n, err := s.theNotification(ctx, notifymodel.Registered(), id)
	if err != nil {
		return err
	}
	user := n["user_id"].(int64)
	if err := MayNotify(a, user, "delete notifications"); err != nil {
		return err
	}
	return s.decideNotification(ctx, a, "delete notification", user, func(b *notification.Book) ([]events.Event, error) { return b.Remove(id) })
}

// BlockNotification keeps a user from being told of builds.
func (s *Service) BlockNotification(ctx context.Context, a Actor, user int64, about notification.Subject) error {
	if err := MayNotify(a, user, "create notification blocks"); err != nil {
		return err
	}
	id, err := s.newNotification(ctx, a, user, "notification_block", func(b *notification.Book) error { return b.FreshBlock(about) })
	if err != nil {
		return err
	}
	return s.decideNotification(ctx, a, "create notification block", user, func(b *notification.Book) ([]events.Event, error) {
		return b.Block(id, user, about)
	})
}

// UnblockNotification ends a block.
func (s *Service) UnblockNotification(ctx context.Context, a Actor, id int64) error {
	n, err := s.theNotification(ctx, notifymodel.Blocks(), id)
	if err != nil {
		return err
	}
	user := n["user_id"].(int64)
	if err := MayNotify(a, user, "delete notification blocks"); err != nil {
		return err
	}
	return s.decideNotification(ctx, a, "delete notification block", user, func(b *notification.Book) ([]events.Event, error) { return b.Unblock(id) })
}

// newNotification draws the id of a new notification or block, unless it is refused: clients see the ids, and refusals leave no gaps in Koji.
func (s *Service) newNotification(ctx context.Context, a Actor, user int64, kind string, fresh func(*notification.Book) error) (int64, error) {
	_, err := DecideOnly(ctx, s, a, "check "+kind, notification.Stream(user), func(b *notification.Book) ([]events.Event, error) { return nil, fresh(b) })
	if err != nil {
		return 0, err
	}
	return s.nextID(ctx, kind)
}

func (s *Service) decideNotification(ctx context.Context, a Actor, command string, user int64, decide func(*notification.Book) ([]events.Event, error)) error {
	_, err := Decide(ctx, s, a, command, notification.Stream(user), decide)
	return err
}

func (s *Service) theNotification(ctx context.Context, k notifymodel.Kind, id int64) (query.Row, error) {
	n, err := k.Get(ctx, s.DB, id)
	if err == nil && n == nil {
		err = fault.New(fault.Generic, "No notification with ID %d found", id)
	}
	return n, err
}

// MayNotify refuses to change what someone else is told.
func MayNotify(a Actor, user int64, what string) error {
	if a.UserID == user || a.Admin {
		return nil
	}
	return fault.New(fault.Generic, "user %d cannot %s for user %d", a.UserID, what, user)
}
