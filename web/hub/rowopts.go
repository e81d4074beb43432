package hub

import (
	"cmp"
	"slices"
	"strings"

	"moromi/projections/query"
)

// applyOpts applies queryOpts to rows that no query gave (kojihub.db._applyQueryOpts). The order may name several columns.
func applyOpts(rows []query.Row, o query.Opts) any {
	for _, part := range slices.Backward(strings.Split(o.Order, ",")) {
		name, down := strings.CutPrefix(strings.TrimSpace(part), "-")
		if name == "" {
			continue
		}
		slices.SortStableFunc(rows, func(x, y query.Row) int {
			n := compareCells(x[name], y[name])
			if down {
				return -n
			}
			return n
		})
	}
	if o.Offset > 0 {
		rows = rows[min(o.Offset, int64(len(rows))):]
	}
	if o.HasLimit && o.Limit > 0 {
		rows = rows[:min(o.Limit, int64(len(rows)))]
	}
	if o.CountOnly {
		return int64(len(rows))
	}
	return rows
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
