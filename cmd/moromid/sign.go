package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"moromi/internal/reposign"
)

// signKeyFile is the key that `up --sign-repos` makes, in the site's directory.
const signKeyFile = "repo-sign.key"

// makeSignKey has repositories signed with a key of the site's own, which the first start makes. One that was named is kept to.
func (s *settings) makeSignKey() error {
	if s.SignKey != "" {
		return nil
	}
	s.SignKey = filepath.Join(s.Data, signKeyFile)
	if _, err := os.Lstat(s.SignKey); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return reposign.MakeKey(s.SignKey, "", time.Now())
}

// signer opens the key that repositories are signed with; nil if they are not.
func (st *site) signer(ctx context.Context) (*reposign.Signer, error) {
	s := st.settings
	if s.SignKey == "" {
		return nil, nil
	}
	o := reposign.Options{Key: s.SignKey, Home: s.SignHome, Clock: time.Now}
	for _, f := range strings.Split(s.PublicKeys, ",") {
		if f = strings.TrimSpace(f); f != "" {
			o.Public = append(o.Public, f)
		}
	}
	return reposign.Open(ctx, o)
}
