package dist

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"

	"moromi/repoprojector/repodata"
)

// maxProgramMessage bounds what is told of a program's messages.
const maxProgramMessage = 500

// attached is a file of a repository's metadata that another program made.
type attached struct {
	file repodata.File
	from string // where it is
}

// place puts the file into a repository's metadata.
func (x *attached) place(root *os.Root, dir string) error {
	return copyIn(root, x.from, path.Join(dir, "repodata", x.file.Name))
}

// copyIn copies a file of the system's into a root, and syncs it.
func copyIn(root *os.Root, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

func sumFile(name string) (size int64, checksum string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	sum := sha256.New()
	size, err = io.Copy(sum, f)
	return size, hex.EncodeToString(sum.Sum(nil)), err
}

// run runs a program and gives its output.
func run(ctx context.Context, program string, args ...string) ([]byte, error) {
	var out, messages bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", program, err, clip(messages.Bytes()))
	}
	return out.Bytes(), nil
}

func clip(text []byte) []byte { return bytes.TrimSpace(text[:min(len(text), maxProgramMessage)]) }
