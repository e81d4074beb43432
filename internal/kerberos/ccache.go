package kerberos

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/types"
)

// maxCCache bounds a credential cache in bytes; real ones have some tickets of a few KiB each.
const maxCCache = 16 << 20

// cacheFile finds the credential cache: as told, by KRB5CCNAME, by krb5.conf's default_ccache_name, or where MIT's library has it.
func cacheFile(told, env, conf string, uid int) (string, error) {
	name, from := told, "the configuration"
	if name == "" {
		name, from = env, "KRB5CCNAME"
	}
	if name == "" {
		name, from = conf, "krb5.conf"
	}
	if name == "" {
		name = "FILE:/tmp/krb5cc_%{uid}"
	}
	id := strconv.Itoa(uid)
	name = strings.NewReplacer("%{uid}", id, "%{euid}", id, "%{USERID}", id, "%{TEMP}", os.TempDir(), "%{null}", "").Replace(name)
	kind, file, typed := strings.Cut(name, ":")
	if !typed {
		return name, nil
	}
	if kind != "FILE" {
		return "", fmt.Errorf("the credential cache %s (from %s) is not a file, and other kinds cannot be read here: "+
			"export KRB5CCNAME=FILE:/tmp/krb5cc_%s and run kinit again, or use a keytab", name, from, id)
	}
	return file, nil
}

// loadCCache reads a credential cache and checks that its ticket-granting ticket is still good.
func loadCCache(file string, now time.Time) (c *credentials.CCache, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder indexes into what it is given
			c, err = nil, fmt.Errorf("the credential cache %s is damaged: run kinit again", file)
		}
	}()
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no Kerberos ticket (no credential cache %s): run kinit", file)
	} else if err != nil {
		return nil, fmt.Errorf("read the credential cache: %w", err)
	}
	if info.Size() > maxCCache {
		return nil, fmt.Errorf("the credential cache %s has %d bytes", file, info.Size())
	}
	if c, err = credentials.LoadCCache(file); err != nil {
		return nil, fmt.Errorf("read the credential cache %s: %w", file, err)
	}
	realm := c.DefaultPrincipal.Realm
	tgt, ok := c.GetEntry(types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: []string{"krbtgt", realm}})
	if !ok {
		return nil, fmt.Errorf("the credential cache %s has no ticket-granting ticket: run kinit", file)
	}
	if now.After(tgt.EndTime) {
		return nil, fmt.Errorf("the Kerberos ticket of %s@%s expired at %s: run kinit", c.DefaultPrincipal.PrincipalName.PrincipalNameString(), realm,
			tgt.EndTime.Local().Format(time.DateTime))
	}
	return c, nil
}
