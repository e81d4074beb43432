package buildroot

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
)

// PackOptions say what of a root is packed.
type PackOptions struct {
	// Dir is the directory in the root, "builddir" for example, or "." for all.
	Dir string
	// Prefix is put before every name in the archive.
	Prefix string
	// Omit are shell patterns of names in the archive, prefix included, that are left out; * also matches a slash.
	Omit []string
}

// ErrNotThere says that a root does not have what was asked for.
var ErrNotThere = errors.New("it is not in the root")

// Pack writes a directory of a root as tar.gz: directories, plain files and symbolic links. Links are packed as links, so nothing from outside
// of the root gets in. Devices, pipes and sockets are left out. Nothing may write in the root meanwhile.
func Pack(w io.Writer, root *os.Root, o PackOptions) error {
	if st, err := root.Stat(o.Dir); err != nil || !st.IsDir() {
		return fmt.Errorf("pack /%s: %w", o.Dir, ErrNotThere)
	}
	omit, err := patterns(o.Omit)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	err = fs.WalkDir(root.FS(), o.Dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		as := path.Join(o.Prefix, name)
		if omit.MatchString(as) {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return packOne(t, root, name, as)
	})
	if err := errors.Join(err, t.Close(), z.Close()); err != nil {
		return fmt.Errorf("pack /%s: %w", o.Dir, err)
	}
	return nil
}

func packOne(t *tar.Writer, root *os.Root, name, as string) error {
	st, err := root.Lstat(name)
	if err != nil {
		return err
	}
	link := ""
	switch st.Mode().Type() {
	case 0, fs.ModeDir:
	case fs.ModeSymlink:
		if link, err = root.Readlink(name); err != nil {
			return err
		}
	default:
		return nil
	}
	h, err := tar.FileInfoHeader(st, link)
	if err != nil {
		return err
	}
	// Names of users are the host's, not the root's.
	h.Name, h.Uname, h.Gname, h.Format = as, "", "", tar.FormatPAX
	if st.IsDir() {
		h.Name += "/"
	}
	if err := t.WriteHeader(h); err != nil || !st.Mode().IsRegular() {
		return err
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(t, f, h.Size)
	return err
}

// patterns is one expression for all the shell patterns; it matches nothing if there are none.
func patterns(list []string) (*regexp.Regexp, error) {
	var parts []string
	for _, p := range list {
		quoted := regexp.QuoteMeta(p)
		parts = append(parts, strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(quoted))
	}
	if len(parts) == 0 {
		parts = []string{"[^\\s\\S]"}
	}
	re, err := regexp.Compile(`(?s)^(?:` + strings.Join(parts, "|") + `)$`)
	if err != nil {
		return nil, fmt.Errorf("patterns of what is left out: %w", err)
	}
	return re, nil
}

// CopyOut writes a plain file of a root.
func CopyOut(w io.Writer, root *os.Root, name string) error {
	st, err := root.Stat(name)
	if err != nil || !st.Mode().IsRegular() {
		return fmt.Errorf("read /%s: %w", name, ErrNotThere)
	}
	f, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("read /%s: %w", name, err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("read /%s: %w", name, err)
	}
	return nil
}

// ErrTooLarge says that a LimitWriter got more than it takes.
var ErrTooLarge = errors.New("it is larger than allowed")

// LimitWriter passes Left bytes on to W and refuses more.
type LimitWriter struct {
	W    io.Writer
	Left int64
	// Full is set when something was refused.
	Full bool
}

// Write implements io.Writer.
func (l *LimitWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > l.Left {
		l.Full = true
		return 0, ErrTooLarge
	}
	l.Left -= int64(len(p))
	return l.W.Write(p)
}
