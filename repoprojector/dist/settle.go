package dist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"moromi/internal/storage"
	tagmodel "moromi/projections/tag"
	"moromi/repoprojector/format"
	"moromi/repoprojector/repodata"
)

const (
	// repoJSON is the file that says what a repository is.
	repoJSON = "repo.json"
	// maxRepoJSON bounds it: it has some hundred bytes, and the options of the task.
	maxRepoJSON = 1 << 20
)

// settle decides how the metadata is written, and records it: who goes on with a repository that was begun, or makes it again, writes it alike. It goes by the settings of the tag, as of the
// event that the repository is of, and of the site, but for the order: that of names is what createrepo_c's readers are used to, dnf's choice among several packages that provide the same depends
// on it, and so does what multilib finds that dnf would take. Another saves no time here, where every rpm is linked for each repository.
func (m *Maker) settle(ctx context.Context, r *request, dir storage.Path) error {
	name, err := dir.Join(repoJSON)
	if err != nil {
		return err
	}
	raw, err := m.Storage.ReadFile(name, maxRepoJSON)
	absent := errors.Is(err, fs.ErrNotExist)
	if err != nil && !absent {
		return err
	}
	if !absent {
		var info struct {
			Format *format.Recorded `json:"metadata_format"`
		}
		if err := json.Unmarshal(raw, &info); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if info.Format != nil {
			r.format, err = info.Format.Format()
			return err
		}
	}
	tag, err := tagmodel.Get(ctx, m.DB, tagmodel.Spec{ID: r.tagID}, &r.event, false)
	if err != nil {
		return err
	}
	extra, _ := tag["extra"].(map[string]any)
	if r.format, err = format.Of(extra, m.Format); err != nil {
		return err
	}
	r.format.Order = repodata.ByName
	record := map[string]any{format.Key: format.Record(r.format)}
	if !absent {
		return m.Storage.UpdateJSON(name, record)
	}
	if raw, err = json.MarshalIndent(record, "", "  "); err != nil {
		return err
	}
	return m.Storage.WriteFile(name, raw)
}
