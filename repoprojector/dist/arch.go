package dist

import "slices"

// compatible are the architectures of the rpms that a repository has, by its own architecture; nil for one that kojid does not know either
// (createDistRepoTask.compat). A repository of noarch packages alone is one that Koji's command line leaves out.
func compatible(arch string) []string {
	table := map[string][]string{
		"i386": {"athlon", "i686", "i586", "i486", "i386"}, "x86_64": {"amd64", "ia32e", "x86_64"}, "ia64": {"ia64"},
		"ppc": {"ppc"}, "ppc64": {"ppc64p7", "ppc64pseries", "ppc64iseries", "ppc64"}, "ppc64le": {"ppc64le"},
		"s390": {"s390"}, "s390x": {"s390x"},
		"sparc": {"sparcv9v", "sparcv9", "sparcv8", "sparc"}, "sparc64": {"sparc64v", "sparc64"}, "alpha": {"alphaev6", "alphaev56", "alphaev5", "alpha"},
		"arm": {"arm", "armv4l", "armv4tl", "armv5tel", "armv5tejl", "armv6l", "armv7l"}, "armhfp": {"armv7hl", "armv7hnl"},
		"aarch64": {"aarch64"}, "riscv64": {"riscv64"}, "sw_64": {"sw_64"}, "loongarch64": {"loongarch64"},
		"noarch": {}, "src": {"src"},
	}
	list, ok := table[arch]
	switch {
	case !ok:
		return nil
	case arch == "src":
		return list
	}
	return append(list, "noarch")
}

// hasPartner tells whether the architecture's machines run rpms of a 32-bit one, too (koji.arch.isMultiLibArch of canonical architectures).
func hasPartner(arch string) bool {
	return slices.Contains([]string{"x86_64", "ppc64", "s390x", "sparc64"}, arch)
}

// partner is the architecture of the 32-bit rpms for an architecture, "" where there are none to choose from (createDistRepoTask.archmap).
func partner(arch string) string {
	return map[string]string{"x86_64": "i686", "ppc64": "ppc", "s390x": "s390"}[arch]
}
