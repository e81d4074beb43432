package commands

// defaultPolicies are the rules that hold where a site sets none, by name: those of Koji's hub. There is none for tag, dist_repo and sidetag: what
// they would decide is allowed.
func defaultPolicies() map[string]string {
	adminOnly := "has_perm admin :: allow\nall :: deny Only admin can do this via default policy\n"
	return map[string]string{
		"build_rpm":          "all :: allow\n",
		"build_from_srpm":    adminOnly,
		"build_from_repo_id": adminOnly,
		"build_from_scm":     adminOnly,
		"package_list": `has_perm admin :: allow
has_perm tag :: allow
all :: deny Only admin/tag can do this via default policy
`,
		"channel": `has req_channel :: req
is_child_task :: parent
all :: use default
`,
		"priority":  "all :: stay\n",
		"volume":    "all :: DEFAULT\n",
		"cg_import": "all :: allow\n",
		"vm": `has_perm admin win-admin :: allow
all :: deny Only admin/win-admin can do this via default policy
`,
		"draft_promotion": `has_perm draft-promoter :: allow
is_build_owner :: allow
all :: deny Only draft-promoter and build owner can do this via default policy
`,
	}
}
