package policy

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"moromi/internal/fault"
)

// number is a number as Python compares them: exactly. exact is nil for infinities and for what is no number.
type number struct {
	exact *big.Rat
	float float64
}

func ofFloat(f float64) number {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return number{float: f}
	}
	return number{exact: new(big.Rat).SetFloat64(f)}
}

var (
	pythonInt   = regexp.MustCompile(`^[+-]?[0-9]+(_[0-9]+)*$`)
	pythonFloat = regexp.MustCompile(`(?i)^[+-]?(nan|inf|infinity|([0-9]+(_[0-9]+)*\.?([0-9]+(_[0-9]+)*)?|\.[0-9]+(_[0-9]+)*)(e[+-]?[0-9]+(_[0-9]+)*)?)$`)
)

// longestNumber bounds the digits of a number: a float's exponent then bounds the rest.
const longestNumber = 400

// parseNumber reads what Python's int or float takes.
func parseNumber(text string) (number, error) {
	if len(text) > longestNumber || !pythonInt.MatchString(text) && !pythonFloat.MatchString(text) {
		return number{}, fmt.Errorf("compare with %q: not a number", clip(text))
	}
	digits := strings.ReplaceAll(text, "_", "")
	if pythonInt.MatchString(text) {
		r, _ := new(big.Rat).SetString(digits)
		return number{exact: r}, nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil && !math.IsInf(f, 0) { // too large is infinite, as in Python
		return number{}, fmt.Errorf("compare with %q: not a number", clip(text))
	}
	return ofFloat(f), nil
}

// numberOf gives the number that a value is.
func numberOf(v any) (number, bool) {
	switch v := v.(type) {
	case int64:
		return number{exact: new(big.Rat).SetInt64(v)}, true
	case float64:
		return ofFloat(v), true
	case bool:
		if v {
			return number{exact: big.NewRat(1, 1)}, true
		}
		return number{exact: new(big.Rat)}, true
	}
	return number{}, false
}

// order is -1, 0 or 1; ok is false where nothing is in order: with what is no number.
func (a number) order(b number) (o int, ok bool) {
	if a.exact != nil && b.exact != nil {
		return a.exact.Cmp(b.exact), true
	}
	x, y := a.rough(), b.rough()
	return cmp.Compare(x, y), !math.IsNaN(x) && !math.IsNaN(y)
}

// rough is the number beside an infinity: only on which side it is counts.
func (a number) rough() float64 {
	if a.exact != nil {
		return 0
	}
	return a.float
}

// compare is FIELD OP NUMBER.
func compare(args []string) (check, error) {
	if len(args) != 3 || !slices.Contains([]string{"<", ">", "<=", ">=", "=", "!="}, args[1]) {
		return nil, fmt.Errorf("compare wants FIELD, one of < > <= >= = !=, and a number")
	}
	want, err := parseNumber(args[2])
	if err != nil {
		return nil, err
	}
	field, op := args[0], args[1]
	return func(e *env) (bool, error) {
		v, there := e.data[field]
		if !there {
			return false, nil
		}
		n, ok := numberOf(v)
		if !ok && op != "=" && op != "!=" {
			return false, fault.New(fault.Internal, "%s is not a number: %s", clip(field), clip(fmt.Sprint(v)))
		}
		o, ordered := 0, false
		if ok {
			o, ordered = n.order(want)
		}
		if !ordered {
			return op == "!=", nil
		}
		return map[string]bool{"<": o < 0, ">": o > 0, "<=": o <= 0, ">=": o >= 0, "=": o == 0, "!=": o != 0}[op], nil
	}, nil
}

// pythonText is a value as Python's str writes it.
func pythonText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return pythonFloatText(v)
	}
	return fmt.Sprint(v)
}

// pythonFloatText is the shortest text that gives the number again, in Python's form.
func pythonFloatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f == 0 || math.Abs(f) >= 1e-4 && math.Abs(f) < 1e16:
		text := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}
