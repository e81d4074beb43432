package negotiate

import (
	"fmt"
	"slices"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"
)

// gokrb5 reads the messages below but does not write them. Its own struct for the encrypted part would write an empty subkey, too.

// encAPRepPart is EncAPRepPart of RFC 4120, section 5.5.2, without the optional subkey.
type encAPRepPart struct {
	CTime          time.Time `asn1:"generalized,explicit,tag:0"`
	Cusec          int       `asn1:"explicit,tag:1"`
	SequenceNumber int64     `asn1:"optional,explicit,tag:3"`
}

// apRep is AP-REP of RFC 4120, section 5.5.2.
type apRep struct {
	PVNO    int                 `asn1:"explicit,tag:0"`
	MsgType int                 `asn1:"explicit,tag:1"`
	EncPart types.EncryptedData `asn1:"explicit,tag:2"`
}

// tokenAPRep begins a GSS-API token with an AP-REP (RFC 4121, section 4.1).
const tokenAPRep = "\x02\x00"

// reply is the hub's token for a client whose request was verified: nil if the client wants none. With it the hub proves that it has the
// service's key, for clients that ask for mutual authentication.
func (t *token) reply() ([]byte, error) {
	var inner []byte
	if types.IsFlagSet(&t.request.APOptions, flags.APOptionMutualRequired) {
		var err error
		if inner, err = answer(&t.request); err != nil {
			return nil, fmt.Errorf("answer a Kerberos request: %w", err)
		}
	}
	if !t.spnego {
		return inner, nil
	}
	outer := spnego.NegTokenResp{NegState: asn1.Enumerated(spnego.NegStateAcceptCompleted), SupportedMech: t.mech, ResponseToken: inner}
	return outer.Marshal()
}

// answer is the GSS-API token with the AP-REP to a request.
func answer(r *messages.APReq) ([]byte, error) {
	part, err := asn1.Marshal(encAPRepPart{CTime: r.Authenticator.CTime, Cusec: r.Authenticator.Cusec, SequenceNumber: 1})
	if err != nil {
		return nil, err
	}
	part = asn1tools.AddASNAppTag(part, asnAppTag.EncAPRepPart)
	sealed, err := crypto.GetEncryptedData(part, r.Ticket.DecryptedEncPart.Key, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, err
	}
	message, err := asn1.Marshal(apRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: sealed})
	if err != nil {
		return nil, err
	}
	mech, err := asn1.Marshal(gssapi.OIDKRB5.OID())
	if err != nil {
		return nil, err
	}
	return asn1tools.AddASNAppTag(slices.Concat(mech, []byte(tokenAPRep), asn1tools.AddASNAppTag(message, asnAppTag.APREP)), 0), nil
}
