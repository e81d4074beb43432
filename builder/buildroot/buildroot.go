// Package buildroot is the seam between the build daemon and whatever makes the roots that packages are built in.
// Two backends stand behind it: mock, where it is installed, and native, which needs only dnf, rpm and a Linux kernel.
//
// A root is made for one task, holds exactly the packages of one repository of the build tag, is used by one goroutine,
// and is destroyed afterwards. Names, macros, result files and log names are those that mock gives a Koji builder
// (koji.genMockConfig and kojid's BuildRoot of 1.35), so that whatever reads them keeps working.
package buildroot

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// Spec says what root to make and how packages built in it are marked.
type Spec struct {
	// ID is the hub's id of the buildroot; Name is TAG-ID-REPOID.
	ID   int64
	Name string
	// Tag and RepoID name the repository; Repos are its base URLs for Arch, the first one preferred.
	Tag    string
	RepoID int64
	Repos  []string
	// Arch is the architecture of the root's packages and the default target of builds.
	Arch string
	// Group is the comps group that makes the root: build or srpm-build.
	Group string
	// Network allows network access to the source command and to Root.Run (never to rpmbuild with the native backend).
	Network bool
	// InternalDevSetup is mock's option of that name; nil leaves it to mock.
	InternalDevSetup *bool
	// Packager, Vendor and Distribution go into every package; HostVendor is the tail of %_host (koji-linux-gnu).
	Packager, Vendor, Distribution, HostVendor string
	// Macros and Env are the tag's own rpm macros (names without %) and environment variables of the build.
	Macros, Env map[string]string
	// Extra is the tag's extra data; the backends honour the keys that begin with mock.
	Extra map[string]any
	// Timeout ends any one step of a build; zero is no limit.
	Timeout time.Duration
	// Dir is an existing directory for this root alone. The caller removes it after Destroy.
	Dir string
}

// SourceTree says where things are in a checkout, from which a source package is made.
type SourceTree struct {
	// Spec, Sources and WorkDir are paths below Root.CheckoutDir: the spec file, the directory of the sources,
	// and the directory in which Command runs.
	Spec, Sources, WorkDir string
	// Command fetches what the source control does not hold; empty runs nothing.
	Command []string
}

// Root is one buildroot. Methods are for one goroutine at a time.
type Root interface {
	// Packages lists the root's rpm database, without gpg-pubkey and buildsys-build.
	Packages(ctx context.Context) ([]Package, error)
	// CheckoutDir is an empty directory on the host for a checkout, made by the call. BuildSRPM gives it to the build user.
	CheckoutDir() (string, error)
	// BuildSRPM makes a source package from what is in CheckoutDir; it is then the only .src.rpm in ResultDir.
	BuildSRPM(ctx context.Context, tree SourceTree) error
	// RebuildSRPM makes a source package anew from another, so that it carries the root's dist tag.
	RebuildSRPM(ctx context.Context, srpm string) error
	// Build installs what the source package needs and builds it for target. Results are in ResultDir.
	Build(ctx context.Context, srpm, target string) error
	// Install adds packages, named as dnf takes them, and what they require.
	Install(ctx context.Context, packages []string) error
	// Run runs a command as the root's superuser. What it prints is RunLog in ResultDir.
	Run(ctx context.Context, c Command) error
	// CopyOut writes a plain file of the root, named by its path in the root; Pack a part of the root as tar.gz. Both take from the root only,
	// whatever links there are, and say so with ErrNotThere if there is none.
	CopyOut(ctx context.Context, w io.Writer, name string) error
	Pack(ctx context.Context, w io.Writer, o PackOptions) error
	// ResultDir holds *.log, and after a build *.rpm.
	ResultDir() string
	// LogPatterns are file patterns whose matches are logs to stream while steps run.
	LogPatterns() []string
	// Config is the text that reproduces the root, uploaded as mock_config.log.
	Config() string
	// Destroy ends every process of the root and removes its files.
	Destroy() error
}

// RunLog is the log of commands that Root.Run runs.
const RunLog = "runroot.log"

// Command is a command to be run in a root.
type Command struct {
	// Argv are the program and its arguments. Shell is text for a shell instead.
	Argv  []string
	Shell string
	// Mounts are made visible in the root while the command runs.
	Mounts []Mount
	// NewChroot chooses how mock enters the root (--new-chroot, --old-chroot), nil leaves it to mock. Arch is mock's --arch, if it is set.
	NewChroot *bool
	Arch      string
}

// Mount is something of the host's, or of the network, that is seen in a root.
type Mount struct {
	// Source is what mount(8) calls the device: a directory, for a bind mount.
	Source string
	// Point is the absolute path in the root.
	Point string
	// Type is the type of file system; Options are mount(8)'s.
	Type    string
	Options []string
}

// Bind tells whether the mount is a bind mount.
func (m Mount) Bind() bool { return slices.Contains(m.Options, "bind") }

// ReadOnly tells whether nothing can be written through the mount.
func (m Mount) ReadOnly() bool { return slices.Contains(m.Options, "ro") }

// Backend makes roots. Safe for concurrent use.
type Backend interface {
	// Name is mock or native.
	Name() string
	// Create makes a root with the packages of spec.Group. When it fails the root may still be returned,
	// for its logs; it is nil only if nothing was begun.
	Create(ctx context.Context, spec Spec) (Root, error)
	// Clean removes what roots of an earlier run left behind. Called before the first Create.
	Clean(ctx context.Context) error
}

// PhaseError is a step that failed, as a user of the build system sees it.
type PhaseError struct {
	// Phase is what was being done, for example "installing build dependencies".
	Phase string
	// Tool is the program that failed, Exit its exit status; Signal its signal, if it died of one.
	Tool   string
	Exit   int
	Signal string
	// Log is the log to read: build.log or root.log.
	Log string
	// Timeout is set if the step was ended because it took longer than Spec.Timeout.
	Timeout time.Duration
	// Detail is a cause that is known without reading the log.
	Detail string
}

// Status is the part "mock exited with status 1" of Koji's messages.
func (e *PhaseError) Status() string {
	switch {
	case e.Timeout > 0:
		return fmt.Sprintf("%s was stopped after the time limit of %s", e.Tool, e.Timeout)
	case e.Signal != "":
		return fmt.Sprintf("%s was killed by signal %s", e.Tool, e.Signal)
	default:
		return fmt.Sprintf("%s exited with status %d", e.Tool, e.Exit)
	}
}

// Error is one line with everything but the log's content.
func (e *PhaseError) Error() string {
	msg := e.Phase + ": " + e.Status()
	if e.Detail != "" {
		msg += ": " + e.Detail
	}
	return msg + "; see " + e.Log + " for more information"
}
