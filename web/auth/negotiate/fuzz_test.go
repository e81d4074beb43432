package negotiate

import (
	"encoding/base64"
	"testing"

	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"
)

// FuzzParseToken: tokens come from anybody. What is read must be bounded and must not crash the hub, and what was read must go through the check
// of a ticket that no key fits.
func FuzzParseToken(f *testing.F) {
	for _, s := range []string{
		"", "oRQwEqADCgEAoQsGCSqGSIb3EgECAg==", "TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==",
		// SPNEGO with a bare header of a Kerberos request
		"YCgGBisGAQUFAqAeMBygDTALBgkqhkiG9xIBAgKiCwQJYAcGASoBAG4A", "YBMGCSqGSIb3EgECAgEAbgcwBaADAgEF",
	} {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	kt := keytab.New()
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseToken(b)
		if err != nil {
			return
		}
		if len(b) > maxToken {
			t.Errorf("%d bytes are a token", len(b))
		}
		if _, err := principalName(got.request.Ticket.SName, got.request.Ticket.Realm); err == nil {
			if ok, err := got.request.Verify(kt, maxSkew, types.HostAddress{}, nil); ok || err == nil {
				t.Error("a token is good without a key")
			}
		}
	})
}
