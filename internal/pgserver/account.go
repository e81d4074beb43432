package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is who the server runs as.
type account struct {
	name string
	uid  uint32
	gid  uint32
}

// credential is what a child process must take on, nil when it is the caller's own account.
func (a account) credential() *syscall.Credential {
	if int(a.uid) == os.Geteuid() {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// serverAccount chooses the account: the owner of an existing cluster, else the caller, and for root, as which
// PostgreSQL refuses to run, `postgres` or `nobody`.
func serverAccount(dataDir string) (account, error) {
	info, err := os.Stat(dataDir)
	switch {
	case err == nil:
		owner := info.Sys().(*syscall.Stat_t).Uid
		if owner != 0 {
			if self := os.Geteuid(); self != 0 && uint32(self) != owner {
				return account{}, fmt.Errorf("%s belongs to user id %d and this is user id %d: run as its owner or as root", dataDir, owner, self)
			}
			return lookupAccount(user.LookupId(strconv.FormatUint(uint64(owner), 10)))
		}
	case !errors.Is(err, os.ErrNotExist):
		return account{}, err
	}
	if os.Geteuid() != 0 {
		return lookupAccount(user.Current())
	}
	if a, err := lookupAccount(user.Lookup("postgres")); err == nil {
		return a, nil
	}
	return lookupAccount(user.Lookup("nobody"))
}

func lookupAccount(u *user.User, err error) (account, error) {
	if err != nil {
		return account{}, fmt.Errorf("account for PostgreSQL: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("account for PostgreSQL: user id %q: %w", u.Uid, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("account for PostgreSQL: group id %q: %w", u.Gid, err)
	}
	return account{name: u.Username, uid: uint32(uid), gid: uint32(gid)}, nil
}
