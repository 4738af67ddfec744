package ipwhitelist

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// CallerFromSecret makes a caller from the data of a Kubernetes Secret, one Secret a caller. The same Secret can be
// mounted by the caller, which signs with the key in "active". The entries are
//
//	mode                                 ip, either, report, signature or both
//	next, active, retiring, disabled     signing keys of that state, one a line: "ipw1.…", for retiring ones with the
//	                                     time until when behind a space: "ipw1.… 2027-02-01T00:00:00Z"
//	api-keys                             a JSON list of [APIKey], with allow-api-key: "true" to admit them in mode signature
//
// Others are errors. Whether keys are good is checked with the configuration that the caller becomes part of.
func CallerFromSecret(name string, data map[string][]byte) (Caller, error) {
	c := Caller{Name: name}
	var p problems
	for _, entry := range slices.Sorted(maps.Keys(data)) {
		text := strings.TrimSpace(string(data[entry]))
		switch entry {
		case "mode":
			c.Mode = Mode(text)
		case "allow-api-key":
			c.AllowAPIKey = text == "true"
			if !c.AllowAPIKey && text != "false" {
				p.add("secret of caller %s: %s: %q: write true or false", name, entry, shorten(text))
			}
		case "api-keys":
			if err := decodeStrict(data[entry], &c.APIKeys); err != nil {
				p.add("secret of caller %s: %s: %w", name, entry, err)
			}
		case string(Next), string(Active), string(Retiring), string(Disabled):
			for line := range strings.Lines(text) {
				k, err := keyLine(State(entry), strings.Fields(line))
				if err != nil {
					p.add("secret of caller %s: %s: %w", name, entry, err)
				}
				c.Keys = append(c.Keys, k)
			}
		default:
			p.add("secret of caller %s: entry %q: write mode, next, active, retiring, disabled, api-keys or allow-api-key", name, shorten(entry))
		}
	}
	if err := p.err(); err != nil {
		return Caller{}, err
	}
	return c, nil
}

func keyLine(s State, words []string) (Key, error) {
	if len(words) == 0 || len(words) > 2 {
		return Key{}, errors.New("write a key on each line, and at most the time until when it is good")
	}
	k, err := httpsig.ParseKey(words[0])
	if err != nil {
		return Key{}, err
	}
	key := Key{ID: k.ID(), Secret: Secret(words[0]), State: s}
	if len(words) == 2 {
		if key.NotAfter, err = time.Parse(time.RFC3339, words[1]); err != nil {
			return Key{}, fmt.Errorf("key %s: the time behind it: write it like 2027-02-01T00:00:00Z", k.ID())
		}
	}
	return key, nil
}

// CallersFromFS reads mounted Secrets: one directory a caller, named after it, with the entries that [CallerFromSecret]
// knows as files, which others can't read ([LoadFile]). Names that begin with a dot, which kubelets use for the swap of
// a mount, are passed over. It reads everything twice: half of a mount from before its swap and half from behind it
// could lack a key that moves from one entry to another.
func CallersFromFS(fsys fs.FS) ([]Caller, error) {
	last, err := readCallers(fsys)
	for range 3 {
		before, failed := last, err
		if last, err = readCallers(fsys); err == nil && failed == nil && reflect.DeepEqual(before, last) {
			return last, nil
		}
	}
	if err == nil {
		err = errors.New("ipwhitelist: the secrets of callers change while they are read: try again")
	}
	return nil, err
}

func readCallers(fsys fs.FS) ([]Caller, error) {
	dirs, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("ipwhitelist: %w", err)
	}
	var callers []Caller
	for _, d := range dirs {
		if strings.HasPrefix(d.Name(), ".") {
			continue
		}
		data, err := readSecret(fsys, d.Name())
		if err != nil {
			return nil, fmt.Errorf("ipwhitelist: secret of caller %s: %w", shorten(d.Name()), err)
		}
		c, err := CallerFromSecret(d.Name(), data)
		if err != nil {
			return nil, err
		}
		callers = append(callers, c)
	}
	return callers, nil
}

func readSecret(fsys fs.FS, dir string) (map[string][]byte, error) {
	const limit = 1 << 20 // that of a Secret
	files, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".") {
			continue
		}
		file, err := fsys.Open(dir + "/" + f.Name())
		if err != nil {
			return nil, err
		}
		text, err := readEntry(file, limit)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		data[f.Name()] = text
	}
	return data, nil
}

func readEntry(f fs.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if readable(info.Mode()) {
		return nil, fmt.Errorf("mode %s: others can read it: set defaultMode: 0440 of the volume, and an fsGroup", info.Mode())
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return text, err
}
