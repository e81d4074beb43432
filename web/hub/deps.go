package hub

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands"
	"moromi/internal/storage"
)

// Deps are what the domain's methods work with.
type Deps struct {
	Service *commands.Service
	// DB reads the read models: its search_path names their schema.
	DB      *pgxpool.Pool
	Storage *storage.Topdir
	// NoMaven and NoWin refuse builds of these types, as Koji does without EnableMaven and EnableWin.
	NoMaven, NoWin bool
	// Comps gives the comps file of a tag's groups as of an event, for repositories that builders make; nil: they have none.
	Comps func(ctx context.Context, tag, event int64) ([]byte, error)
	// Sign gives the signature of a repomd.xml, for repositories that builders make; nil: they are not signed.
	Sign func(ctx context.Context, repomd []byte, made time.Time) ([]byte, error)
}

// actor is on whose behalf a call's command runs.
func (d Deps) actor(c *Call) (commands.Actor, error) {
	admin, err := c.HasPerm("admin")
	return commands.Actor{UserID: c.UserID(), Admin: admin}, err
}
