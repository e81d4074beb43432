// Package xmlrpc reads and writes XML-RPC as Koji's hub and clients speak it.
//
// The dialect is Python's xmlrpc.client with Koji's additions (koji/xmlrpcplus.py of 1.35): <nil/> in both
// directions, integers beyond 32 bits as <i8>, and named arguments as a last struct with the member __starstar.
// The writer's layout is that of xmlrpc.client, so that answers are the same bytes where that is possible.
//
// Decoded values are nil, bool, int64, float64, string, []byte (base64), time.Time (dateTime.iso8601, UTC),
// []any and map[string]any. See Encoder.Value for what can be encoded.
//
// The reader is a pull parser of its own for this dialect. It refuses document types, processing instructions and
// entities of the document's own, so nothing outside the request is ever fetched and nothing expands, and it keeps to Limits.
//
// Nothing here keeps state between calls; everything may be used from several goroutines, an Encoder by one at a time.
package xmlrpc
