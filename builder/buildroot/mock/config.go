package mock

import (
	"fmt"

	"moromi/builder/buildroot"
	"moromi/internal/mockconf"
)

// configText is mock's configuration for a root.
func (b *Backend) configText(s buildroot.Spec) (string, error) {
	macros, env := map[string]any{}, map[string]any{}
	for k, v := range s.RPMMacros() {
		macros["%"+k] = v
	}
	for k, v := range s.Env {
		env[k] = v
	}
	return mockconf.Config{
		Comments: []string{
			fmt.Sprintf("Koji buildroot id: %d", s.ID), "Koji buildroot name: " + s.Name, fmt.Sprintf("Koji repo id: %d", s.RepoID), "Koji tag: " + s.Tag,
		},
		Name: s.Name, Dir: b.cfg.Dir, Arch: s.Arch, Group: s.Group, Repos: s.Repos, Proxy: b.cfg.Proxy, Network: s.Network, Timeout: s.Timeout,
		BootstrapImage: b.cfg.BootstrapImage, InternalDevSetup: s.InternalDevSetup, Macros: macros, Env: env, Extra: s.Extra,
	}.Text()
}
