package query

import (
	"fmt"

	"moromi/internal/xmlrpc"
)

// JSON decodes a JSON text as clients know it: whole numbers are int64, others float64. Nil stays nil.
func JSON(text any) (any, error) {
	s, ok := text.(string)
	if !ok {
		return nil, nil
	}
	return xmlrpc.FromJSON(s)
}

// DecodeKey replaces the JSON text under key by what it stands for, in each row that has it.
func DecodeKey(rows []Row, key string) error {
	for _, r := range rows {
		if _, there := r[key]; !there {
			continue
		}
		v, err := JSON(r[key])
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		r[key] = v
	}
	return nil
}
