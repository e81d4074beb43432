package kerberos

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/config"
)

const (
	// defaultConfig is where krb5.conf is, if KRB5_CONFIG does not say.
	defaultConfig = "/etc/krb5.conf"
	// maxInclude is how deep files may include each other; MIT's limit is of that order.
	maxInclude = 10
	// maxConfig bounds a configuration with all that it includes, in bytes.
	maxConfig = 1 << 20
)

// settings is a krb5.conf and what gokrb5 does not keep of it.
type settings struct {
	*config.Config
	ccache string // default_ccache_name
}

// loadConfig reads the files that KRB5_CONFIG lists, or /etc/krb5.conf. As in MIT's library, the first file to say something counts, so they are
// joined in order; one that is not there is no error as long as one is.
func loadConfig(getenv func(string) string) (*settings, error) {
	files := filepath.SplitList(getenv("KRB5_CONFIG"))
	if len(files) == 0 {
		files = []string{defaultConfig}
	}
	r := &configReader{sections: map[string][]string{}}
	found := false
	for _, name := range files {
		err := r.file(name, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("read Kerberos configuration: %w", err)
		}
		found = true
	}
	if !found {
		return nil, fmt.Errorf("read Kerberos configuration: there is no %s", strings.Join(files, ", nor "))
	}
	return r.parse()
}

// configReader joins files into one text with each section once: of two that have the same name, gokrb5 would forget the first.
type configReader struct {
	sections map[string][]string // their lines
	size     int
	section  string // that of the line
	ccache   string
	lookup   bool // dns_lookup_kdc was set
}

// usedSections are those that gokrb5 reads.
func usedSections() []string { return []string{"libdefaults", "realms", "domain_realm"} }

func (r *configReader) parse() (s *settings, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder trusts its input in places
			s, err = nil, fmt.Errorf("read Kerberos configuration: %v", p)
		}
	}()
	var text strings.Builder
	for _, name := range usedSections() {
		text.WriteString("[" + name + "]\n" + strings.Join(r.sections[name], "\n") + "\n")
	}
	c, err := config.NewFromString(text.String())
	if err != nil {
		var unsupported config.UnsupportedDirective
		if !errors.As(err, &unsupported) {
			return nil, fmt.Errorf("read Kerberos configuration: %w", err)
		}
	}
	if !r.lookup {
		c.LibDefaults.DNSLookupKDC = true // MIT's default
	}
	return &settings{Config: c, ccache: r.ccache}, nil
}

// file takes a file and what it includes.
func (r *configReader) file(name string, depth int) error {
	if depth > maxInclude {
		return fmt.Errorf("%s: files include each other more than %d deep", name, maxInclude)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if err := r.line(lines.Text(), depth); err != nil {
			return err
		}
		if r.size += len(lines.Bytes()); r.size > maxConfig {
			return fmt.Errorf("%s: the configuration is longer than %d bytes", name, maxConfig)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// includable are the names of files that an includedir takes: no hidden ones and no copies of editors.
var includable = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.conf)?$|^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.conf$`)

func (r *configReader) line(text string, depth int) error {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
		return nil
	}
	directive, rest, _ := strings.Cut(trimmed, " ")
	rest = strings.TrimSpace(rest)
	switch directive {
	case "include":
		return r.file(rest, depth+1)
	case "includedir":
		return r.dir(rest, depth+1)
	case "module":
		return nil
	}
	if trimmed[0] == '[' {
		r.section = strings.ToLower(strings.Trim(strings.TrimSuffix(trimmed, "*"), "[] "))
		return nil
	}
	switch {
	case r.section == "libdefaults":
		r.libdefault(trimmed)
	case r.section == "realms" && proxied.MatchString(trimmed):
	case slices.Contains(usedSections(), r.section):
		r.add(trimmed)
	}
	return nil
}

// proxied are KDCs behind HTTPS, which gokrb5 does not speak.
var proxied = regexp.MustCompile(`^(kdc|master_kdc|primary_kdc|admin_server|kpasswd_server)\s*=\s*https?:`)

func (r *configReader) add(line string) {
	r.sections[r.section] = append(r.sections[r.section], line)
}

func (r *configReader) dir(name string, depth int) error {
	entries, err := os.ReadDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // distributions name directories that packages make
	} else if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() && includable.MatchString(e.Name()) {
			if err := r.file(filepath.Join(name, e.Name()), depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// libdefault passes on the settings that gokrb5 has a use for. It takes others for errors that it could do without, dns_canonicalize_hostname =
// fallback (Fedora's) for one.
func (r *configReader) libdefault(line string) {
	key, value, _ := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	switch key {
	case "default_ccache_name":
		if r.ccache == "" {
			r.ccache = value
		}
	case "dns_lookup_kdc":
		r.lookup = true
		r.add(line)
	case "default_realm", "dns_lookup_realm", "default_tkt_enctypes", "default_tgs_enctypes", "permitted_enctypes", "allow_weak_crypto", "clockskew",
		"ticket_lifetime", "renew_lifetime", "udp_preference_limit", "forwardable", "proxiable", "noaddresses", "canonicalize", "kdc_timesync":
		r.add(line)
	}
}
