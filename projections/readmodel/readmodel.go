// Package readmodel lists the projections that together are the read models of a hub.
package readmodel

import (
	"moromi/projections"
	"moromi/projections/archive"
	"moromi/projections/build"
	"moromi/projections/buildroot"
	"moromi/projections/catalog"
	"moromi/projections/host"
	"moromi/projections/name"
	"moromi/projections/notification"
	"moromi/projections/policy"
	"moromi/projections/repo"
	"moromi/projections/rpm"
	"moromi/projections/tag"
	"moromi/projections/task"
	"moromi/projections/user"
)

// All are the projections of a hub, in no order: none reads another's tables.
func All() []projections.Projection {
	return []projections.Projection{archive.New(), build.New(), buildroot.New(), catalog.New(), host.New(), name.New(), notification.New(), policy.New(), repo.New(), rpm.New(), tag.New(), task.New(), user.New()}
}
