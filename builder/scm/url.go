// Package scm reads source control addresses, decides whether a build may use them, and checks sources out.
//
// An address is parsed once into a URL; every decision is made on that struct, and the command lines are made from it,
// never from the text that a user sent (the lesson of CVE-2017-1002153). The grammar and the rules are Koji's
// (class SCM in koji/daemon.py of 1.35); where Koji lets through what the tools behind would read in another way
// (escaped dots, options, control characters), this package refuses.
package scm

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

	"moromi/internal/fault"
)

// Kind is the tool and transport that an address needs, with Koji's names (scm_type in policies).
type Kind string

// Kinds of source control.
const (
	Git    Kind = "GIT"
	GitSSH Kind = "GIT+SSH"
	SVN    Kind = "SVN"
	SVNSSH Kind = "SVN+SSH"
	CVS    Kind = "CVS"
	CVSSSH Kind = "CVS+SSH"
)

// kindOf maps schemes to kinds. The second value is whether the scheme is known.
func kindOf(scheme string) (Kind, bool) {
	switch scheme {
	case "git", "git+http", "git+https", "git+rsync":
		return Git, true
	case "git+ssh":
		return GitSSH, true
	case "svn", "svn+http", "svn+https":
		return SVN, true
	case "svn+ssh":
		return SVNSSH, true
	case "cvs":
		return CVS, true
	case "cvs+ssh":
		return CVSSSH, true
	}
	return "", false
}

// schemes is for messages, sorted as Koji prints them.
const schemes = "cvs+ssh:// cvs:// git+http:// git+https:// git+rsync:// git+ssh:// git:// svn+http:// svn+https:// svn+ssh:// svn://"

// MaxURL is the longest address in bytes. Real ones have a hundred; servers refuse more than a few thousand.
const MaxURL = 4096

// URL is an address: scheme://[user@]host/repository[?module]#revision. The fields are canonical and safe to use as words of
// a command line: none begins with a dash.
type URL struct {
	// Scheme is without "://", for example git+https.
	Scheme string
	// User may be empty. Password is only ever set if it was allowed.
	User, Password string
	// Host includes the port, if there is one.
	Host string
	// Repository begins with a slash and is clean: no dots, no empty segments, no slash at the end.
	Repository string
	// Module is a clean relative path in the repository, or empty.
	Module string
	// Revision is a branch, tag or commit, never empty.
	Revision string
}

// IsURL tells whether text is meant as a source control address: Koji takes everything else as an uploaded file's path.
func IsURL(text string) bool {
	scheme, _, ok := strings.Cut(text, "://")
	_, known := kindOf(scheme)
	return ok && known
}

// Parse reads an address. Errors are faults for the user who sent it.
func Parse(text string, allowPassword bool) (URL, error) {
	if len(text) > MaxURL {
		return URL{}, fault.New(fault.Generic, "Invalid SCM URL: longer than %d bytes", MaxURL)
	}
	scheme, rest, _ := strings.Cut(text, "://")
	if !IsURL(text) {
		return URL{}, fault.New(fault.Generic, "Invalid scheme in scm url. Valid schemes are: %s", schemes)
	}
	for _, r := range text {
		// Letters of any script may name a repository. Look-alikes of dots and slashes, spaces and controls may not.
		if r > unicode.MaxASCII && !unicode.IsLetter(r) && !unicode.IsDigit(r) || r <= ' ' || r == 0x7f || r == '\\' {
			return URL{}, fault.New(fault.Generic, "Invalid SCM URL: character %q is not allowed", r)
		}
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	authority, rawPath, hasPath := strings.Cut(rest, "/")
	u := URL{Scheme: scheme, Revision: fragment}
	if err := u.setAuthority(authority, allowPassword); err != nil {
		return URL{}, err
	}
	if !hasPath {
		return URL{}, fault.New(fault.Generic, "Unable to parse SCM URL: %s . Could not find the path element.", u.safe(text))
	}
	if err := u.setRepository("/" + rawPath); err != nil {
		return URL{}, err
	}
	if err := u.setModule(query); err != nil {
		return URL{}, err
	}
	if u.Revision == "" {
		return URL{}, fault.New(fault.Generic, "Unable to parse SCM URL: %s . Could not find the fragment element.", u.safe(text))
	}
	return u, u.checkRevision()
}

// safe is the address for messages: without a password.
func (u URL) safe(text string) string {
	if u.Password == "" {
		return text
	}
	return strings.ReplaceAll(text, ":"+u.Password+"@", ":***@")
}

func (u *URL) setAuthority(authority string, allowPassword bool) error {
	userinfo, host, hasUser := strings.Cut(authority, "@")
	if !hasUser {
		host, userinfo = userinfo, ""
	}
	if strings.Contains(host, "@") {
		return fault.New(fault.Generic, "Invalid username@hostname specified: more than one @")
	}
	user, password, hasPassword := strings.Cut(userinfo, ":")
	if hasPassword && !allowPassword {
		return fault.New(fault.Generic, "username:password format not supported: %s:***", user)
	}
	if !isWord(user, "._-+%") || !isWord(password, "._-+%!$&'()*,;=~") {
		return fault.New(fault.Generic, "Invalid SCM URL: user %q", user)
	}
	if host == "" || !validHost(host) {
		return fault.New(fault.Generic, "Invalid SCM URL: host %q", host)
	}
	u.User, u.Password, u.Host = user, password, host
	return nil
}

// isWord tells whether s is made of ASCII letters, digits and the other characters, and does not begin with a dash. Empty is a word.
func isWord(s, other string) bool {
	if strings.HasPrefix(s, "-") {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(other, r)) {
			return false
		}
	}
	return true
}

// validHost takes name[:port] and [v6address][:port].
func validHost(host string) bool {
	name, port := host, ""
	if strings.HasPrefix(host, "[") {
		addr, rest, ok := strings.Cut(host[1:], "]")
		if !ok || addr == "" || strings.Trim(addr, "0123456789abcdefABCDEF:.") != "" {
			return false
		}
		if rest == "" {
			return true
		}
		name, port = "v6", strings.TrimPrefix(rest, ":")
		if port == rest {
			return false
		}
	} else if n, p, ok := strings.Cut(host, ":"); ok {
		name, port = n, p
		if p == "" {
			return false
		}
	}
	// Dots only separate: a host named ".." is a path to some tools.
	return name != "" && isWord(name, "._-") && !strings.HasPrefix(name, ".") && !strings.Contains(name, "..") && strings.Trim(port, "0123456789") == "" && len(port) <= 5
}

func (u *URL) setRepository(raw string) error {
	if strings.Contains(raw, ";") {
		return fault.New(fault.Generic, "Unable to parse SCM URL: Params element of %s should be empty.", raw)
	}
	clean := path.Clean(raw)
	if clean == "/" {
		return fault.New(fault.Generic, "Invalid SCM URL. The path names no repository")
	}
	if err := checkPath(clean); err != nil {
		return err
	}
	// git and the ssh it runs take the path apart from the host: a segment like -x is theirs to misread.
	if strings.HasPrefix(path.Base(clean), "-") || strings.HasPrefix(clean, "/-") {
		return fault.New(fault.Generic, "Invalid SCM URL: path %q begins with a dash", clean)
	}
	// What names the directory of the checkout must be a name, too.
	if name := checkoutName(clean); name == "" || name == "." || name == ".." {
		return fault.New(fault.Generic, "Invalid SCM URL: path %q names no repository", clean)
	}
	u.Repository = clean
	return nil
}

// checkPath refuses a path that a server would read in another way once it has decoded it.
func checkPath(p string) error {
	plain, err := url.PathUnescape(p)
	if err != nil {
		return fault.New(fault.Generic, "Invalid SCM URL: path %q: bad escape", p)
	}
	if strings.Contains(plain, "%") && plain != p {
		return fault.New(fault.Generic, "Invalid SCM URL: path %q is escaped twice", p)
	}
	if strings.Count(plain, "/") != strings.Count(p, "/") {
		return fault.New(fault.Generic, "Invalid SCM URL: path %q has an escaped slash", p)
	}
	for _, r := range plain {
		if r < ' ' || r == 0x7f || r == '\\' || r == unicode.ReplacementChar {
			return fault.New(fault.Generic, "Invalid SCM URL: path %q has an escaped control character", p)
		}
	}
	for seg := range strings.SplitSeq(strings.TrimPrefix(plain, "/"), "/") {
		if seg == "" || seg == "." || seg == ".." {
			return fault.New(fault.Generic, "Invalid SCM URL: path %q leaves its place", p)
		}
	}
	return nil
}

func (u *URL) setModule(query string) error {
	module := strings.TrimRight(query, "/")
	if module == "" {
		return nil
	}
	if strings.HasPrefix(module, "-") || strings.HasPrefix(module, "/") || path.Clean(module) != module {
		return fault.New(fault.Generic, "Invalid SCM URL: module %q is not a path in the repository", module)
	}
	if err := checkPath("/" + module); err != nil {
		return err
	}
	if slices.Contains(strings.Split(module, "/"), ".git") {
		return fault.New(fault.Generic, "Invalid SCM URL: module %q is git's own directory", module)
	}
	u.Module = module
	return nil
}

// checkRevision refuses what git reads as an option, a forced or mapped refspec, or a pattern.
func (u URL) checkRevision() error {
	rev := u.Revision
	if strings.HasPrefix(rev, "-") || strings.HasPrefix(rev, "+") || strings.HasPrefix(rev, "^") || strings.ContainsAny(rev, ":*?[\\") ||
		strings.Contains(rev, "..") || strings.Contains(rev, "@{") || strings.TrimPrefix(rev, "origin/") == "" ||
		strings.HasPrefix(strings.TrimPrefix(rev, "origin/"), "-") || strings.HasPrefix(strings.TrimPrefix(rev, "origin/"), "+") {
		return fault.New(fault.Generic, "Invalid SCM URL: %q is not a revision", rev)
	}
	return nil
}

// Kind is the tool that the address needs.
func (u URL) Kind() Kind {
	k, _ := kindOf(u.Scheme)
	return k
}

// String is the canonical address, which parses to the same URL.
func (u URL) String() string {
	var b strings.Builder
	b.WriteString(u.Scheme + "://")
	if u.User != "" || u.Password != "" {
		b.WriteString(u.User)
		if u.Password != "" {
			b.WriteString(":" + u.Password)
		}
		b.WriteString("@")
	}
	b.WriteString(u.Host + u.Repository)
	if u.Module != "" {
		b.WriteString("?" + u.Module)
	}
	return b.String() + "#" + u.Revision
}

// Source is the address that a build records, with the commit that was checked out and without the user, as Koji has it.
func (u URL) Source(commit string) string {
	u.User, u.Password, u.Revision = "", "", commit
	return u.String()
}

// Info is the address as Koji's policies and callbacks see it.
func (u URL) Info() map[string]any {
	optional := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return map[string]any{"url": u.safe(u.String()), "scheme": u.Scheme + "://", "user": optional(u.User), "host": u.Host,
		"repository": u.Repository, "module": u.Module, "revision": u.Revision, "scmtype": string(u.Kind())}
}

// Name is the directory that a checkout gets, and the package's name in dist-git: the repository's last part without .git.
func (u URL) Name() string { return checkoutName(u.Repository) }

func checkoutName(repository string) string {
	repository = strings.TrimSuffix(repository, "/.git")
	return strings.TrimSuffix(path.Base(repository), ".git")
}
