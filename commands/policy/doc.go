// Package policy is the language of Koji's hub policies (koji/policy.py of 1.35) and what it lacked: named sets of rules, each a condition
// and an action, the first rule that holds deciding.
//
//	rule   = tests ("::" | "!!") action | "}"      "!!" turns the condition around
//	tests  = test { "&&" test }
//	test   = NAME { WORD }                         the words are separated by blanks
//	action = "{" | text                            "{" opens a nested block, closed by a line "}"
//
// A # begins a comment, wherever it stands. The last :: of a line separates, and only without one the last !!. When no rule of a nested block
// holds, the rules after the block go on. That is Koji's grammar, and a rule in it means what it means in Koji.
//
// Beyond it a condition may be put together freely, and words may be quoted:
//
//	rule   = either ("::" | "!!") action           the first separator counts, and has blanks around it
//	either = both { "||" both }
//	both   = one { "&&" one }
//	one    = "not" one | "(" either ")" | test
//	word   = as above | '"' { any | '\"' | '\\' } '"'
//
// A rule is read that way if one of its tests begins with "(" or the word "not", which Koji refuses, or if it has a word || or one that begins
// with a double quote. To Koji such words are patterns, which nothing can match that is named by Koji's rules; Set.Notes tells of every rule
// that Koji, too, would take, and of which it would make something else.
package policy
