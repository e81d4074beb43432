package events

import "encoding/json"

// ExternalRepoSet: stream external_repo-ID. A yum repository outside of the site, at this address from here on.
type ExternalRepoSet struct {
	ID  int64  `json:"id"`
	URL string `json:"url"`
}

// ExternalRepoRemoved ends it.
type ExternalRepoRemoved struct {
	ID int64 `json:"id"`
}

// ExternalRepoDataSet: what was last seen of the repository's content; a change is a change of every tag that uses it.
type ExternalRepoDataSet struct {
	ID   int64           `json:"id"`
	Data json.RawMessage `json:"data,omitempty"`
}

func (ExternalRepoSet) EventType() string     { return "external_repo.set" }
func (ExternalRepoRemoved) EventType() string { return "external_repo.removed" }
func (ExternalRepoDataSet) EventType() string { return "external_repo.data_set" }

func externalRepoEvents() []registration {
	return []registration{of[ExternalRepoSet](), of[ExternalRepoRemoved](), of[ExternalRepoDataSet]()}
}
