package pgledger

import "context"

// Queued tells how many appends wait for the writer.
func (l *Ledger) Queued() int { return len(l.queue) }

// Show gives a run-time parameter as the ledger's sessions have it.
func (l *Ledger) Show(ctx context.Context, name string) (value string, err error) {
	err = l.readers.QueryRow(ctx, "select current_setting($1)", name).Scan(&value)
	return value, err
}
