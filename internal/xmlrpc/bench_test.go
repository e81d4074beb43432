package xmlrpc_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"moromi/internal/xmlrpc"
)

// rows is the shape of listTagged's answer.
func rows(n int) []map[string]any {
	list := make([]map[string]any, n)
	for i := range list {
		name := fmt.Sprintf("package-%d", i)
		list[i] = map[string]any{
			"id": i, "build_id": i, "name": name, "package_name": name, "package_id": i, "version": "1.0", "release": "1.fc42",
			"nvr": name + "-1.0-1.fc42", "epoch": nil, "state": 1, "tag_id": 7, "tag_name": "f42", "owner_id": 3, "owner_name": "alice",
			"task_id": i * 2, "creation_event_id": i * 3, "volume_id": 0, "volume_name": "DEFAULT", "completion_time": "2026-11-21 02:35:41.422619+00:00", "completion_ts": 1795228541.422619,
		}
	}
	return list
}

func BenchmarkEncodeResponse50000Rows(b *testing.B) {
	list := rows(50_000)
	b.ReportAllocs()
	for b.Loop() {
		var n counter
		if err := xmlrpc.EncodeResponse(&n, list, xmlrpc.TimeAsString()); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(n))
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func BenchmarkDecodeResponse50000Rows(b *testing.B) {
	var doc bytes.Buffer
	if err := xmlrpc.EncodeResponse(&doc, rows(50_000)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(doc.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := xmlrpc.DecodeResponse(bytes.NewReader(doc.Bytes()), xmlrpc.ResponseLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeCallSmall(b *testing.B) {
	var doc bytes.Buffer
	if err := xmlrpc.EncodeCall(&doc, "getTag", []any{"f42-build", xmlrpc.Kwargs{"strict": true}}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := xmlrpc.DecodeCall(bytes.NewReader(doc.Bytes()), xmlrpc.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeResponseSmall(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := xmlrpc.EncodeResponse(io.Discard, map[string]any{"id": 1, "name": "f42"}); err != nil {
			b.Fatal(err)
		}
	}
}
