package scm

import (
	"regexp"
	"strings"

	"moromi/internal/fault"
)

// Rule is one entry of allowed_scms: host:repository[:use_common[:source_cmd]] or !host:repository.
type Rule struct {
	Deny             bool
	host, repository *regexp.Regexp
	opts             Options
}

// Options are what an address's rule or policy says about the checkout.
type Options struct {
	// UseCommon checks out the repository named common beside the sources.
	UseCommon bool
	// Command fetches what the source control does not hold; nil runs nothing.
	Command []string
	// DefaultCommand tells that Command is Koji's default and nobody asked for it.
	DefaultCommand bool
}

// defaultOptions are Koji's where a rule says nothing.
func defaultOptions() Options {
	return Options{UseCommon: true, Command: []string{"make", "sources"}, DefaultCommand: true}
}

// ParseRules reads allowed_scms: entries separated by space. Entries that are none are returned as bad, for a warning: Koji skips them.
func ParseRules(text string) (rules []Rule, bad []string) {
	for entry := range strings.FieldsSeq(text) {
		f := strings.Split(entry, ":")
		if len(f) < 2 {
			bad = append(bad, entry)
			continue
		}
		r := Rule{opts: defaultOptions()}
		host, deny := strings.CutPrefix(f[0], "!")
		r.Deny, r.host, r.repository = deny, glob(host), glob(f[1])
		if len(f) >= 3 {
			switch strings.ToLower(f[2]) {
			case "no", "off", "false", "0":
				r.opts.UseCommon = false
			}
		}
		if len(f) >= 4 {
			r.opts.DefaultCommand, r.opts.Command = false, nil
			if f[3] != "" {
				r.opts.Command = strings.Split(f[3], ",")
			}
		}
		rules = append(rules, r)
	}
	return rules, bad
}

// Allow finds the first rule that matches. No rule, or one that denies, is Koji's BuildError.
func Allow(rules []Rule, u URL) (Options, error) {
	for _, r := range rules {
		if !r.host.MatchString(u.Host) || !r.repository.MatchString(u.Repository) {
			continue
		}
		if r.Deny {
			break
		}
		return r.opts, nil
	}
	return Options{}, fault.New(fault.Build, "%s:%s is not in the list of allowed SCMs", u.Host, u.Repository)
}

// ApplyPolicy reads the answer of the hub's policy build_from_scm: "allow [use_common] [command… | none]" or "deny [reason]".
// before holds what applies where the answer says nothing.
func ApplyPolicy(answer string, u URL, before Options) (Options, error) {
	words := strings.Fields(answer)
	allowed := false
	if len(words) > 0 {
		switch strings.ToLower(words[0]) {
		case "yes", "true", "allow", "allowed":
			allowed = true
		}
		words = words[1:]
	}
	if !allowed {
		reason := strings.Join(words, " ")
		if reason == "" {
			reason = "None"
		}
		return Options{}, fault.New(fault.Build, "SCM: %s:%s is not allowed, reason: %s", u.Host, u.Repository, reason)
	}
	out := before
	out.UseCommon = len(words) > 0 && strings.EqualFold(words[0], "use_common")
	if out.UseCommon {
		words = words[1:]
	}
	if len(words) > 0 {
		out.Command, out.DefaultCommand = words, false
	}
	if len(out.Command) > 0 && strings.EqualFold(out.Command[0], "none") {
		out.Command, out.DefaultCommand = nil, false
	}
	return out, nil
}

// DefaultOptions are the options before any rule or policy spoke.
func DefaultOptions() Options { return defaultOptions() }

// glob is Python's fnmatch: * and ? match slashes too, [!x] negates.
func glob(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A(?:`)
	for i := 0; i < len(pattern); {
		c := pattern[i]
		i++
		switch c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			end := i
			if end < len(pattern) && pattern[end] == '!' {
				end++
			}
			if end < len(pattern) && pattern[end] == ']' {
				end++
			}
			for end < len(pattern) && pattern[end] != ']' {
				end++
			}
			if end >= len(pattern) {
				b.WriteString(`\[`)
				continue
			}
			set := strings.ReplaceAll(pattern[i:end], `\`, `\\`)
			set = strings.ReplaceAll(set, "[", `\[`)
			if strings.HasPrefix(set, "!") {
				set = "^" + set[1:]
			} else if strings.HasPrefix(set, "^") {
				set = `\` + set
			}
			b.WriteString("[" + strings.Replace(set, "]", `\]`, 1) + "]")
			i = end + 1
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString(`)\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		// Such as [z-a], which matches nothing in Python either.
		return regexp.MustCompile(`\A\z.`)
	}
	return re
}

// MatchAny tells whether text matches one of the patterns, separated by space.
func MatchAny(patterns, text string) bool {
	for p := range strings.FieldsSeq(patterns) {
		if glob(p).MatchString(text) {
			return true
		}
	}
	return false
}
