package hub

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"moromi/events"
)

// still is a site where nothing changes.
type still struct{}

func (still) Position() events.Position            { return 1 }
func (still) LastChange(...string) events.Position { return 1 }

// TestAnswerCacheIsBounded: long answers do not crowd out short ones, open files stay few, and one that is being sent is not closed.
func TestAnswerCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newAnswerCache(still{}, slog.New(slog.DiscardHandler))
	short := answerKey{1}
	c.keep(&cached{key: short, at: 1, document: document{body: []byte("short"), size: 5}})
	var files []*os.File
	long := func(i int) answerKey { return answerKey{2, byte(i), byte(i >> 8)} }
	for i := range cacheFiles + 10 {
		f, err := os.Create(filepath.Join(t.TempDir(), "answer"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		a := &cached{key: long(i), at: 1, document: document{file: f, size: 10}}
		c.keep(a)
		if i > 0 { // the first one is still on its way to its client
			c.letGo(a)
		}
	}
	if c.find(short) == nil {
		t.Error("files crowded out what is in memory")
	}
	open := 0
	for _, f := range files {
		if _, err := f.Stat(); err == nil {
			open++
		}
	}
	if _, err := files[0].Stat(); err != nil || open != cacheFiles+1 || c.disk.bytes != 10*cacheFiles {
		t.Errorf("%d files are open, the one that is being sent: %v; %d bytes", open, err, c.disk.bytes)
	}
	if c.find(long(0)) != nil || c.find(long(cacheFiles)) == nil {
		t.Error("it is not those used last that stay")
	}
}
