package negotiate

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"moromi/internal/reload"
)

// maxKeytab is more than a keytab with the keys of every machine of a large site has, in bytes.
const maxKeytab = 16 << 20

// LoadKeytab reads a keytab, and reads it again when the file changes. One without keys is an error.
func LoadKeytab(log *slog.Logger, file string) (*reload.Value[*keytab.Keytab], error) {
	return reload.New(log, func() (*keytab.Keytab, error) { return readKeytab(file) }, file)
}

func readKeytab(file string) (kt *keytab.Keytab, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder indexes into what it is given
			kt, err = nil, fmt.Errorf("read keytab %s: it is damaged", file)
		}
	}()
	if info, err := os.Stat(file); err == nil && info.Size() > maxKeytab {
		return nil, fmt.Errorf("read keytab %s: it has %d bytes", file, info.Size())
	}
	kt, err = keytab.Load(file)
	if err != nil {
		return nil, fmt.Errorf("read keytab %s: %w", file, err)
	}
	if len(kt.Entries) == 0 {
		return nil, fmt.Errorf("read keytab %s: it has no keys", file)
	}
	return kt, nil
}
