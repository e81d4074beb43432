package testnode

import (
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Expectations of an append besides an exact revision.
const (
	noStream    int64 = -1
	anyRevision int64 = -2
)

// overhead is what a record takes in the log besides its payload; positions are offsets and so have gaps.
const overhead = 60

// record is an event in the log.
type record struct {
	id          uuid.UUID
	stream      string
	revision    int64
	position    uint64
	typ         string
	contentType string
	data, meta  []byte
	created     time.Time
}

// log is the whole of the node's memory: all records in order, and the same by stream.
type log struct {
	mu      sync.RWMutex
	all     []*record
	streams map[string][]*record
	ids     map[uuid.UUID]*record
	end     uint64
	grown   chan struct{} // closed and replaced at each append
	drop    chan struct{} // closed and replaced when subscriptions are to end
}

func newLog() *log {
	l := &log{streams: map[string][]*record{}, ids: map[uuid.UUID]*record{}, grown: make(chan struct{}), drop: make(chan struct{})}
	l.writeSystem(3) // a fresh server is not empty either
	return l
}

// wrongRevision answers an append whose expectation is not met.
type wrongRevision struct{ current int64 }

func (w *wrongRevision) Error() string {
	return fmt.Sprintf("wrong expected revision, current %d", w.current)
}

// append follows the server's IndexWriter.CheckCommit (v23.10): an exact expectation below the end is a retry if the ids that follow it are
// the same; without an expectation it is one if all ids are known in that stream.
func (l *log) append(stream string, expected int64, rs []*record) (last *record, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.streams[stream]
	current := int64(len(have)) - 1
	switch {
	case expected == anyRevision:
		for i, r := range rs {
			old := l.ids[r.id]
			if old == nil || old.stream != stream {
				if i > 0 {
					return nil, &wrongRevision{current}
				}
				break
			}
			if i == len(rs)-1 {
				return old, nil
			}
		}
	case expected > current:
		return nil, &wrongRevision{current}
	case expected < current:
		for i, r := range rs {
			at := expected + 1 + int64(i)
			if at > current || have[at].id != r.id {
				return nil, &wrongRevision{current}
			}
			last = have[at]
		}
		return last, nil
	}
	return l.write(stream, rs), nil
}

// write adds records under the lock.
func (l *log) write(stream string, rs []*record) (last *record) {
	now := time.Now()
	if n := len(l.all); n > 0 && now.Before(l.all[n-1].created) {
		now = l.all[n-1].created
	}
	for _, r := range rs {
		r.stream, r.revision, r.position, r.created = stream, int64(len(l.streams[stream])), l.end, now
		l.end += uint64(overhead + len(r.data) + len(r.meta) + len(stream) + len(r.typ))
		l.all, l.streams[stream], l.ids[r.id] = append(l.all, r), append(l.streams[stream], r), r
		last = r
	}
	close(l.grown)
	l.grown = make(chan struct{})
	return last
}

func (l *log) writeSystem(count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range count {
		l.write("$stats-127.0.0.1:2113", []*record{{id: uuid.New(), typ: "$statsCollected", contentType: "application/json", data: []byte(`{}`)}})
	}
}

func (l *log) dropSubscriptions() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.drop)
	l.drop = make(chan struct{})
}

// signals gives the channels that close when there is more, and when subscriptions are to end.
func (l *log) signals() (grown, drop <-chan struct{}) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.grown, l.drop
}

// read gives up to n records of a stream, or of all if the name is empty, from an index on; backwards it counts down to and with it.
func (l *log) read(stream string, index, n int, backwards bool) []*record {
	l.mu.RLock()
	defer l.mu.RUnlock()
	src := l.source(stream)
	if backwards {
		var out []*record
		for i := min(index, len(src)-1); i >= 0 && len(out) < n; i-- {
			out = append(out, src[i])
		}
		return out
	}
	if index >= len(src) {
		return nil
	}
	return src[index:min(index+n, len(src)):min(index+n, len(src))]
}

func (l *log) source(stream string) []*record {
	if stream == "" {
		return l.all
	}
	return l.streams[stream]
}

func (l *log) length(stream string) int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.source(stream))
}

// indexAt gives the index in all of the first record at or after a position.
func (l *log) indexAt(position uint64) int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return sort.Search(len(l.all), func(i int) bool { return l.all[i].position >= position })
}
