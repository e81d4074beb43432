package buildroot

import (
	"fmt"
	"sort"
	"strings"

	"moromi/internal/mockconf"
)

// RPMMacros are the macros of builds in the root, names without %, in Koji's order of precedence: the builder's identity,
// then the tag's rpm.macro keys, then what cannot be changed.
func (s Spec) RPMMacros() map[string]string {
	m := map[string]string{
		"_rpmfilename": mockconf.RPMFileName,
		"vendor":       s.Vendor,
		"packager":     s.Packager,
		"distribution": s.Distribution,
	}
	for k, v := range s.Macros {
		m[k] = v
	}
	m["_topdir"] = mockconf.Topdir
	m["_host_cpu"] = s.Arch
	m["_host"] = s.Arch + "-" + s.HostVendor
	return m
}

// debugInstall makes rpm write debuginfo packages where the distribution's own macros do not:
// a %install that puts %debug_package before itself, as redhat-rpm-config has it.
const debugInstall = "%install %{?_enable_debug_packages:%{?buildsubdir:%{debug_package}}}\\\n%%install\\\n%{nil}\n"

// MacroFile is the text of ~/.rpmmacros for the root. With the tag's macro _enable_debug_packages set,
// debuginfo packages are made even if the root's own macros do not ask for them.
func (s Spec) MacroFile() (string, error) {
	macros := s.RPMMacros()
	names := make([]string, 0, len(macros))
	for name := range macros {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
		value := macros[name]
		if name == "" || strings.ContainsAny(name, " \t\r\n\x00") || strings.ContainsRune(value, 0) {
			return "", fmt.Errorf("macro %q of the build tag: not a macro name or value", name)
		}
		fmt.Fprintf(&b, "%%%s %s\n", name, strings.ReplaceAll(value, "\n", "\\\n"))
	}
	if on := macros["_enable_debug_packages"]; on != "" && on != "0" && macros["install"] == "" {
		b.WriteString(debugInstall)
	}
	return b.String(), nil
}

// ExtraString is the tag's extra value as text, "" if it is not set.
func (s Spec) ExtraString(key string) string { return mockconf.Extra(s.Extra).String(key) }

// ExtraBool is the tag's extra value as Python's bool() would see it, and whether it is set at all.
func (s Spec) ExtraBool(key string) (value, set bool) { return mockconf.Extra(s.Extra).Bool(key) }
