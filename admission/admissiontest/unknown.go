package admissiontest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// unknownName begins the names of members that are put into objects. No type knows them.
const unknownName = "unknownToGo"

// planted is a member that was put into an object.
type planted struct {
	path  string // of the object
	name  string
	value any
}

// keepsUnknown puts an unknown member wherever one can be, and looks where the patch leaves it.
func (tr *trial) keepsUnknown() error {
	if !tr.resp.Allowed || tr.patchErr != nil || len(tr.req.Object.Raw) == 0 {
		return nil
	}
	raw, members := plant(tr.req.Object.Raw, tr.typ)
	req := tr.req.DeepCopy()
	req.Object.Raw = raw
	resp, err := tr.review(req)
	switch {
	case err != nil:
		return fmt.Errorf("with unknown members, the object can't be reviewed: %w", err)
	case !resp.Allowed:
		return fmt.Errorf("with unknown members, the object is denied:%s", indented(lines(findingsOf(resp))))
	case len(tr.resp.Patch) == 0 && len(resp.Patch) > 0:
		return fmt.Errorf("without unknown members there is no patch, with them there is:\n%s", patchLines(resp.Patch))
	case len(resp.Patch) == 0:
		return nil // nothing is lost
	}
	patched, err := applied(raw, resp.Patch)
	if err != nil {
		return fmt.Errorf("with unknown members: %w", err)
	}
	if d := lost(members, patched, tr.typ); d != "" {
		return fmt.Errorf("unknown members (- as planted, + after the patch):\n%s\nby the patch\n%s", d, patchLines(resp.Patch))
	}
	return nil
}

// plant puts a member into every object that stands for a Go struct and can be told from the others in its list.
func plant(raw []byte, typ reflect.Type) ([]byte, []planted) {
	tree := decodeTree(raw)
	var members []planted
	s := newStructs(func(path string, object map[string]any) {
		n := len(members)
		p := planted{path, fmt.Sprintf("%s%d", unknownName, n), strangeValue(n)}
		object[p.name] = p.value
		members = append(members, p)
	})
	s.skipTwins = true
	s.root(tree, typ)
	return encodeTree(tree), members
}

// strangeValue varies the shape of what is planted.
func strangeValue(n int) any {
	text := fmt.Sprintf("kept %d", n)
	return [...]any{
		text,
		json.Number(fmt.Sprint(n)),
		map[string]any{"inside": text},
		[]any{text, nil},
	}[n%4]
}

// lost compares where members are after a patch with where they were planted. A member whose object is gone is none
// of our business: then the mutators removed the object.
func lost(members []planted, patched []byte, typ reflect.Type) string {
	exists := map[string]bool{}
	after := map[string][]planted{}
	newStructs(func(path string, object map[string]any) {
		exists[path] = true
		for _, name := range sortedKeys(object) {
			if strings.HasPrefix(name, unknownName) {
				after[name] = append(after[name], planted{path, name, object[name]})
			}
		}
	}).root(decodeTree(patched), typ)
	var out []string
	for _, m := range members {
		stayed := slices.ContainsFunc(after[m.name], func(p planted) bool { return cmp.Equal(p, m, cmp.AllowUnexported(planted{})) })
		if stayed || !exists[m.path] {
			continue
		}
		out = append(out, "- "+m.String())
		for _, p := range after[m.name] {
			out = append(out, "+ "+p.String())
		}
	}
	return strings.Join(out, "\n")
}

// String is the member as a line of a difference.
func (p planted) String() string {
	path := p.path + "."
	if p.path == "" {
		path = ""
	}
	return fmt.Sprintf("%s%s: %s", path, p.name, encodeTree(p.value))
}

// decodeTree decodes JSON that is known to be JSON, with numbers as they are written.
func decodeTree(text []byte) any {
	tree, _ := parseTree(text)
	return tree
}

func parseTree(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is more than one JSON value")
	}
	return tree, nil
}

func encodeTree(tree any) []byte {
	text, _ := json.Marshal(tree) // was decoded from JSON
	return text
}
