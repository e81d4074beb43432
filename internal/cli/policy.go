package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
	"moromi/internal/xmlrpc"
)

// policyCommand is the verb policy, which has verbs of its own: Moromi's, which Koji does not have.
func (p *program) policyCommand(global *pflag.FlagSet) *cobra.Command {
	c := &cobra.Command{
		Use: "policy VERB", Short: "Look at the hub's policies, change them, try changes on the past", GroupID: groupAdmin, DisableFlagsInUseLine: true,
		Long: `The policies of a Moromi hub: what they are and were, and what they decided. A change is in force at once.
Changing them, and looking at decisions, takes the permission admin.`,
		Example: `  moromi policy show tag > tag.rules
  moromi policy set tag tag.rules
  moromi policy try hub.conf --since 2026-01-01
  moromi policy explain tag tag=f42 operation=tag user_id=alice`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown verb %q of policy", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, s := range []spec{listPolicies(), showPolicy(), policyHistory(), setPolicy(), removePolicy(), checkPolicy(), tryPolicy(), explainPolicy(), policyDecisions()} {
		c.AddCommand(p.command(s, global))
	}
	return c
}

// largestPolicyFile is what the hub takes of one file.
const largestPolicyFile = 8 << 20

// readText reads a file, or standard input if it is named - or not at all.
func (v *invocation) readText(name string) (string, error) {
	in := v.In
	if name != "" && name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, largestPolicyFile+1))
	if err != nil {
		return "", fmt.Errorf("read policies: %w", err)
	}
	if len(b) > largestPolicyFile {
		return "", fmt.Errorf("%s: more than %d bytes are no policy", name, largestPolicyFile)
	}
	return string(b), nil
}

func listPolicies() spec {
	var at eventOptions
	return spec{
		use: "list", short: "List the policies that hold", json: true, past: true, flags: at.register,
		run: func(v *invocation) error {
			event, err := v.moment(&at)
			if err != nil {
				return err
			}
			v.showMoment(event, "Policies")
			rows, err := v.list("moromi.listPolicies", withEvent(kw{}, event))
			if err != nil || v.json {
				return v.orJSON(rows, err)
			}
			v.printf("%-24s %7s  %s\n", "Name", "Version", "Changed")
			for _, r := range rows {
				changed := "default"
				if r["default"] != true {
					changed = v.asctime(r["create_ts"]) + " by " + maker(r, "creator_name")
				}
				v.printf("%-24s %7s  %s\n", str(r, "name"), str(r, "version"), changed)
			}
			return nil
		},
	}
}

// orJSON prints an answer as JSON, unless there is an error.
func (v *invocation) orJSON(answer any, err error) error {
	if err != nil {
		return err
	}
	return v.printJSON(answer)
}

// maker is who did it: a user, or the hub itself, from the file that it was started with.
func maker(r row, key string) string {
	if r[key] == nil {
		return "the hub's policy file"
	}
	return str(r, key)
}

func showPolicy() spec {
	var at eventOptions
	var version int64
	return spec{
		use: "show NAME", short: "Print a policy's rules, as set takes them", min: 1, max: 1, json: true, past: true,
		flags: func(f *pflag.FlagSet) {
			at.register(f)
			f.Int64Var(&version, "version", 0, "this `VERSION` of it")
		},
		run: func(v *invocation) error {
			event, err := v.moment(&at)
			if err != nil {
				return err
			}
			args := withEvent(kw{}, event)
			if v.flags.Changed("version") {
				args["version"] = version
			}
			r, err := v.need("policy", "moromi.getPolicy", v.args[0], args)
			if err != nil || v.json {
				return v.orJSON(r, err)
			}
			v.printf("%s", text(r, "text"))
			return nil
		},
	}
}

func policyHistory() spec {
	return spec{
		use: "history [NAME]", short: "Who changed a policy, or any, and when", max: 1, json: true,
		run: func(v *invocation) error {
			var name any
			if len(v.args) > 0 {
				name = v.args[0]
			}
			rows, err := v.list("moromi.policyHistory", name)
			if err != nil || v.json {
				return v.orJSON(rows, err)
			}
			for i, r := range rows {
				v.printf("%s  event %s  %s version %s by %s\n", v.asctime(r["create_ts"]), str(r, "create_event"), str(r, "name"), str(r, "version"), maker(r, "creator_name"))
				if r["revoke_event"] != nil && !follows(rows[i+1:], r) {
					v.printf("%s  event %s  %s removed by %s\n", v.asctime(r["revoke_ts"]), str(r, "revoke_event"), str(r, "name"), maker(r, "revoker_name"))
				}
			}
			return nil
		},
	}
}

// follows tells whether another version replaced this one.
func follows(later []row, r row) bool {
	for _, l := range later {
		if l["name"] == r["name"] {
			return l["create_event"] == r["revoke_event"]
		}
	}
	return false
}

func setPolicy() spec {
	var expect int64
	return spec{
		use: "set NAME [FILE]", short: "Give the hub a policy, from now on", login: true, min: 1, max: 2, json: true,
		long: `The rules are read from FILE, or from standard input: one a line, without a "NAME =" before them.
Rules that cannot be read are refused, and the hub's policy stays as it is.`,
		flags: func(f *pflag.FlagSet) {
			f.Int64Var(&expect, "expect", 0, "refuse if the policy is not at this `VERSION` any more; 0 if the hub had none")
		},
		run: func(v *invocation) error {
			file := ""
			if len(v.args) > 1 {
				file = v.args[1]
			}
			rules, err := v.readText(file)
			if err != nil {
				return err
			}
			return v.changePolicy("moromi.setPolicy", v.args[0], []any{v.args[0], rules}, expect)
		},
	}
}

func removePolicy() spec {
	var expect int64
	return spec{
		use: "remove NAME", short: "Take a policy away: the default holds again", login: true, min: 1, max: 1, json: true,
		flags: func(f *pflag.FlagSet) {
			f.Int64Var(&expect, "expect", 0, "refuse if the policy is not at this `VERSION` any more")
		},
		run: func(v *invocation) error {
			return v.changePolicy("moromi.removePolicy", v.args[0], []any{v.args[0]}, expect)
		},
	}
}

// changePolicy makes the call and tells what became of it.
func (v *invocation) changePolicy(method, name string, args []any, expect int64) error {
	if v.flags.Changed("expect") {
		args = append(args, kw{"expected": expect})
	}
	r, err := v.one(method, args...)
	if err != nil || v.json {
		return v.orJSON(r, err)
	}
	v.warnNotes(name, r)
	if r["changed"] != true {
		v.printf("policy %s is like that already (version %s)\n", name, str(r, "version"))
		return nil
	}
	v.printf("policy %s: version %s (event %s)\n", name, str(r, "version"), str(r, "event"))
	return nil
}

// warnNotes says what there is to say about places of a policy.
func (v *invocation) warnNotes(name string, r row) {
	for _, n := range hubclient.Structs(r["notes"]) {
		v.warnf("policy %s, line %s, column %s: %s", name, str(n, "line"), str(n, "column"), str(n, "message"))
	}
}

func checkPolicy() spec {
	return spec{
		use: "check FILE", short: "Read the [policy] section of a hub.conf and say what is wrong with it", login: true, min: 1, max: 1, json: true,
		run: func(v *invocation) error {
			file, err := v.readText(v.args[0])
			if err != nil {
				return err
			}
			rows, err := v.list("moromi.checkPolicies", file)
			if err != nil || v.json {
				return v.orJSON(rows, err)
			}
			for _, r := range rows {
				v.warnNotes(str(r, "name"), r)
				v.printf("policy %s: %s rules\n", str(r, "name"), str(r, "rules"))
			}
			return nil
		},
	}
}

// sinceOptions choose decisions by when they were made.
type sinceOptions struct {
	since timeValue
	event int64
}

func (o *sinceOptions) register(f *pflag.FlagSet) {
	f.Var(&o.since, "since", "only decisions from this time on: "+timeHelp)
	f.Int64Var(&o.event, "since-event", 0, "only decisions after this `EVENT`")
}

func (o *sinceOptions) args() kw {
	args := kw{}
	if o.since.set() {
		args["since_ts"] = o.since.ts
	}
	if o.event != 0 {
		args["since_event"] = o.event
	}
	return args
}

func tryPolicy() spec {
	var since sinceOptions
	var limit int64
	return spec{
		use: "try FILE", short: "What the [policy] section of a file would have decided otherwise than was decided", login: true, min: 1, max: 1, json: true,
		long: `Evaluates the policies of the file for every decision that the hub has kept, with what was known when it was made, and lists those
that would have come out otherwise. Nothing is changed. The exit status is 1 if there are any.`,
		flags: func(f *pflag.FlagSet) {
			since.register(f)
			f.Int64Var(&limit, "limit", 1000, "list this many; all are counted")
		},
		run: func(v *invocation) error {
			file, err := v.readText(v.args[0])
			if err != nil {
				return err
			}
			args := since.args()
			args["limit"] = limit
			rows, err := v.list("moromi.tryPolicies", file, args)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				return errors.New("the hub's answer has no sum")
			}
			sum := rows[len(rows)-1]
			if v.json {
				err = v.printJSON(rows)
			} else {
				v.showTrial(rows[:len(rows)-1], sum)
			}
			if err == nil && hubclient.Int(sum["different"])+hubclient.Int(sum["untold"]) > 0 {
				err = &statusError{statusFailed}
			}
			return err
		},
	}
}

func (v *invocation) showTrial(rows []row, sum row) {
	for _, r := range rows {
		v.showDecision(r)
		switch {
		case r["problem"] != nil:
			v.printf("  would be: cannot be told: %s\n", str(r, "problem"))
		default:
			v.printf("  would be: %s (%s)\n", outcome(r["new_action"]), str(r, "new_because"))
		}
	}
	if rest := hubclient.Int(sum["different"]) + hubclient.Int(sum["untold"]) - int64(len(rows)); rest > 0 {
		v.printf("and %d more\n", rest)
	}
	v.printf("%s decisions: %s would be different, %s cannot be told\n", str(sum, "decisions"), str(sum, "different"), str(sum, "untold"))
}

// outcome is an action, or that there is none.
func outcome(action any) string {
	if action == nil {
		return "no rule holds"
	}
	return pyStr(action)
}

// showDecision prints what a policy decided, and why.
func (v *invocation) showDecision(r row) {
	who := "the hub"
	if r["user_name"] != nil {
		who = str(r, "user_name")
	}
	version := "the default"
	if hubclient.Int(r["version"]) != 0 {
		version = "version " + str(r, "version")
	}
	v.printf("%s  %s (%s) for %s: %s (%s)\n", v.asctime(r["ts"]), str(r, "policy"), version, who, outcome(r["action"]), str(r, "because"))
	var words []string
	data := hubclient.Struct(r["data"])
	for _, key := range sortedKeys(data) {
		if data[key] != nil {
			words = append(words, key+"="+pyStr(data[key]))
		}
	}
	if len(words) > 0 {
		v.printf("  asked: %s\n", strings.Join(words, " "))
	}
}

func explainPolicy() spec {
	var file string
	return spec{
		use: "explain NAME [KEY=TEXT|KEY:=JSON…]", short: "Which rule of a policy decides, and why", min: 1, max: -1, json: true,
		long: `Evaluates a policy for the data given and shows every rule and test that was tried. KEY=TEXT gives text, KEY:=JSON a number, a list, null, …
Without user_id the question is about yourself, if you are logged in.`,
		example: `  moromi policy explain tag tag=f42 build=foo-1.0-1 operation=tag user_id=alice
  moromi policy explain channel method=build parent:=17`,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&file, "rules", "", "as if the policy had the rules in this `FILE` (for administrators)")
		},
		run: func(v *invocation) error {
			data, err := policyData(v.args[1:])
			if err != nil {
				return err
			}
			method, args := "moromi.explainPolicy", []any{v.args[0], data}
			if v.flags.Changed("rules") {
				rules, err := v.readText(file)
				if err != nil {
					return err
				}
				method, args = "moromi.explainText", []any{v.args[0], rules, data}
			}
			if v.cfg.user != "" || v.flags.Changed("rules") {
				if err := v.login(); err != nil {
					return err
				}
			}
			r, err := v.one(method, args...)
			if err != nil || v.json {
				return v.orJSON(r, err)
			}
			v.showExplanation(r)
			return nil
		},
	}
}

// policyData reads the data of a question.
func policyData(words []string) (map[string]any, error) {
	data := map[string]any{}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return nil, usagef("%q is neither KEY=TEXT nor KEY:=JSON", w)
		}
		if name, isJSON := strings.CutSuffix(key, ":"); isJSON {
			v, err := xmlrpc.FromJSON(value)
			if err != nil {
				return nil, usagef("%s: %v", name, err)
			}
			data[name] = v
			continue
		}
		data[key] = value
	}
	return data, nil
}

func (v *invocation) showExplanation(r row) {
	for _, s := range hubclient.Structs(r["tried"]) {
		rule := hubclient.Struct(s["rule"])
		mark := "-"
		if s["holds"] == true {
			mark = "+"
		}
		v.printf("%s %s %s: %s\n", mark, str(s, "policy"), str(rule, "number"), str(rule, "text"))
		for _, t := range hubclient.Structs(s["tests"]) {
			v.printf("      %-5s %s\n", map[bool]string{true: "yes", false: "no"}[t["holds"] == true], str(t, "test"))
		}
	}
	v.printf("%s (%s)\n", outcome(r["action"]), str(r, "because"))
}

func policyDecisions() spec {
	var since sinceOptions
	var user string
	var refused bool
	var limit int64
	return spec{
		use: "decisions [NAME]", short: "What policies decided lately", login: true, max: 1, json: true,
		flags: func(f *pflag.FlagSet) {
			since.register(f)
			f.StringVar(&user, "for", "", "only those for this `USER`")
			f.BoolVar(&refused, "refused", false, "only refusals")
			f.Int64Var(&limit, "limit", 100, "how many, at most")
		},
		run: func(v *invocation) error {
			args := since.args()
			if len(v.args) > 0 {
				args["policy"] = v.args[0]
			}
			if user != "" {
				args["user"] = user
			}
			args["refused"], args["limit"] = refused, limit
			rows, err := v.list("moromi.policyDecisions", args)
			if err != nil || v.json {
				return v.orJSON(rows, err)
			}
			for _, r := range rows {
				v.showDecision(r)
			}
			return nil
		},
	}
}
