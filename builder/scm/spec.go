package scm

import (
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"moromi/internal/fault"
)

// maxSpec bounds a spec file that is checked: the largest of Fedora has 2 MB.
const maxSpec = 16 << 20

// FindSpec finds the spec file of a checkout: the only one in dir, or in dir/SPECS if layout is set, or of several the
// one named as the directory. The path is relative to the checkout. Links that leave the checkout are not seen.
func FindSpec(checkout, dir string, layout bool) (string, error) {
	root, err := os.OpenRoot(checkout)
	if err != nil {
		return "", err
	}
	defer root.Close()
	specs, err := specsIn(root, dir)
	if err != nil {
		return "", err
	}
	if len(specs) == 0 && layout {
		if specs, err = specsIn(root, path.Join(dir, "SPECS")); err != nil {
			return "", err
		}
	}
	switch len(specs) {
	case 0:
		return "", fault.New(fault.Build, "No spec file found")
	case 1:
		return specs[0], nil
	}
	for _, s := range specs {
		if path.Base(s) == path.Base(dir)+".spec" {
			return s, nil
		}
	}
	return "", fault.New(fault.Build, "Multiple spec files found but none is matching SCM checkout dir name: %s", strings.Join(specs, ", "))
}

func specsIn(root *os.Root, dir string) ([]string, error) {
	names, err := fs.Glob(root.FS(), path.Join(escape(dir), "*.spec"))
	if err != nil {
		return nil, err
	}
	var specs []string
	for _, n := range names {
		if st, err := root.Stat(n); err == nil && st.Mode().IsRegular() {
			specs = append(specs, n)
		}
	}
	return specs, nil
}

// escape makes a directory's name match only itself in a glob.
func escape(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// CheckSpec refuses a spec file that sets what belongs to the build system.
func CheckSpec(checkout, spec string) error {
	root, err := os.OpenRoot(checkout)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.Open(spec)
	if err != nil {
		return fault.Wrap(err, fault.Build, "spec file %s cannot be read", spec)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSpec))
	if err != nil {
		return fault.Wrap(err, fault.Build, "spec file %s cannot be read", spec)
	}
	for _, tag := range []string{"Packager", "Distribution", "Vendor"} {
		if regexp.MustCompile(`(?mi)^` + tag + `:`).Match(text) {
			return fault.New(fault.Build, "%s is not allowed to be set in spec file", tag)
		}
		if lower := strings.ToLower(tag); regexp.MustCompile(`(?m)^%(?:define|global)\s+` + lower + `\s+`).Match(text) {
			return fault.New(fault.Build, "%s is not allowed to be defined in spec file", lower)
		}
	}
	return nil
}
