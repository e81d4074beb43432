package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"moromi/internal/fault"
	"moromi/internal/hubclient"
)

func signedCommands() []spec {
	return []spec{listSigned(), writeSigned(), removeSignature(), pruneSigned()}
}

// signatureBatch is how many rpms are asked about in one request.
const signatureBatch = 1000

// signatures gives the signatures of each rpm, with a key only those made with it.
func (v *invocation) signatures(rpms []row, key string) ([][]row, error) {
	var all [][]row
	for start := 0; start < len(rpms); start += signatureBatch {
		var calls []hubclient.Call
		for _, r := range rpms[start:min(len(rpms), start+signatureBatch)] {
			opts := kw{"rpm_id": r["id"]}
			if key != "" {
				opts["sigkey"] = key
			}
			calls = append(calls, method("queryRPMSigs", opts))
		}
		answers, err := v.multi(calls)
		if err != nil {
			return nil, err
		}
		for _, a := range answers {
			all = append(all, hubclient.Structs(a))
		}
	}
	return all, nil
}

func listSigned() spec {
	var key, build, rpm, tag string
	return spec{
		use: "list-signed", short: "List the signed copies of rpms below the hub's top directory", group: groupAdmin, login: true, json: true, past: true,
		long:    "List the signed copies of rpms. The hub's top directory must be mounted here: see topdir in the configuration.",
		example: "  moromi list-signed --tag f42 --key 105ef944",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&key, "key", "", "only those signed with this key")
			f.StringVar(&build, "build", "", "of this build's rpms")
			f.StringVar(&rpm, "rpm", "", "of this rpm")
			f.StringVar(&tag, "tag", "", "of the rpms in this tag, inherited ones excepted")
		},
		run: func(v *invocation) error {
			if build == "" && rpm == "" && tag == "" {
				return usagef("list-signed needs --build, --rpm or --tag")
			}
			rpms, tagged, err := v.chosenRPMs(build, rpm, tag)
			if err != nil {
				return err
			}
			signatures, err := v.signatures(rpms, key)
			if err != nil {
				return err
			}
			builds := map[any]row{}
			paths := []string{}
			for i, r := range rpms {
				if tag != "" && !tagged[hubclient.Int(r["id"])] || len(signatures[i]) == 0 {
					continue
				}
				b := builds[r["build_id"]]
				if b == nil {
					if b, err = v.one("getBuild", r["build_id"]); err != nil {
						return err
					}
					builds[r["build_id"]] = b
				}
				for _, s := range signatures[i] {
					path := buildDir(v.cfg.topDir, b) + "/" + signedFile(r, text(s, "sigkey"))
					if _, err := os.Stat(path); err == nil {
						paths = append(paths, path)
					} else if v.global.debug {
						v.printf("No copy: %s\n", path)
					}
				}
			}
			if v.json {
				return v.printJSON(paths)
			}
			for _, p := range paths {
				v.println(p)
			}
			return nil
		},
	}
}

// chosenRPMs are the rpms named by options, each once, and the ids of those in the tag.
func (v *invocation) chosenRPMs(build, rpm, tag string) (rpms []row, tagged map[int64]bool, err error) {
	if rpm != "" {
		r, err := v.one("getRPM", reference(rpm), kw{"strict": true})
		if err != nil {
			return nil, nil, err
		}
		if hubclient.Int(r["external_repo_id"]) != 0 {
			return nil, nil, fmt.Errorf("%s@%s is an external rpm, which has no copies here", nvra(r), str(r, "external_repo_name"))
		}
		rpms = append(rpms, r)
	}
	if build != "" {
		b, err := v.one("getBuild", reference(build), kw{"strict": true})
		if err != nil {
			return nil, nil, err
		}
		list, err := v.list("listRPMs", kw{"buildID": b["id"]})
		if err != nil {
			return nil, nil, err
		}
		rpms = append(rpms, list...)
	}
	tagged = map[int64]bool{}
	if tag != "" {
		event, err := v.asOf()
		if err != nil {
			return nil, nil, err
		}
		answer, err := v.call("listTaggedRPMS", reference(tag), withEvent(kw{"inherit": false, "latest": false}, event))
		if err != nil {
			return nil, nil, err
		}
		if pair := hubclient.List(answer); len(pair) == 2 {
			for _, r := range hubclient.Structs(pair[0]) {
				tagged[id(r)] = true
				rpms = append(rpms, r)
			}
		}
	} else if v.past.set() {
		return nil, nil, usagef("--at needs --tag: only what is in a tag changes")
	}
	seen := map[int64]bool{}
	once := rpms[:0]
	for _, r := range rpms {
		if !seen[id(r)] {
			seen[id(r)] = true
			once = append(once, r)
		}
	}
	return once, tagged, nil
}

func writeSigned() spec {
	var all bool
	var build string
	return spec{
		use: "write-signed-rpm KEY [RPM_OR_BUILD]…", short: "Make signed copies of rpms", group: groupAdmin, login: true, min: 1, max: -1, complete: []string{"", "build"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&all, "all", false, "all rpms signed with the key")
			f.StringVar(&build, "buildid", "", "the rpms of the build with this number")
		},
		run: func(v *invocation) error {
			key := strings.ToLower(v.args[0])
			var rpms []row
			var err error
			switch {
			case all:
				rpms, err = v.signedWith(key)
			case build != "":
				n, ok := reference(build).(int64)
				if !ok {
					return usagef("--buildid takes a number, not %q", build)
				}
				rpms, err = v.list("listRPMs", n)
			case len(v.args) < 2:
				return usagef("write-signed-rpm needs an rpm or a build, --all or --buildid")
			default:
				rpms, err = v.namedRPMs(v.args[1:])
			}
			if err != nil {
				return err
			}
			for i, r := range rpms {
				v.printf("[%d/%d] %s\n", i+1, len(rpms), nvra(r))
				if _, err := v.change("writeSignedRPM", r["id"], key); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// signedWith are all rpms signed with a key.
func (v *invocation) signedWith(key string) ([]row, error) {
	signatures, err := v.list("queryRPMSigs", kw{"sigkey": key})
	if err != nil {
		return nil, err
	}
	var rpms []row
	for start := 0; start < len(signatures); start += signatureBatch {
		var calls []hubclient.Call
		for _, s := range signatures[start:min(len(signatures), start+signatureBatch)] {
			calls = append(calls, method("getRPM", s["rpm_id"]))
		}
		answers, err := v.multi(calls)
		if err != nil {
			return nil, err
		}
		rpms = append(rpms, hubclient.Structs(answers)...)
	}
	return rpms, nil
}

// namedRPMs are the rpms of names, which may also be those of builds: rpms first, then those of builds.
func (v *invocation) namedRPMs(names []string) ([]row, error) {
	var calls []hubclient.Call
	for _, n := range names {
		calls = append(calls, method("getRPM", n, kw{"strict": false}))
	}
	answers, err := v.multi(calls)
	if err != nil {
		return nil, err
	}
	var rpms, ofBuilds []row
	for i, a := range answers {
		if r := hubclient.Struct(a); r != nil {
			rpms = append(rpms, r)
			continue
		}
		b, err := v.one("getBuild", names[i])
		if err != nil {
			return nil, err
		}
		if b == nil {
			return nil, fmt.Errorf("no such rpm or build: %s", names[i])
		}
		list, err := v.list("listRPMs", kw{"buildID": b["id"]})
		if err != nil {
			return nil, err
		}
		ofBuilds = append(ofBuilds, list...)
	}
	return append(rpms, ofBuilds...), nil
}

func removeSignature() spec {
	var key string
	var all bool
	return spec{
		use: "remove-sig RPM", short: "Remove signatures of an rpm and its signed copies", group: groupAdmin, login: true, min: 1, max: 1,
		long: "Remove signatures of an rpm and the copies signed with them. This is for mistakes: signatures are meant to be kept.",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&key, "sigkey", "", "the signature made with this key")
			f.BoolVar(&all, "all", false, "all signatures")
		},
		run: func(v *invocation) error {
			if all == (key != "") {
				return fmt.Errorf("remove-sig needs --sigkey or --all, one of them")
			}
			var sigKey any
			if key != "" {
				sigKey = key
			}
			_, err := v.change("deleteRPMSig", v.args[0], kw{"sigkey": sigKey, "all_sigs": all})
			if f := fault.Of(err); f != nil {
				if strings.HasPrefix(f.Message, "No such rpm") {
					return fmt.Errorf("no such rpm in system: %s", v.args[0])
				}
				return fmt.Errorf("remove signature: %w", err)
			}
			return err
		},
	}
}
