package xmlrpc_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/xmlrpc"
)

// pythonEcho reads a methodResponse and writes what it read with Koji's additions to Python's writer.
const pythonEcho = `
import sys, xmlrpc.client as x
class M(x.Marshaller):
    dispatch = x.Marshaller.dispatch.copy()
    def dump_int(self, value, write):
        if -2**31 <= value < 2**31:
            x.Marshaller.dump_int(self, value, write)
        else:
            write("<value><i8>%d</i8></value>\n" % value)
    dispatch[int] = dump_int
params, _ = x.loads(sys.stdin.buffer.read(), use_builtin_types=True)
out = "<?xml version='1.0'?>\n<methodResponse>\n" + M("utf-8", True).dumps(params) + "</methodResponse>\n"
sys.stdout.buffer.write(out.encode("utf-8"))
`

// TestPythonAgrees sends 10,000 random values through Python's xmlrpc.client: it reads the same values from our
// document, and writes the same bytes.
func TestPythonAgrees(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	values := make([]any, 10_000)
	for i := range values {
		values[i] = randomValue(rnd, 4)
	}
	var ours bytes.Buffer
	if err := xmlrpc.EncodeResponse(&ours, values); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", pythonEcho)
	cmd.Stdin = bytes.NewReader(ours.Bytes())
	theirs, err := cmd.Output()
	if err != nil {
		t.Fatalf("seed %d: python3: %v", seed, err)
	}
	if !bytes.Equal(ours.Bytes(), theirs) {
		t.Errorf("seed %d: documents differ: %s", seed, firstDifference(ours.Bytes(), theirs))
	}
	got, err := xmlrpc.DecodeResponse(bytes.NewReader(theirs), xmlrpc.ResponseLimits())
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if !cmp.Equal(any(values), got) {
		t.Errorf("seed %d: values differ: %s", seed, cmp.Diff(any(values), got))
	}
}

func firstDifference(a, b []byte) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	from := max(0, i-60)
	return fmt.Sprintf("at %d: %q, python %q", i, a[from:min(len(a), i+60)], b[from:min(len(b), i+60)])
}

func randomValue(rnd *rand.Rand, depth int) any {
	kinds := 8
	if depth == 0 {
		kinds = 6
	}
	switch rnd.IntN(kinds + 1) {
	case 0:
		return nil
	case 1:
		return rnd.IntN(2) == 1
	case 2:
		return int64(rnd.Uint64()) >> rnd.IntN(64)
	case 3:
		f := math.Float64frombits(rnd.Uint64())
		if math.IsNaN(f) || rnd.IntN(2) == 0 {
			f = float64(rnd.IntN(2_000_000_000)) / 1e6
		}
		return f
	case 4:
		b := make([]byte, rnd.IntN(200))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	case 5:
		return time.Unix(rnd.Int64N(4_000_000_000), 0).UTC()
	case 7:
		list := make([]any, rnd.IntN(4))
		for i := range list {
			list[i] = randomValue(rnd, depth-1)
		}
		return list
	case 8:
		m := map[string]any{}
		for range rnd.IntN(4) {
			m[randomText(rnd)] = randomValue(rnd, depth-1)
		}
		return m
	}
	return randomText(rnd)
}

// randomText has no carriage return: Python writes it bare, and it reads back as a line feed.
func randomText(rnd *rand.Rand) string {
	letters := []rune("abc <>&\"'\t\n]]>ěšč日本🍶\u0085\u2028\u007f")
	text := make([]rune, rnd.IntN(20))
	for i := range text {
		text[i] = letters[rnd.IntN(len(letters))]
	}
	return string(text)
}
