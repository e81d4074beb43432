package hub

import (
	"moromi/commands"
)

// scratchTyped is what the calls about scratch builds have in common: the files of a task, and the rpms that wrap them, for its directory.
func scratchTyped(of int64, from commands.Delivered, files []string, wrapper *commands.WrapperRPMs) []commands.ScratchFiles {
	out := []commands.ScratchFiles{{Delivered: from, Of: of, Files: files}}
	if wrapper != nil {
		rpms := append(append([]string{wrapper.SRPM}, wrapper.RPMs...), wrapper.Logs...)
		out = append(out, commands.ScratchFiles{Delivered: wrapper.Delivered, Of: of, Subdir: "rpms", Files: rpms})
	}
	return out
}

func (d Deps) hostMoveMavenToScratch(c *Call, a Args) (any, error) {
	if d.NoMaven {
		return nil, errNoMaven
	}
	host, _, task, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	r := resultsOf(a.Get("results"))
	from, files := r.delivered(), r.texts("logs")
	for dir, v := range r.struc("files") {
		list, ok := v.([]any)
		if !ok {
			r.wrong("files")
		}
		for _, name := range r.list("files", list) {
			if dir != "" {
				name = dir + "/" + name
			}
			files = append(files, name)
		}
	}
	return d.moveTyped(c, a, r, host, task, from, files)
}

// moveTyped moves what a Maven or Windows build made.
func (d Deps) moveTyped(c *Call, a Args, r *results, host, task int64, from commands.Delivered, files []string) (any, error) {
	if r.err != nil {
		return nil, r.err
	}
	wrapper, err := wrapperResults(a.Get("rpm_results"))
	if err != nil {
		return nil, err
	}
	return nil, d.Service.MoveFilesToScratch(c.Context(), host, task, scratchTyped(task, from, files, wrapper))
}

func (d Deps) hostMoveWinToScratch(c *Call, a Args) (any, error) {
	if d.NoWin {
		return nil, errNoWin
	}
	host, _, task, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	r := resultsOf(a.Get("results"))
	from, files := r.delivered(), r.texts("logs")
	for rel := range r.struc("output") {
		files = append(files, rel)
	}
	return d.moveTyped(c, a, r, host, task, from, files)
}

func (d Deps) hostMoveImagesToScratch(c *Call, a Args) (any, error) {
	all, err := a.Map("results")
	if err != nil {
		return nil, err
	}
	if all == nil {
		return nil, a.wrong("results", "dict")
	}
	host, _, task, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	var move []commands.ScratchFiles
	for _, v := range all {
		r := resultsOf(v)
		if r.err != nil {
			return nil, r.err
		}
		if _, there := r.row["task_id"]; !there {
			continue // failed, and was allowed to
		}
		from, files := r.delivered(), append(r.texts("files"), r.texts("logs")...)
		if r.err != nil {
			return nil, r.err
		}
		wrapper, err := wrapperResults(r.row["rpmresults"])
		if err != nil {
			return nil, err
		}
		move = append(move, scratchTyped(from.TaskID, from, files, wrapper)...)
	}
	return nil, d.Service.MoveFilesToScratch(c.Context(), host, task, move)
}
