package conformance_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// step is one line of a recording of a Koji 1.35 hub: a call, and what it answered.
type step struct {
	Step       int
	User       string // whose session; empty: nobody's
	Method     string
	Params     json.RawMessage
	Query      string  // of a raw upload
	BodySHA256 string  `json:"body_sha256"` // of a fixture
	Body       *string `json:"body_base64"`
	Result     json.RawMessage
	Fault      *struct{ Code int }
	HTTPStatus int  `json:"http_status"`
	Withheld   bool // the answer is not known here: the call is sent all the same
	Volatile   bool // the answer differs between two runs of Koji itself
}

// uploadStep is the method of a raw upload.
const uploadStep = "(upload)"

// longestStep bounds a line of a recording.
const longestStep = 4 << 20

func readRecording(t testing.TB, file string) []step {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	var steps []step
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, longestStep)
	for lines.Scan() {
		var s step
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatalf("%s: line %d: %v", file, len(steps)+1, err)
		}
		steps = append(steps, s)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// readFixtures gives the files that recordings upload, by the SHA-256 of their content.
func readFixtures(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir("testdata/fixtures", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		sum := sha256.Sum256(b)
		files[hex.EncodeToString(sum[:])] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// fromJSON turns a recorded value into what a client would have.
func fromJSON(raw []byte) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return wire(v)
}

func wire(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		return v.Float64()
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = wire(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		return wireStruct(v)
	}
	return v, nil
}

func wireStruct(m map[string]any) (any, error) {
	if text, ok := m["__base64__"].(string); ok && len(m) == 1 {
		return base64.StdEncoding.DecodeString(text)
	}
	if text, ok := m["__dateTime__"].(string); ok && len(m) == 1 {
		return time.Parse("20060102T15:04:05", text)
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		v, err := wire(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		out[k] = v
	}
	return out, nil
}
