// Package koji holds the words of Koji's protocol that several surfaces share: states and types as numbers,
// name-version-release arithmetic and architecture tables. Facts from koji/__init__.py and koji/arch.py of 1.35.
package koji

// TaskState is the state of a task.
type TaskState int

// States of tasks.
const (
	TaskFree TaskState = iota
	TaskOpen
	TaskClosed
	TaskCanceled
	TaskAssigned
	TaskFailed
)

// BuildState is the state of a build.
type BuildState int

// States of builds.
const (
	BuildBuilding BuildState = iota
	BuildComplete
	BuildDeleted
	BuildFailed
	BuildCanceled
)

// RepoState is the state of a repository.
type RepoState int

// States of repositories.
const (
	RepoInit RepoState = iota
	RepoReady
	RepoExpired
	RepoDeleted
	RepoProblem
)

// BuildrootState is the state of a standard buildroot.
type BuildrootState int

// States of buildroots.
const (
	BuildrootInit BuildrootState = iota
	BuildrootWaiting
	BuildrootBuilding
	BuildrootExpired
)

// UserType tells people from builders and groups.
type UserType int

// Types of users.
const (
	UserNormal UserType = iota
	UserHost
	UserGroup
)

// UserStatus tells whether a user may log in.
type UserStatus int

// Statuses of users.
const (
	StatusNormal UserStatus = iota
	StatusBlocked
)

// AuthType is how a session was authenticated.
type AuthType int

// Ways to log in.
const (
	AuthNormal AuthType = iota
	AuthKerberos
	AuthSSL
	AuthGSSAPI
)

// PriorityDefault is the priority of a task that asked for none; lower is more urgent.
const PriorityDefault = 20

// Version is the Koji release whose protocol the hub speaks; sent as the Koji-Version header.
const Version = "1.35.3"

// APIVersion is what getAPIVersion answers.
const APIVersion = 1

var (
	taskStates  = []string{"FREE", "OPEN", "CLOSED", "CANCELED", "ASSIGNED", "FAILED"}
	buildStates = []string{"BUILDING", "COMPLETE", "DELETED", "FAILED", "CANCELED"}
	repoStates  = []string{"INIT", "READY", "EXPIRED", "DELETED", "PROBLEM"}
	rootStates  = []string{"INIT", "WAITING", "BUILDING", "EXPIRED"}
)

func nameOf(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return "UNKNOWN"
	}
	return names[i]
}

// String is Koji's name of the state.
func (s TaskState) String() string { return nameOf(taskStates, int(s)) }

// Finished tells whether the state is final: closed, canceled or failed.
func (s TaskState) Finished() bool { return s == TaskClosed || s == TaskCanceled || s == TaskFailed }

// String is Koji's name of the state.
func (s BuildState) String() string { return nameOf(buildStates, int(s)) }

// String is Koji's name of the state.
func (s RepoState) String() string { return nameOf(repoStates, int(s)) }

// String is Koji's name of the state.
func (s BuildrootState) String() string { return nameOf(rootStates, int(s)) }
