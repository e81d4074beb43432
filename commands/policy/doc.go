// Package policy is the language of Koji's hub policies (koji/policy.py of 1.35): named sets of rules, each a conjunction of tests and an
// action, the first rule that holds deciding.
//
//	line   = tests ("::" | "!!") action | "}"      "!!" turns the conjunction around
//	tests  = test { "&&" test }
//	test   = NAME { WORD }
//	action = "{" | text                            "{" opens a nested block, closed by a line "}"
//
// A # begins a comment, wherever it stands. When no rule of a nested block holds, the rules after the block go on.
package policy
