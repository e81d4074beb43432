package query_test

import (
	"bytes"
	"strings"
	"testing"

	"moromi/internal/pgtest"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
)

// values has a row for each value that the columns can have.
const values = `(values
	(1::bigint, 2::int, true, 'a<b'::text, '2026-01-02 03:04:05.678901+00'::timestamptz, 1.5::float8, '{"k": [1, null]}'::text),
	(-9007199254740993, -2, false, '', '1999-12-31 23:59:59.000001+00', -0.0, '[]'),
	(4294967296, 0, true, E'\r\u20ac', '2000-01-01 00:00:00+00', 1e300, '"s"'),
	(null, null, null, null, null, null, null)) v(big, small, yes, words, at, ratio, extra)`

// TestStreamWritesWhatRowsAre holds the short way from the database to XML equal to the long one.
func TestStreamWritesWhatRowsAre(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	var cols []query.Col
	for _, c := range []string{"words", "big", "small", "yes", "at", "ratio", "extra"} {
		cols = append(cols, query.Col{Name: c, Expr: "v." + c})
	}
	q := func() *query.Query { return query.New(cols, values) }
	encode := func(v any) string {
		t.Helper()
		var b bytes.Buffer
		if err := xmlrpc.EncodeResponse(&b, v, xmlrpc.TimeAsString()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	rows, err := q().All(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if err := query.DecodeKey(rows, "extra"); err != nil {
		t.Fatal(err)
	}
	want := encode(rows)
	got := encode(q().Stream(t.Context(), db, map[string]func(any) (any, error){"extra": query.JSON}))
	if got != want || strings.Count(got, "<struct>") != 5 {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
	var b bytes.Buffer
	if err := xmlrpc.EncodeResponse(&b, query.New([]query.Col{{Name: "x", Expr: "1 / (v.small)"}}, values).Where("v.small = 0").Stream(t.Context(), db, nil)); err == nil {
		t.Error("an error of the database is not told")
	}
}
