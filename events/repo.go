package events

// Repositories and the requests for them: all of a tag's in the stream repos-TAG, so that what makes a repository READY answers, in the same
// append, the requests that it satisfies.

// RepoOpts are the options of a repository; nil is one that was not asked for.
type RepoOpts struct {
	Src         *bool `json:"src,omitempty"`
	Debuginfo   *bool `json:"debuginfo,omitempty"`
	SeparateSrc *bool `json:"separate_src,omitempty"`
	Maven       *bool `json:"maven,omitempty"`
}

// List gives the options in a fixed order.
func (o RepoOpts) List() [4]*bool { return [4]*bool{o.Src, o.Debuginfo, o.SeparateSrc, o.Maven} }

// Equal tells whether the same options are given with the same values.
func (o RepoOpts) Equal(p RepoOpts) bool {
	a, b := o.List(), p.List()
	for i := range a {
		if (a[i] == nil) != (b[i] == nil) || a[i] != nil && *a[i] != *b[i] {
			return false
		}
	}
	return true
}

// RepoCreated begins a repository of a tag's content as of CreateEvent. BeginEvent and EndEvent are the tag's last change before and its first
// after it, as far as known then. Opts and Custom are nil for dist repositories.
type RepoCreated struct {
	ID          int64     `json:"id"`
	TagID       int64     `json:"tag_id"`
	CreateEvent int64     `json:"create_event"` // 0: this event
	BeginEvent  int64     `json:"begin_event,omitempty"`
	EndEvent    *int64    `json:"end_event,omitempty"`
	Dist        bool      `json:"dist,omitempty"`
	Opts        *RepoOpts `json:"opts,omitempty"`
	Custom      *RepoOpts `json:"custom_opts,omitempty"`
	TaskID      *int64    `json:"task_id,omitempty"`
}

// RepoStateSet: the repository went on to another state (koji.RepoState). Problem says, for people, why it could not be made.
type RepoStateSet struct {
	ID      int64  `json:"id"`
	State   int    `json:"state"`
	Problem string `json:"problem,omitempty"`
}

// RepoOutdated: the tag changed at EndEvent, after what the repository has.
type RepoOutdated struct {
	ID       int64 `json:"id"`
	EndEvent int64 `json:"end_event"`
}

// RepoRequested asks for a repository of a tag: of the content at AtEvent, or of one not older than MinEvent.
type RepoRequested struct {
	ID       int64    `json:"id"`
	TagID    int64    `json:"tag_id"`
	Owner    int64    `json:"owner"`
	Priority int64    `json:"priority"`
	AtEvent  *int64   `json:"at_event,omitempty"`
	MinEvent *int64   `json:"min_event,omitempty"`
	Opts     RepoOpts `json:"opts"`
}

// RepoRequestPrioritized gives a request another priority.
type RepoRequestPrioritized struct {
	ID       int64 `json:"id"`
	TagID    int64 `json:"tag_id"`
	Priority int64 `json:"priority"`
}

// RepoRequestTasked: a task makes the repository; or, without a task, the last one did not succeed and another must.
type RepoRequestTasked struct {
	ID     int64  `json:"id"`
	TagID  int64  `json:"tag_id"`
	TaskID *int64 `json:"task_id,omitempty"`
}

// RepoRequestsFulfilled answers requests with a repository.
type RepoRequestsFulfilled struct {
	TagID  int64   `json:"tag_id"`
	RepoID int64   `json:"repo_id"`
	IDs    []int64 `json:"ids"`
}

// RepoRequestAbandoned: the repository could not be made.
type RepoRequestAbandoned struct {
	ID    int64 `json:"id"`
	TagID int64 `json:"tag_id"`
}

// RepoLatestSet: somebody took a tag's users back to an earlier dist repository (or forward again): "latest" leads to it until another is made.
type RepoLatestSet struct {
	TagID  int64 `json:"tag_id"`
	RepoID int64 `json:"repo_id"`
}

func (RepoCreated) EventType() string            { return "repo.created" }
func (RepoStateSet) EventType() string           { return "repo.state_set" }
func (RepoOutdated) EventType() string           { return "repo.outdated" }
func (RepoRequested) EventType() string          { return "repo.requested" }
func (RepoRequestPrioritized) EventType() string { return "repo.request_prioritized" }
func (RepoRequestTasked) EventType() string      { return "repo.request_tasked" }
func (RepoRequestsFulfilled) EventType() string  { return "repo.requests_fulfilled" }
func (RepoRequestAbandoned) EventType() string   { return "repo.request_abandoned" }
func (RepoLatestSet) EventType() string          { return "repo.latest_set" }

func repoEvents() []registration {
	return []registration{of[RepoCreated](), of[RepoStateSet](), of[RepoOutdated](), of[RepoRequested](), of[RepoRequestPrioritized](),
		of[RepoRequestTasked](), of[RepoRequestsFulfilled](), of[RepoRequestAbandoned](), of[RepoLatestSet]()}
}
