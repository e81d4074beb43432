// Package tag is the read model of tags: settings, inheritance, package lists, tagged builds, groups, and of build targets and external
// repositories, which are what tags are used by and made of.
package tag

import (
	"moromi/events"
	"moromi/projections"
)

// Projection writes the tables of migrations/readmodel/020_tag.sql, names excepted.
type Projection struct {
	config, extra, inheritance, packages, owners, listing, repos, groups, groupPackages, groupNeeds, targets, repoConfig, repoData projections.Versioned
}

// New makes the projection.
func New() *Projection {
	v := projections.NewVersioned
	return &Projection{
		config:        v("tag_config", []string{"tag_id"}, "arches", "perm_id", "locked", "maven_support", "maven_include_all"),
		extra:         v("tag_extra", []string{"tag_id", "key"}, "value"),
		inheritance:   v("tag_inheritance", []string{"tag_id", "parent_id"}, "priority", "maxdepth", "intransitive", "noconfig", "pkg_filter"),
		packages:      v("tag_packages", []string{"tag_id", "package_id"}, "blocked", "extra_arches"),
		owners:        v("tag_package_owners", []string{"tag_id", "package_id"}, "owner"),
		listing:       v("tag_listing", []string{"tag_id", "build_id"}, "seq"),
		repos:         v("tag_external_repos", []string{"tag_id", "external_repo_id"}, "priority", "merge_mode", "arches"),
		groups:        v("group_config", []string{"tag_id", "group_id"}, "blocked", "exported", "display_name", "is_default", "uservisible", "description", "langonly", "biarchonly"),
		groupPackages: v("group_package_listing", []string{"tag_id", "group_id", "package"}, "blocked", "type", "basearchonly", "requires"),
		groupNeeds:    v("group_req_listing", []string{"tag_id", "group_id", "req_id"}, "blocked", "type", "is_metapkg"),
		targets:       v("build_target_config", []string{"build_target_id"}, "build_tag", "dest_tag"),
		repoConfig:    v("external_repo_config", []string{"external_repo_id"}, "url"),
		repoData:      v("external_repo_data", []string{"external_repo_id"}, "data"),
	}
}

// Handles lists the events of tags, targets and external repositories.
func (p *Projection) Handles() []string {
	return []string{"tag.created", "tag.configured", "tag.deleted", "tag.extra_set", "tag.extra_removed", "tag.inheritance_changed", "tag.package_set",
		"tag.package_owner_set", "tag.package_removed", "tag.builds_tagged", "tag.builds_untagged", "tag.updated", "tag.external_repo_set",
		"tag.external_repo_removed", "tag.group_set", "tag.group_removed", "tag.group_package_set", "tag.group_package_removed",
		"tag.group_requirement_set", "tag.group_requirement_removed", "target.set", "target.removed", "external_repo.set", "external_repo.removed",
		"external_repo.data_set"}
}

// Apply queues the rows of one event. All of them have versions, so every commit is an event that clients know.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	projections.NoteEvent(b, c)
	if id := changed(e); id != 0 {
		b.Exec(`insert into tag_change (tag_id, event) values ($1, $2) on conflict do nothing`, id, int64(c.Position))
	}
	switch e := e.(type) {
	case events.TagCreated:
		s := e.TagSettings
		p.config.Insert(b, c, e.ID, s.Arches, s.PermissionID, s.Locked, s.MavenSupport, s.MavenIncludeAll)
	case events.TagConfigured:
		s := e.TagSettings
		p.config.Replace(b, c, e.ID, s.Arches, s.PermissionID, s.Locked, s.MavenSupport, s.MavenIncludeAll)
	case events.TagDeleted:
		p.deleted(b, c, e.ID)
	case events.TagExtraSet:
		var value *string
		if e.Value != nil {
			v := string(e.Value)
			value = &v
		}
		p.extra.Replace(b, c, e.ID, e.Key, value)
	case events.TagExtraRemoved:
		p.extra.Revoke(b, c, e.ID, e.Key)
	case events.TagInheritanceChanged:
		for _, parent := range e.Removed {
			p.inheritance.Revoke(b, c, e.ID, parent)
		}
		for _, l := range e.Added {
			p.inheritance.Insert(b, c, e.ID, l.ParentID, l.Priority, l.MaxDepth, l.Intransitive, l.NoConfig, l.PackageFilter)
		}
	case events.TagBuildsTagged:
		for i, build := range e.Builds {
			p.listing.Insert(b, c, e.ID, build, i)
		}
	case events.TagBuildsUntagged:
		for _, build := range e.Builds {
			p.listing.Revoke(b, c, e.ID, build)
		}
	case events.TagUpdated:
		b.Exec(`insert into tag_updates (id, tag_id, update_event, updater_id, update_type) values ($1, $2, $1, nullif($3::bigint, 0), $4)`, int64(c.Position), e.ID, c.Actor, e.Type)
	case events.TargetSet:
		p.targets.Replace(b, c, e.ID, e.BuildTag, e.DestTag)
	case events.TargetRemoved:
		p.targets.Revoke(b, c, e.ID)
	case events.ExternalRepoSet:
		p.repoConfig.Replace(b, c, e.ID, e.URL)
	case events.ExternalRepoRemoved:
		p.repoConfig.Revoke(b, c, e.ID)
		p.repoData.Revoke(b, c, e.ID)
	case events.ExternalRepoDataSet:
		data := string(e.Data)
		p.repoData.Replace(b, c, e.ID, &data)
	default:
		p.applyList(b, c, e)
	}
	return nil
}

// changed is the tag whose content an event changes, 0 for other events. Who owns a package is no change to Koji (tag_last_change_event).
func changed(e events.Event) int64 {
	switch e := e.(type) {
	case events.TagCreated:
		return e.ID
	case events.TagConfigured:
		return e.ID
	case events.TagDeleted:
		return e.ID
	case events.TagExtraSet:
		return e.ID
	case events.TagExtraRemoved:
		return e.ID
	case events.TagInheritanceChanged:
		return e.ID
	case events.TagPackageSet:
		return e.ID
	case events.TagPackageRemoved:
		return e.ID
	case events.TagBuildsTagged:
		return e.ID
	case events.TagBuildsUntagged:
		return e.ID
	case events.TagUpdated:
		return e.ID
	case events.TagExternalRepoSet:
		return e.ID
	case events.TagExternalRepoRemoved:
		return e.ID
	case events.TagGroupSet:
		return e.ID
	case events.TagGroupRemoved:
		return e.ID
	case events.TagGroupPackageSet:
		return e.ID
	case events.TagGroupPackageRemoved:
		return e.ID
	case events.TagGroupRequirementSet:
		return e.ID
	case events.TagGroupRequirementRemoved:
		return e.ID
	}
	return 0
}

// applyList is Apply for what a tag lists: packages, external repositories and groups.
func (p *Projection) applyList(b *projections.Batch, c *events.Commit, e events.Event) {
	switch e := e.(type) {
	case events.TagPackageSet:
		p.packages.Replace(b, c, e.ID, e.PackageID, e.Blocked, e.ExtraArches)
	case events.TagPackageOwnerSet:
		p.owners.Replace(b, c, e.ID, e.PackageID, e.Owner)
	case events.TagPackageRemoved:
		p.packages.Revoke(b, c, e.ID, e.PackageID)
	case events.TagExternalRepoSet:
		p.repos.Replace(b, c, e.ID, e.ExternalRepoID, e.Priority, e.MergeMode, e.Arches)
	case events.TagExternalRepoRemoved:
		p.repos.Revoke(b, c, e.ID, e.ExternalRepoID)
	case events.TagGroupSet:
		p.groups.Replace(b, c, e.ID, e.GroupID, e.Blocked, e.Exported, e.DisplayName, e.IsDefault, e.UserVisible, e.Description, e.LangOnly, e.BiarchOnly)
	case events.TagGroupRemoved:
		p.groups.Revoke(b, c, e.ID, e.GroupID)
	case events.TagGroupPackageSet:
		p.groupPackages.Replace(b, c, e.ID, e.GroupID, e.Package, e.Blocked, e.Type, e.BasearchOnly, e.Requires)
	case events.TagGroupPackageRemoved:
		p.groupPackages.Revoke(b, c, e.ID, e.GroupID, e.Package)
	case events.TagGroupRequirementSet:
		p.groupNeeds.Replace(b, c, e.ID, e.GroupID, e.RequirementID, e.Blocked, e.Type, e.IsMetapackage)
	case events.TagGroupRequirementRemoved:
		p.groupNeeds.Revoke(b, c, e.ID, e.GroupID, e.RequirementID)
	}
}

// deleted ends everything that the tag has (what other tags and targets have to do with it ends by events of theirs).
func (p *Projection) deleted(b *projections.Batch, c *events.Commit, id int64) {
	for _, t := range []string{"tag_config", "tag_extra", "tag_inheritance", "tag_packages", "tag_package_owners", "tag_external_repos", "group_config",
		"group_package_listing", "group_req_listing", "tag_listing"} {
		b.Exec(`update `+t+` set revoke_event = $2, revoker_id = nullif($3::bigint, 0), active = null where tag_id = $1 and active`, id, int64(c.Position), c.Actor)
	}
}
