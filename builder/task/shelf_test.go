package task

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"moromi/builder/buildroot"
)

// shelved is a root that only says when it is destroyed.
type shelved struct {
	buildroot.Root
	gone *journal
	id   int64
}

func (r shelved) Destroy() error {
	r.gone.note(r.id)
	return nil
}

type journal struct {
	mu  sync.Mutex
	ids []string
}

func (j *journal) note(id int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ids = append(j.ids, fmt.Sprint(id))
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.ids, " ")
}

func TestShelf(t *testing.T) {
	t.Parallel()
	now, gone, dirs := time.Unix(0, 0), &journal{}, &journal{}
	s := NewShelf(time.Hour, 3, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	put := func(id int64) bool {
		return s.put(&keptRoot{id: id, root: shelved{gone: gone, id: id}, remove: func() { dirs.note(id) }})
	}
	tidy := func(scarce bool) {
		s.Tidy(scarce)
		s.tidying.Wait()
	}
	want := func(what, ids string) {
		t.Helper()
		if gone.String() != ids || dirs.String() != ids {
			t.Errorf("%s: roots %q and directories %q are gone, want %q", what, gone, dirs, ids)
		}
	}
	for id := int64(1); id <= 3; id++ {
		put(id)
		now = now.Add(time.Minute)
	}
	tidy(false)
	want("all are young", "")
	put(4)
	want("one too many", "1")
	k, back := s.take(2)
	if k == nil || k.id != 2 {
		t.Fatalf("take gives %+v", k)
	}
	if again, _ := s.take(2); again != nil {
		t.Error("a root is used twice at once")
	}
	tidy(true)
	want("the oldest is in use", "1")
	back()
	tidy(true)
	want("the disk is full", "1 2")
	if k, _ := s.take(2); k != nil {
		t.Error("a root that is gone is given")
	}
	now = now.Add(time.Hour - time.Minute)
	tidy(false)
	want("an hour after the third", "1 2 3")
	put(5)
	s.Clear()
	want("the end", "1 2 3 4 5")
	for _, none := range []*Shelf{nil, NewShelf(0, 3, time.Now, nil), NewShelf(time.Hour, 0, time.Now, nil)} {
		if none.put(&keptRoot{}) {
			t.Error("a shelf that keeps nothing keeps a root")
		}
		if k, _ := none.take(1); k != nil {
			t.Error("a shelf that keeps nothing gives a root")
		}
	}
}
