package commands

import (
	"context"
	"slices"

	"moromi/projections/query"
	usermodel "moromi/projections/user"
)

// defaultPolicies are the rules that hold where a site sets none: those of Koji's hub (kojihub.app.kojixml, default_policies).
type defaultPolicies struct{ db query.DB }

// DefaultPolicies are Koji's default rules. db answers who holds which permission.
func DefaultPolicies(db query.DB) Policies { return defaultPolicies{db} }

// Has implements Policies. There is none by default for tag, dist_repo and sidetag: what they would decide is allowed.
func (p defaultPolicies) Has(name string) bool {
	return slices.Contains([]string{"build_rpm", "build_from_srpm", "build_from_repo_id", "build_from_scm", "package_list", "channel", "priority",
		"volume", "cg_import", "vm", "draft_promotion"}, name)
}

// Apply implements Policies.
func (p defaultPolicies) Apply(ctx context.Context, name string, data map[string]any) (string, error) {
	switch name {
	case "channel":
		switch {
		case data["req_channel"] != nil:
			return "req", nil
		case data["parent"] != nil:
			return "parent", nil
		}
		return "use default", nil
	case "priority":
		return "stay", nil
	case "volume":
		return "DEFAULT", nil
	case "build_rpm", "cg_import":
		return "allow", nil
	case "build_from_srpm", "build_from_repo_id", "build_from_scm":
		return p.holders(ctx, data, "deny Only admin can do this via default policy", "admin")
	case "package_list":
		return p.holders(ctx, data, "deny", "admin", "tag")
	case "vm":
		return p.holders(ctx, data, "deny", "admin", "win-admin")
	case "draft_promotion":
		if owner, ok := data["owner_id"]; ok && owner == data["user_id"] {
			return "allow", nil
		}
		return p.holders(ctx, data, "deny Only draft-promoter and build owner can do this via default policy", "draft-promoter")
	}
	return "", nil
}

// holders allows the user of the data if one of the permissions is theirs, and otherwise answers as told.
func (p defaultPolicies) holders(ctx context.Context, data map[string]any, otherwise string, perms ...string) (string, error) {
	id, ok := data["user_id"].(int64)
	if !ok {
		return otherwise, nil
	}
	own, err := usermodel.Perms(ctx, p.db, id, true)
	if err != nil {
		return "", err
	}
	for _, perm := range perms {
		if slices.Contains(own, perm) {
			return "allow", nil
		}
	}
	return otherwise, nil
}
