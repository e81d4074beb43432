package pgserver

import (
	"os"
	"path/filepath"
	"testing"
)

func TestServerAccount(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "data")
	a, err := serverAccount(missing)
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		if int(a.uid) != os.Geteuid() || a.credential() != nil {
			t.Errorf("account %+v, want the caller's own", a)
		}
		return
	}
	if a.uid == 0 || a.credential() == nil {
		t.Errorf("account %+v for root, want an unprivileged one", a)
	}
	const other = 1 // daemon, on every distribution
	if err := os.Mkdir(missing, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(missing, other, other); err != nil {
		t.Fatal(err)
	}
	if a, err := serverAccount(missing); err != nil || a.uid != other {
		t.Errorf("account %+v, %v, want the owner of the cluster", a, err)
	}
}
