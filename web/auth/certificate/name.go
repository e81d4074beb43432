package certificate

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// attribute is a type of attribute in a subject, with the name that OpenSSL gives it in a DN and those by which Koji's DNUsernameComponent
// (mod_ssl's SSL_CLIENT_S_DN_*) knows it.
type attribute struct {
	oid        string
	name       string
	components []string
}

// attributes are OpenSSL's short names (crypto/objects) of what stands in certificates of people and machines.
func attributes() []attribute {
	return []attribute{
		{"2.5.4.3", "CN", []string{"CN"}},
		{"2.5.4.4", "SN", []string{"S"}},
		{"2.5.4.5", "serialNumber", nil},
		{"2.5.4.6", "C", []string{"C"}},
		{"2.5.4.7", "L", []string{"L"}},
		{"2.5.4.8", "ST", []string{"ST"}},
		{"2.5.4.9", "street", nil},
		{"2.5.4.10", "O", []string{"O"}},
		{"2.5.4.11", "OU", []string{"OU"}},
		{"2.5.4.12", "title", []string{"T"}},
		{"2.5.4.13", "description", []string{"D"}},
		{"2.5.4.17", "postalCode", nil},
		{"2.5.4.42", "GN", []string{"G"}},
		{"2.5.4.43", "initials", []string{"I"}},
		{"2.5.4.46", "dnQualifier", nil},
		{"0.9.2342.19200300.100.1.1", "UID", []string{"UID", "userID"}},
		{"0.9.2342.19200300.100.1.25", "DC", nil},
		{"1.2.840.113549.1.9.1", "emailAddress", []string{"Email", "emailAddress"}},
	}
}

// componentOID finds the attribute that a DNUsernameComponent names.
func componentOID(component string) (string, error) {
	var known []string
	for _, a := range attributes() {
		for _, c := range a.components {
			if strings.EqualFold(c, component) {
				return a.oid, nil
			}
		}
		if len(a.components) > 0 {
			known = append(known, a.components[0])
		}
	}
	return "", fmt.Errorf("DNUsernameComponent %q is unknown; there are %s", component, strings.Join(known, ", "))
}

// shortName is what OpenSSL calls an attribute, or its dotted number.
func shortName(oid string) (name string, known bool) {
	for _, a := range attributes() {
		if a.oid == oid {
			return a.name, true
		}
	}
	return oid, false
}

// subject reads the subject in the order of the certificate; pkix.Name has lost the order and joined the parts.
func subject(c *x509.Certificate) (pkix.RDNSequence, error) {
	var dn pkix.RDNSequence
	rest, err := asn1.Unmarshal(c.RawSubject, &dn)
	if err != nil {
		return nil, fmt.Errorf("read the certificate's subject: %w", err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("read the certificate's subject: %d bytes follow it", len(rest))
	}
	return dn, nil
}

// first gives the value of the first attribute with the number, as mod_ssl does, or "".
func first(dn pkix.RDNSequence, oid string) string {
	for _, set := range dn {
		for _, a := range set {
			if v, ok := a.Value.(string); ok && a.Type.String() == oid {
				return v
			}
		}
	}
	return ""
}

// spellings are the ways in which web servers write a DN, and administrators therefore ProxyDNs: RFC 2253's, last part first (mod_ssl
// since 2.4, nginx since 1.11.6), and the old one with slashes, first part first. The old one escapes nothing, so a DN in which it could be
// read in two ways has none.
func spellings(dn pkix.RDNSequence) []string {
	all := []string{rfc2253(dn)}
	if s, ok := oneLine(dn); ok {
		all = append(all, s)
	}
	return all
}

func rfc2253(dn pkix.RDNSequence) string {
	parts := make([]string, 0, len(dn))
	for i := len(dn) - 1; i >= 0; i-- {
		set := make([]string, len(dn[i]))
		for j, a := range dn[i] {
			// OpenSSL reverses the attributes of one part, too
			set[len(dn[i])-1-j] = pair(a)
		}
		parts = append(parts, strings.Join(set, "+"))
	}
	return strings.Join(parts, ",")
}

func pair(a pkix.AttributeTypeAndValue) string {
	name, known := shortName(a.Type.String())
	text, isText := a.Value.(string)
	if known && isText {
		return name + "=" + escape(text)
	}
	der, err := asn1.Marshal(a.Value)
	if err != nil {
		der = nil // a value that cannot be written again equals no configured one
	}
	return name + "=#" + strings.ToUpper(hex.EncodeToString(der))
}

// escape follows RFC 2253, section 2.4, and OpenSSL's ASN1_STRFLGS_ESC_CTRL; letters beyond ASCII stay, as mod_ssl has it.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\%02X`, r)
		case strings.ContainsRune(`,+"\<>;`, r), i == 0 && (r == '#' || r == ' '), i == len(s)-1 && r == ' ':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// oneLine is OpenSSL's X509_NAME_oneline; ok is false for a DN that another one would be spelt like, or that has no text.
func oneLine(dn pkix.RDNSequence) (s string, ok bool) {
	var b strings.Builder
	for _, set := range dn {
		for _, a := range set {
			name, known := shortName(a.Type.String())
			text, isText := a.Value.(string)
			if !known || !isText || strings.Contains(text, "/") || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				return "", false
			}
			b.WriteString("/" + name + "=" + text)
		}
	}
	return b.String(), b.Len() > 0
}
