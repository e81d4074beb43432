package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"moromi/events"
	"moromi/migrations"
	"moromi/projections"
	"moromi/projections/readmodel"
)

func migrateCommand() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schemas up to date and build the read models",
		Args:  args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return onSite(c.Context(), &s, func(ctx context.Context, st *site) error {
				if err := st.engine.CatchUp(ctx); err != nil {
					return err
				}
				fmt.Printf("up to date at event %d (read models in %s)\n", st.engine.Position(), migrations.ReadModelSchema())
				return nil
			})
		},
	}
	s.addSiteFlags(c)
	return c
}

func replayCommand() *cobra.Command {
	var s settings
	var verify bool
	c := &cobra.Command{
		Use:   "replay --verify",
		Short: "Rebuild every read model from the ledger and compare it with the live one, row for row",
		Long: `Rebuilds every read model from the first event on, in a schema of its own, and compares all tables with the live ones, row for row.
The hub may run meanwhile. Exit status 1 if any row differs.`,
		Example: "  moromid replay --verify --data ./site",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if !verify {
				return usageError{errors.New("replay only verifies: say --verify (read models are rebuilt by themselves when their definition changes)")}
			}
			return onSite(c.Context(), &s, func(ctx context.Context, st *site) error {
				v, err := projections.Verify(ctx, st.ledger, st.db, migrations.ReadModelSchema(), st.log, replayProgress(), readmodel.All()...)
				if err != nil {
					return err
				}
				return printVerification(v)
			})
		},
	}
	s.addSiteFlags(c)
	c.Flags().BoolVar(&verify, "verify", false, "compare, and leave everything as it is")
	return c
}

// replayProgress draws on a terminal only.
func replayProgress() func(at, head events.Position) {
	if !stderrIsTerminal() {
		return nil
	}
	return func(at, head events.Position) {
		fmt.Fprintf(os.Stderr, "\rreplayed up to event %d of %d (%d %%)", at, head, 100*int64(at)/max(int64(head), 1))
		if at >= head {
			fmt.Fprintln(os.Stderr)
		}
	}
}

func printVerification(v *projections.Verification) error {
	for _, d := range v.Differences {
		fmt.Printf("%s: %d rows only in the live read model, %d only in the rebuilt one\n", d.Table, d.OnlyLive, d.OnlyNew)
	}
	if len(v.Differences) > 0 {
		return fmt.Errorf("%d of %d tables differ at event %d", len(v.Differences), v.Tables, v.Position)
	}
	fmt.Printf("equal: %d rows in %d tables, replayed up to event %d in %.1f s\n", v.Rows, v.Tables, v.Position, v.Elapsed.Seconds())
	return nil
}

func fsckCommand() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Read the whole ledger and check that it is whole",
		Long: `Checks that positions and revisions follow each other without gaps, that times never go back, that every event is known and
can be decoded, that every append is there whole, and that nothing is gone which the read models have seen. Exit status 1 if
anything is wrong.`,
		Example: "  moromid fsck --data ./site",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return onSite(c.Context(), &s, func(ctx context.Context, st *site) error {
				seen, err := st.checkpoint(ctx) // before the ledger is read, which may grow meanwhile
				if err != nil {
					return err
				}
				in, err := events.Fsck(ctx, st.ledger, s.LedgerURL == "", nil)
				if err != nil {
					return err
				}
				if in.Head < seen {
					in.Problems = append(in.Problems, fmt.Sprintf("the last event is %d, and the read models have seen event %d: the end is gone", in.Head, seen))
				}
				for _, p := range in.Problems {
					fmt.Println(p)
				}
				if len(in.Problems) > 0 {
					return fmt.Errorf("the ledger is damaged: %d problems found", len(in.Problems))
				}
				fmt.Printf("whole: %d events in %d streams, up to event %d\n", in.Events, in.Streams, in.Head)
				return nil
			})
		},
	}
	s.addSiteFlags(c)
	return c
}

// checkpoint is how far the live read models are, whoever keeps them up to date.
func (st *site) checkpoint(ctx context.Context) (at events.Position, err error) {
	if err := st.db.QueryRow(ctx, `select position from checkpoint`).Scan(&at); err != nil {
		return 0, fmt.Errorf("read checkpoint: %w", err)
	}
	return at, nil
}
