package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"moromi/internal/hubclient"
)

// sentence is what an entry of a table says, in Koji's words, which scripts look for. [a|b|c] is a in the entry's beginning, b in its end,
// c in its change; {x} is the member x.
func sentence(table string) string {
	switch table {
	case "tag_listing":
		return "{name}-{version}-{release} [tagged into|untagged from|re-tagged into] {tag.name}"
	case "user_perms":
		return "permission {permission.name} [granted to|revoked for|re-granted to] {user.name}"
	case "user_groups":
		return "user {user.name} [added to|removed from|re-added to] group {group.name}"
	case "cg_users":
		return "user {user.name} [added to|removed from|re-added to] content generator {content_generator.name}"
	case "tag_packages":
		return "package list entry [created: {package.name} in {tag.name}|revoked: {package.name} in {tag.name}|for {package.name} in {tag.name} updated]"
	case "tag_package_owners":
		return "package owner [{owner.name} set|{owner.name} revoked|changed] for {package.name} in {tag.name}"
	case "tag_inheritance":
		return "inheritance line {tag.name}->{parent.name} [added|removed|updated]"
	case "tag_config":
		return "[new tag: {tag.name}|tag deleted: {tag.name}|tag configuration for {tag.name} altered]"
	case "tag_extra":
		return "[added tag option {key} for tag {tag.name}|tag option {key} removed for {tag.name}|tag option {key} for tag {tag.name} altered]"
	case "host_config":
		return "[new host: {host.name}|host deleted: {host.name}|host configuration for {host.name} altered]"
	case "host_channels":
		return "host {host.name} [added to|removed from|removed from] channel {channels.name}"
	case "build_target_config":
		return "[new build target: {build_target.name}|build target deleted: {build_target.name}|build target configuration for {build_target.name} updated]"
	case "external_repo_config":
		return "[new external repo: {external_repo.name}|external repo deleted: {external_repo.name}|external repo configuration for {external_repo.name} altered]"
	case "external_repo_data":
		return "[new tracking data for external repo {external_repo.name}|deleted tracking data for external repo {external_repo.name}|tracking data for external repo {external_repo.name} altered]"
	case "tag_external_repos":
		return "external repo entry for {external_repo.name} [added to tag {tag.name}|removed from tag {tag.name}|in tag {tag.name} updated]"
	case "group_config":
		return "group {group.name} [added to tag {tag.name}|removed from tag {tag.name}|configuration for tag {tag.name} updated]"
	case "group_req_listing":
		return "group dependency {group.name}->{req.name} [added in|dropped from|updated in] tag {tag.name}"
	case "group_package_listing":
		return "package [{package} added to group {group.name} in tag {tag.name}|{package} removed from group {group.name} in tag {tag.name}|entry {package} in group {group.name}, tag {tag.name} updated]"
	}
	return table + " entry [created|revoked|updated]"
}

// line is the entry for people: time, what, by whom, and whether it is still so.
func (e *historyEntry) line(zone *time.Location, withEvent bool) string {
	which, ts, who := 1, e.row["revoke_ts"], e.row["revoker_name"]
	active := false
	switch {
	case e.edit != nil:
		which = 2
		active = hubclient.Bool(e.edit["active"])
	case e.create:
		which, ts, who = 0, e.row["create_ts"], e.row["creator_name"]
		active = hubclient.Bool(e.row["active"])
	}
	parts := []string{at(ts, zone).Format(time.ANSIC)}
	if withEvent {
		parts = append(parts, fmt.Sprintf("(eid %d)", e.event))
	}
	before, choice, _ := strings.Cut(sentence(e.table), "[")
	choice, after, _ := strings.Cut(choice, "]")
	member := regexp.MustCompile(`\{[a-z_.]+\}`)
	parts = append(parts, member.ReplaceAllStringFunc(before+strings.Split(choice, "|")[which]+after, func(m string) string { return str(e.row, strings.Trim(m, "{}")) }))
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
