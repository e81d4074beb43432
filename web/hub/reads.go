package hub

import "strings"

// readsOf tells from which families of events a method's answer is made, for the methods whose answers may be kept: whatever anybody asks, the same
// words get the same answer until an event of one of these families comes. A method that looks at its caller, the clock, files or what hosts
// report is not among them. Names are events of their own: what shows a tag's or a user's name reads "name".
var readsOf = map[string]string{
	"getTag": "tag name catalog", "getTagID": "tag name", "listTags": "tag name catalog build", "getInheritanceData": "tag name",
	"getFullInheritance": "tag name", "getBuildConfig": "tag name catalog", "getTagGroups": "tag name",
	"listPackages": "tag name user catalog", "listPackagesSimple": "name", "getPackageConfig": "tag name user",
	"getPackageID": "name", "checkTagPackage": "tag name",
	"getBuildTarget": "target tag name", "getBuildTargets": "target tag name",
	"getTagExternalRepos": "tag external_repo name", "getExternalRepoList": "tag external_repo name", "getExternalRepo": "external_repo name",
	"listExternalRepos": "external_repo name", "tagLastChangeEvent": "tag external_repo name", "tagFirstChangeEvent": "tag external_repo name",
	"listTagged": tagged, "listTaggedRPMS": tagged, "getLatestRPMS": tagged, "getLatestBuilds": tagged,
	"getBuild": built, "findBuildID": built, "listBuilds": built + " tag", "getNextRelease": built, "getBuildType": built,
	"listBuildRPMs": built + " external_repo buildroot", "getRPM": built + " external_repo buildroot", "listRPMs": built + " external_repo buildroot host",
	"queryRPMSigs": built + " external_repo", "getTaskInfo": "task name user host channel", "getTaskDescendents": "task name user host channel",
	"getTaskChildren": "task name user host channel", "getTaskRequest": "task", "search": built + " tag target host external_repo archive",
	"getChannel": "channel name", "listChannels": "channel name host", "getAllPerms": "catalog", "getAllArches": "host",
	"listVolumes": "catalog", "getVolume": "catalog", "listBTypes": "catalog", "getArchiveTypes": "catalog", "listCGs": "catalog user name",
}

const (
	built  = "build rpm archive name user catalog"
	tagged = built + " tag"
)

// passOn are the methods that only make other calls: their answer reads what those read.
var passOn = map[string]bool{"multiCall": true, "system.multicall": true, "count": true, "filterResults": true, "countAndFilterResults": true}

// Reads are the families of events that the method's answer is made from, none if it is made from more than that and must not be kept.
func (m *Method) Reads() []string { return strings.Fields(readsOf[m.Name]) }

// noteReads remembers from what the answer is made that the request will get.
func (r *request) noteReads(m *Method) {
	if passOn[m.Name] {
		return
	}
	reads, ok := readsOf[m.Name]
	if !ok {
		r.reads, r.personal = nil, true
	}
	if r.personal {
		return
	}
	if r.reads == nil {
		r.reads = map[string]bool{}
	}
	for f := range strings.FieldsSeq(reads) {
		r.reads[f] = true
	}
}
