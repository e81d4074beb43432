package kerberos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"
)

// gokrb5 makes tokens, too, but keeps their authenticator to itself, without which the service's answer cannot be checked.

// The first bytes of a Kerberos token within GSS-API (RFC 4121, section 4.1).
const tokenAPReq = "\x01\x00"

// initiate makes the first token of a login and the check of its answer.
func initiate(c *client.Client, ticket messages.Ticket, key types.EncryptionKey) ([]byte, func([]byte) error, error) {
	authenticator, err := types.NewAuthenticator(c.Credentials.Domain(), c.Credentials.CName())
	if err != nil {
		return nil, nil, fmt.Errorf("make a Kerberos request: %w", err)
	}
	authenticator.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: gssChecksum(gssapi.ContextFlagMutual | gssapi.ContextFlagInteg)}
	request, err := messages.NewAPReq(ticket, key, authenticator)
	if err != nil {
		return nil, nil, fmt.Errorf("make a Kerberos request: %w", err)
	}
	types.SetFlag(&request.APOptions, flags.APOptionMutualRequired)
	message, err := request.Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("make a Kerberos request: %w", err)
	}
	mech, err := asn1.Marshal(gssapi.OIDKRB5.OID())
	if err != nil {
		return nil, nil, fmt.Errorf("make a Kerberos request: %w", err)
	}
	outer := spnego.SPNEGOToken{Init: true, NegTokenInit: spnego.NegTokenInit{MechTypes: []asn1.ObjectIdentifier{gssapi.OIDKRB5.OID()},
		MechTokenBytes: asn1tools.AddASNAppTag(slices.Concat(mech, []byte(tokenAPReq), message), 0)}}
	token, err := outer.Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("make a Kerberos request: %w", err)
	}
	return token, func(reply []byte) error { return checkReply(reply, key, authenticator) }, nil
}

// gssChecksum is the checksum field of an authenticator within GSS-API: no channel bindings, and the flags (RFC 4121, section 4.1.1).
func gssChecksum(contextFlags uint32) []byte {
	b := make([]byte, 24)
	binary.LittleEndian.PutUint32(b[:4], 16)
	binary.LittleEndian.PutUint32(b[20:], contextFlags)
	return b
}

// checkReply checks a service's token: only who could read the ticket knows the time that stands in the authenticator, and the key.
func checkReply(reply []byte, key types.EncryptionKey, sent types.Authenticator) (err error) {
	defer func() {
		if p := recover(); p != nil { // the decoders index into what they are given
			err = fmt.Errorf("the hub's Kerberos token cannot be read: %v", p)
		}
	}()
	inner := reply
	var outer spnego.SPNEGOToken
	if outer.Unmarshal(reply) == nil && outer.Resp {
		if int(outer.NegTokenResp.NegState) != int(spnego.NegStateAcceptCompleted) {
			return errors.New("the hub's Kerberos token does not accept the login")
		}
		inner = outer.NegTokenResp.ResponseToken
	}
	var token spnego.KRB5Token
	if err := token.Unmarshal(inner); err != nil {
		return fmt.Errorf("the hub's Kerberos token cannot be read: %w", err)
	}
	if token.APRep.MsgType == 0 {
		return errors.New("the hub's Kerberos token is no answer to the login")
	}
	plain, err := crypto.DecryptEncPart(token.APRep.EncPart, key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return fmt.Errorf("the hub does not have the key of the service that the ticket is for: %w", err)
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(plain); err != nil {
		return fmt.Errorf("the hub's Kerberos token cannot be read: %w", err)
	}
	if part.CTime.Unix() != sent.CTime.Unix() || part.Cusec != sent.Cusec {
		return errors.New("the hub's Kerberos token answers another login")
	}
	return nil
}
