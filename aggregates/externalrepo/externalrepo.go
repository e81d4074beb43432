// Package externalrepo decides about one external yum repository.
package externalrepo

import (
	"bytes"
	"encoding/json"
	"fmt"

	"moromi/events"
	"moromi/internal/fault"
)

// Stream is the stream of an external repository.
func Stream(id int64) string { return fmt.Sprintf("external_repo-%d", id) }

// Repo is the folded state of one external repository. The zero value does not exist.
type Repo struct {
	set  *events.ExternalRepoSet
	data json.RawMessage
}

// Exists tells whether the repository is there.
func (r *Repo) Exists() bool { return r.set != nil }

// Apply takes an event of the stream.
func (r *Repo) Apply(e events.Event) {
	switch e := e.(type) {
	case events.ExternalRepoSet:
		r.set = &e
	case events.ExternalRepoRemoved:
		*r = Repo{}
	case events.ExternalRepoDataSet:
		r.data = e.Data
	}
}

// Create makes the repository.
func (r *Repo) Create(id int64, name, url string) ([]events.Event, error) {
	if r.Exists() {
		return nil, fault.New(fault.Generic, "An external repo named '%s' already exists", name)
	}
	return []events.Event{events.ExternalRepoSet{ID: id, URL: url}}, nil
}

// Edit gives the repository another address; no events if it is the same.
func (r *Repo) Edit(url string) ([]events.Event, error) {
	if !r.Exists() {
		return nil, fault.New(fault.Generic, "No such external repo")
	}
	if r.set.URL == url {
		return nil, nil
	}
	return []events.Event{events.ExternalRepoSet{ID: r.set.ID, URL: url}}, nil
}

// SetData notes what was last seen of the repository's content; no events if it is the same.
func (r *Repo) SetData(data json.RawMessage) ([]events.Event, error) {
	if !r.Exists() {
		return nil, fault.New(fault.Generic, "No such external repo")
	}
	if bytes.Equal(r.data, data) {
		return nil, nil
	}
	return []events.Event{events.ExternalRepoDataSet{ID: r.set.ID, Data: data}}, nil
}

// Delete ends the repository.
func (r *Repo) Delete() ([]events.Event, error) {
	if !r.Exists() {
		return nil, fault.New(fault.Generic, "No such external repo")
	}
	return []events.Event{events.ExternalRepoRemoved{ID: r.set.ID}}, nil
}
