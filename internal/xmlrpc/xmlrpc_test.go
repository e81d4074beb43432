package xmlrpc_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/xmlrpc"
)

func call(params string) string {
	return "<?xml version='1.0'?><methodCall><methodName>m</methodName><params>" + params + "</params></methodCall>"
}

func param(value string) string { return call("<param><value>" + value + "</value></param>") }

func TestDecodeCallValues(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 21, 2, 35, 33, 0, time.UTC)
	tests := []struct {
		name, value string
		want        any
	}{
		{"bare text", "abc", "abc"},
		{"bare spaces", "  ", "  "},
		{"empty", "", ""},
		{"string", "<string>a b</string>", "a b"},
		{"string keeps space", "\n <string> a </string>\n", " a "},
		{"empty string element", "<string/>", ""},
		{"entities", "<string>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#13;</string>", "<&>\"'AB\r"},
		{"line ends", "<string>a\r\nb\rc\n</string>", "a\nb\nc\n"},
		{"cdata", "<string>x<![CDATA[<a>&amp;]]]]><![CDATA[>]]>y</string>", "x<a>&amp;]]>y"},
		{"comment", "<string>a<!-- - b -->c</string>", "ac"},
		{"unicode", "<string>ěšč 🍶</string>", "ěšč 🍶"},
		{"int", "<int>-5</int>", int64(-5)},
		{"int with space", "<int> +7\n</int>", int64(7)},
		{"i4", "<i4>1</i4>", int64(1)},
		{"i8", "<i8>-9223372036854775808</i8>", int64(math.MinInt64)},
		{"prefixed i8", `<ex:i8 xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions">8</ex:i8>`, int64(8)},
		{"true", "<boolean>1</boolean>", true},
		{"false", "<boolean>0</boolean>", false},
		{"double", "<double>1.5</double>", 1.5},
		{"double exponent", "<double>-1e+300</double>", -1e300},
		{"double inf", "<double>inf</double>", math.Inf(1)},
		{"nil", "<nil/>", nil},
		{"long nil", "<nil></nil>", nil},
		{"base64", "<base64>\naGVs\nbG8=\n</base64>", []byte("hello")},
		{"empty base64", "<base64></base64>", []byte{}},
		{"date", "<dateTime.iso8601>20261121T02:35:33</dateTime.iso8601>", when},
		{"date with zone", "<dateTime.iso8601>2026-11-21T03:35:33+01:00</dateTime.iso8601>", when},
		{"array", "<array><data><value>a</value><value><nil/></value></data></array>", []any{"a", nil}},
		{"empty arrays", "<array><data><value><array/></value><value><array><data/></array></value></data></array>", []any{[]any{}, []any{}}},
		{"struct", "<struct><member><name>a</name><value><int>1</int></value></member></struct>", map[string]any{"a": int64(1)}},
		{"empty struct", "<struct/>", map[string]any{}},
		{"last member counts", "<struct><member><name>a</name><value>1</value></member><member><name>a</name><value>2</value></member></struct>", map[string]any{"a": "2"}},
		{"attributes", `<string a="/>" b='">'>x</string >`, "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			method, params, err := xmlrpc.DecodeCall(strings.NewReader(param(tt.value)), xmlrpc.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if method != "m" || len(params) != 1 {
				t.Fatalf("method %q with %d parameters", method, len(params))
			}
			if d := cmp.Diff(tt.want, params[0]); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecodeCallDocuments(t *testing.T) {
	t.Parallel()
	const body = "<methodCall><methodName>m</methodName><params><param><value>\xe9</value></param></params></methodCall>"
	utf := strings.ReplaceAll(body, "\xe9", "é")
	for name, doc := range map[string]string{
		"no declaration":  utf,
		"byte order mark": "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\" standalone='yes'?>" + utf,
		"comments around": "<?xml version='1.0'?>\n<!-- a -->" + utf + "\n<!-- b -->\n",
		"latin 1":         "<?xml version='1.0' encoding='iso-8859-1'?>" + body,
		"ascii":           "<?xml version='1.0' encoding='us-ascii'?>" + strings.ReplaceAll(body, "\xe9", "&#233;"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, params, err := xmlrpc.DecodeCall(&trickle{s: doc}, xmlrpc.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]any{"é"}, params); d != "" {
				t.Error(d)
			}
		})
	}
	_, params, err := xmlrpc.DecodeCall(strings.NewReader("<methodCall><methodName>a.b</methodName></methodCall>"), xmlrpc.Limits{})
	if err != nil || len(params) != 0 {
		t.Errorf("call without params: %v, %v", params, err)
	}
}

// trickle gives one byte a read, so that every token crosses a buffer's end.
type trickle struct {
	s string
	i int
}

func (r *trickle) Read(p []byte) (int, error) {
	if r.i == len(r.s) {
		return 0, errEOF
	}
	p[0] = r.s[r.i]
	r.i++
	return 1, nil
}

func TestDecodeCallRefuses(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"empty":                  "",
		"text":                   "hello",
		"other root":             "<methodResponse/>",
		"no method":              "<methodCall><params/></methodCall>",
		"blank method":           "<methodCall><methodName> </methodName></methodCall>",
		"doctype":                `<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b "c">]>` + strings.TrimPrefix(param("x"), "<?xml version='1.0'?>"),
		"own entity":             param("&b;"),
		"processing instruction": param("<?php x?>"),
		"second declaration":     param("<?xml version='1.0'?>"),
		"utf-16":                 "<?xml version='1.0' encoding='utf-16'?><methodCall/>",
		"xml 1.1":                strings.Replace(param("x"), "1.0", "1.1", 1),
		"truncated":              strings.TrimSuffix(param("x"), "</methodCall>"),
		"junk after":             param("x") + "y",
		"second root":            param("x") + param("x"),
		"mismatched":             param("<string>x</int>"),
		"mismatched value":       call("<param><value>x</param></value>"),
		"unknown type":           param("<i16>1</i16>"),
		"two types":              param("<int>1</int><int>2</int>"),
		"text before type":       param("x<int>1</int>"),
		"text between":           call("x"),
		"nested string":          param("<string><int>1</int></string>"),
		"bad int":                param("<int>1.5</int>"),
		"empty int":              param("<int/>"),
		"huge int":               param("<i8>9223372036854775808</i8>"),
		"bad boolean":            param("<boolean>true</boolean>"),
		"bad double":             param("<double>0x1p3</double>"),
		"bad base64":             param("<base64>!</base64>"),
		"bad date":               param("<dateTime.iso8601>yesterday</dateTime.iso8601>"),
		"nil with text":          param("<nil>x</nil>"),
		"control character":      param("a\x01b"),
		"control by number":      param("&#1;"),
		"surrogate by number":    param("&#xD800;"),
		"U+FFFE":                 param("\uFFFE"),
		"bad utf-8":              param("\xe9"),
		"bad utf-8 in cdata":     param("<![CDATA[\xff]]>"),
		"8 bit ascii":            strings.Replace(param("\xe9"), "'1.0'", "'1.0' encoding='us-ascii'", 1),
		"open comment":           param("<!-- "),
		"bad comment":            param("<!-- a -- b -->"),
		"open cdata":             param("<![CDATA[x]]"),
		"member without name":    param("<struct><member><value/></member></struct>"),
		"member without value":   param("<struct><member><name>a</name></member></struct>"),
		"long tag":               param("<" + strings.Repeat("a", 1000) + ">"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, params, err := xmlrpc.DecodeCall(strings.NewReader(doc), xmlrpc.Limits{})
			var syntax *xmlrpc.SyntaxError
			if !errors.As(err, &syntax) {
				t.Errorf("got %v, error %v; want a syntax error", params, err)
			}
		})
	}
}

func TestDecodeLimits(t *testing.T) {
	t.Parallel()
	nested := func(n int) string {
		return param(strings.Repeat("<array><data><value>", n) + strings.Repeat("</value></data></array>", n))
	}
	tests := []struct {
		name, doc string
		lim       xmlrpc.Limits
		wantWhat  string
	}{
		{"depth allowed", nested(xmlrpc.DefaultMaxDepth), xmlrpc.Limits{}, ""},
		{"depth", nested(xmlrpc.DefaultMaxDepth + 1), xmlrpc.Limits{}, "nested values"},
		{"a million deep", nested(1_000_000), xmlrpc.Limits{MaxBytes: 1 << 30}, "nested values"},
		{"bytes allowed", param(strings.Repeat("x", 1000)), xmlrpc.Limits{MaxBytes: 2000}, ""},
		{"bytes", param(strings.Repeat("x", 100_000)), xmlrpc.Limits{MaxBytes: 2000}, "bytes"},
		{"default bytes", param(strings.Repeat("x", xmlrpc.DefaultMaxBytes)), xmlrpc.Limits{}, "bytes"},
		{"elements", call(strings.Repeat("<param><value/></param>", 20)), xmlrpc.Limits{MaxElements: 20}, "elements"},
		{"default elements", param("<array><data>" + strings.Repeat("<value/>", 1_000_000) + "</data></array>"), xmlrpc.Limits{MaxBytes: 1 << 30}, "elements"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := xmlrpc.DecodeCall(strings.NewReader(tt.doc), tt.lim)
			var limit *xmlrpc.LimitError
			if errors.As(err, &limit); tt.wantWhat == "" && err != nil || tt.wantWhat != "" && (limit == nil || limit.What != tt.wantWhat) {
				t.Errorf("error %v, want %q", err, tt.wantWhat)
			}
		})
	}
}

func TestDecodeResponse(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := xmlrpc.EncodeFault(&b, 1000, "no <tag> \x00here"); err != nil {
		t.Fatal(err)
	}
	_, err := xmlrpc.DecodeResponse(&b, xmlrpc.ResponseLimits())
	var f *xmlrpc.Fault
	if !errors.As(err, &f) || f.Code != 1000 || f.String != "no <tag> here" {
		t.Errorf("fault: %#v", err)
	}
	for name, doc := range map[string]string{
		"no value":        "<methodResponse><params/></methodResponse>",
		"two values":      "<methodResponse><params><param><value/></param><param><value/></param></params></methodResponse>",
		"empty":           "<methodResponse/>",
		"fault of a text": "<methodResponse><fault><value>x</value></fault></methodResponse>",
		"fault, no text":  "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1</int></value></member></struct></value></fault></methodResponse>",
	} {
		if v, err := xmlrpc.DecodeResponse(strings.NewReader(doc), xmlrpc.Limits{}); err == nil || errors.As(err, &f) {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
	}
}

func TestSplitKwargs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		params  []any
		wantPos []any
		wantKw  map[string]any
	}{
		{"none", nil, nil, map[string]any{}},
		{"no struct", []any{"a"}, []any{"a"}, map[string]any{}},
		{"plain struct", []any{map[string]any{"a": true}}, []any{map[string]any{"a": true}}, map[string]any{}},
		{"marked", []any{"a", map[string]any{"b": nil, "__starstar": true}}, []any{"a"}, map[string]any{"b": nil}},
		{"marked with 1", []any{map[string]any{"b": "c", "__starstar": int64(1)}}, []any{}, map[string]any{"b": "c"}},
		{"marked false", []any{map[string]any{"__starstar": false}}, []any{map[string]any{"__starstar": false}}, map[string]any{}},
		{"kwargs", []any{"a", xmlrpc.Kwargs{"b": "c"}}, []any{"a"}, map[string]any{"b": "c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pos, kw := xmlrpc.SplitKwargs(tt.params)
			if d := cmp.Diff(tt.wantPos, pos); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.wantKw, kw); d != "" {
				t.Error(d)
			}
		})
	}
}
