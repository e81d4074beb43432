package reposign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	// program is GnuPG's.
	program = "gpg"
	// gpgTime bounds a call of it: an agent may ask a smart card.
	gpgTime = 30 * time.Second
	// maxMessage bounds what is told of its messages.
	maxMessage = 500
)

// openGPG leaves the signing to GnuPG.
func (s *Signer) openGPG(ctx context.Context, id, home string) (err error) {
	if id == "" || strings.HasPrefix(id, "-") || strings.ContainsAny(id, "\n\x00") {
		return fmt.Errorf("%q names no key: %sID, the id or fingerprint of a key", id, GPG)
	}
	if _, err := exec.LookPath(program); err != nil {
		return errors.New("the program gpg is not installed")
	}
	run := func(ctx context.Context, text []byte, args ...string) ([]byte, error) {
		args = append([]string{"--batch", "--no-tty", "--pinentry-mode", "error", "--armor"}, args...)
		if home != "" {
			args = append([]string{"--homedir", home}, args...)
		}
		ctx, cancel := context.WithTimeout(ctx, gpgTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		var out, messages bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &out, &messages
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("gpg: %w: %s", err, bytes.TrimSpace(messages.Bytes()[:min(messages.Len(), maxMessage)]))
		}
		return out.Bytes(), nil
	}
	s.sign = func(ctx context.Context, text []byte, _ time.Time) ([]byte, error) {
		return run(ctx, text, "--local-user", id, "--digest-algo", "SHA256", "--detach-sign", "--output", "-")
	}
	if _, err := s.sign(ctx, []byte("try"), time.Time{}); err != nil {
		return err
	}
	if s.public, err = run(ctx, nil, "--export", id); err != nil {
		return err
	}
	if len(s.public) == 0 {
		return fmt.Errorf("GnuPG has no public key %s", id)
	}
	return nil
}
