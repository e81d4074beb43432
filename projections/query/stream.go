package query

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"moromi/internal/xmlrpc"
)

// Stream is a query's rows as an XML-RPC array of structs. Each row is read while it is written, so that a list of any length needs no memory.
// It is written once.
type Stream struct {
	ctx     context.Context
	db      DB
	query   *Query
	convert map[string]func(any) (any, error)
}

// Stream gives the query's rows as they are written. convert, which may be nil, has for some columns what becomes of a value that is not null.
func (q *Query) Stream(ctx context.Context, db DB, convert map[string]func(any) (any, error)) *Stream {
	return &Stream{ctx: ctx, db: db, query: q, convert: convert}
}

// MarshalXMLRPC runs the query and writes its rows.
func (s *Stream) MarshalXMLRPC(e *xmlrpc.Encoder) error {
	sql, err := s.query.statement(Opts{})
	if err != nil {
		return err
	}
	rows, err := s.db.Query(s.ctx, sql, s.query.args...)
	if err != nil {
		return fmt.Errorf("query %.60s: %w", sql, err)
	}
	defer rows.Close()
	cols, order := s.query.Cols, s.query.byName() // members are sorted by name, as those of any other row
	e.BeginArray()
	for rows.Next() {
		e.BeginStruct()
		for _, i := range order {
			e.Name(cols[i].Name)
			if err := s.value(e, rows, i, cols[i].Name); err != nil {
				return fmt.Errorf("write column %s: %w", cols[i].Name, err)
			}
			e.EndMember()
		}
		e.EndStruct()
	}
	e.EndArray()
	if err := rows.Err(); err != nil {
		return fmt.Errorf("query %.60s: %w", sql, err)
	}
	return nil
}

// postgresEpoch is what PostgreSQL counts microseconds from.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// value writes one value. The common types are written from PostgreSQL's binary format, others by way of pgx.
func (s *Stream) value(e *xmlrpc.Encoder, rows pgx.Rows, i int, name string) error {
	raw, field := rows.RawValues()[i], rows.FieldDescriptions()[i]
	if raw == nil {
		e.Nil()
		return nil
	}
	if f := s.convert[name]; f != nil || field.Format != pgx.BinaryFormatCode {
		return s.slow(e, rows, i, f)
	}
	switch field.DataTypeOID {
	case pgtype.Int8OID:
		e.Int(int64(binary.BigEndian.Uint64(raw)))
	case pgtype.Int4OID:
		e.Int(int64(int32(binary.BigEndian.Uint32(raw))))
	case pgtype.BoolOID:
		e.Bool(raw[0] != 0)
	case pgtype.TextOID, pgtype.VarcharOID:
		e.String(string(raw))
	case pgtype.TimestamptzOID:
		us := int64(binary.BigEndian.Uint64(raw))
		if us == math.MaxInt64 || us == math.MinInt64 {
			return fmt.Errorf("an infinite time")
		}
		e.Time(postgresEpoch.Add(time.Duration(us/1e6) * time.Second).Add(time.Duration(us%1e6) * time.Microsecond))
	default:
		return s.slow(e, rows, i, nil)
	}
	return nil
}

func (s *Stream) slow(e *xmlrpc.Encoder, rows pgx.Rows, i int, convert func(any) (any, error)) error {
	values, err := rows.Values()
	if err != nil {
		return err
	}
	v := plain(values[i])
	if convert != nil {
		if v, err = convert(v); err != nil {
			return err
		}
	}
	return e.Value(v)
}
