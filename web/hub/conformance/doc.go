// Package conformance holds tests of a whole hub as clients see it, over HTTP: recorded traffic of a Koji hub is replayed and its answers are
// compared, the signatures of the methods are held against Koji's, who may call what is held against the table of methods, and hostile text
// goes into every parameter of every query. There is nothing in it but tests.
package conformance
