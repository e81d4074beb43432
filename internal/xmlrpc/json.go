package xmlrpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// FromJSON decodes one JSON text into values that can be sent: whole numbers are int64, others float64.
func FromJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("decode JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("decode JSON: more than one value")
	}
	return JSONNumbers(v)
}

// JSONNumbers replaces the numbers of a JSON value that was decoded with UseNumber, in place where it can: whole ones become int64,
// others float64. A number that no float64 can hold is an error.
func JSONNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		return v.Float64()
	case []any:
		for i := range v {
			if v[i], err = JSONNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = JSONNumbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
