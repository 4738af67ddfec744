package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// maxStdin is more than etcd's largest request can be.
const maxStdin = 256 << 20

// decodeStdin decodes what etcdctl get prints: the value alone, key and value, or JSON with any number of them.
func decodeStdin(ctx context.Context, args []string, s streams) error {
	var d decoding
	fs := newFlags("[decode]", "Decodes a value from stdin: of etcdctl get KEY --print-value-only, or with -w json, or without either.", s)
	d.add(fs)
	key := fs.String("key", "", "the etcd key of the value, which most encryption is bound to; not needed where etcdctl prints it")
	format := fs.String("o", "yaml", outputs)
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	as, err := renderer(*format)
	if err != nil {
		return err
	}
	decoder, err := d.decoder()
	if err != nil {
		return err
	}
	input, err := io.ReadAll(io.LimitReader(s.in, maxStdin))
	if err != nil {
		return err
	}
	if len(input) == 0 {
		return errors.New("nothing on stdin: is there such a key? -h explains the commands")
	}
	values := valuesOf(input, *key)
	var failed errPartial
	for i, v := range values {
		text, err := decodeOne(ctx, decoder, v, as, s)
		switch {
		case err != nil && len(values) == 1:
			return err
		case err != nil:
			s.say("%v", err)
			failed++
			continue
		}
		if *format == "yaml" && i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := s.out.Write(text); err != nil {
			return err
		}
	}
	return failed.orNil()
}

func decodeOne(ctx context.Context, d *etcddecode.Decoder, v etcddecode.Value, as render, s streams) ([]byte, error) {
	o, err := d.Decode(ctx, v)
	if err != nil {
		// etcdctl ends its output with a line break, which is not the value's.
		trimmed, cut := bytes.CutSuffix(v.Bytes, []byte("\n"))
		if !cut {
			return nil, err
		}
		v.Bytes = trimmed
		var again error
		if o, again = d.Decode(ctx, v); again != nil {
			return nil, err
		}
	}
	findings, more := o.Findings()
	for _, f := range findings {
		s.say("%s: %s", f.Path, f.Reason)
	}
	if more > 0 {
		s.say("and %d more", more)
	}
	if o.Fidelity == etcddecode.Schemaless && o.Kind != "" {
		s.say("%s %s is of no known type: fields have numbers", o.APIVersion, o.Kind)
	}
	text, err := as(nil, o, etcddb.Record{})
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", oneLine(o.Kind), oneLine(o.Name()), err)
	}
	return text, nil
}

// valuesOf finds out which output of etcdctl it is.
func valuesOf(input []byte, key string) []etcddecode.Value {
	var response struct {
		KVs []struct {
			Key         []byte `json:"key"`
			Value       []byte `json:"value"`
			ModRevision int64  `json:"mod_revision"`
		} `json:"kvs"`
		Header *struct{} `json:"header"`
	}
	if input[0] == '{' && json.Unmarshal(input, &response) == nil && response.Header != nil && len(response.KVs) > 0 {
		var values []etcddecode.Value
		for _, kv := range response.KVs {
			values = append(values, etcddecode.Value{Key: string(kv.Key), Bytes: kv.Value, ModRevision: kv.ModRevision})
		}
		return values
	}
	if line, rest, ok := bytes.Cut(input, []byte("\n")); ok && key == "" && isKey(line) && len(rest) > 0 {
		return []etcddecode.Value{{Key: string(line), Bytes: rest}}
	}
	return []etcddecode.Value{{Key: key, Bytes: input}}
}

// isKey reports whether a line looks like a key of Kubernetes, and so is none of its values.
func isKey(line []byte) bool {
	return len(line) > 1 && line[0] == '/' && !strings.ContainsFunc(string(line), func(c rune) bool { return c <= ' ' || c > '~' })
}
