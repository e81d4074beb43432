package xmlrpc

import (
	"io"
	"slices"
)

// maxOrders bounds how many kinds of structs an Order remembers. Calls have a few; rows of one table are one kind.
const maxOrders = 64

// maxOrdered bounds how many members the structs have whose order is kept; real ones have a few dozen.
const maxOrdered = 256

// Order is in which order the structs of a document name their members. Go's maps do not keep that, Python's dicts do: who writes a part of a
// document again, InOrder, writes it as its author did. A nil Order knows nothing. It is not safe for concurrent use until the document was read.
type Order struct{ structs [][]string }

// Empty tells whether the order of no struct is known.
func (o *Order) Empty() bool { return o == nil || len(o.structs) == 0 }

// note remembers the members of a struct, which are all different.
func (o *Order) note(names []string) {
	if len(names) < 2 || len(o.structs) >= maxOrders || slices.ContainsFunc(o.structs, func(s []string) bool { return slices.Equal(s, names) }) {
		return
	}
	names = slices.Clone(names)
	o.structs = append(o.structs, names)
	if i := slices.Index(names, starstar); i >= 0 { // named arguments are known without it, too
		o.note(slices.Delete(slices.Clone(names), i, i+1))
	}
}

// arrange puts sorted names into the order in which a struct with the same members had them. Of a struct that had all but one, the last is the one
// that was added.
func (o *Order) arrange(names []string) {
	if o.Empty() {
		return
	}
	known := func(s []string) bool {
		return !slices.ContainsFunc(s, func(name string) bool { _, ok := slices.BinarySearch(names, name); return !ok })
	}
	for added := range 2 {
		for _, s := range o.structs {
			if len(s)+added != len(names) || !known(s) {
				continue
			}
			last := names[0]
			for _, name := range names {
				if added > 0 && !slices.Contains(s, name) {
					last = name
				}
			}
			if copy(names, s) < len(names) {
				names[len(names)-1] = last
			}
			return
		}
	}
}

// DecodeCallInOrder is DecodeCall that also tells in which order structs name their members.
func DecodeCallInOrder(r io.Reader, lim Limits) (method string, params []any, order *Order, err error) {
	d := &decoder{scanner: newScanner(r, lim), names: map[string]string{}, order: &Order{}}
	method, params, err = decodeCall(d)
	return method, params, d.order, err
}

// noteOrder remembers a struct that ends: outer is where its members begin in d.named, n how many it has.
func (d *decoder) noteOrder(outer, n int) {
	if d.order == nil {
		return
	}
	if names := d.named[outer:]; len(names) == n { // else one was there twice, or there are too many
		d.order.note(names)
	}
	d.named = d.named[:outer]
}

// InOrder writes the members of structs in the order that a document had them in; those of others are sorted by name.
func InOrder(o *Order) Option { return func(e *Encoder) { e.order = o } }
