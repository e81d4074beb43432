package hub

import (
	"errors"
	"io/fs"

	"moromi/internal/fault"
	"moromi/internal/storage"
	"moromi/repoprojector/dist"
)

// ownRepoMethods are what this hub does with repositories and Koji does not. They are in its own module, which is not in the lists of methods.
func ownRepoMethods(d Deps) []Method {
	return []Method{
		{Name: "moromi.rollbackDistRepo", Params: "tag, repo_id=None", Auth: Perm("dist-repo"), Write: true,
			Help: "Lets latest of a tag's dist repositories lead to another READY one, the one before if none is named, until the next is made. Answers {repo_id, previous}.", Func: d.rollbackDistRepo},
	}
}

func (d Deps) rollbackDistRepo(c *Call, a Args) (any, error) {
	id, err := a.IntOrNil("repo_id")
	if err != nil {
		return nil, err
	}
	t, err := d.repoTag(c, a.Get("tag"), nil)
	if err != nil {
		return nil, err
	}
	to := int64(0)
	if id != nil {
		if to = *id; to <= 0 {
			return nil, fault.New(fault.Generic, "Invalid repo id: %d", to)
		}
		dir, err := storage.Repo{Tag: t["name"].(string), ID: to, Dist: true}.Dir()
		if err != nil {
			return nil, err
		}
		if _, err := d.Storage.Stat(dir); err != nil {
			return nil, fault.Wrap(err, fault.Generic, "The files of repo %d are not there", to)
		}
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	tag := t["id"].(int64)
	done, err := d.Service.RollbackDistRepo(c.Context(), actor, tag, to)
	if err != nil {
		return nil, err
	}
	if err := dist.SetLatest(c.Context(), d.DB, d.Storage, tag); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(err, fault.Generic, "The files of repo %d are not there", done.To)
	} else if err != nil {
		return nil, err
	}
	answer := map[string]any{"repo_id": done.To, "previous": nil}
	if done.From != 0 {
		answer["previous"] = done.From
	}
	return answer, nil
}
