package koji

import (
	"slices"
	"strings"

	"moromi/internal/fault"
)

// Realms are the Kerberos realms whose principals may be users; none means any (Koji's AllowedKrbRealms).
type Realms []string

// ParseRealms reads a list separated by commas; "*" and nothing stand for any realm.
func ParseRealms(text string) Realms {
	var r Realms
	for name := range strings.SplitSeq(text, ",") {
		switch name = strings.TrimSpace(name); name {
		case "":
		case "*":
			return nil
		default:
			r = append(r, name)
		}
	}
	return r
}

// Check refuses a principal of another realm, and one that names none.
func (r Realms) Check(principal string) error {
	if len(r) == 0 {
		return nil
	}
	_, realm, _ := strings.Cut(principal, "@")
	if realm == "" {
		return fault.New(fault.Auth, "invalid Kerberos principal: %s", principal)
	}
	if !slices.Contains(r, realm) {
		return fault.New(fault.Auth, "Kerberos principal's realm: %s is not allowed", realm)
	}
	return nil
}
