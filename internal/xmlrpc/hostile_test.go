package xmlrpc_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"moromi/internal/xmlrpc"
)

// hostile are documents that are made to cost a reader more than they cost their sender, each as large as a request may be or larger.
func hostile() map[string]string {
	const most = xmlrpc.DefaultMaxBytes
	fill := func(unit string) string { return strings.Repeat(unit, most/len(unit)) }
	var laughs strings.Builder
	laughs.WriteString("<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol0 'lol'>")
	for i := 1; i < 20; i++ {
		fmt.Fprintf(&laughs, "<!ENTITY lol%d '%s'>", i, strings.Repeat(fmt.Sprintf("&lol%d;", i-1), 10))
	}
	laughs.WriteString("]><methodCall><methodName>&lol19;</methodName></methodCall>")
	return map[string]string{
		"a billion laughs":         laughs.String(),
		"entities that are known":  param(fill("&lt;")),
		"characters by number":     param(fill("&#120;")),
		"a million arrays deep":    param(strings.Repeat("<array><data><value>", 1_000_000)),
		"a million structs deep":   param(strings.Repeat("<struct><member><name>a</name><value>", 1_000_000)),
		"empty values":             param("<array><data>" + fill("<value/>")),
		"empty arrays":             param("<array><data>" + fill("<value><array><data/></array></value>")),
		"empty structs":            param("<array><data>" + fill("<value><struct/></value>")),
		"small structs":            param("<array><data>" + fill("<value><struct><member><name>a</name><value/></member></struct></value>")),
		"members of one name":      param("<struct>" + fill("<member><name>a</name><value/></member>")),
		"members of other names":   param("<struct>" + members(most)),
		"parameters":               call(fill("<param><value/></param>")),
		"a long name of a method":  "<methodCall><methodName>" + fill("x"),
		"a long tag":               param("<" + fill("x")),
		"a long attribute":         "<methodCall a='" + fill("x"),
		"attributes":               "<methodCall " + fill("a='' "),
		"a long comment":           param("<!--" + fill("x")),
		"comments":                 param(fill("<!---->")),
		"sections of plain text":   param(fill("<![CDATA[]]>")),
		"bytes":                    param("<base64>" + fill("AAAA") + "</base64>"),
		"a long number":            param("<int>" + fill("1") + "</int>"),
		"a long fraction":          param("<double>0." + fill("1") + "</double>"),
		"blanks before the root":   fill(" "),
		"blanks between elements":  "<methodCall>" + fill("\n"),
		"instructions to programs": fill("<?a?>"),
	}
}

func members(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "<member><name>%x</name><value/></member>", i)
	}
	return b.String()
}

// counted counts what was read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// TestHostileDocumentsAreCheap bounds what reading a hostile document takes: no more than a request's bytes are looked at, and the memory that is
// asked for, all in all, is below 64 MiB. It is not parallel: it watches the memory of the whole process.
func TestHostileDocumentsAreCheap(t *testing.T) {
	const mostMemory, buffer = 64 << 20, 64 << 10
	for name, doc := range hostile() {
		t.Run(name, func(t *testing.T) {
			in := &counted{r: strings.NewReader(doc)}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, params, err := xmlrpc.DecodeCall(in, xmlrpc.Limits{})
			runtime.ReadMemStats(&after)
			var syntax *xmlrpc.SyntaxError
			var limit *xmlrpc.LimitError
			if err != nil && !errors.As(err, &syntax) && !errors.As(err, &limit) {
				t.Errorf("refused with %v", err)
			}
			if in.n > xmlrpc.DefaultMaxBytes+buffer {
				t.Errorf("%d bytes were read", in.n)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > mostMemory {
				t.Errorf("%d MiB were asked for, error %v, %d parameters", used>>20, err, len(params))
			}
		})
	}
}

// BenchmarkHostileDocument tells how long each of them takes: below 100 ms is wanted.
func BenchmarkHostileDocument(b *testing.B) {
	for name, doc := range hostile() {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, _ = xmlrpc.DecodeCall(strings.NewReader(doc), xmlrpc.Limits{})
			}
		})
	}
}
