package history

import "maps"

// column is a column of a result beside the table's own: the key that clients know and the SQL behind it.
type column struct{ name, expr string }

// table is what history shows of one versioned table. In SQL, v is the table.
type table struct {
	own   []string            // the table's own columns
	named []column            // names of what they refer to
	joins string              // for named
	where map[filter][]string // which SQL columns a filter compares with: any of them must match. Of several that Koji could mean, it is the one that Koji takes
}

// filter is a kind of thing that history can be limited to.
type filter int

const (
	byTag filter = iota
	byBuild
	byHost
	byChannel
	byPackage
	byPackageName // of an rpm in a comps group
	byUser
	byPermission
	byGenerator
	byExternalRepo
	byTarget
	byGroup
	byKey // of an extra setting
)

// Parts of tables.
const (
	joinTag     = " left join tag on tag.id = v.tag_id"
	joinUser    = ` left join users "user" on "user".id = v.user_id`
	joinPackage = " left join package on package.id = v.package_id"
	joinGroups  = " left join groups on groups.id = v.group_id"
	joinRepo    = " left join external_repo on external_repo.id = v.external_repo_id"
	joinHost    = " left join host on host.id = v.host_id"
)

var (
	tagName     = column{"tag.name", "tag.name"}
	userName    = column{"user.name", `"user".name`}
	packageName = column{"package.name", "package.name"}
	groupName   = column{"group.name", "groups.name"}
	repoName    = column{"external_repo.name", "external_repo.name"}
	hostName    = column{"host.name", "host.name"}
	permName    = column{"permission.name", "permission.name"}
	ofTag       = map[filter][]string{byTag: {"v.tag_id"}}
)

func also(m map[filter][]string, f filter, columns ...string) map[filter][]string {
	out := maps.Clone(m)
	out[f] = columns
	return out
}

// tables are all tables with a history: a closed list, since the names become part of statements (kojihub.query_history).
var tables = map[string]table{
	"user_perms": {own: []string{"user_id", "perm_id"}, named: []column{userName, permName},
		joins: joinUser + " left join permissions permission on permission.id = v.perm_id",
		where: map[filter][]string{byUser: {"v.user_id"}, byPermission: {"v.perm_id"}}},
	"user_groups": {own: []string{"user_id", "group_id"}, named: []column{userName, {"group.name", "usergroup.name"}},
		joins: joinUser + " left join users usergroup on usergroup.id = v.group_id",
		where: map[filter][]string{byUser: {"v.group_id"}}},
	"cg_users": {own: []string{"user_id", "cg_id"}, named: []column{userName, {"content_generator.name", "content_generator.name"}},
		joins: joinUser + " left join content_generator on content_generator.id = v.cg_id",
		where: map[filter][]string{byUser: {"v.user_id"}, byGenerator: {"v.cg_id"}}},
	"tag_inheritance": {own: []string{"tag_id", "parent_id", "priority", "maxdepth", "intransitive", "noconfig", "pkg_filter"},
		named: []column{tagName, {"parent.name", "parent.name"}}, joins: joinTag + " left join tag parent on parent.id = v.parent_id",
		where: map[filter][]string{byTag: {"v.tag_id", "v.parent_id"}}},
	"tag_config": {own: []string{"tag_id", "arches", "perm_id", "locked", "maven_support", "maven_include_all"}, named: []column{tagName, permName},
		joins: joinTag + " left join permissions permission on permission.id = v.perm_id", where: also(ofTag, byPermission, "v.perm_id")},
	"tag_extra": {own: []string{"tag_id", "key", "value"}, named: []column{tagName}, joins: joinTag, where: also(ofTag, byKey, "v.key")},
	"build_target_config": {own: []string{"build_target_id", "build_tag", "dest_tag"},
		named: []column{{"build_target.name", "build_target.name"}, {"build_tag.name", "build_tag.name"}, {"dest_tag.name", "dest_tag.name"}},
		joins: " left join build_target on build_target.id = v.build_target_id left join tag build_tag on build_tag.id = v.build_tag left join tag dest_tag on dest_tag.id = v.dest_tag",
		where: map[filter][]string{byTarget: {"v.build_target_id"}, byTag: {"v.dest_tag"}}},
	"external_repo_config": {own: []string{"external_repo_id", "url"}, named: []column{repoName}, joins: joinRepo,
		where: map[filter][]string{byExternalRepo: {"v.external_repo_id"}}},
	"external_repo_data": {own: []string{"external_repo_id", "data"}, named: []column{repoName}, joins: joinRepo,
		where: map[filter][]string{byExternalRepo: {"v.external_repo_id"}}},
	"host_config": {own: []string{"host_id", "arches", "capacity", "description", "comment", "enabled"}, named: []column{hostName}, joins: joinHost,
		where: map[filter][]string{byHost: {"v.host_id"}}},
	"host_channels": {own: []string{"host_id", "channel_id"}, named: []column{hostName, {"channels.name", "channels.name"}},
		joins: joinHost + " left join channels on channels.id = v.channel_id", where: map[filter][]string{byHost: {"v.host_id"}, byChannel: {"v.channel_id"}}},
	"tag_external_repos": {own: []string{"tag_id", "external_repo_id", "priority", "merge_mode", "arches"}, named: []column{tagName, repoName},
		joins: joinTag + joinRepo, where: also(ofTag, byExternalRepo, "v.external_repo_id")},
	"tag_listing": {own: []string{"build_id", "tag_id"},
		named: []column{tagName, {"name", "package.name"}, {"version", "build.version"}, {"release", "build.release"}, {"epoch", "build.epoch"}, {"build.state", "build.state"}},
		joins: joinTag + " join build on build.id = v.build_id join package on package.id = build.pkg_id",
		where: also(also(ofTag, byBuild, "v.build_id"), byPackage, "build.pkg_id")},
	"tag_packages": {own: []string{"package_id", "tag_id", "blocked", "extra_arches"}, named: []column{packageName, tagName}, joins: joinPackage + joinTag,
		where: also(ofTag, byPackage, "v.package_id")},
	"tag_package_owners": {own: []string{"package_id", "tag_id", "owner"}, named: []column{packageName, tagName, {"owner.name", "owner.name"}},
		joins: joinPackage + joinTag + " left join users owner on owner.id = v.owner", where: also(also(ofTag, byPackage, "v.package_id"), byUser, "v.owner")},
	"group_config": {own: []string{"group_id", "tag_id", "blocked", "exported", "display_name", "is_default", "uservisible", "description", "langonly", "biarchonly"},
		named: []column{groupName, tagName}, joins: joinGroups + joinTag, where: also(ofTag, byGroup, "v.group_id")},
	"group_req_listing": {own: []string{"group_id", "tag_id", "req_id", "blocked", "type", "is_metapkg"}, named: []column{groupName, tagName, {"req.name", "req.name"}},
		joins: joinGroups + joinTag + " left join groups req on req.id = v.req_id", where: also(ofTag, byGroup, "v.req_id")},
	"group_package_listing": {own: []string{"group_id", "tag_id", "package", "blocked", "type", "basearchonly", "requires"}, named: []column{groupName, tagName},
		joins: joinGroups + joinTag, where: also(also(ofTag, byGroup, "v.group_id"), byPackageName, "v.package")},
}
