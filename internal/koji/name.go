package koji

import (
	"regexp"
	"unicode"

	"moromi/internal/fault"
)

// MaxNameLength bounds the names of tags, users, hosts and the like, in characters: Koji's default for MaxNameLengthInternal.
const MaxNameLength = 256

// Koji's defaults for RegexNameInternal and RegexUserName.
var (
	nameForm     = regexp.MustCompile(`^[A-Za-z0-9/_.+-]+$`)
	userNameForm = regexp.MustCompile(`^[A-Za-z0-9/_.@-]+$`)
)

// VerifyName checks the name of a tag, target, group, channel, permission or the like.
func VerifyName(name string) error {
	if len([]rune(name)) > MaxNameLength {
		return fault.New(fault.Generic, "Name %.40s… is too long. Max length is %d characters", name, MaxNameLength)
	}
	if !nameForm.MatchString(name) {
		return fault.New(fault.Generic, "Name %q may only have letters, digits and / _ . + -", name)
	}
	return nil
}

// VerifyPackageName checks the name of a package on a tag's list. Koji takes any; names that cannot be shown or kept are refused all the same.
func VerifyPackageName(name string) error {
	if n := len([]rune(name)); n == 0 || n > MaxNameLength {
		return fault.New(fault.Generic, "a package's name must have between 1 and %d characters, not %d", MaxNameLength, n)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return fault.New(fault.Generic, "a package's name must be printable text: %.40q", name)
		}
	}
	return nil
}

// VerifyUserName checks the name of a user or a Kerberos principal.
func VerifyUserName(name string) error {
	if len([]rune(name)) > MaxNameLength {
		return fault.New(fault.Generic, "Name %.40s… is too long. Max length is %d characters", name, MaxNameLength)
	}
	if !userNameForm.MatchString(name) {
		return fault.New(fault.Generic, "User name %q may only have letters, digits and / _ . @ -", name)
	}
	return nil
}

// VerifyHostName checks the name of a build host, which is also a user's.
func VerifyHostName(name string) error {
	if err := VerifyName(name); err != nil {
		return err
	}
	return VerifyUserName(name)
}
