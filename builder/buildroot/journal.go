package buildroot

import (
	"fmt"
	"io"
	"time"
)

// Journal writes state.log: when each phase began and ended, in mock's line format.
type Journal struct {
	w   io.Writer
	now func() time.Time
}

// NewJournal makes a journal over w; now is the clock.
func NewJournal(w io.Writer, now func() time.Time) *Journal { return &Journal{w: w, now: now} }

// Phase notes that a phase begins and returns the function that notes its end.
func (j *Journal) Phase(name string) (finish func()) {
	j.line("Start: " + name)
	return func() { j.line("Finish: " + name) }
}

func (j *Journal) line(text string) {
	t := j.now().UTC()
	fmt.Fprintf(j.w, "%s,%03d - %s\n", t.Format("2006-01-02 15:04:05"), t.Nanosecond()/1e6, text)
}
