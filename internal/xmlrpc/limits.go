package xmlrpc

import "fmt"

// Limits of one document. Zero fields take the value of DefaultLimits.
type Limits struct {
	MaxBytes    int64 // length of the whole document
	MaxDepth    int   // nesting of arrays and structs
	MaxElements int   // number of XML elements
}

// The defaults, for requests from clients nobody vouches for.
const (
	// DefaultMaxBytes is Koji's MaxRequestLength (4 MiB): the largest real requests are content generator imports, below 3 MiB.
	DefaultMaxBytes = 4 << 20
	// DefaultMaxDepth is far above what Koji's calls nest (about ten), and keeps the recursion of the decoder small.
	DefaultMaxDepth = 64
	// DefaultMaxElements bounds the memory that many tiny elements take, which is larger than their text.
	DefaultMaxElements = 1_000_000
)

// Limits for answers of a hub the caller has chosen to trust. listTagged of a large tag is tens of megabytes.
const (
	responseMaxBytes    = 1 << 30
	responseMaxElements = 50_000_000
)

// DefaultLimits are the limits for requests.
func DefaultLimits() Limits {
	return Limits{MaxBytes: DefaultMaxBytes, MaxDepth: DefaultMaxDepth, MaxElements: DefaultMaxElements}
}

// ResponseLimits are the limits for answers of a hub, whose lists are long: 1 GiB, 50 million elements.
func ResponseLimits() Limits {
	return Limits{MaxBytes: responseMaxBytes, MaxDepth: DefaultMaxDepth, MaxElements: responseMaxElements}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.MaxBytes <= 0 {
		l.MaxBytes = d.MaxBytes
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = d.MaxDepth
	}
	if l.MaxElements <= 0 {
		l.MaxElements = d.MaxElements
	}
	return l
}

// LimitError says that a document is larger than its Limits allow.
type LimitError struct {
	What  string // "bytes", "nested values" or "elements"
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("document has more than %d %s", e.Limit, e.What)
}

// SyntaxError says that a document is not XML-RPC. Lines count from 1, columns (bytes) from 0, as expat counts.
type SyntaxError struct {
	Line, Column int
	Msg          string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s: line %d, column %d", e.Msg, e.Line, e.Column)
}
