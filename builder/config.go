package builder

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/ini.v1"
)

// Config says how a builder works. Server, TopURL and WorkDir are required; DefaultConfig has the rest.
// The names in the tags are those of the configuration file, which are kojid.conf's where kojid has the setting.
type Config struct {
	// Server is the hub's address, https://HOST/kojihub. TopURL is the address of its files; more than one, separated by
	// space, are mirrors for repositories. TopDir is where those files are mounted, for newRepo tasks of a Koji hub only.
	Server string `ini:"server"`
	TopURL string `ini:"topurl"`
	TopDir string `ini:"topdir"`
	// WorkDir is this builder's own directory, for one daemon at a time: work on tasks, roots, caches. Gigabytes.
	WorkDir string `ini:"workdir"`

	// User and Password log in; PasswordFile holds the password on its first line. ForceLock takes the session over from
	// another daemon of the same name.
	User         string `ini:"user"`
	Password     string `ini:"password"`
	PasswordFile string `ini:"password_file"`
	ForceLock    bool   `ini:"force_lock"`
	// Cert is a file with the builder's certificate and key, to log in with instead of a password; ServerCA the hub's authority.
	Cert     string `ini:"cert"`
	ServerCA string `ini:"serverca"`

	// Keytab is a file with the keys of KrbPrincipal, or else of HostPrincipalFormat with the host's full name in the place of %s; CCache is a
	// credential cache to use instead of a keytab. By these the builder logs in with Kerberos.
	Keytab              string `ini:"keytab"`
	KrbPrincipal        string `ini:"krb_principal"`
	HostPrincipalFormat string `ini:"host_principal_format"`
	CCache              string `ini:"ccache"`

	// MaxJobs is how many tasks run at once, waiting ones included. MinSpace in MiB is how much of WorkDir's disk must be
	// free for another task. Sleep is the pause between questions to a hub that does not push.
	MaxJobs  int   `ini:"maxjobs"`
	MinSpace int64 `ini:"minspace"`
	// MaxLoad is the load average for each processor above which the host takes no task; 0 sets no limit.
	MaxLoad float64       `ini:"max_load_per_cpu"`
	Sleep   time.Duration `ini:"sleeptime"`

	// Packager, Vendor and Distribution are put into every package. MockHost is the tail of %_host.
	Packager     string `ini:"packager"`
	Vendor       string `ini:"vendor"`
	Distribution string `ini:"distribution"`
	MockHost     string `ini:"mockhost"`

	// AllowedSCMs lists host:repository[:use_common[:source_cmd]] and !host:repository, separated by space.
	// The two switches say whether it counts, and whether the hub's policy build_from_scm is asked.
	AllowedSCMs          string `ini:"allowed_scms"`
	AllowedSCMsUseConfig bool   `ini:"allowed_scms_use_config"`
	AllowedSCMsUsePolicy bool   `ini:"allowed_scms_use_policy"`
	AllowSCMPassword     bool   `ini:"allow_password_in_scm_url"`
	// SCMPolicy asks the hub's policy scm after each checkout, as Koji's plugin scmpolicy does.
	SCMPolicy bool `ini:"scm_policy"`
	// Lookaside is the address pattern from which the builder fetches what a dist-git "sources" file names:
	// http://HOST/{package}/{file}/{hashtype}/{hash}/{file}. Empty leaves it to the source command.
	Lookaside string `ini:"lookaside"`
	// SourceLayout accepts SPECS/ and SOURCES/ in a checkout.
	SourceLayout bool `ini:"support_rpm_source_layout"`

	// LiteralTaskArches, BuildArchCanFail and LogTimestamps are kojid's settings of these names.
	LiteralTaskArches string `ini:"literal_task_arches"`
	BuildArchCanFail  bool   `ini:"build_arch_can_fail"`
	LogTimestamps     bool   `ini:"log_timestamps"`
	// BuildTimeout ends one step of a build.
	BuildTimeout time.Duration `ini:"rpmbuild_timeout"`

	// Buildroot is auto (mock where it is installed, else native), mock or native.
	Buildroot string `ini:"buildroot"`
	// Settings of mock.
	MockPath           string `ini:"mockpath"`
	MockDir            string `ini:"mockdir"`
	MockUser           string `ini:"mockuser"`
	MockBootstrapImage bool   `ini:"mock_bootstrap_image"`
	// Proxy is an HTTP proxy for the package manager.
	Proxy string `ini:"yum_proxy"`
	// Settings of native roots: the package manager, how many base roots stay cached, and limits in MiB and
	// processes for one step (0 is none).
	DNF         string `ini:"dnf"`
	MaxRoots    int    `ini:"native_max_roots"`
	MemoryLimit int64  `ini:"native_memory_limit"`
	PIDLimit    int64  `ini:"native_pid_limit"`

	// FailedRootLife is how long the roots of failed tasks are kept for saveFailedTree, FailedRoots how many at most, and FailedTreeSize in MiB what
	// such a task uploads at most; FailedTreeOmit are shell patterns, separated by space, of what it leaves out.
	FailedRootLife time.Duration `ini:"failed_buildroot_lifetime"`
	FailedRoots    int           `ini:"failed_buildroots"`
	FailedTreeSize int64         `ini:"failed_tree_size"`
	FailedTreeOmit string        `ini:"failed_tree_filters"`
	// RunRootConfig is a file in the form of Koji's runroot.conf: what runroot tasks may mount. RunRootNetwork lets them use the network.
	RunRootConfig  string `ini:"runroot_config"`
	RunRootNetwork bool   `ini:"runroot_network"`

	// SMTPHost is the mail server (HOST or HOST:PORT) for notifications; empty sends none. From is their sender.
	SMTPHost     string `ini:"smtphost"`
	SMTPUser     string `ini:"smtp_user"`
	SMTPPassword string `ini:"smtp_pass"`
	From         string `ini:"from_addr"`

	// MaxRetries and RetryInterval are for calls that do not reach the hub.
	MaxRetries    int           `ini:"max_retries"`
	RetryInterval time.Duration `ini:"retry_interval"`

	// InitProgram is the executable whose main calls native.Init; the running one if empty.
	InitProgram string       `ini:"-"`
	HTTP        *http.Client `ini:"-"`
	Log         *slog.Logger `ini:"-"`
}

// DefaultConfig is what holds where a configuration says nothing: kojid's defaults, but for names of our own.
func DefaultConfig() Config {
	return Config{
		WorkDir: "/var/lib/moromi-builder", MaxJobs: 10, MinSpace: 8192, MaxLoad: 4 /* as kojid */, Sleep: 15 * time.Second,
		Packager: "Moromi", Vendor: "Moromi", Distribution: "Moromi", MockHost: "koji-linux-gnu",
		From:                 "Build System <buildsys@example.com>",
		AllowedSCMsUseConfig: true, SourceLayout: true, BuildTimeout: 24 * time.Hour, Buildroot: "auto",
		FailedRootLife: 4 * time.Hour /* as kojid */, FailedRoots: 5, FailedTreeSize: 4096, FailedTreeOmit: "*/tmp/krb5cc */etc/*.keytab", /* as Koji's plugin */
		RunRootNetwork: true, MaxRetries: 120, RetryInterval: time.Minute,
	}
}

// ReadConfig reads a file in kojid.conf's style, with one section named kojid or builder. Unknown settings are errors.
// The result is not validated, so that a caller can add what the file leaves out.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the builder's configuration: %w", err)
	}
	cfg, err := ParseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("read %s: %w", path, err)
	}
	return cfg, nil
}

// ParseConfig is ReadConfig for text.
func ParseConfig(data []byte) (Config, error) {
	cfg := DefaultConfig()
	// As kojid reads it: no interpolation, values may go on in indented lines, # begins a comment only at the start of a line.
	file, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, AllowPythonMultilineValues: true, IgnoreContinuation: true}, data)
	if err != nil {
		return cfg, err
	}
	for _, s := range file.Sections() {
		switch {
		case s.Name() == "kojid" || s.Name() == "builder":
		case s.Name() == ini.DefaultSection && len(s.Keys()) == 0:
			continue
		case s.Name() == ini.DefaultSection:
			return cfg, errors.New("settings stand in the section [builder]")
		default:
			return cfg, fmt.Errorf("unknown section [%s]: there is only [builder], or [kojid]", s.Name())
		}
		for _, k := range s.Keys() {
			if err := cfg.set(k.Name(), strings.TrimSpace(k.Value())); err != nil {
				return cfg, err
			}
		}
	}
	return cfg, nil
}

// set gives the setting of a name its value.
func (c *Config) set(name, value string) error {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("ini") != name || name == "-" {
			continue
		}
		switch f := v.Field(i).Addr().Interface().(type) {
		case *string:
			*f = value
		case *bool:
			b, ok := parseBool(value)
			if !ok {
				return fmt.Errorf("%s: %q is neither yes nor no", name, value)
			}
			*f = b
		case *int:
			n, err := strconv.Atoi(value)
			if err != nil {
				return fmt.Errorf("%s: %q is not a whole number", name, value)
			}
			*f = n
		case *int64:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return fmt.Errorf("%s: %q is not a whole number", name, value)
			}
			*f = n
		case *float64:
			n, err := strconv.ParseFloat(value, 64)
			if err != nil || !(n >= 0 && n <= math.MaxInt32) {
				return fmt.Errorf("%s: %q is not a number from 0 on", name, value)
			}
			*f = n
		case *time.Duration:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 || n > int64(1<<62/time.Second) {
				return fmt.Errorf("%s: %q is not a number of seconds", name, value)
			}
			*f = time.Duration(n) * time.Second
		default:
			return fmt.Errorf("%s: a setting of type %s cannot be read", name, v.Field(i).Type())
		}
		return nil
	}
	return fmt.Errorf("unknown setting %q", name)
}

// parseBool reads what Python's configuration parser takes for a truth value.
func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "1", "yes", "true", "on":
		return true, true
	case "0", "no", "false", "off":
		return false, true
	}
	return false, false
}

// Validate says everything that is wrong at once.
func (c *Config) Validate() error {
	var errs []error
	for _, r := range []struct{ name, value string }{{"server", c.Server}, {"topurl", c.TopURL}, {"workdir", c.WorkDir}} {
		if strings.TrimSpace(r.value) == "" {
			errs = append(errs, fmt.Errorf("the setting %s is required", r.name))
		}
	}
	if c.User == "" && c.Cert == "" && c.Keytab == "" && c.CCache == "" {
		errs = append(errs, errors.New("the builder needs user and password (or password_file), or cert, or keytab"))
	}
	if c.HostPrincipalFormat != "" && strings.Count(c.HostPrincipalFormat, "%s") != 1 {
		errs = append(errs, fmt.Errorf("host_principal_format %q must have %%s once, for the host's name", c.HostPrincipalFormat))
	}
	if c.Password != "" && c.PasswordFile != "" {
		errs = append(errs, errors.New("give password or password_file, not both"))
	}
	if !slices.Contains([]string{"auto", "mock", "native"}, c.Buildroot) {
		errs = append(errs, fmt.Errorf("buildroot is auto, mock or native, not %q", c.Buildroot))
	}
	if c.MaxJobs < 1 {
		errs = append(errs, fmt.Errorf("maxjobs is %d: at least 1", c.MaxJobs))
	}
	if c.FailedTreeSize < 1 {
		errs = append(errs, fmt.Errorf("failed_tree_size is %d: at least 1 MiB", c.FailedTreeSize))
	}
	if c.Sleep <= 0 {
		errs = append(errs, errors.New("sleeptime must be at least a second"))
	}
	if !c.AllowedSCMsUseConfig && !c.AllowedSCMsUsePolicy {
		errs = append(errs, errors.New("with allowed_scms_use_config and allowed_scms_use_policy both off, any address could be built; turn one on"))
	}
	return errors.Join(errs...)
}

// password is the password to log in with.
func (c *Config) password() (string, error) {
	if c.PasswordFile == "" {
		return c.Password, nil
	}
	data, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimRight(line, "\r"), nil
}
