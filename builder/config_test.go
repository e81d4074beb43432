package builder

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	cfg, err := ParseConfig([]byte(`# as a kojid.conf
[kojid]
server = https://hub/kojihub
; another comment
topurl=https://hub/kojifiles https://mirror/kojifiles
user = builder1
password = pass#word;%(x)s
allowed_scms = src.example.org:/rpms/*:no:
    !bad:*
maxjobs=3
minspace = 100
sleeptime=7
max_load_per_cpu = 2.5
failed_buildroot_lifetime = 60
failed_buildroots = 2
failed_tree_size = 10
runroot_network = no
rpmbuild_timeout=60
allowed_scms_use_policy = On
support_rpm_source_layout=no
buildroot = native
`))
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Server, want.TopURL, want.User, want.Password = "https://hub/kojihub", "https://hub/kojifiles https://mirror/kojifiles", "builder1", "pass#word;%(x)s"
	want.MaxJobs, want.MinSpace, want.Sleep, want.BuildTimeout = 3, 100, 7*time.Second, time.Minute
	want.MaxLoad, want.FailedRootLife, want.FailedRoots, want.FailedTreeSize, want.RunRootNetwork = 2.5, time.Minute, 2, 10, false
	want.AllowedSCMsUsePolicy, want.SourceLayout, want.Buildroot = true, false, "native"
	if got := strings.Join(strings.Fields(cfg.AllowedSCMs), " "); got != "src.example.org:/rpms/*:no: !bad:*" {
		t.Errorf("allowed_scms %q", cfg.AllowedSCMs)
	}
	cfg.AllowedSCMs = ""
	if cfg != want {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[builder]\nnosuch=1\n":             `unknown setting "nosuch"`,
		"[builder]\nmaxjobs=many\n":         `maxjobs: "many" is not a whole number`,
		"[builder]\nminspace=1.5\n":         `minspace: "1.5" is not a whole number`,
		"[builder]\nsleeptime=-1\n":         `sleeptime: "-1" is not a number of seconds`,
		"[builder]\nforce_lock=maybe\n":     `force_lock: "maybe" is neither yes nor no`,
		"[builder]\nmax_load_per_cpu=NaN\n": `max_load_per_cpu: "NaN" is not a number from 0 on`,
		"[other]\nx=1\n":                    "unknown section [other]: there is only [builder], or [kojid]",
		"server=x\n":                        "settings stand in the section [builder]",
	} {
		if _, err := ParseConfig([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	cfg := Config{Buildroot: "chroot", Password: "a", PasswordFile: "b", HostPrincipalFormat: "compile/HOST"}
	err := cfg.Validate()
	for _, want := range []string{"the setting server is required", "the setting topurl is required", "the setting workdir is required", "needs user and password", "not both", `host_principal_format "compile/HOST" must have %s`,
		`buildroot is auto, mock or native, not "chroot"`, "maxjobs is 0", "sleeptime", "both off"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q: %v", want, err)
		}
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	host, err := fullHostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, principal string }{
		{"keytab = /k\n", ""},
		{"keytab = /k\nhost_principal_format = compile/%s@EXAMPLE.COM\n", "compile/" + host + "@EXAMPLE.COM"},
		{"keytab = /k\nhost_principal_format = compile/%s@EXAMPLE.COM\nkrb_principal = compile/b1@EXAMPLE.COM\n", "compile/b1@EXAMPLE.COM"},
	} {
		cfg, err := ParseConfig([]byte("[kojid]\nserver=s\ntopurl=t\n" + c.text))
		if err == nil {
			err = cfg.Validate()
		}
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		if src, err := cfg.tickets(); err != nil || src.Keytab != "/k" || src.Principal != c.principal {
			t.Errorf("%q: %+v, %v", c.text, src, err)
		}
	}
}

// TestEverySettingIsRead: a setting of a type that nothing reads would be passed over in silence.
func TestEverySettingIsRead(t *testing.T) {
	t.Parallel()
	defaults := reflect.ValueOf(DefaultConfig())
	for i := range defaults.NumField() {
		name := defaults.Type().Field(i).Tag.Get("ini")
		if name == "-" {
			continue
		}
		changed := false
		for _, value := range []string{"7", "yes", "no"} {
			cfg := DefaultConfig()
			if err := cfg.set(name, value); err == nil && !reflect.ValueOf(cfg).Field(i).Equal(defaults.Field(i)) {
				changed = true
			}
		}
		if !changed {
			t.Errorf("%s changes nothing", name)
		}
	}
}

func TestPasswordFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(path, []byte("se cret\r\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{PasswordFile: path}
	if got, err := cfg.password(); err != nil || got != "se cret" {
		t.Errorf("%q, %v", got, err)
	}
	cfg.PasswordFile += ".no"
	if _, err := cfg.password(); err == nil {
		t.Error("a missing file is no error")
	}
	if _, err := ReadConfig(path + ".no"); err == nil {
		t.Error("a missing configuration is no error")
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("[builder]\nserver = x\n  y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if cfg, err := ParseConfig(data); err == nil {
			_ = cfg.Validate()
		}
	})
}
