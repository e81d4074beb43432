package external

// archList gives the architectures whose packages a merged repository of an arch has: mergerepo_c's, for --arch-expand. Only the named arch and its
// multilib partner are expanded; noarch always belongs to it. Packages of the arch src do not, but for that of the name.
func archList(arch string) map[string]bool {
	out := map[string]bool{"noarch": true}
	related := map[string][]string{
		"i386":    {"i486", "i586", "geode", "i686", "athlon"},
		"x86_64":  {"ia32e", "amd64"},
		"ppc64":   {"ppc64pseries", "ppc64iseries"},
		"sparc64": {"sparc64v", "sparc64v2"},
		"sparc":   {"sparcv8", "sparcv9", "sparcv9v", "sparcv9v2"},
		"alpha":   {"alphaev4", "alphaev45", "alphaev5", "alphaev56", "alphapca56", "alphaev6", "alphaev67", "alphaev68", "alphaev7"},
		"armhfp":  {"armv7hl", "armv7hnl"},
		"arm":     {"armv5tel", "armv5tejl", "armv6l", "armv7l"}, // mergerepo_c has the first misspelt
		"sh4":     {"sh4a"},
	}
	multilib := map[string]string{"x86_64": "i386", "ppc64": "ppc", "s390x": "s390"}
	for _, a := range []string{arch, multilib[arch]} {
		if a == "" {
			continue
		}
		out[a] = true
		for _, r := range related[a] {
			out[r] = true
		}
	}
	return out
}
