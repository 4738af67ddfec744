package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func dump(ctx context.Context, args []string, s streams) error {
	var w walk
	flags := newFlags("dump", "Writes all objects, in the order of keys: as NDJSON or YAML documents to stdout, or as files with -d.", s)
	w.add(flags)
	dir := flags.String("d", "", "directory to make, with a file for each key: DIR/registry/pods/shop/web-0.yaml")
	format := flags.String("o", "", "ndjson or yaml; yaml with -d, else ndjson")
	if _, err := parse(flags, args, 0); err != nil {
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
	files := 0
	for r := range w.live(ctx, false, as) {
		var err error
		switch {
		case dir != "":
			if err = writeFile(dir, fileKey(r), extension, r.text, made); err != nil && (files > 0 && errors.Is(err, fs.ErrExist) || isNameError(err)) {
				w.fail(fmt.Errorf("%s: %w", oneLine(r.key), err))
				continue
			}
			files++
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
		w.streams.say("%d objects in %s", files, dir)
	}
	return ctx.Err()
}

// fileKey is the key to name a file after. Where a token in it is hidden, its digest tells the files apart.
func fileKey(r rendered) string {
	if r.key == string(r.record.Key) {
		return r.key
	}
	return fmt.Sprintf("%s-%x", r.key, sha256.Sum256(r.record.Key))
}

var errNoPath = errors.New("no path of a file")

// isNameError reports whether a file can't be written for its name, so that others can.
func isNameError(err error) bool {
	return slices.ContainsFunc([]error{errNoPath, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ENOTDIR, syscall.EISDIR},
		func(target error) bool { return errors.Is(err, target) })
}

// writeFile writes under the key. What is in the directory is never overwritten: a file that exists, or a key that
// would be a path out of it, is an error.
func writeFile(dir, key, extension string, text []byte, made map[string]bool) error {
	name := filepath.FromSlash(strings.Trim(key, "/")) + extension
	if !filepath.IsLocal(name) {
		return fmt.Errorf("key %q: %w", key, errNoPath)
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
