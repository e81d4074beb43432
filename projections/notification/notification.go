// Package notification is the read model of who wants to be told of which builds.
package notification

import (
	"context"

	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections"
	"moromi/projections/query"
)

// Projection writes build_notifications and build_notifications_block.
type Projection struct{}

// New makes the projection.
func New() *Projection { return &Projection{} }

// Handles lists the events of notifications.
func (p *Projection) Handles() []string {
	return []string{"notification.registered", "notification.edited", "notification.removed", "notification.blocked", "notification.unblocked"}
}

// Apply queues the rows of one event. Koji keeps no history of these, and neither do these tables.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	at := int64(c.Position)
	switch e := e.(type) {
	case events.NotificationRegistered:
		b.Exec(`insert into build_notifications (id, user_id, package_id, tag_id, success_only, email, since) values ($1, $2, $3, $4, $5, $6, $7)`,
			e.ID, e.UserID, e.PackageID, e.TagID, e.SuccessOnly, e.Email, at)
	case events.NotificationEdited:
		b.Exec(`update build_notifications set package_id = $2, tag_id = $3, success_only = $4, since = $5 where id = $1`,
			e.ID, e.PackageID, e.TagID, e.SuccessOnly, at)
	case events.NotificationRemoved:
		b.Exec(`delete from build_notifications where id = $1`, e.ID)
	case events.NotificationBlocked:
		b.Exec(`insert into build_notifications_block (id, user_id, package_id, tag_id, since) values ($1, $2, $3, $4, $5)`,
			e.ID, e.UserID, e.PackageID, e.TagID, at)
	case events.NotificationUnblocked:
		b.Exec(`delete from build_notifications_block where id = $1`, e.ID)
	}
	return nil
}

// Kind is one of the two lists.
type Kind struct {
	table string
	cols  []query.Col
}

func subjectCols() []query.Col {
	return []query.Col{{Name: "id", Expr: "id"}, {Name: "user_id", Expr: "user_id"}, {Name: "package_id", Expr: "package_id"}, {Name: "tag_id", Expr: "tag_id"}}
}

// Registered are the notifications that users asked for, in getBuildNotification's shape.
func Registered() Kind {
	return Kind{"build_notifications", append(subjectCols(), query.Col{Name: "success_only", Expr: "success_only"}, query.Col{Name: "email", Expr: "email"})}
}

// Blocks are the opt-outs, in getBuildNotificationBlock's shape.
func Blocks() Kind { return Kind{"build_notifications_block", subjectCols()} }

// Get gives one by id, nil if there is none.
func (k Kind) Get(ctx context.Context, db query.DB, id int64) (query.Row, error) {
	return query.New(k.cols, k.table).Where("id = ?", id).One(ctx, db)
}

// OfUser gives a user's, those changed last at the end.
func (k Kind) OfUser(ctx context.Context, db query.DB, user int64) ([]query.Row, error) {
	return query.New(k.cols, k.table).Where("user_id = ?", user).OrderBy("since, id").All(ctx, db)
}

// about narrows a query to what concerns a package and a tag; with tag nil, to what concerns any tag.
func about(q *query.Query, pkg int64, tag *int64) *query.Query {
	q.Where("package_id = ? or package_id is null", pkg)
	if tag == nil {
		return q.Where("tag_id is null")
	}
	return q.Where("tag_id = ? or tag_id is null", *tag)
}

// Recipient is someone to be told.
type Recipient struct {
	UserID int64
	Email  string
}

// Wanting gives those who asked to be told of a build of this package into this tag (nil: into none) and may be: people and groups that are
// not blocked. complete tells that the build, or the tagging, went well.
func Wanting(ctx context.Context, db query.DB, pkg int64, tag *int64, complete bool) ([]Recipient, error) {
	cols := []query.Col{{Name: "user_id", Expr: "n.user_id"}, {Name: "email", Expr: "n.email"}}
	q := query.New(cols, "build_notifications n").Join("join users u on u.id = n.user_id").
		Where("u.status = ? and u.usertype in (?, ?)", int64(koji.StatusNormal), int64(koji.UserNormal), int64(koji.UserGroup)).OrderBy("n.id")
	about(q, pkg, tag)
	if !complete {
		q.Where("not n.success_only")
	}
	rows, err := q.All(ctx, db)
	out := make([]Recipient, len(rows))
	for i, r := range rows {
		out[i] = Recipient{UserID: r["user_id"].(int64), Email: r["email"].(string)}
	}
	return out, err
}

// Blocking tells which of the users do not want to be told.
func Blocking(ctx context.Context, db query.DB, users []int64, pkg int64, tag *int64) (map[int64]bool, error) {
	q := query.New([]query.Col{{Name: "user_id", Expr: "user_id"}}, "build_notifications_block").Where("user_id = any(?)", users)
	rows, err := about(q, pkg, tag).All(ctx, db)
	out := map[int64]bool{}
	for _, r := range rows {
		out[r["user_id"].(int64)] = true
	}
	return out, err
}
