// Package repoprojector keeps the yum repositories of tags: it follows the site's events, knows through inheritance which tags they touch, and
// makes a new repository of a tag when it is wanted, without being asked and without anybody polling.
//
// Kept up to date are the build tags of targets and the tags whose extra setting repo.auto is true. A repository of any other tag, of another
// moment or with other options is made when someone asks for it: by a request (repo.request of Koji's API), which gets a newRepo task as in Koji, or
// by such a task itself. The hub carries these tasks out. What someone waits for comes first, the most urgent before the others.
//
// One goroutine decides (projector.go, plan.go); what it knows comes from Watch, in order, and from the read models. A few workers make
// repositories (generate.go), one of a tag at a time. A tag that changes meanwhile is made again afterwards; a burst of changes is waited out
// for a moment (quiet), so that it costs two repositories, not one a change.
//
// A repository is a row in the state INIT, then files, then the symlink "latest", then the state READY: whoever sees READY sees all files, durably
// on disk. One that cannot be made becomes PROBLEM, and the last READY one stays. A process that dies leaves an INIT row and a directory; the next start
// removes both and makes what is still wanted. Layout and life of repositories are Koji's (kojihub.kojihub.repo_init, util/kojira of 1.35).
//
// External repositories of a tag are merged into its repository, as kojid does (external.go). They are fetched when they change, not when a repository
// is made: every minute the leading hub asks for their repomd.xml, and a change is an event that changes the tags that use them (externalcheck.go). One that
// cannot be read stays as it last was.
package repoprojector
