package hub

import (
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
}

// actor is on whose behalf a call's command runs.
func (d Deps) actor(c *Call) (commands.Actor, error) {
	admin, err := c.HasPerm("admin")
	return commands.Actor{UserID: c.UserID(), Admin: admin}, err
}
