package xmlrpc

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"math"
)

// encodeBuffer is what the writer collects before it writes on.
const encodeBuffer = 16 << 10

const header = "<?xml version='1.0'?>\n"

// Marshaler is a value that writes itself: exactly one value, by the methods of Encoder.
// It may read rows from a database while it does, so that a long list is never in memory as a whole.
type Marshaler interface {
	MarshalXMLRPC(*Encoder) error
}

// Option changes how values are written.
type Option func(*Encoder)

// TimeAsString writes times as strings, 2006-01-02 15:04:05.000000+00:00, as Koji's hub does in its answers (Python's isoformat: a fraction of zero is left out).
// Without it they are dateTime.iso8601, as in task requests.
func TimeAsString() Option { return func(e *Encoder) { e.timeAsString = true } }

// RefuseText makes characters that XML cannot carry (most control characters, bytes that are not UTF-8) an error.
// EncodeCall does so always: what a caller asks is not changed behind their back.
func RefuseText() Option { return func(e *Encoder) { e.refuseText = true } }

// EncodeCall writes a methodCall. Kwargs as the last parameter become named arguments.
func EncodeCall(w io.Writer, method string, params []any, opts ...Option) error {
	if n := len(params); n > 0 {
		if kw, ok := params[n-1].(Kwargs); ok && len(kw) == 0 {
			params = params[:n-1]
		}
	}
	e := newEncoder(w, opts)
	e.refuseText = true
	e.raw(header + "<methodCall>\n<methodName>")
	e.text(method)
	e.raw("</methodName>\n<params>\n")
	for i, p := range params {
		e.raw("<param>\n")
		if err := e.Value(p); err != nil {
			return fmt.Errorf("encode parameter %d of %s: %w", i+1, method, err)
		}
		e.raw("</param>\n")
	}
	e.raw("</params>\n</methodCall>\n")
	return e.flush()
}

// EncodeResponse writes a methodResponse with one value. It writes as it goes, 16 KiB at a time: after an error the
// document is incomplete, and the connection must be broken off so that the client notices.
func EncodeResponse(w io.Writer, result any, opts ...Option) error {
	e := newEncoder(w, opts)
	e.raw(header + "<methodResponse>\n<params>\n<param>\n")
	if err := e.Value(result); err != nil {
		return fmt.Errorf("encode response: %w", err)
	}
	e.raw("</param>\n</params>\n</methodResponse>\n")
	return e.flush()
}

// EncodeFault writes a methodResponse that is a fault.
func EncodeFault(w io.Writer, code int, msg string) error {
	e := newEncoder(w, nil)
	e.raw(header + "<methodResponse>\n<fault>\n")
	if err := e.Value(Struct{{"faultCode", code}, {"faultString", msg}}); err != nil {
		return err
	}
	e.raw("</fault>\n</methodResponse>\n")
	return e.flush()
}

// Encoder writes values in xmlrpc.client's layout. Errors of the writer stick: the methods go on without writing, and
// the Encode functions report the first one.
//
// Text that XML cannot carry is dropped, and bytes that are not UTF-8 become U+FFFD, as koji.removeNonprintable does for
// changelogs and headers (elsewhere Koji writes a document that no client can read); see RefuseText.
type Encoder struct {
	w            *bufio.Writer
	err          error
	timeAsString bool
	refuseText   bool
	depth        int
	keys         [][]string // by depth: space to sort a map's keys in
	num          []byte
	order        *Order
}

func newEncoder(w io.Writer, opts []Option) *Encoder {
	e := &Encoder{w: bufio.NewWriterSize(w, encodeBuffer)}
	for _, opt := range opts {
		opt(e)
	}
	return e
}

func (e *Encoder) raw(s string) {
	if e.err == nil {
		_, e.err = e.w.WriteString(s)
	}
}

func (e *Encoder) fail(err error) error {
	if e.err == nil {
		e.err = err
	}
	return e.err
}

func (e *Encoder) flush() error {
	if e.err != nil {
		return e.err
	}
	return e.w.Flush()
}

// Nil writes <nil/>.
func (e *Encoder) Nil() { e.raw("<value><nil/></value>") }

// Bool writes a boolean.
func (e *Encoder) Bool(b bool) {
	if b {
		e.raw("<value><boolean>1</boolean></value>\n")
	} else {
		e.raw("<value><boolean>0</boolean></value>\n")
	}
}

// Int writes an integer: <int>, or <i8> if it needs more than 32 bits.
func (e *Encoder) Int(n int64) {
	if n > math.MaxInt32 || n < math.MinInt32 {
		e.raw("<value><i8>")
		e.number(n)
		e.raw("</i8></value>\n")
		return
	}
	e.raw("<value><int>")
	e.number(n)
	e.raw("</int></value>\n")
}

// String writes a string.
func (e *Encoder) String(s string) {
	e.raw("<value><string>")
	e.text(s)
	e.raw("</string></value>\n")
}

// BeginArray starts an array: its values follow, then EndArray.
func (e *Encoder) BeginArray() { e.raw("<value><array><data>\n") }

// EndArray ends an array.
func (e *Encoder) EndArray() { e.raw("</data></array></value>\n") }

// BeginStruct starts a struct: Name and a value for each member follow, then EndStruct.
func (e *Encoder) BeginStruct() { e.raw("<value><struct>\n") }

// Name starts a member; its value follows, then EndMember.
func (e *Encoder) Name(name string) {
	e.raw("<member>\n<name>")
	e.text(name)
	e.raw("</name>\n")
}

// EndMember ends a member.
func (e *Encoder) EndMember() { e.raw("</member>\n") }

// EndStruct ends a struct.
func (e *Encoder) EndStruct() { e.raw("</struct></value>\n") }

// Member writes one member of a struct.
func (e *Encoder) Member(name string, value any) error {
	e.Name(name)
	err := e.Value(value)
	e.EndMember()
	return err
}

func (e *Encoder) stream(seq iter.Seq2[any, error]) error {
	e.BeginArray()
	for v, err := range seq {
		if err != nil {
			return e.fail(err)
		}
		if err := e.Value(v); err != nil {
			return err
		}
	}
	e.EndArray()
	return e.err
}

// Struct is a struct whose members keep their order, as Python's dicts do. It decodes as a map.
type Struct []Member

// Member is one name and value of a Struct.
type Member struct {
	Name  string
	Value any
}
