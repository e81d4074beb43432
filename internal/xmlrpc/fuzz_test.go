package xmlrpc_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"moromi/internal/xmlrpc"
)

// FuzzDecodeCall: the decoder never panics, and what it accepts survives writing, in its own order, and reading again.
func FuzzDecodeCall(f *testing.F) {
	files, err := filepath.Glob("testdata/koji/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, request, _ := strings.Cut(string(data), "\n\n")
		request, _, _ = strings.Cut(request, "\n<<< HTTP")
		f.Add([]byte(request))
	}
	f.Add([]byte(param("<string>x<![CDATA[<a>&amp;]]]]><!-- c -->&#13;\r\n</string>")))
	f.Fuzz(func(t *testing.T, doc []byte) {
		method, params, order, err := xmlrpc.DecodeCallInOrder(bytes.NewReader(doc), xmlrpc.Limits{})
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := xmlrpc.EncodeCall(&b, method, params, xmlrpc.InOrder(order)); err != nil {
			t.Fatalf("accepted, but cannot be written: %v", err)
		}
		method2, params2, err := xmlrpc.DecodeCall(&b, xmlrpc.ResponseLimits())
		if err != nil {
			t.Fatalf("written, but cannot be read: %v", err)
		}
		if method2 != strings.TrimSpace(method) || !cmp.Equal(params, params2, cmpopts.EquateNaNs()) {
			t.Fatalf("%q %v became %q %v", method, params, method2, params2)
		}
	})
}

// FuzzDecodeResponse: as FuzzDecodeCall, for answers.
func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte("<methodResponse><params><param><value><i8>1</i8></value></param></params></methodResponse>"))
	f.Add([]byte("<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1</int></value></member></struct></value></fault></methodResponse>"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := xmlrpc.DecodeResponse(bytes.NewReader(doc), xmlrpc.Limits{})
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := xmlrpc.EncodeResponse(&b, v, xmlrpc.RefuseText()); err != nil {
			t.Fatal(err)
		}
		if v2, err := xmlrpc.DecodeResponse(&b, xmlrpc.ResponseLimits()); err != nil || !cmp.Equal(v, v2, cmpopts.EquateNaNs()) {
			t.Fatalf("%v became %v, %v", v, v2, err)
		}
	})
}

// FuzzRoundTrip: any text that is written reads back as it was, or is refused.
func FuzzRoundTrip(f *testing.F) {
	f.Add("a\r\nb]]>", uint64(1))
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		v := []any{text, map[string]any{text: randomValue(rand.New(rand.NewPCG(seed, 1)), 3)}}
		var b bytes.Buffer
		if err := xmlrpc.EncodeResponse(&b, v, xmlrpc.RefuseText()); err != nil {
			return
		}
		if got, err := xmlrpc.DecodeResponse(&b, xmlrpc.ResponseLimits()); err != nil || !cmp.Equal(any(v), got) {
			t.Fatalf("%v became %v, %v", v, got, err)
		}
	})
}
