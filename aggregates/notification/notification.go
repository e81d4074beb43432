// Package notification decides about what one user wants, and does not want, to be told of builds.
package notification

import (
	"fmt"

	"moromi/events"
	"moromi/internal/fault"
)

// Stream is the stream of a user's notifications.
func Stream(user int64) string { return fmt.Sprintf("notification-%d", user) }

// Subject is what a notification or a block is about; 0 is any package or tag.
type Subject struct{ Package, Tag int64 }

func subject(pkg, tag *int64) (s Subject) {
	if pkg != nil {
		s.Package = *pkg
	}
	if tag != nil {
		s.Tag = *tag
	}
	return s
}

func (s Subject) pointers() (pkg, tag *int64) {
	if s.Package != 0 {
		pkg = &s.Package
	}
	if s.Tag != 0 {
		tag = &s.Tag
	}
	return pkg, tag
}

type wish struct {
	Subject
	successOnly bool
}

// Book is the folded state of one user's notifications and blocks. The zero value has none.
type Book struct {
	wishes map[int64]wish
	blocks map[int64]Subject
}

// Apply takes an event of the stream.
func (b *Book) Apply(e events.Event) {
	if b.wishes == nil {
		b.wishes, b.blocks = map[int64]wish{}, map[int64]Subject{}
	}
	switch e := e.(type) {
	case events.NotificationRegistered:
		b.wishes[e.ID] = wish{subject(e.PackageID, e.TagID), e.SuccessOnly}
	case events.NotificationEdited:
		b.wishes[e.ID] = wish{subject(e.PackageID, e.TagID), e.SuccessOnly}
	case events.NotificationRemoved:
		delete(b.wishes, e.ID)
	case events.NotificationBlocked:
		b.blocks[e.ID] = subject(e.PackageID, e.TagID)
	case events.NotificationUnblocked:
		delete(b.blocks, e.ID)
	}
}

// Fresh refuses a notification that the user has already.
func (b *Book) Fresh(about Subject, successOnly bool) error {
	for _, have := range b.wishes {
		if have == (wish{about, successOnly}) {
			return fault.New(fault.Generic, "notification already exists")
		}
	}
	return nil
}

// Register adds a notification; the same one twice is refused.
func (b *Book) Register(id, user int64, about Subject, successOnly bool, email string) ([]events.Event, error) {
	if err := b.Fresh(about, successOnly); err != nil {
		return nil, err
	}
	pkg, tag := about.pointers()
	return []events.Event{events.NotificationRegistered{ID: id, UserID: user, PackageID: pkg, TagID: tag, SuccessOnly: successOnly, Email: email}}, nil
}

// Edit changes a notification; into one that is there already, itself included, is refused.
func (b *Book) Edit(id int64, about Subject, successOnly bool) ([]events.Event, error) {
	if _, ok := b.wishes[id]; !ok {
		return nil, fault.New(fault.Generic, "No notification with ID %d found", id)
	}
	if err := b.Fresh(about, successOnly); err != nil {
		return nil, err
	}
	pkg, tag := about.pointers()
	return []events.Event{events.NotificationEdited{ID: id, PackageID: pkg, TagID: tag, SuccessOnly: successOnly}}, nil
}

// Remove ends a notification.
func (b *Book) Remove(id int64) ([]events.Event, error) {
	if _, ok := b.wishes[id]; !ok {
		return nil, fault.New(fault.Generic, "No notification with ID %d found", id)
	}
	return []events.Event{events.NotificationRemoved{ID: id}}, nil
}

// FreshBlock refuses a block that the user has already.
func (b *Book) FreshBlock(about Subject) error {
	for _, have := range b.blocks {
		if have == about {
			return fault.New(fault.Generic, "notification already exists")
		}
	}
	return nil
}

// Block adds a block; the same one twice is refused.
func (b *Book) Block(id, user int64, about Subject) ([]events.Event, error) {
	if err := b.FreshBlock(about); err != nil {
		return nil, err
	}
	pkg, tag := about.pointers()
	return []events.Event{events.NotificationBlocked{ID: id, UserID: user, PackageID: pkg, TagID: tag}}, nil
}

// Unblock ends a block.
func (b *Book) Unblock(id int64) ([]events.Event, error) {
	if _, ok := b.blocks[id]; !ok {
		return nil, fault.New(fault.Generic, "No notification block with ID %d found", id)
	}
	return []events.Event{events.NotificationUnblocked{ID: id}}, nil
}
