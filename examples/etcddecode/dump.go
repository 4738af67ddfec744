package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func dump(ctx context.Context, args []string, s streams) error {
	var w walk
	fs := newFlags("dump", "Writes all objects, in the order of keys: as NDJSON or YAML documents to stdout, or as files with -d.", s)
	w.add(fs)
	dir := fs.String("d", "", "directory to make, with a file for each key: DIR/registry/pods/shop/web-0.yaml")
	format := fs.String("o", "", "ndjson or yaml; yaml with -d, else ndjson")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	as := renderJSON
	switch {
	case *format == "yaml" || *format == "" && *dir != "":
		*format, as = "yaml", renderYAML
	case *format != "" && *format != "ndjson":
		return errors.New("-o " + *format + ": write ndjson or yaml")
	}
	if err := w.open(s); err != nil {
		return err
	}
	return w.close(w.dump(ctx, *dir, *format, as))
}

func (w *walk) dump(ctx context.Context, dir, format string, as render) error {
	extension := ".json"
	if format == "yaml" {
		extension = ".yaml"
	}
	made := map[string]bool{}
	for r := range w.live(ctx, false, as) {
		var err error
		switch {
		case dir != "":
			err = writeFile(dir, r.key, extension, r.text, made)
		default:
			if format == "yaml" && w.object > 1 {
				_, err = w.out.WriteString("---\n")
			}
			if err == nil {
				_, err = w.out.Write(r.text)
			}
		}
		if err != nil {
			return err
		}
	}
	if dir != "" {
		w.streams.say("%d objects in %s", w.object, dir)
	}
	return ctx.Err()
}

// writeFile writes under the key. What is in the directory is never overwritten: a file that exists, or a key that
// would be a path out of it, is an error.
func writeFile(dir, key, extension string, text []byte, made map[string]bool) error {
	name := filepath.FromSlash(strings.Trim(key, "/")) + extension
	if !filepath.IsLocal(name) {
		return fmt.Errorf("key %q is no path of a file", key)
	}
	path := filepath.Join(dir, name)
	if parent := filepath.Dir(path); !made[parent] {
		if err := os.MkdirAll(parent, 0o700); err != nil {
			return err
		}
		made[parent] = true
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
