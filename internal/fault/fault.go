// Package fault is the one error type that crosses Moromi's layers: a code that clients may act on and a
// message that they may see. Everything else is an internal error: surfaces show it as "internal error" with an id and log it whole.
package fault

import (
	"errors"
	"fmt"
)

// Code is a fault code of Koji's protocol (koji/__init__.py of 1.35: the exception classes' faultCode).
// REST and the web UI derive their HTTP status from it.
type Code int

// The fault codes of Koji 1.35. Internal is what Koji answers for an exception that is not its own.
const (
	Internal         Code = 1
	Generic          Code = 1000
	Lock             Code = 1001
	Auth             Code = 1002
	Tag              Code = 1003
	ActionNotAllowed Code = 1004
	Build            Code = 1005
	AuthLock         Code = 1006
	AuthExpired      Code = 1007
	Sequence         Code = 1008
	Retry            Code = 1009
	PreBuild         Code = 1010
	PostBuild        Code = 1011
	Buildroot        Code = 1012
	Deprecated       Code = 1013
	ServerOffline    Code = 1014
	LiveCD           Code = 1015
	Plugin           Code = 1016
	Callback         Code = 1017
	Appliance        Code = 1018
	Parameter        Code = 1019
	Import           Code = 1020
	Configuration    Code = 1021
	LiveMedia        Code = 1022
	GSSAPIAuth       Code = 1023
	NameValidation   Code = 1024
)

// Error is a fault with a code. Message is for the caller: it says what is wrong and, where it helps, what to do.
// Err, if set, is the cause; it goes to the log, never to a client.
type Error struct {
	Code    Code
	Message string
	Err     error
}

// New makes a fault. The format is fmt's; a cause is attached with Wrap.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault with a cause that only the log sees.
func Wrap(err error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: err}
}

// Error is the client's message, with the cause behind it where there is one.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of gives the fault in err's chain, or nil if err is an internal error.
func Of(err error) *Error {
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// Is tells whether err carries a fault with this code.
func Is(err error, code Code) bool {
	f := Of(err)
	return f != nil && f.Code == code
}
