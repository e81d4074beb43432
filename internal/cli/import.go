package cli

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
	"moromi/internal/rpm"
)

func importCommands() []spec { return []spec{importRPMs(), importSignatures()} }

// rpmPath is an rpm on this machine with what its header says.
type rpmPath struct {
	path   string
	header *rpm.Header
	id     rpm.NEVRA
}

func readRPM(path string) (rpmPath, error) {
	f, err := os.Open(path)
	if err != nil {
		return rpmPath{}, err
	}
	defer f.Close()
	h, err := rpm.ReadHeader(f)
	if err != nil {
		return rpmPath{}, fmt.Errorf("%s: %w", path, err)
	}
	return rpmPath{path, h, h.NEVRA()}, nil
}

// build is the name-version-release of the build that the rpm belongs to.
func (r rpmPath) build() (string, error) {
	if r.header.IsSource() {
		return r.id.NVR(), nil
	}
	source, err := koji.ParseNVRA(r.header.SourceRPM())
	if err != nil {
		return "", fmt.Errorf("%s: its source rpm is named %q: %w", r.path, r.header.SourceRPM(), err)
	}
	return fmt.Sprintf("%s-%s-%s", source.Name, source.Version, source.Release), nil
}

func (r rpmPath) epoch() any {
	if e := r.header.Epoch(); e != nil {
		return *e
	}
	return nil
}

// importFlags are the options of import.
type importFlags struct {
	test, create, link bool
	epoch              string
}

func importRPMs() spec {
	var o importFlags
	return spec{
		use: "import RPM…", short: "Import rpms that were built elsewhere", group: groupAdmin, login: true, min: 1, max: -1, complete: []string{"file"},
		long:    "Import rpms that were built elsewhere. The builds they belong to are made from source rpms among them, or with --create-build.",
		example: "  moromi import foo-1.0-1.src.rpm foo-1.0-1.x86_64.rpm\n  moromi import --create-build --test *.rpm",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&o.test, "test", false, "only say what would be done")
			registerLink(f, &o.link)
			f.BoolVar(&o.create, "create-build", false, "create builds without a source rpm")
			f.StringVar(&o.epoch, "src-epoch", "", "epoch of created builds (none: no epoch); otherwise that of the first rpm")
		},
		run: func(v *invocation) error {
			groups := map[string][]rpmPath{}
			for _, path := range v.args {
				r, err := readRPM(path)
				if err != nil {
					return fmt.Errorf("import: %w", err)
				}
				build, err := r.build()
				if err != nil {
					return fmt.Errorf("import: %w", err)
				}
				groups[build] = append(groups[build], r)
			}
			if err := v.checkBuilds(groups, &o); err != nil {
				return err
			}
			failed := false
			for _, build := range sortedKeys(groups) {
				rpms := groups[build]
				slices.SortFunc(rpms, func(a, b rpmPath) int { return strings.Compare(a.path, b.path) })
				ok, err := v.importBuild(build, rpms, &o)
				if err != nil {
					return err
				}
				failed = failed || !ok
			}
			if failed {
				return &statusError{statusFailed}
			}
			return nil
		},
	}
}

// checkBuilds sees to it that every rpm will have its build, before anything is imported.
func (v *invocation) checkBuilds(groups map[string][]rpmPath, o *importFlags) error {
	var missing []string
	for _, build := range sortedKeys(groups) {
		if slices.ContainsFunc(groups[build], func(r rpmPath) bool { return r.header.IsSource() }) {
			continue
		}
		b, err := v.one("getBuild", build)
		if err != nil {
			return err
		}
		if b == nil {
			missing = append(missing, build)
			v.printf("Missing build or srpm: %s\n", build)
		}
	}
	if len(missing) == 0 || o.create {
		return nil
	}
	return fmt.Errorf("missing build or source rpm: %s; include the source rpms, or give --create-build", strings.Join(missing, ", "))
}

// importBuild imports the rpms of one build, source rpms first. ok is false if some could not be.
func (v *invocation) importBuild(build string, rpms []rpmPath, o *importFlags) (ok bool, err error) {
	known, err := v.one("getBuild", build)
	if err != nil {
		return false, err
	}
	complete := false
	if known != nil {
		state := koji.BuildState(hubclient.Int(known["state"]))
		complete = state == koji.BuildComplete
		again := state == koji.BuildFailed || state == koji.BuildCanceled
		if !complete && !(again && o.create) {
			v.printf("Build %s state is %s. Skipping import\n", build, state)
			return false, nil
		}
	}
	hasSource := slices.ContainsFunc(rpms, func(r rpmPath) bool { return r.header.IsSource() })
	if known != nil && !complete || known == nil && !hasSource {
		if err := v.emptyBuild(build, rpms[0], o); err != nil {
			return false, err
		}
	}
	ok = true
	for _, source := range []bool{true, false} {
		for _, r := range rpms {
			if r.header.IsSource() != source {
				continue
			}
			done, err := v.importRPM(r, o)
			if err != nil {
				return false, err
			}
			ok = ok && done
		}
	}
	return ok, nil
}

func (v *invocation) emptyBuild(build string, from rpmPath, o *importFlags) error {
	if o.test {
		v.printf("Test mode -- would have created empty build: %s\n", build)
		return nil
	}
	n, err := koji.ParseNVR(build)
	if err != nil {
		return err
	}
	epoch := from.epoch()
	switch strings.ToLower(o.epoch) {
	case "":
	case "none", "(none)":
		epoch = nil
	default:
		if epoch, err = strconv.Atoi(o.epoch); err != nil {
			return usagef("--src-epoch must be a whole number or none, not %q", o.epoch)
		}
	}
	v.printf("Creating empty build: %s\n", build)
	_, err = v.change("createEmptyBuild", kw{"name": n.Name, "version": n.Version, "release": n.Release, "epoch": epoch})
	return err
}

// importRPM uploads and imports one rpm. What the hub refuses is said, and is no error: the others go on.
func (v *invocation) importRPM(r rpmPath, o *importFlags) (ok bool, err error) {
	known, err := v.one("getRPM", row{"name": r.id.Name, "version": r.id.Version, "release": r.id.Release, "arch": r.id.Arch})
	if err != nil {
		return false, err
	}
	if known != nil && hubclient.Int(known["external_repo_id"]) == 0 {
		if text(known, "payloadhash") == r.header.SigMD5() {
			v.printf("RPM already imported: %s\nSkipping import\n", r.path)
			return true, nil
		}
		v.warnf("%s: the hub has a different rpm of this name: its sigmd5 is %s, yours is %s. Skipping import", r.path, text(known, "payloadhash"), r.header.SigMD5())
		return false, nil
	}
	if o.test {
		v.printf("Test mode -- skipping import for %s\n", r.path)
		return true, nil
	}
	dir := v.uniquePath("cli-import")
	if o.link {
		err = v.link(r.path, dir)
	} else {
		v.printf("uploading %s... ", r.path)
		if err = v.upload(r.path, dir, true); err == nil {
			v.printf("done")
		}
		v.println()
	}
	if err != nil {
		return false, err
	}
	v.printf("importing %s... ", r.path)
	_, err = v.change("importRPM", dir, filepath.Base(r.path))
	switch {
	case hubError(err):
		v.printf("\nError importing: %s\n", explain(err, v.global.debug))
		return false, nil
	case err != nil:
		v.println()
		return false, err
	}
	v.println("done")
	return true, nil
}

func importSignatures() spec {
	var unsigned, test, write bool
	return spec{
		use: "import-sig RPM…", short: "Import the signatures of rpms, and make signed copies", group: groupAdmin, login: true, min: 1, max: -1, complete: []string{"file"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&unsigned, "with-unsigned", false, "also of unsigned rpms")
			f.BoolVar(&test, "test", false, "only say what would be done")
			f.BoolVar(&write, "write", false, "accepted as Koji accepts it: signed copies are always made")
			f.Lookup("write").Hidden = true
		},
		run: func(v *invocation) error {
			failed := false
			for _, path := range v.args {
				ok, err := v.importSignature(path, unsigned, test)
				if err != nil {
					return err
				}
				failed = failed || !ok
			}
			if failed {
				return &statusError{statusFailed}
			}
			return nil
		},
	}
}

func (v *invocation) importSignature(path string, unsigned, test bool) (ok bool, err error) {
	r, err := readRPM(path)
	if err != nil {
		return false, fmt.Errorf("import signature: %w", err)
	}
	key, err := r.header.Sig.Key()
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if key == "" && !unsigned {
		v.printf("Skipping unsigned package: %s\n", path)
		return true, nil
	}
	name := r.id.NVR() + "." + r.id.Arch
	known, err := v.one("getRPM", row{"name": r.id.Name, "version": r.id.Version, "release": r.id.Release, "arch": r.id.Arch})
	switch {
	case err != nil:
		return false, err
	case known == nil:
		v.warnf("No such rpm in system: %s", name)
		return false, nil
	case hubclient.Int(known["external_repo_id"]) != 0:
		v.printf("Skipping external rpm: %s@%s\n", name, str(known, "external_repo_name"))
		return true, nil
	}
	header := r.header.Sig.Raw()
	previous, err := v.list("queryRPMSigs", kw{"rpm_id": known["id"], "sigkey": key})
	if err != nil {
		return false, err
	}
	if len(previous) > 0 {
		digest := md5.Sum(header) // Koji keeps this digest to tell headers apart, not for security
		if text(previous[0], "sighash") == hex.EncodeToString(digest[:]) {
			v.printf("Signature already imported: %s\n", path)
			return true, nil
		}
		v.warnf("signature mismatch: %s: the hub has another signature with key %s", path, key)
		return false, nil
	}
	v.printf("Importing signature [key %s] from %s...\n", key, path)
	if !test {
		if _, err := v.change("addRPMSig", known["id"], base64.StdEncoding.EncodeToString(header)); err != nil {
			return false, err
		}
	}
	v.println("Writing signed copy")
	if test {
		return true, nil
	}
	_, err = v.change("writeSignedRPM", known["id"], key)
	return err == nil, err
}
