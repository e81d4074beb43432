package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"moromi/internal/hubclient"
)

// sentences are what an entry of a table says: its beginning, its end, its change. {x} is the member x.
type sentences struct{ created, revoked, edited string }

// historySentences gives a table's sentences, in Koji's words, which scripts look for.
func historySentences(table string) sentences {
	switch table {
	case "tag_listing":
		return sentences{"{name}-{version}-{release} tagged into {tag.name}", "{name}-{version}-{release} untagged from {tag.name}", "{name}-{version}-{release} re-tagged into {tag.name}"}
	case "user_perms":
		return sentences{"permission {permission.name} granted to {user.name}", "permission {permission.name} revoked for {user.name}", "permission {permission.name} re-granted to {user.name}"}
	case "user_groups":
		return sentences{"user {user.name} added to group {group.name}", "user {user.name} removed from group {group.name}", "user {user.name} re-added to group {group.name}"}
	case "cg_users":
		return sentences{"user {user.name} added to content generator {content_generator.name}", "user {user.name} removed from content generator {content_generator.name}",
			"user {user.name} re-added to content generator {content_generator.name}"}
	case "tag_packages":
		return sentences{"package list entry created: {package.name} in {tag.name}", "package list entry revoked: {package.name} in {tag.name}", "package list entry for {package.name} in {tag.name} updated"}
	case "tag_package_owners":
		return sentences{"package owner {owner.name} set for {package.name} in {tag.name}", "package owner {owner.name} revoked for {package.name} in {tag.name}",
			"package owner changed for {package.name} in {tag.name}"}
	case "tag_inheritance":
		return sentences{"inheritance line {tag.name}->{parent.name} added", "inheritance line {tag.name}->{parent.name} removed", "inheritance line {tag.name}->{parent.name} updated"}
	case "tag_config":
		return sentences{"new tag: {tag.name}", "tag deleted: {tag.name}", "tag configuration for {tag.name} altered"}
	case "tag_extra":
		return sentences{"added tag option {key} for tag {tag.name}", "tag option {key} removed for {tag.name}", "tag option {key} for tag {tag.name} altered"}
	case "host_config":
		return sentences{"new host: {host.name}", "host deleted: {host.name}", "host configuration for {host.name} altered"}
	case "host_channels":
		return sentences{"host {host.name} added to channel {channels.name}", "host {host.name} removed from channel {channels.name}", "host {host.name} removed from channel {channels.name}"}
	case "build_target_config":
		return sentences{"new build target: {build_target.name}", "build target deleted: {build_target.name}", "build target configuration for {build_target.name} updated"}
	case "external_repo_config":
		return sentences{"new external repo: {external_repo.name}", "external repo deleted: {external_repo.name}", "external repo configuration for {external_repo.name} altered"}
	case "external_repo_data":
		return sentences{"new tracking data for external repo {external_repo.name}", "deleted tracking data for external repo {external_repo.name}",
			"tracking data for external repo {external_repo.name} altered"}
	case "tag_external_repos":
		return sentences{"external repo entry for {external_repo.name} added to tag {tag.name}", "external repo entry for {external_repo.name} removed from tag {tag.name}",
			"external repo entry for {external_repo.name} in tag {tag.name} updated"}
	case "group_config":
		return sentences{"group {group.name} added to tag {tag.name}", "group {group.name} removed from tag {tag.name}", "group {group.name} configuration for tag {tag.name} updated"}
	case "group_req_listing":
		return sentences{"group dependency {group.name}->{req.name} added in tag {tag.name}", "group dependency {group.name}->{req.name} dropped from tag {tag.name}",
			"group dependency {group.name}->{req.name} updated in tag {tag.name}"}
	case "group_package_listing":
		return sentences{"package {package} added to group {group.name} in tag {tag.name}", "package {package} removed from group {group.name} in tag {tag.name}",
			"package entry {package} in group {group.name}, tag {tag.name} updated"}
	}
	return sentences{table + " entry created", table + " entry revoked", table + " entry updated"}
}

// line is the entry for people: time, what, by whom, and whether it is still so.
func (e *historyEntry) line(zone *time.Location, withEvent bool) string {
	s := historySentences(e.table)
	sentence, ts, who := s.revoked, e.row["revoke_ts"], e.row["revoker_name"]
	active := false
	switch {
	case e.edit != nil:
		sentence = s.edited
		active = hubclient.Bool(e.edit["active"])
	case e.create:
		sentence, ts, who = s.created, e.row["create_ts"], e.row["creator_name"]
		active = hubclient.Bool(e.row["active"])
	}
	parts := []string{at(ts, zone).Format(time.ANSIC)}
	if withEvent {
		parts = append(parts, fmt.Sprintf("(eid %d)", e.event))
	}
	member := regexp.MustCompile(`\{[a-z_.]+\}`)
	parts = append(parts, member.ReplaceAllStringFunc(sentence, func(m string) string { return str(e.row, strings.Trim(m, "{}")) }))
	if _, known := e.row["revoker_name"]; known || e.create {
		parts = append(parts, "by "+pyStr(who))
	}
	if active {
		parts = append(parts, "[still active]")
	}
	return strings.Join(parts, " ")
}

// notShown are members that the line itself tells, or that are bookkeeping.
func notShown(key string) bool {
	return slices.Contains([]string{
		"active", "create_event", "revoke_event", "creator_id", "revoker_id", "creator_name", "revoker_name", "create_ts", "revoke_ts",
	}, key) || strings.HasPrefix(key, "_")
}

// nameMember is where the name is that goes with an id.
func nameMember(key string) string {
	if key == "perm_id" {
		return "permission.name"
	}
	return strings.TrimSuffix(key, "_id") + ".name"
}

// details are what an edit changed, and with verbose what a new entry says.
func (e *historyEntry) details(verbose bool) []string {
	var lines []string
	if e.edit != nil {
		for _, key := range sortedKeys(e.row) {
			_, hasName := e.row[nameMember(key)]
			_, stillNamed := e.edit[nameMember(key)]
			if notShown(key) || hasName && stillNamed || pyRepr(e.row[key]) == pyRepr(e.edit[key]) {
				continue
			}
			lines = append(lines, fmt.Sprintf("%s: %s -> %s", key, str(e.row, key), str(e.edit, key)))
		}
		return lines
	}
	if !e.create || !verbose || e.table == "tag_listing" {
		return nil
	}
	hidden := tableKeys(e.table)
	for _, k := range tableKeys(e.table) {
		hidden = append(hidden, nameMember(k))
	}
	for _, key := range sortedKeys(e.row) {
		_, named := e.row[nameMember(key)]
		if notShown(key) || slices.Contains(hidden, key) || named || hubclient.Bool(e.row["blocked"]) && key != "blocked" {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %s", strings.TrimSuffix(key, ".name"), str(e.row, key)))
	}
	return lines
}
