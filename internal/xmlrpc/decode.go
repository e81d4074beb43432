package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxInterned bounds the table of member names. An answer has the same few dozen names in every row.
const maxInterned = 1024

type decoder struct {
	*scanner
	names map[string]string // member names seen, so that 50,000 rows share them
	kind  []byte            // name of the scalar being read
	depth int
	order *Order   // nil: nobody asks
	named []string // the members of the structs being read, the innermost last; only for order
}

// DecodeCall reads a methodCall to the end of r. Named arguments stay in the last parameter, see SplitKwargs.
// Errors are *SyntaxError, *LimitError, or what r returned.
func DecodeCall(r io.Reader, lim Limits) (method string, params []any, err error) {
	return decodeCall(&decoder{scanner: newScanner(r, lim), names: map[string]string{}})
}

func decodeCall(d *decoder) (method string, params []any, err error) {
	if err := d.root("methodCall"); err != nil {
		return "", nil, err
	}
	if err := d.start("methodName"); err != nil {
		return "", nil, err
	}
	if method, err = d.scalar(); err != nil {
		return "", nil, err
	}
	if method = strings.TrimSpace(method); method == "" {
		return "", nil, d.errorf("empty method name")
	}
	params = []any{}
	tok, err := d.tag()
	if err != nil {
		return "", nil, err
	}
	if tok == tokStart { // <params> may be left out
		if params, err = d.params(); err != nil {
			return "", nil, err
		}
		if err := d.end(); err != nil {
			return "", nil, err
		}
	}
	return method, params, d.finish()
}

// DecodeResponse reads a methodResponse to the end of r. A fault comes back as a *Fault error; other errors are
// *SyntaxError, *LimitError, or what r returned.
func DecodeResponse(r io.Reader, lim Limits) (any, error) {
	d := &decoder{scanner: newScanner(r, lim), names: map[string]string{}}
	if err := d.root("methodResponse"); err != nil {
		return nil, err
	}
	tok, err := d.tag()
	if err != nil {
		return nil, err
	}
	if tok != tokStart {
		return nil, d.errorf("empty methodResponse")
	}
	if string(d.name) == "fault" {
		return nil, d.fault()
	}
	params, err := d.params()
	if err != nil {
		return nil, err
	}
	if len(params) != 1 {
		return nil, d.errorf("methodResponse has %d values, not one", len(params))
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return params[0], d.finish()
}

// fault reads what follows <fault> to the end of the document. It always returns an error.
func (d *decoder) fault() error {
	if err := d.start("value"); err != nil {
		return err
	}
	v, err := d.value()
	if err != nil {
		return err
	}
	for range 2 { // </fault></methodResponse>
		if err := d.end(); err != nil {
			return err
		}
	}
	if err := d.finish(); err != nil {
		return err
	}
	m, _ := v.(map[string]any)
	code, ok := m["faultCode"].(int64)
	text, ok2 := m["faultString"].(string)
	if !ok || !ok2 || code < math.MinInt32 || code > math.MaxInt32 {
		return d.errorf("fault without faultCode and faultString")
	}
	return &Fault{Code: int(code), String: text}
}

// root takes the prolog and the start of the outermost element.
func (d *decoder) root(want string) error {
	if err := d.prolog(); err != nil {
		return err
	}
	tok, err := d.next()
	if err != nil {
		return err
	}
	switch {
	case !blank(d.text):
		return d.errorf("syntax error")
	case tok == tokEOF:
		return d.errorf("no element found")
	case tok != tokStart || string(d.name) != want:
		return d.errorf("expected <%s>", want)
	}
	return nil
}

// finish takes what follows the outermost element: white space and comments.
func (d *decoder) finish() error {
	tok, err := d.next()
	if err != nil {
		return err
	}
	if tok != tokEOF || !blank(d.text) {
		return d.errorf("junk after document element")
	}
	return nil
}

// tag takes the next tag, with nothing but white space before it.
func (d *decoder) tag() (token, error) {
	tok, err := d.next()
	if err != nil {
		return tok, err
	}
	if tok == tokEOF {
		return tok, d.errorf("unexpected end of document")
	}
	if !blank(d.text) {
		return tok, d.errorf("text where only elements are expected")
	}
	return tok, nil
}

func (d *decoder) start(want string) error {
	tok, err := d.tag()
	if err != nil {
		return err
	}
	if tok != tokStart || string(d.name) != want {
		return d.errorf("expected <%s>", want)
	}
	return nil
}

func (d *decoder) end() error {
	tok, err := d.tag()
	if err != nil {
		return err
	}
	if tok != tokEnd {
		return d.errorf("unexpected element %s", d.name)
	}
	return nil
}

// params reads from the start tag of <params>, which is the current token, to its end.
func (d *decoder) params() ([]any, error) {
	if string(d.name) != "params" {
		return nil, d.errorf("unexpected element %s", d.name)
	}
	params := []any{}
	for {
		tok, err := d.tag()
		if err != nil {
			return nil, err
		}
		if tok == tokEnd {
			return params, d.closes("params")
		}
		if string(d.name) != "param" {
			return nil, d.errorf("expected <param>")
		}
		if err := d.start("value"); err != nil {
			return nil, err
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		if err := d.end(); err != nil {
			return nil, err
		}
		params = append(params, v)
	}
}

// closes checks the name of the end tag just taken.
func (d *decoder) closes(want string) error {
	if string(d.name) != want {
		return d.errorf("mismatched tag")
	}
	return nil
}

// value reads from after <value> to </value>.
func (d *decoder) value() (any, error) {
	tok, err := d.next()
	if err != nil {
		return nil, err
	}
	switch tok {
	case tokEOF:
		return nil, d.errorf("unexpected end of document")
	case tokEnd: // no type: a string
		return string(d.text), d.closes("value")
	}
	if !blank(d.text) {
		return nil, d.errorf("text before the type of a value")
	}
	v, err := d.typed()
	if err != nil {
		return nil, err
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return v, d.closes("value")
}

// typed reads the value whose type's start tag is the current token, to its end tag.
func (d *decoder) typed() (any, error) {
	switch string(d.name) {
	case "string":
		return d.scalar()
	case "int", "i4", "i8", "i1", "i2", "biginteger":
		return d.int()
	case "boolean":
		return parsed(d, parseBool)
	case "double", "float":
		return parsed(d, parseFloat)
	case "nil":
		text, err := d.scalar()
		if err == nil && strings.TrimSpace(text) != "" {
			err = d.errorf("text in nil")
		}
		return nil, err
	case "base64":
		return parsed(d, parseBase64)
	case "dateTime.iso8601":
		return parsed(d, parseTime)
	case "array":
		return nested(d, (*decoder).array)
	case "struct":
		return nested(d, (*decoder).object)
	}
	return nil, d.errorf("unknown tag '%s'", d.name)
}

// scalar reads text to the end tag of the element that has begun.
func (d *decoder) scalar() (string, error) {
	if err := d.scalarText(); err != nil {
		return "", err
	}
	return string(d.text), nil
}

// scalarText is scalar that leaves the text in d.text.
func (d *decoder) scalarText() error {
	d.kind = append(d.kind[:0], d.name...)
	tok, err := d.next()
	if err != nil {
		return err
	}
	if tok != tokEnd {
		return d.errorf("expected the end of <%s>", d.kind)
	}
	if !bytes.Equal(d.name, d.kind) {
		return d.errorf("mismatched tag")
	}
	return nil
}

// int is parsed for integers, the most frequent values after strings, without a copy of their text.
func (d *decoder) int() (any, error) {
	if err := d.scalarText(); err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(d.text)), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return nil, d.errorf("bad %s value: does not fit 64 bits", d.kind)
	} else if err != nil {
		return nil, d.errorf("bad %s value: not a number", d.kind)
	}
	return n, nil
}

func parsed[T any](d *decoder, parse func(string) (T, error)) (any, error) {
	text, err := d.scalar()
	if err != nil {
		return nil, err
	}
	v, err := parse(strings.TrimSpace(text))
	if err != nil {
		return nil, d.errorf("bad %s value: %v", d.kind, err)
	}
	return v, nil
}

func nested[T any](d *decoder, read func(*decoder) (T, error)) (any, error) {
	if d.depth++; d.depth > d.lim.MaxDepth {
		return nil, &LimitError{What: "nested values", Limit: int64(d.lim.MaxDepth)}
	}
	defer func() { d.depth-- }()
	v, err := read(d)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (d *decoder) array() ([]any, error) {
	list := []any{}
	tok, err := d.tag()
	if err != nil {
		return nil, err
	}
	if tok == tokEnd { // <array/>, which Python takes for an empty one
		return list, d.closes("array")
	}
	if string(d.name) != "data" {
		return nil, d.errorf("expected <data>")
	}
	for {
		tok, err := d.tag()
		if err != nil {
			return nil, err
		}
		if tok == tokEnd {
			if err := d.closes("data"); err != nil {
				return nil, err
			}
			break
		}
		if string(d.name) != "value" {
			return nil, d.errorf("expected <value>")
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return list, d.closes("array")
}

// object reads a struct. Of members with one name the last counts, as in Python.
func (d *decoder) object() (map[string]any, error) {
	m := map[string]any{}
	outer := len(d.named)
	for {
		tok, err := d.tag()
		if err != nil {
			return nil, err
		}
		if tok == tokEnd {
			d.noteOrder(outer, len(m))
			return m, d.closes("struct")
		}
		if string(d.name) != "member" {
			return nil, d.errorf("expected <member>")
		}
		if err := d.start("name"); err != nil {
			return nil, err
		}
		name, err := d.memberName()
		if err != nil {
			return nil, err
		}
		if d.order != nil && len(d.named)-outer < maxOrdered {
			d.named = append(d.named, name)
		}
		if err := d.start("value"); err != nil {
			return nil, err
		}
		if m[name], err = d.value(); err != nil {
			return nil, err
		}
		if err := d.end(); err != nil {
			return nil, err
		}
		if err := d.closes("member"); err != nil {
			return nil, err
		}
	}
}

func (d *decoder) memberName() (string, error) {
	tok, err := d.next()
	if err != nil {
		return "", err
	}
	if tok != tokEnd {
		return "", d.errorf("expected the end of <name>")
	}
	if err := d.closes("name"); err != nil {
		return "", err
	}
	if name, ok := d.names[string(d.text)]; ok {
		return name, nil
	}
	name := string(d.text)
	if len(d.names) < maxInterned {
		d.names[name] = name
	}
	return name, nil
}

func blank(text []byte) bool {
	for _, c := range text {
		if !isSpace(c) {
			return false
		}
	}
	return true
}

func parseBool(text string) (bool, error) {
	switch text {
	case "0":
		return false, nil
	case "1":
		return true, nil
	}
	return false, errors.New("neither 0 nor 1")
}

func parseFloat(text string) (float64, error) {
	if strings.ContainsAny(text, "xX_") { // Go's hexadecimal floats
		return 0, errors.New("not a number")
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range is infinity, as in Python
		return 0, errors.New("not a number")
	}
	return f, nil
}

func parseBase64(text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.Map(dropSpace, text))
	if err != nil {
		return nil, errors.New("not base64")
	}
	return b, nil
}

func dropSpace(r rune) rune {
	if r < 0x80 && isSpace(byte(r)) {
		return -1
	}
	return r
}

// parseTime takes what xmlrpc.client and other libraries write. Without a zone it is UTC.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{
		"20060102T15:04:05", "2006-01-02T15:04:05", "20060102T150405",
		"20060102T15:04:05Z07:00", "2006-01-02T15:04:05Z07:00", "20060102T15:04:05-0700", "2006-01-02T15:04:05-0700",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("not a date like 20060102T15:04:05")
}
