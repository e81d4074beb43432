package xmlrpc

// Fault is a <fault> answer: the code and text a hub refused a call with.
type Fault struct {
	Code   int
	String string
}

// Error is the fault's text, which is written for the caller.
func (f *Fault) Error() string { return f.String }
