// Package task holds the handlers of the builder's task methods: what a build, buildArch, waitrepo … does once it is
// open. A handler talks to the hub by its own sub-session, works in a directory of this attempt alone, and returns the task's result.
//
// Parameters, sub-tasks with their labels, the order of hub calls and the shapes of results are kojid's (builder/kojid and
// koji/tasks.py of Koji 1.35), because the hub and every client rely on them.
package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"moromi/builder/buildroot"
	"moromi/builder/scm"
)

// Hub is a session at the hub: hubclient.Client. Errors that the hub answers carry a *fault.Error.
type Hub interface {
	// Call calls a method; an xmlrpc.Kwargs as the last argument gives named ones.
	Call(ctx context.Context, method string, args ...any) (any, error)
	// UploadFile sends a file into a directory below the hub's work directory and checks that it arrived.
	UploadFile(ctx context.Context, localPath, dir, name string, progress func(done, total int64)) error
	// UploadChunk writes a piece of a file at an offset.
	UploadChunk(ctx context.Context, dir, name string, offset int64, data []byte, overwrite bool) error
}

// Settings are what all tasks of a builder share. They are not changed while tasks run.
type Settings struct {
	// TopURL is the address of the hub's files; TopURLs are alternatives for repositories, TopURL first.
	TopURL  string
	TopURLs []string
	// TopDir is where the hub's files are mounted, if they are: newRepo and createrepo need it.
	TopDir string
	// Packager, Vendor and Distribution go into packages; HostVendor is the tail of %_host.
	Packager, Vendor, Distribution, HostVendor string
	// BuildTimeout ends one step of a build.
	BuildTimeout time.Duration
	// Backend makes buildroots.
	Backend buildroot.Backend
	// SCMRules are allowed_scms, used if SCMByRules; SCMByPolicy asks the hub's policy build_from_scm.
	SCMRules                []scm.Rule
	SCMByRules, SCMByPolicy bool
	// SCMCheckoutPolicy asks the hub's policy scm after each checkout.
	SCMCheckoutPolicy bool
	// SCMPasswords allows passwords in addresses.
	SCMPasswords bool
	// Lookaside is the address pattern of source archives; empty leaves fetching to the source command.
	Lookaside string
	// SourceLayout looks for specs in SPECS/ and sources in SOURCES/ too.
	SourceLayout bool
	// LiteralTaskArches are patterns of architectures that name their tasks as they are.
	LiteralTaskArches string
	// ArchCanFail lets the other architectures of a build finish when one failed.
	ArchCanFail bool
	// LogTimestamps sends NAME-ts.log beside each log.
	LogTimestamps bool
	// Mail sends notifications.
	Mail Mail
	// RepoPoll is the pause between questions for a repository.
	RepoPoll time.Duration
	HTTP     *http.Client
	Now      func() time.Time

	// Shelf keeps the roots of failed tasks; nil keeps none. FailedTrees and FailedTreeLife say how many and how long.
	Shelf          *Shelf
	FailedTrees    int
	FailedTreeLife time.Duration
	// FailedTreeSize bounds what saveFailedTree uploads, in bytes; FailedTreeOmit are patterns of names that it leaves out.
	FailedTreeSize int64
	FailedTreeOmit []string
	// RunRoot says what runroot tasks may mount.
	RunRoot RunRootConfig
}

// Job is one task in this builder's hands.
type Job struct {
	ID     int64
	Method string
	// Args are the parameters by name, defaults filled in.
	Args Args
	Hub  Hub
	// HostID is this builder's host.
	HostID   int64
	Settings *Settings
	// Dir is an empty directory for this attempt. The daemon removes it.
	Dir string
	// Wake gets a value when the hub says that an awaited sub-task has finished. A hint: waiting also asks now and then.
	Wake <-chan struct{}
	Log  *slog.Logger

	// later holds what tidies up after the task, in order.
	later []func()
	// kept tells that a root on the shelf needs Dir.
	kept bool
}

// Kept tells whether something in Dir outlives the task: then Dir is not the daemon's to remove.
func (j *Job) Kept() bool { return j.kept }

// Later has f called after the task's result went to the hub: removing a root takes time that nobody should wait for.
func (j *Job) Later(f func()) { j.later = append(j.later, f) }

// TidyUp calls what Later noted. The daemon calls it once, whatever became of the task.
func (j *Job) TidyUp() {
	for _, f := range j.later {
		f()
	}
	j.later = nil
}

// Refusal is a handler's error for a task that this builder cannot do but another may.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return "task refused: " + r.Reason }

// Handler is what a builder does for a method.
type Handler struct {
	// Weight is the load the task puts on the host, until the handler says better.
	Weight float64
	// Signature is the parameters as Koji declares them.
	Signature string
	// NeedsArch tells that the host must have an architecture of the build tag, which is the named argument.
	NeedsArch string
	// Run does the task. Its result is the task's. It must return soon after ctx ended.
	Run func(ctx context.Context, j *Job) (any, error)
}

// Handlers are the methods of this package.
func Handlers() map[string]Handler {
	return map[string]Handler{
		"build":            {Weight: 0.2, Signature: "src, target, opts=None", Run: runBuild},
		"chainbuild":       {Weight: 0.1, Signature: "srcs, target, opts=None", Run: runChainBuild},
		"buildSRPMFromSCM": {Weight: 1, Signature: "url, build_tag, opts=None", NeedsArch: "build_tag", Run: runBuildSRPMFromSCM},
		"rebuildSRPM":      {Weight: 1, Signature: "srpm, build_tag, opts=None", NeedsArch: "build_tag", Run: runRebuildSRPM},
		"buildArch":        {Weight: buildArchWeight, Signature: "pkg, root, arch, keep_srpm, opts=None", NeedsArch: "root", Run: runBuildArch},
		"tagBuild":         {Weight: 1, Signature: "tag_id, build_id, force=False, fromtag=None, ignore_success=False", Run: runTagBuild},
		"waitrepo":         {Weight: 0.2, Signature: "tag, newer_than=None, nvrs=None, min_event=None", Run: runWaitRepo},
		"newRepo":          {Weight: 0.1, Signature: "tag, event=None, src=None, debuginfo=None, separate_src=None, opts=None", Run: runNewRepo},
		"createrepo":       {Weight: 1.5, Signature: "repo_id, arch, oldrepo", Run: runCreateRepo},
		"saveFailedTree":   {Weight: 3, Signature: "buildrootID, full=False", Run: runSaveFailedTree},
		"runroot": {Weight: 2, Run: runRunRoot,
			Signature: "root, arch, command, keep=False, packages=None, mounts=None, repo_id=None, skip_setarch=False, weight=None, upload_logs=None, new_chroot=None"},
		"buildNotification": {Weight: notifyWeight, Signature: "recipients, build, target, weburl", Run: runBuildNotification},
		"tagNotification": {Weight: notifyWeight, Run: runTagNotification,
			Signature: "recipients, is_successful, tag_info, from_info, build_info, user_info, ignore_success=None, failure_msg=''"},
	}
}

// UploadDir is the task's directory on the hub.
func (j *Job) UploadDir() string { return fmt.Sprintf("tasks/%d/%d", j.ID%10000, j.ID) }

// uploaded is the path of an uploaded file as results name it.
func (j *Job) uploaded(name string) string { return j.UploadDir() + "/" + name }

// upload sends a result file under its own name.
func (j *Job) upload(ctx context.Context, path string) error {
	return j.Hub.UploadFile(ctx, path, j.UploadDir(), filepath.Base(path), nil)
}

// cleanupTime is how long calls that tidy up may take when the task itself was ended.
const cleanupTime = 10 * time.Second

// detached is a context for tidying up: it outlives ctx for cleanupTime.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}

// ended tells whether err is only that the task was ended from outside.
func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, ctx.Err()))
}
