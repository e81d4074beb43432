package commands

import (
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands/policy"
)

// defaultPolicyText are the rules that hold where a site sets none: those of Koji's hub. There is none for tag, dist_repo and sidetag: what
// they would decide is allowed.
const defaultPolicyText = `[policy]
build_rpm =
    all :: allow
build_from_srpm =
    has_perm admin :: allow
    all :: deny Only admin can do this via default policy
build_from_repo_id =
    has_perm admin :: allow
    all :: deny Only admin can do this via default policy
build_from_scm =
    has_perm admin :: allow
    all :: deny Only admin can do this via default policy
package_list =
    has_perm admin :: allow
    has_perm tag :: allow
    all :: deny Only admin/tag can do this via default policy
channel =
    has req_channel :: req
    is_child_task :: parent
    all :: use default
priority =
    all :: stay
volume =
    all :: DEFAULT
cg_import =
    all :: allow
vm =
    has_perm admin win-admin :: allow
    all :: deny Only admin/win-admin can do this via default policy
draft_promotion =
    has_perm draft-promoter :: allow
    is_build_owner :: allow
    all :: deny Only draft-promoter and build owner can do this via default policy
`

// DefaultPolicies are Koji's default rules. db answers the tests.
func DefaultPolicies(db *pgxpool.Pool) Policies {
	p, err := SitePolicies(db, strings.NewReader(""))
	if err != nil {
		panic(err) // the text above can be parsed, whatever the site
	}
	return p
}

// SitePolicies are the rule sets of a [policy] section as in Koji's hub.conf; where it has none of a name, the default holds.
func SitePolicies(db *pgxpool.Pool, file io.Reader) (Policies, error) {
	all, err := policy.ParseFile(strings.NewReader(defaultPolicyText))
	if err != nil {
		return nil, fmt.Errorf("default policies: %w", err)
	}
	own, err := policy.ParseFile(file)
	if err != nil {
		return nil, fmt.Errorf("site policies: %w", err)
	}
	for name, set := range own {
		all[name] = set
	}
	return sitePolicies{sets: all, facts: policyFacts{db}}, nil
}
