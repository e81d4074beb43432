package commands

import (
	"context"
	"maps"
	"path"
	"slices"

	"moromi/events"
)

// WinResults is what a builder delivers of a Windows build: files with their platforms and flags, by their path.
type WinResults struct {
	Delivered
	BuildrootID int64
	Output      map[string]events.WinInfo
	Logs        []string
}

// CompleteWin imports what a Windows build made and completes the build. Files and logs keep their directories.
func (s *Service) CompleteWin(ctx context.Context, a Actor, host, task, id int64, r WinResults, wrapper *WrapperRPMs) error {
	if _, err := s.ownedTask(ctx, task, host); err != nil {
		return err
	}
	if err := s.taskFamily(ctx, task, r.TaskID); err != nil {
		return err
	}
	in := CompleteTyped{HostID: host, TaskID: task, BuildID: id, Type: "win", Logs: map[string][]string{}}
	for _, rel := range slices.Sorted(maps.Keys(r.Output)) {
		p, err := r.path(rel)
		if err != nil {
			return err
		}
		info := r.Output[rel]
		info.RelPath = directory(rel)
		in.Archives = append(in.Archives, NewArchive{Path: p, Type: "win", Win: &info, BuildrootID: &r.BuildrootID})
	}
	for _, rel := range r.Logs {
		logs, err := logsBelow(r.Delivered, path.Join("win", directory(rel)), []string{rel})
		if err != nil {
			return err
		}
		for dir, paths := range logs {
			in.Logs[dir] = append(in.Logs[dir], paths...)
		}
	}
	if wrapper != nil {
		in.Wrappers = []WrapperRPMs{*wrapper}
	}
	return s.CompleteTyped(ctx, a, in)
}

// directory is the directory of a path, "" for none.
func directory(rel string) string {
	if d := path.Dir(path.Clean(rel)); d != "." {
		return d
	}
	return ""
}
