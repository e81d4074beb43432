package negotiate

import (
	"errors"
	"fmt"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
)

// maxToken bounds a client's token in bytes. Tickets with large authorisation data have some 12 KiB; headers as a whole have 64 KiB.
const maxToken = 48 << 10

// token is what a client sent: a Kerberos request, in an envelope of SPNEGO (RFC 4178) or without one, as requests_gssapi before 1.3 sends it.
type token struct {
	request messages.APReq
	spnego  bool
	mech    asn1.ObjectIdentifier // under which the client offered Kerberos; Microsoft has a number of its own
}

// parseToken reads a client's token. Whatever the bytes are, it answers in time bounded by their number and does not panic.
func parseToken(raw []byte) (t *token, err error) {
	if len(raw) > maxToken {
		return nil, fmt.Errorf("the token has %d bytes, more than %d", len(raw), maxToken)
	}
	defer func() {
		if p := recover(); p != nil { // the decoders index into what they are given
			t, err = nil, fmt.Errorf("the token cannot be read: %v", p)
		}
	}()
	t = &token{}
	var outer spnego.SPNEGOToken
	inner := raw
	if outer.Unmarshal(raw) == nil {
		if !outer.Init || len(outer.NegTokenInit.MechTypes) == 0 {
			return nil, errors.New("the token is no first one of SPNEGO")
		}
		t.spnego, t.mech, inner = true, outer.NegTokenInit.MechTypes[0], outer.NegTokenInit.MechTokenBytes
		if !t.mech.Equal(gssapi.OIDKRB5.OID()) && !t.mech.Equal(gssapi.OIDMSLegacyKRB5.OID()) {
			return nil, fmt.Errorf("the client prefers mechanism %s to Kerberos", t.mech)
		}
	}
	var k spnego.KRB5Token
	if err := k.Unmarshal(inner); err != nil {
		return nil, fmt.Errorf("the token is none of Kerberos: %w", err)
	}
	if !k.IsAPReq() {
		return nil, errors.New("the token is no request of Kerberos")
	}
	t.request = k.APReq
	return t, nil
}
