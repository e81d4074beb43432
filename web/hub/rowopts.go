package hub

import (
	"cmp"
	"slices"
	"strings"

	"moromi/internal/fault"
	"moromi/projections/query"
)

// applyOpts applies queryOpts to rows that no query gave (kojihub.db._applyQueryOpts). The order may name several columns. Negative offsets and
// limits count from the end, as in Python. lists names the values of a row with asList, in their order; where it is nil, rows stay what they are.
func applyOpts(rows []query.Row, o query.Opts, lists []string) (any, error) {
	if o.Order != "" {
		for _, part := range slices.Backward(strings.Split(o.Order, ",")) {
			if err := sortRows(rows, part); err != nil {
				return nil, err
			}
		}
	}
	if o.Offset != 0 {
		rows = rows[sliceIndex(o.Offset, len(rows)):]
	}
	if o.Limit != 0 {
		rows = rows[:sliceIndex(o.Limit, len(rows))]
	}
	switch {
	case o.CountOnly:
		return int64(len(rows)), nil
	case o.AsList && lists != nil:
		return asLists(rows, lists), nil
	}
	return rows, nil
}

// sortRows sorts rows by a column, or the other way round with - in front of it.
func sortRows(rows []query.Row, by string) error {
	name, down := strings.CutPrefix(by, "-")
	for _, r := range rows {
		if _, there := r[name]; !there {
			return fault.New(fault.Generic, "Invalid order: %s", clip(name))
		}
	}
	slices.SortStableFunc(rows, func(x, y query.Row) int {
		n := compareCells(x[name], y[name])
		if down {
			return -n
		}
		return n
	})
	return nil
}

func asLists(rows []query.Row, names []string) []any {
	all := make([]any, len(rows))
	for i, r := range rows {
		values := make([]any, len(names))
		for j, name := range names {
			values[j] = r[name]
		}
		all[i] = values
	}
	return all
}

// compareCells orders two numbers or two texts; nil comes first, and what cannot be compared is as good as equal.
func compareCells(x, y any) int {
	switch x := x.(type) {
	case nil:
		if y != nil {
			return -1
		}
	case int64:
		if y, ok := y.(int64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := y.(string); ok {
			return cmp.Compare(x, y)
		}
	}
	if y == nil && x != nil {
		return 1
	}
	return 0
}
