package buildroot

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"moromi/events"
)

// ContentStream is the stream of a list of rpms: one event, whoever records it.
func ContentStream(digest string) string { return "content-" + digest }

// Digest is the name of a list of rpm ids, which must be ascending: the SHA-256 over the ids in decimal, each followed by a newline.
func Digest(ids []int64) string {
	h := sha256.New()
	var buf [24]byte
	for _, id := range ids {
		h.Write(append(strconv.AppendInt(buf[:0], id, 10), '\n'))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Content is the folded state of a list: whether it is on record.
type Content struct{ recorded bool }

// Apply takes an event of the stream.
func (c *Content) Apply(e events.Event) {
	if _, ok := e.(events.ContentRecorded); ok {
		c.recorded = true
	}
}

// Record records the list, unless it is. base is a list on record (digest "" for none): the event has the difference to it if that is shorter.
// Both are ascending.
func (c *Content) Record(ids []int64, base string, baseIDs []int64) []events.Event {
	if c.recorded {
		return nil
	}
	e := events.ContentRecorded{Digest: Digest(ids), Added: ids}
	if base != "" {
		added, removed := difference(ids, baseIDs)
		if len(added)+len(removed) < len(ids)/2 {
			e.Base, e.Added, e.Removed = base, added, removed
		}
	}
	return []events.Event{e}
}

// difference gives what is in a and not in b, and the other way round; both ascending.
func difference(a, b []int64) (added, removed []int64) {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case j == len(b) || i < len(a) && a[i] < b[j]:
			added = append(added, a[i])
			i++
		case i == len(a) || b[j] < a[i]:
			removed = append(removed, b[j])
			j++
		default:
			i++
			j++
		}
	}
	return added, removed
}

// Normal sorts ids and drops repetitions, in place.
func Normal(ids []int64) []int64 {
	slices.Sort(ids)
	return slices.Compact(ids)
}
