package xmlrpc

import "time"

// DateTime is a time that is written as dateTime.iso8601 (whole seconds, UTC) whatever the options say. Koji's hub hands on the times of
// task requests and results as it got them, while those of its own are text: see TimeAsString.
type DateTime struct{ time.Time }

// MarshalXMLRPC implements Marshaler.
func (t DateTime) MarshalXMLRPC(e *Encoder) error {
	e.dateTime(t.Time)
	return nil
}

// KeepTimes makes DateTime of every time in a decoded value, so that it is written as it was read. Arrays and structs are changed in place.
func KeepTimes(v any) any {
	switch v := v.(type) {
	case time.Time:
		return DateTime{v}
	case []any:
		for i, e := range v {
			v[i] = KeepTimes(e)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = KeepTimes(e)
		}
	}
	return v
}
