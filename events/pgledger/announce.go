package pgledger

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"moromi/events"
)

// announceEvery bounds how often the other processes are told that there is more, and with it how much later than a commit. A notification costs
// as much as a commit, since PostgreSQL lets those who notify commit one after the other.
const announceEvery = 10 * time.Millisecond

// announce tells the other processes of what this one wrote, at once after a rest. They poll besides, so one that gets lost costs them pollEvery.
func (l *Ledger) announce() {
	told := events.Position(0)
	for l.open.Err() == nil {
		select {
		case <-l.wrote:
		case <-l.open.Done():
			return
		}
		if head := l.known.head(); head > told {
			ctx, cancel := context.WithTimeout(l.open, pollEvery)
			_, err := l.readers.Exec(ctx, "select pg_notify('"+channel+"', $1)", fmt.Sprintf("%d %s", head, l.self))
			cancel()
			if err != nil && l.open.Err() == nil {
				l.log.Warn("ledger notification not sent", "position", head, "error", err)
			}
			told = head
		}
		l.pause(l.open, announceEvery)
	}
}

// hear takes a notification. What this process itself sent tells it nothing new.
func (l *Ledger) hear(payload string) {
	number, from, _ := strings.Cut(payload, " ")
	if head, err := strconv.ParseInt(number, 10, 64); err == nil && from != l.self {
		l.known.hint(events.Position(head))
	}
}
