package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"moromi/commands"
	"moromi/internal/koji"
	"moromi/projections/catalog"
	"moromi/projections/user"
	"moromi/web/auth"
)

// userCommand manages accounts past the API: the first ones, and passwords, which never travel as events.
func userCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "user",
		Short: "Add users, set passwords, block logins",
		Example: `  printf '%s\n' secret | moromid user add alice --data ./site --password-stdin --perm tag
  moromid user add builder1 --host --data ./site --password-stdin < pw
  moromid user block alice --data ./site`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(userAddCommand(), userPasswordCommand(), userBlockCommand("block", koji.StatusBlocked, "Refuse a user's logins"),
		userBlockCommand("unblock", koji.StatusNormal, "Let a user log in again"))
	return c
}

// onSite opens the site for a verb that visits it, with read models that follow.
func onSite(ctx context.Context, s *settings, f func(context.Context, *site) error) error {
	if err := s.resolve(); err != nil {
		return err
	}
	st, err := openSite(ctx, s, s.quietLogger(), false)
	if err != nil {
		return err
	}
	defer st.Close()
	st.follow(ctx)
	return f(ctx, st)
}

// errNoUser says who is not there.
func errNoUser(name string) error { return fmt.Errorf("there is no user %q", name) }

func userAddCommand() *cobra.Command {
	var s settings
	var host, stdin bool
	var perms []string
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user; --host makes it the account of a build host",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			password, err := readPassword(c.InOrStdin(), stdin)
			if err != nil {
				return err
			}
			return onSite(c.Context(), &s, func(ctx context.Context, st *site) error {
				t := koji.UserNormal
				if host {
					t = koji.UserHost
				}
				granted, err := findPermissions(ctx, st, perms) // before anything is made
				if err != nil {
					return err
				}
				id, err := st.service.CreateUser(ctx, commands.Actor{}, commands.CreateUser{Name: a[0], Type: t})
				if err != nil {
					return err
				}
				for i, p := range granted {
					if err := st.service.GrantPermission(ctx, commands.Actor{}, id, p, perms[i]); err != nil {
						return err
					}
				}
				return setPassword(ctx, st, id, password)
			})
		},
	}
	s.addSiteFlags(c)
	c.Flags().BoolVar(&host, "host", false, "the account of a build host")
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input, one line")
	c.Flags().StringSliceVar(&perms, "perm", nil, "grant a permission (may be repeated)")
	return c
}

// findPermissions gives the ids of permissions, in the order of their names.
func findPermissions(ctx context.Context, st *site, names []string) ([]int64, error) {
	if err := st.engine.CatchUp(ctx); err != nil {
		return nil, err
	}
	var ids []int64
	for _, name := range names {
		row, err := catalog.Find(ctx, st.db, "permission", name)
		if err != nil {
			return nil, err
		}
		if row == nil {
			return nil, fmt.Errorf("there is no permission %q (the hub makes the built-in ones when it first starts)", name)
		}
		ids = append(ids, row["id"].(int64))
	}
	return ids, nil
}

// setPassword keeps a password; an empty one leaves the user without.
func setPassword(ctx context.Context, st *site, id int64, password string) error {
	if password == "" {
		return nil
	}
	return auth.NewPasswords(st.db, time.Now).SetPassword(ctx, id, password)
}

func readPassword(in io.Reader, stdin bool) (string, error) {
	if !stdin {
		return "", nil
	}
	line, err := bufio.NewReader(io.LimitReader(in, auth.MaxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("no password on standard input")
	}
	return line, nil
}

func findUser(ctx context.Context, st *site, name string) (int64, error) {
	u, err := user.ByName(ctx, st.db, name)
	if err != nil {
		return 0, err
	}
	if u == nil {
		return 0, errNoUser(name)
	}
	return u["id"].(int64), nil
}

func userPasswordCommand() *cobra.Command {
	var s settings
	var stdin bool
	c := &cobra.Command{
		Use:   "password NAME --password-stdin",
		Short: "Set a user's password",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			if !stdin {
				return usageError{errors.New("give the password on standard input, with --password-stdin")}
			}
			password, err := readPassword(c.InOrStdin(), true)
			if err != nil {
				return err
			}
			return onSite(c.Context(), &s, func(ctx context.Context, st *site) error {
				id, err := findUser(ctx, st, a[0])
				if err != nil {
					return err
				}
				return setPassword(ctx, st, id, password)
			})
		},
	}
	s.addSiteFlags(c)
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input, one line")
	return c
}

func userBlockCommand(verb string, status koji.UserStatus, short string) *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   verb + " NAME",
		Short: short,
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			return onSite(c.Context(), &s, func(ctx context.Context, st *site) error {
				id, err := findUser(ctx, st, a[0])
				if err != nil {
					return err
				}
				return st.service.SetUserStatus(ctx, commands.Actor{}, id, status)
			})
		},
	}
	s.addSiteFlags(c)
	return c
}

// stderrIsTerminal tells whether progress may be drawn.
func stderrIsTerminal() bool {
	info, err := os.Stderr.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
