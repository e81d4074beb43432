package cli

import (
	"fmt"

	"github.com/spf13/pflag"

	"moromi/internal/hubclient"
)

func promoteBuild() spec {
	var force bool
	return spec{
		use: "promote-build BUILD", short: "Make a draft build a regular one", group: groupBuild, login: true, min: 1, max: 1, complete: []string{"build"},
		flags: func(f *pflag.FlagSet) { f.BoolVarP(&force, "force", "f", false, "against policy (administrators)") },
		run: func(v *invocation) error {
			b, err := v.one("getBuild", reference(v.args[0]))
			if err != nil {
				return err
			}
			if b == nil {
				return fmt.Errorf("no such build: %s", v.args[0])
			}
			if !hubclient.Bool(b["draft"]) {
				return fmt.Errorf("not a draft build: %s", v.args[0])
			}
			promoted, err := v.change("promoteBuild", b["id"], kw{"force": force})
			if err != nil {
				return err
			}
			v.printf("%s has been promoted to %s\n", str(b, "nvr"), str(hubclient.Struct(promoted), "nvr"))
			return nil
		},
	}
}
