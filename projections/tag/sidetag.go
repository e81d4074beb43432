package tag

import (
	"context"
	"strconv"

	"moromi/internal/xmlrpc"
	"moromi/projections/query"
)

// A side tag is a tag whose extra settings say so and whose it is (Koji's plugin sidetag_hub): sidetag, sidetag_user, sidetag_user_id.

// IsSideTag tells whether a tag, as Get gives it, is a side tag.
func IsSideTag(t query.Row) bool {
	extra, _ := t["extra"].(map[string]any)
	return xmlrpc.Truthy(extra["sidetag"])
}

// OwnsSideTag tells whether a tag is a side tag of a user.
func OwnsSideTag(t query.Row, user int64) bool {
	extra, _ := t["extra"].(map[string]any)
	owner, ok := extra["sidetag_user_id"].(int64)
	return IsSideTag(t) && ok && owner == user
}

// SideTagFilter says which side tags SideTags gives; nil fields do not filter.
type SideTagFilter struct {
	Base *int64 // those that inherit from the tag themselves
	User *int64 // those of the user
}

// sideTagColumns are listSideTags' columns. The user's id is text there, as it stands among the tag's extra settings.
var sideTagColumns = []query.Col{{Name: "id", Expr: "tag.id"}, {Name: "name", Expr: "tag.name"}, {Name: "user_id", Expr: "owner.value"}, {Name: "user_name", Expr: "users.name"}}

// SideTags gives the side tags there are in listSideTags' shape, the oldest first.
func SideTags(ctx context.Context, db query.DB, f SideTagFilter, o query.Opts) (any, error) {
	q := query.New(sideTagColumns, "tag_extra mark").Join("join tag on tag.id = mark.tag_id").
		Join("join tag_extra owner on owner.tag_id = mark.tag_id and owner.active and owner.key = 'sidetag_user_id'").
		Join("left join users on users.id::text = owner.value").
		Where("mark.active and mark.key = 'sidetag' and mark.value = 'true'").OrderBy("tag.id")
	if f.User != nil {
		q.Where("owner.value = ?", strconv.FormatInt(*f.User, 10))
	}
	if f.Base != nil {
		q.Where("exists (select from tag_inheritance i where i.tag_id = tag.id and i.parent_id = ? and i.active)", *f.Base)
	}
	return q.Run(ctx, db, o)
}

// CountSideTags gives how many side tags a user has.
func CountSideTags(ctx context.Context, db query.DB, user int64) (int64, error) {
	return query.New([]query.Col{{Name: "tag_id", Expr: "tag_id"}}, "tag_extra").
		Where("active and key = 'sidetag_user_id' and value = ?", strconv.FormatInt(user, 10)).Count(ctx, db)
}
