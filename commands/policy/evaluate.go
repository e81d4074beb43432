package policy

import (
	"context"
	"fmt"
	"maps"

	"moromi/internal/fault"
)

// Request is a question to a policy.
type Request struct {
	Policy string
	Data   map[string]any // with Koji's keys; not changed
	// Caller is who is asked about where the data has no user_id; 0: nobody is logged in.
	Caller int64
	// Trace asks for every test that was made.
	Trace bool
}

// RuleRef says which rule of a policy it is.
type RuleRef struct {
	Number string `json:"number"` // "3", or "3.1" for the first of the block that the third opens
	Line   int    `json:"line"`   // of the policy's text, from 1
	Text   string `json:"text"`
}

// Verdict is the outcome of a rule set.
type Verdict struct {
	Action  string    // of the first rule that holds
	Matched bool      // whether one did
	Rules   []RuleRef // the rules that led there, the outermost first
	Facts   []Fact    // what was asked about the site, in order, each once
	Trace   []Step    // the rules that were tried, if the request wanted it
}

// Step is one rule that was tried.
type Step struct {
	Policy string
	Rule   RuleRef
	Holds  bool
	Tests  []TestStep // those that were made: the others made no difference
}

// TestStep is one test that was made.
type TestStep struct {
	Text  string
	Holds bool
}

// Rule is the rule that decided, zero if none did.
func (v *Verdict) Rule() RuleRef {
	if len(v.Rules) == 0 {
		return RuleRef{}
	}
	return v.Rules[len(v.Rules)-1]
}

// env is one evaluation.
type env struct {
	ctx     context.Context
	all     Policies
	facts   Facts
	data    map[string]any
	caller  int64
	known   map[string]Answer
	asked   []Fact
	running map[*test]bool // policy tests under way
	trace   *[]Step
	tested  *[]TestStep // of the rule being tried
}

// Apply gives the action of the first rule of the named set that holds for the data.
func (p Policies) Apply(ctx context.Context, facts Facts, r Request) (Verdict, error) {
	e := &env{ctx: ctx, all: p, facts: facts, data: maps.Clone(r.Data), caller: r.Caller, known: map[string]Answer{}, running: map[*test]bool{}}
	if e.data == nil {
		e.data = map[string]any{}
	}
	if r.Trace {
		e.trace = &[]Step{}
	}
	v, err := e.apply(r.Policy)
	v.Facts = e.asked
	if e.trace != nil {
		v.Trace = *e.trace
	}
	return v, err
}

func (e *env) apply(name string) (Verdict, error) {
	set := e.all[name]
	if set == nil {
		return Verdict{}, fault.New(fault.Generic, "no such policy: %s", clip(name))
	}
	var v Verdict
	matched, err := e.rules(set, set.rules, &v)
	v.Matched = matched
	if err != nil {
		return v, fmt.Errorf("policy %s: %w", name, err)
	}
	return v, nil
}

func (e *env) rules(set *Set, rules []rule, v *Verdict) (bool, error) {
	for i := range rules {
		r := &rules[i]
		holds, err := e.holds(set, r)
		if err != nil {
			return false, fmt.Errorf("rule %s: %w", r.ref.Number, err)
		}
		if !holds {
			continue
		}
		v.Rules = append(v.Rules, r.ref)
		if r.block == nil {
			v.Action = r.action
			return true, nil
		}
		matched, err := e.rules(set, r.block, v)
		if matched || err != nil {
			return matched, err
		}
		v.Rules = v.Rules[:len(v.Rules)-1]
	}
	return false, nil
}

// holds tries one rule.
func (e *env) holds(set *Set, r *rule) (bool, error) {
	if e.trace == nil {
		ok, err := e.eval(&r.when)
		return ok != r.negate, err
	}
	at, outer := len(*e.trace), e.tested
	*e.trace = append(*e.trace, Step{Policy: set.Name, Rule: r.ref})
	e.tested = &[]TestStep{}
	ok, err := e.eval(&r.when)
	step := &(*e.trace)[at] // sub-policies may have added to it
	step.Holds, step.Tests = err == nil && ok != r.negate, *e.tested
	e.tested = outer
	return ok != r.negate, err
}

// eval makes the tests of a condition from left to right, as far as they make a difference.
func (e *env) eval(x *expr) (bool, error) {
	switch x.op {
	case opTest:
		ok, err := x.test.run(e)
		if err != nil {
			return false, fmt.Errorf("%s: %w", x.test.text, err)
		}
		if e.tested != nil {
			*e.tested = append(*e.tested, TestStep{x.test.text, ok})
		}
		return ok, nil
	case opNot:
		ok, err := e.eval(&x.kids[0])
		return !ok, err
	}
	for i := range x.kids {
		ok, err := e.eval(&x.kids[i])
		if err != nil || ok == (x.op == opOr) {
			return ok, err
		}
	}
	return x.op == opAnd, nil
}

// ask asks the site, once for each question.
func (e *env) ask(kind Kind, ref any) (Answer, error) {
	return e.askAt(kind, ref, 0)
}

func (e *env) askAt(kind Kind, ref any, event int64) (Answer, error) {
	q := Question{kind, ref, event}
	key, err := q.key()
	if err != nil {
		return Answer{}, err
	}
	if a, ok := e.known[key]; ok {
		return a, nil
	}
	a, err := e.facts.Ask(e.ctx, q)
	if err != nil {
		return a, err
	}
	e.known[key] = a
	e.asked = append(e.asked, Fact{q, a})
	return a, nil
}

// subPolicy is the test of another policy: whether that gives yes, true or allow.
func (e *env) subPolicy(self *test, name string) (bool, error) {
	if e.running[self] {
		return false, fault.New(fault.Generic, "encountered policy loop at %s", self.text)
	}
	e.running[self] = true
	defer delete(e.running, self)
	v, err := e.apply(name)
	if err != nil || !v.Matched {
		return false, err
	}
	return affirmative(v.Action), nil
}
