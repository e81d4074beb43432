package hub

import (
	"moromi/aggregates/notification"
	"moromi/commands"
	"moromi/internal/fault"
	notifymodel "moromi/projections/notification"
)

// notificationMethods are what users want, and do not want, to be told of builds.
func notificationMethods(d Deps) []Method {
	own := Custom("users change what they are told themselves, administrators anybody's; the command checks")
	return []Method{
		{Name: "getBuildNotifications", Params: "userID=None", Auth: Anonymous, Help: "What a user is told of; without a user, the caller.",
			Func: d.notificationsOf(notifymodel.Registered())},
		{Name: "getBuildNotification", Params: "id, strict=False", Auth: Anonymous, Help: "One notification by id.", Func: d.notificationByID(notifymodel.Registered())},
		{Name: "createNotification", Params: "user_id, package_id, tag_id, success_only", Auth: own, Write: true,
			Help: "Have a user told of builds of a package and into a tag; null is any.", Func: d.createNotification},
		{Name: "updateNotification", Params: "id, package_id, tag_id, success_only", Auth: own, Write: true,
			Help: "Change what a notification is about.", Func: d.updateNotification},
		{Name: "deleteNotification", Params: "id", Auth: own, Write: true, Help: "End a notification.", Func: d.deleteNotification},
		{Name: "getBuildNotificationBlocks", Params: "userID=None", Auth: Anonymous, Help: "What a user is not told of; without a user, the caller.",
			Func: d.notificationsOf(notifymodel.Blocks())},
		{Name: "getBuildNotificationBlock", Params: "id, strict=False", Auth: Anonymous, Help: "One opt-out by id.", Func: d.notificationByID(notifymodel.Blocks())},
		{Name: "createNotificationBlock", Params: "user_id, package_id=None, tag_id=None", Auth: own, Write: true,
			Help: "Keep a user from being told of builds of a package and into a tag; null is any.", Func: d.createNotificationBlock},
		{Name: "deleteNotificationBlock", Params: "id", Auth: own, Write: true, Help: "End an opt-out.", Func: d.deleteNotificationBlock},
	}
}

func (d Deps) notificationsOf(k notifymodel.Kind) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		u, err := d.theUser(c, a.Get("userID"))
		if err != nil {
			return nil, err
		}
		return k.OfUser(c.Context(), d.DB, u["id"].(int64))
	}
}

func (d Deps) notificationByID(k notifymodel.Kind) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		id, err := a.Lookup("id")
		if err != nil {
			return nil, err
		}
		n, err := k.Get(c.Context(), d.DB, id)
		if err != nil {
			return nil, err
		}
		if n == nil {
			if a.Bool("strict") {
				return nil, fault.New(fault.Generic, "No notification with ID %d found", id)
			}
			return nil, nil
		}
		return n, nil
	}
}

// notified is whom a new notification or block is for, and on whose behalf it is made.
func (d Deps) notified(c *Call, a Args) (id int64, name string, actor commands.Actor, err error) {
	if !c.LoggedIn() {
		return 0, "", actor, fault.New(fault.Generic, "Not logged-in")
	}
	u, err := d.theUser(c, a.Get("user_id"))
	if err != nil {
		return 0, "", actor, err
	}
	if actor, err = d.actor(c); err != nil {
		return 0, "", actor, err
	}
	return u["id"].(int64), u["name"].(string), actor, commands.MayNotify(actor, u["id"].(int64), "create notifications")
}

// subject reads the package and the tag that a notification is about.
func (d Deps) subject(c *Call, a Args) (s notification.Subject, err error) {
	if info := a.Get("package_id"); info != nil {
		p, err := d.thePackage(c, info)
		if err != nil {
			return s, err
		}
		s.Package = p["id"].(int64)
	}
	if info := a.Get("tag_id"); info != nil {
		s.Tag, err = d.theEverTag(c, info)
	}
	return s, err
}

func (d Deps) createNotification(c *Call, a Args) (any, error) {
	user, name, actor, err := d.notified(c, a)
	if err != nil {
		return nil, err
	}
	about, err := d.subject(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RegisterNotification(c.Context(), actor, commands.Notification{UserID: user, UserName: name, About: about, SuccessOnly: a.Bool("success_only")})
}

func (d Deps) createNotificationBlock(c *Call, a Args) (any, error) {
	user, _, actor, err := d.notified(c, a)
	if err != nil {
		return nil, err
	}
	about, err := d.subject(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.BlockNotification(c.Context(), actor, user, about)
}

// notificationChange is the id of what a change is for, and on whose behalf it is.
func (d Deps) notificationChange(c *Call, a Args) (int64, commands.Actor, error) {
	var actor commands.Actor
	if !c.LoggedIn() {
		return 0, actor, fault.New(fault.Generic, "Not logged-in")
	}
	id, err := a.Int("id")
	if err != nil {
		return 0, actor, err
	}
	actor, err = d.actor(c)
	return id, actor, err
}

func (d Deps) updateNotification(c *Call, a Args) (any, error) {
	id, actor, err := d.notificationChange(c, a)
	if err == nil {
		err = d.Service.MayEditNotification(c.Context(), actor, id) // before a look at what it is to be about
	}
	if err != nil {
		return nil, err
	}
	about, err := d.subject(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.EditNotification(c.Context(), actor, id, about, a.Bool("success_only"))
}

func (d Deps) deleteNotification(c *Call, a Args) (any, error) {
	id, actor, err := d.notificationChange(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.DeleteNotification(c.Context(), actor, id)
}

func (d Deps) deleteNotificationBlock(c *Call, a Args) (any, error) {
	id, actor, err := d.notificationChange(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.UnblockNotification(c.Context(), actor, id)
}
