package ipwhitelist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxFile bounds a key file.
const maxFile = 16 << 20

// ParseConfig reads a key file. It is strict: unknown members, members that stand twice or differ in case, and anything
// behind the end are errors. It does not check what the values mean; [New] does.
func ParseConfig(data []byte) (Config, error) {
	if len(data) > maxFile {
		return Config{}, fmt.Errorf("ipwhitelist: %d bytes of configuration, more than %d", len(data), maxFile)
	}
	var c Config
	if err := decodeStrict(data, &c); err != nil {
		return Config{}, fmt.Errorf("ipwhitelist: %w", err)
	}
	return c, nil
}

func decodeStrict(data []byte, into any) error {
	if err := checkMembers(json.NewDecoder(bytes.NewReader(data)), 0); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON text is empty, or ends before its end: it may be half written")
	} else if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands behind the end of the JSON text")
	}
	return nil
}

// checkMembers refuses what encoding/json lets pass: members that stand twice, of which the last would win, and names
// that match only without regard to case.
func checkMembers(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth > 16 {
		return errors.New("JSON that nests deeper than any configuration")
	}
	seen := names{}
	for d.More() {
		if delim == '{' {
			t, err := d.Token()
			if err != nil {
				return err
			}
			name, _ := t.(string)
			if seen.twice(name) {
				return fmt.Errorf("member %q stands twice in one object", shorten(name))
			}
			if bytes.ContainsFunc([]byte(name), func(r rune) bool { return r > 'z' || 'A' <= r && r <= 'Z' }) {
				return fmt.Errorf("member %q: names are in lower case", shorten(name))
			}
		}
		if err := checkMembers(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// readable reports whether others than the owner, or than its group for reading, can do anything with a file.
func readable(m fs.FileMode) bool { return m.Perm()&0o027 != 0 }

// LoadFile reads a key file that others can't read: its mode must be 0600 or less; group read is allowed, since that is
// how Kubernetes mounts Secrets under an fsGroup.
func LoadFile(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("ipwhitelist: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	info, err := f.Stat()
	if err != nil {
		return Config{}, fmt.Errorf("ipwhitelist: %w", err)
	}
	if !info.Mode().IsRegular() || readable(info.Mode()) {
		return Config{}, fmt.Errorf("ipwhitelist: %s: mode %s: it holds secrets: chmod 600, or defaultMode: 0440 with an fsGroup in a Pod", path, info.Mode())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Config{}, fmt.Errorf("ipwhitelist: %w", err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}
