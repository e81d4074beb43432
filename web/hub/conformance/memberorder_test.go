package conformance_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"moromi/internal/xmlrpc"
)

// memberOrder is the order in which recorded values name the members of their structs: clients keep it.
func memberOrder(raw []byte) (*xmlrpc.Order, error) {
	var structs []any
	names := []xmlrpc.Struct{} // of the values being read; nil of a list
	keyed := false             // the last token of a struct was a name
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			var doc bytes.Buffer
			if err := xmlrpc.EncodeCall(&doc, "order", structs); err != nil {
				return nil, err
			}
			_, _, order, err := xmlrpc.DecodeCallInOrder(&doc, xmlrpc.DefaultLimits())
			return order, err
		case err != nil:
			return nil, err
		}
		name, text := token.(string)
		switch {
		case token == json.Delim('{'):
			names, keyed = append(names, xmlrpc.Struct{}), false
		case token == json.Delim('['):
			names = append(names, nil)
		case token == json.Delim('}'), token == json.Delim(']'):
			if last := names[len(names)-1]; last != nil {
				structs = append(structs, last)
			}
			names, keyed = names[:len(names)-1], false
		case text && !keyed && len(names) > 0 && names[len(names)-1] != nil:
			names[len(names)-1] = append(names[len(names)-1], xmlrpc.Member{Name: name})
			keyed = true
		default:
			keyed = false
		}
	}
}
