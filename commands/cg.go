package commands

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
)

// Reservation is a build that a content generator has reserved. Token is a secret: who has it may import the build, or give it back.
type Reservation struct {
	BuildID int64
	Token   string
}

// NewReservation is a build to be reserved. Release is as in NewBuild.
type NewReservation struct {
	Name, Version, Release string
	Epoch                  *int64
	Draft                  bool
	Source                 *string
	Extra                  json.RawMessage
	TaskID                 *int64
}

// ReserveBuild begins a build for a content generator, which cg names by id or name, before there is anything of it.
func (s *Service) ReserveBuild(ctx context.Context, a Actor, cg any, in NewReservation) (Reservation, error) {
	g, err := s.AssertGenerator(ctx, a, cg)
	if err != nil {
		return Reservation{}, err
	}
	if err := checkNVR(in.Version, in.Release); err != nil {
		return Reservation{}, err
	}
	generator := g["id"].(int64)
	id, begun, err := s.createBuild(ctx, a, NewBuild{Name: in.Name, Version: in.Version, Release: in.Release, Epoch: in.Epoch, Draft: in.Draft, Source: in.Source,
		Extra: in.Extra, TaskID: in.TaskID, State: koji.BuildBuilding, ContentGeneratorID: &generator})
	if err != nil {
		return Reservation{}, err
	}
	token, err := s.newToken(ctx, id, begun)
	return Reservation{BuildID: id, Token: token}, err
}

// checkNVR refuses what would make a name ambiguous (koji.check_NVR).
func checkNVR(version, release string) error {
	switch {
	case strings.Contains(version, "-"):
		return fault.New(fault.Generic, "The \"-\" character not allowed in version field")
	case strings.Contains(release, "-"):
		return fault.New(fault.Generic, "The \"-\" character not allowed in release field")
	}
	return nil
}

// tokenBytes is how random a token is.
const tokenBytes = 32

// newToken draws a token for a build. One that was begun just now replaces what a reservation before left; otherwise there must be none.
func (s *Service) newToken(ctx context.Context, id int64, begun bool) (string, error) {
	raw := make([]byte, tokenBytes)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("draw token: %w", err)
	}
	token := hex.EncodeToString(raw)
	hash := sha256.Sum256([]byte(token))
	sql := `insert into ops.cg_reservations (build_id, token_hash) values ($1, $2) on conflict do nothing`
	if begun {
		sql = `insert into ops.cg_reservations (build_id, token_hash) values ($1, $2) on conflict (build_id) do update set token_hash = excluded.token_hash, created = now()`
	}
	done, err := s.DB.Exec(ctx, sql, id, hash[:])
	if err != nil {
		return "", fmt.Errorf("keep token: %w", err)
	}
	if done.RowsAffected() == 0 {
		return "", fault.New(fault.Generic, "Build is already reserved")
	}
	return token, nil
}

// checkToken refuses a token that is not the one of the build.
func (s *Service) checkToken(ctx context.Context, id int64, token string) error {
	var want []byte
	err := s.DB.QueryRow(ctx, `select token_hash from ops.cg_reservations where build_id = $1`, id).Scan(&want)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look up token: %w", err)
	}
	got := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(want, got[:]) != 1 {
		return fault.New(fault.Generic, "Token doesn't match build ID %d", id)
	}
	return nil
}

// dropToken ends a reservation. That it stays after an error harms nothing: the build is not BUILDING any more.
func (s *Service) dropToken(ctx context.Context, id int64) {
	if _, err := s.DB.Exec(ctx, `delete from ops.cg_reservations where build_id = $1`, id); err != nil {
		s.Log.Warn("the token of a build that is over stays", "build", id, "error", err)
	}
}

// reserved checks that a build is reserved by a content generator under a token.
func (s *Service) reserved(ctx context.Context, b query.Row, generator int64, token string) error {
	id := b["build_id"].(int64)
	if err := s.checkToken(ctx, id, token); err != nil {
		return err
	}
	if b["cg_id"] != generator {
		return fault.New(fault.Generic, "Build ID %d is not reserved by this CG", id)
	}
	return nil
}

// RefundBuild gives a reserved build back: it ends FAILED or CANCELED, and its name is free for another attempt.
func (s *Service) RefundBuild(ctx context.Context, a Actor, cg any, b query.Row, token string, state koji.BuildState) error {
	g, err := s.AssertGenerator(ctx, a, cg)
	if err != nil {
		return err
	}
	id := b["build_id"].(int64)
	if koji.BuildState(b["state"].(int64)) != koji.BuildBuilding {
		return fault.New(fault.Generic, "Build ID %d is not in BUILDING state", id)
	}
	if err := s.reserved(ctx, b, g["id"].(int64), token); err != nil {
		return err
	}
	ended, err := s.decideBuild(ctx, a, "refund build", id, func(b *build.Build) ([]events.Event, error) {
		if state == koji.BuildCanceled {
			return b.Cancel()
		}
		return b.Fail()
	})
	if err != nil {
		return err
	}
	if !ended {
		return fault.New(fault.Generic, "Build ID %d is not in BUILDING state", id)
	}
	s.dropToken(ctx, id)
	return nil
}
