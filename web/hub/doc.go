// Package hub is Koji's protocol over HTTP: XML-RPC calls, sessions, uploads and the topdir's files, as clients, builders and scripts of
// Koji 1.35 use them (facts: kojihub/kojixmlrpc.py, kojihub/auth.py and koji/__init__.py of 1.35).
//
// # Methods
//
// A Method is one line in a table: its name, its Python-like parameters, who may call it, and a Go function. Everything about a call that is
// not the method's own business happens around it, in this order, which is Koji's:
//
//	decode (with limits) → session → lock-out → bind the arguments → authorise → claim the call number → call → answer
//
// so a Func sees arguments that fit its parameters and a caller who may call it. Methods of a noun live in methods_<noun>.go as a function
// that gives their rows; whoever builds the hub joins the rows into Config.Methods. The methods that need no domain (sessions, introspection,
// multiCall, uploads) are this package's own.
//
// Method.Write says that the method may change something. Before such a method runs, the call's number is claimed, so that a client that lost
// the answer cannot make the hub do it twice; if the method refuses with a fault, the claim is given back (package auth explains). A method
// that writes files below work/ only is not a write: repeating it is how uploads recover.
//
// # Errors
//
// A *fault.Error reaches the client as it is. Any other error, and a panic, is answered with fault code 1 and an id, and logged whole under
// that id. An answer is sent from the start only when it is complete or has outgrown a buffer; if a streamed answer fails after that, the
// connection is cut, so a client never takes half an answer for a whole one.
package hub
