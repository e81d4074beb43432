// Package auth knows who is calling: login sessions of Koji's protocol and the passwords behind them.
// Facts from kojihub/auth.py of Koji 1.35.
//
// Sessions live in PostgreSQL (schema ops) and are read with one query by primary key on each call, so that a logout, a lost exclusive
// session or a new call number counts in every hub process at once; a call that rides (below) has that looked at in its change. No row lock is
// held while a call runs, and a call that only reads writes nothing: the time of last use is collected in memory and written behind in batches.
//
// # Call numbers
//
// A client numbers its calls and repeats one, number included, when the answer was lost. Koji stores the number in the transaction of the
// call itself, so a repeat of a call that changed something is refused (RetryError) and a repeat of one that did not is run again. Here the
// change is an append to a ledger that may be another database, so the number is claimed before the call that may change something runs
// (Claim) and given back if the call was refused with a fault, in which case nothing was changed. A crash, or an internal error whose
// outcome nobody knows, leaves the claim: the client then gets RetryError and looks, instead of doing a thing twice. The claim is one
// conditional update, right across any number of hub processes.
//
// Where the ledger is in the same database, and all that a method changes are events, the number rides: the session is taken as this process
// saw it last, and the transaction of the call's first event stores the number if the session still stands so, and fails otherwise (Ride, Finish).
// Then a crash leaves both or neither, as in Koji, and a call asks the database once instead of twice. A call that came to no event, refused or
// not, has its session looked at before it is answered: nobody is answered on the strength of what was remembered alone. A builder's report,
// which may be repeated, is looked at in the same way where it is written, and stores no number.
//
// Keys are stored as SHA-256 (they have 112 random bits, which needs no slow hash) and compared in constant time; passwords as argon2id.
package auth
