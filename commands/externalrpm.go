package commands

import (
	"context"
	"fmt"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	rpmmodel "moromi/projections/rpm"
)

// maxExternalBatch bounds how many external rpms one event adds: some 200 bytes each, well below what an append takes.
const maxExternalBatch = 1000

// AddExternalRPMs makes rpms of an external repository known and answers their ids, in order. One that is known must have the same payload
// hash; strict refuses it even then. The ids in rpms are not used. repoName is for messages.
func (s *Service) AddExternalRPMs(ctx context.Context, a Actor, repo int64, repoName string, rpms []events.ExternalRPM, strict bool) ([]int64, error) {
	ids := make([]int64, 0, len(rpms))
	for from := 0; from < len(rpms); from += maxExternalBatch {
		batch, err := s.addExternalBatch(ctx, a, repo, repoName, rpms[from:min(from+maxExternalBatch, len(rpms))], strict)
		if err != nil {
			return nil, err
		}
		ids = append(ids, batch...)
	}
	return ids, nil
}

// addExternalBatch looks the rpms up and adds those that are new, if the stream has not moved meanwhile; else it looks again.
func (s *Service) addExternalBatch(ctx context.Context, a Actor, repo int64, repoName string, rpms []events.ExternalRPM, strict bool) ([]int64, error) {
	names := make([]koji.NVRA, len(rpms))
	for i, r := range rpms {
		names[i] = koji.NVRA{NVR: koji.NVR{Name: r.Name, Version: r.Version, Release: r.Release}, Arch: r.Arch}
	}
	for range decideAttempts {
		count, err := s.externalCount(ctx, a, repo)
		if err != nil {
			return nil, err
		}
		if err := s.Models.CatchUp(ctx); err != nil {
			return nil, fmt.Errorf("wait for read models: %w", err)
		}
		known, err := rpmmodel.KnownExternal(ctx, s.DB, repo, names)
		if err != nil {
			return nil, err
		}
		ids, fresh, err := s.newExternal(ctx, repoName, rpms, names, known, strict)
		if err != nil || len(fresh) == 0 {
			return ids, err
		}
		moved := false
		_, err = Decide(ctx, s, a, "add external rpms", build.ExternalStream(repo), func(x *build.External) ([]events.Event, error) {
			if moved = x.Count() != count; moved {
				return nil, nil
			}
			return x.Add(repo, fresh), nil
		})
		if err != nil || !moved {
			return ids, err
		}
	}
	return nil, fault.New(fault.Lock, "the rpms of the external repository %s are being added by too many at once; try again", repoName)
}

// externalCount reads the repository's stream to its end.
func (s *Service) externalCount(ctx context.Context, a Actor, repo int64) (count int, err error) {
	_, err = DecideOnly(ctx, s, a, "look up external rpms", build.ExternalStream(repo), func(x *build.External) ([]events.Event, error) {
		count = x.Count()
		return nil, nil
	})
	return count, err
}

// newExternal gives the ids of all, and those that are not known, each once.
func (s *Service) newExternal(ctx context.Context, repoName string, rpms []events.ExternalRPM, names []koji.NVRA, known map[koji.NVRA]rpmmodel.Known,
	strict bool) (ids []int64, fresh []events.ExternalRPM, err error) {
	ids = make([]int64, len(rpms))
	drawn, err := s.nextIDs(ctx, "rpm", len(rpms)-len(known))
	if err != nil {
		return nil, nil, err
	}
	for i, r := range rpms {
		k, there := known[names[i]]
		switch {
		case there && strict:
			return nil, nil, fault.New(fault.Generic, "external rpm already exists: %s@%s", names[i], repoName)
		case there && k.PayloadHash != r.PayloadHash:
			return nil, nil, fault.New(fault.Generic, "hash changed for external rpm: %s@%s (%s -> %s)", names[i], repoName, k.PayloadHash, r.PayloadHash)
		case !there:
			if len(drawn) == 0 { // the list has a known rpm twice
				if drawn, err = s.nextIDs(ctx, "rpm", 1); err != nil {
					return nil, nil, err
				}
			}
			r.ID, drawn = drawn[0], drawn[1:]
			k = rpmmodel.Known{ID: r.ID, PayloadHash: r.PayloadHash}
			known[names[i]] = k
			fresh = append(fresh, r)
		}
		ids[i] = k.ID
	}
	return ids, fresh, nil
}
