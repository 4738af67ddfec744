package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

func grep(ctx context.Context, args []string, s streams) error {
	var w walk
	fs := newFlags("grep REGEXP", "Prints key, line number and line where the YAML of an object matches (RE2 syntax). What is redacted does not.", s)
	w.add(fs)
	pattern := fs.String("e", "", "regular expression, for those that begin with -")
	keys := fs.Bool("keys", false, "only print the keys of objects that match")
	rest, err := parse(fs, args, 1)
	switch {
	case err != nil:
		return err
	case len(rest) == 1 && *pattern != "":
		return errors.New("two patterns: write REGEXP or -e REGEXP")
	case len(rest) == 1:
		*pattern = rest[0]
	case *pattern == "":
		return errors.New("grep for which REGEXP?")
	}
	re, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	if err := w.open(s); err != nil {
		return err
	}
	matching := func(dst []byte, o *etcddecode.Object, _ etcddb.Record) ([]byte, error) {
		text, err := o.AppendYAML(nil)
		if err != nil || !re.Match(text) {
			return dst, err
		}
		if *keys {
			return append(append(dst, oneLine(o.Key)...), '\n'), nil
		}
		n := 0
		for line := range bytes.Lines(text) {
			n++
			if re.Match(bytes.TrimSuffix(line, []byte("\n"))) {
				dst = append(fmt.Appendf(dst, "%s:%d:", oneLine(o.Key), n), line...)
			}
		}
		return dst, nil
	}
	found := 0
	for r := range w.live(ctx, false, matching) {
		if len(r.text) == 0 {
			continue
		}
		found++
		if _, err := w.out.Write(r.text); err != nil {
			return w.close(err)
		}
	}
	if found == 0 && w.failed == 0 {
		return w.close(errNoMatch)
	}
	return w.close(ctx.Err())
}
