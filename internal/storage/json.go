package storage

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxJSON bounds a file that UpdateJSON changes: repo.json has some hundred bytes, and of a dist repository the options of its task.
const maxJSON = 1 << 20

// UpdateJSON sets members of the JSON object that a file has. The others stay as they are. The error wraps fs.ErrNotExist if there is no such file.
func (t *Topdir) UpdateJSON(p Path, members map[string]any) error {
	raw, err := t.ReadFile(p, maxJSON)
	if err != nil {
		return err
	}
	all := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&all); err != nil {
		return fmt.Errorf("read %s: %w", p, err)
	}
	for k, v := range members {
		all[k] = v
	}
	if raw, err = json.MarshalIndent(all, "", "  "); err != nil {
		return fmt.Errorf("encode %s: %w", p, err)
	}
	return t.WriteFile(p, raw)
}
