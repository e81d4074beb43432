package commands

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/storage"
	rpmmodel "moromi/projections/rpm"
)

// ImageResult is what a builder delivers of one architecture of an image build.
type ImageResult struct {
	Delivered
	Arch    string
	Files   []string
	RPMs    []ListedRPM // what is installed in the image
	Wrapper *WrapperRPMs
}

// ImportImages imports the images of a build that a task has under way, with what is installed in them, their logs and the rpms that wrap them.
// With complete the build is complete then.
func (s *Service) ImportImages(ctx context.Context, a Actor, host, task, id int64, results []ImageResult, complete bool) error {
	t, err := s.ownedTask(ctx, task, host)
	if err != nil {
		return err
	}
	in := CompleteTyped{HostID: host, TaskID: task, BuildID: id, Type: "image", Logs: map[string][]string{}, Open: !complete}
	// images of several architectures have logs of the same names
	apart := !slices.Contains([]string{"appliance", "image", "indirectionimage", "livecd"}, t["method"].(string))
	for _, r := range results {
		if err := s.taskFamily(ctx, task, r.TaskID); err != nil {
			return err
		}
		rpms, err := s.imageRPMs(ctx, a, r.RPMs)
		if err != nil {
			return err
		}
		for _, rel := range r.Files {
			p, err := r.path(rel)
			if err != nil {
				return err
			}
			n := NewArchive{Path: p, Type: "image", ImageArch: &r.Arch}
			if !strings.HasSuffix(rel, "xml") { // descriptions of an image have nothing installed in them
				n.RPMs = rpms
			}
			in.Archives = append(in.Archives, n)
		}
		if err := s.imageLogs(in.Logs, r, apart); err != nil {
			return err
		}
		if r.Wrapper != nil {
			in.Wrappers = append(in.Wrappers, *r.Wrapper)
		}
	}
	return s.CompleteTyped(ctx, a, in)
}

// imageRPMs gives the ids of what is installed in an image. Rpms of draft builds are refused: the draft may change yet.
func (s *Service) imageRPMs(ctx context.Context, a Actor, list []ListedRPM) ([]int64, error) {
	ids, err := s.listedIDs(ctx, a, list)
	if err != nil {
		return nil, err
	}
	draft, err := rpmmodel.FirstDraft(ctx, s.DB, ids)
	if err == nil && draft != "" {
		err = fault.New(fault.Generic, "Draft rpm not supported: %s", draft)
	}
	return ids, err
}

// imageLogs adds the logs that lie in the directory of a result's task.
func (s *Service) imageLogs(logs map[string][]string, r ImageResult, apart bool) error {
	dir, err := storage.TaskDir(storage.DefaultVolume, r.TaskID)
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, rel := range logs["image"] {
		taken[path.Base(rel)] = true
	}
	return s.Files.Walk(dir, func(rel string, _ fs.DirEntry) error {
		if strings.Contains(rel, "/") || !strings.HasSuffix(rel, ".log") {
			return nil
		}
		p, err := r.path(rel)
		if err != nil {
			return err
		}
		to := "image"
		if apart || taken[rel] {
			if err := storage.CheckElement(r.Arch); err != nil {
				return err
			}
			to += "/" + r.Arch
		}
		logs[to] = append(logs[to], p)
		return nil
	})
}
