package admissiontest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	jsonpatchv4 "gopkg.in/evanphx/json-patch.v4"
	kjson "sigs.k8s.io/json"
)

// applied applies a patch as the API server does, with the same library.
func applied(object, patch []byte) ([]byte, error) {
	decoded, err := jsonpatchv4.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("the patch does not decode: %w\n%s", err, patchLines(patch))
	}
	out, err := decoded.Apply(object)
	if err != nil {
		return nil, fmt.Errorf("the patch does not apply: %w\n%s", err, patchLines(patch))
	}
	return out, nil
}

// patchLines shows a patch with one operation a line.
func patchLines(patch []byte) string {
	var ops []json.RawMessage
	if err := json.Unmarshal(patch, &ops); err != nil {
		return string(patch)
	}
	lines := make([]string, len(ops))
	for i, op := range ops {
		lines[i] = string(op)
	}
	return strings.Join(lines, "\n")
}

// decodes checks that the patch applies and that its result decodes strictly.
func (tr *trial) decodes() error {
	if tr.patchErr != nil || tr.patched == nil {
		return tr.patchErr
	}
	if tr.typ == nil {
		if !bytes.HasPrefix(bytes.TrimSpace(tr.patched), []byte("{")) {
			return fmt.Errorf("the patched object is no object: %.80s", tr.patched)
		}
		return nil
	}
	after, err := strictly(tr.typ, tr.patched)
	if err != nil {
		return fmt.Errorf("the patched object does not decode: %w\nby the patch\n%s", err, patchLines(tr.resp.Patch))
	}
	before, _ := strictly(tr.typ, tr.req.Object.Raw) // the handler has decoded it
	if added := without(after, before); len(added) > 0 {
		return fmt.Errorf("the patched object does not decode strictly:\n+ %s\nby the patch\n%s", strings.Join(added, "\n+ "), patchLines(tr.resp.Patch))
	}
	return nil
}

// strictly returns the problems of strict decoding.
func strictly(typ reflect.Type, text []byte) ([]string, error) {
	problems, err := kjson.UnmarshalStrict(text, reflect.New(typ).Interface())
	out := make([]string, len(problems))
	for i, p := range problems {
		out[i] = p.Error()
	}
	return out, err
}

var listIndex = regexp.MustCompile(`\[\d+\]`)

// without returns the problems that are not known, of which elements may have moved.
func without(problems, known []string) []string {
	count := map[string]int{}
	for _, k := range known {
		count[listIndex.ReplaceAllString(k, "[]")]++
	}
	var out []string
	for _, p := range problems {
		key := listIndex.ReplaceAllString(p, "[]")
		if count[key]--; count[key] < 0 {
			out = append(out, p)
		}
	}
	return out
}
