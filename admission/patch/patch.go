package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	jsonpatchv4 "gopkg.in/evanphx/json-patch.v4"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

// The operations of RFC 6902 that this package emits. It never emits "test", whose failure the API server treats as
// an internal error of the webhook, nor "copy".
const (
	Add     = "add"
	Remove  = "remove"
	Replace = "replace"
	Move    = "move"
)

// Operation is one operation of a JSON Patch (RFC 6902 §4).
type Operation struct {
	Op    string          `json:"op"`
	From  string          `json:"from,omitempty"` // the source of a move
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"` // of add and replace
}

// String is the operation as JSON.
func (o Operation) String() string { return string(o.append(nil)) }

func (o Operation) append(dst []byte) []byte {
	dst = append(dst, `{"op":"`...)
	dst = append(dst, o.Op...)
	if o.From != "" {
		dst = append(dst, `","from":`...)
		dst = appendString(dst, o.From)
	} else {
		dst = append(dst, '"')
	}
	dst = append(dst, `,"path":`...)
	dst = appendString(dst, o.Path)
	if o.Value != nil {
		dst = append(dst, `,"value":`...)
		dst = append(dst, o.Value...)
	}
	return append(dst, '}')
}

// Patch is a JSON Patch (RFC 6902), whose operations apply one after the other.
type Patch []Operation

// AppendJSON appends the patch as a JSON array.
func (p Patch) AppendJSON(dst []byte) []byte {
	size := 2
	for _, o := range p {
		size += len(`{"op":"replace","from":"","path":"","value":},`) + len(o.From) + len(o.Path) + len(o.Value)
	}
	dst = append(slices.Grow(dst, size), '[')
	for i, o := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = o.append(dst)
	}
	return append(dst, ']')
}

// MarshalJSON is AppendJSON for encoding/json.
func (p Patch) MarshalJSON() ([]byte, error) { return p.AppendJSON(nil), nil }

// String has one operation a line.
func (p Patch) String() string {
	lines := make([]string, len(p))
	for i, o := range p {
		lines[i] = o.String()
	}
	return strings.Join(lines, "\n")
}

// Apply returns the document with the patch applied by the library that the API server applies patches with
// (gopkg.in/evanphx/json-patch.v4), so that its verdict is the API server's.
func (p Patch) Apply(doc []byte) ([]byte, error) {
	if text := bytes.TrimLeft(doc, " \t\r\n"); len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return nil, fmt.Errorf("patch does not apply: %.20q is no JSON object or array", doc) // the library panics on null
	}
	decoded, err := jsonpatchv4.DecodePatch(p.AppendJSON(nil))
	if err != nil {
		return nil, fmt.Errorf("patch does not decode: %w", err)
	}
	out, err := decoded.Apply(doc)
	if err != nil {
		return nil, fmt.Errorf("patch does not apply: %w", err)
	}
	return out, nil
}

// Operations converts the patch for code that uses gomodules.xyz/jsonpatch/v2, whose operation has no "from": a move
// becomes a remove and an add of the value, which is looked up in the document that the patch is for.
func (p Patch) Operations(doc []byte) ([]jsonpatch.Operation, error) {
	out := make([]jsonpatch.Operation, 0, len(p))
	for i, o := range p {
		if o.Op != Move {
			out = append(out, jsonpatch.NewOperation(o.Op, o.Path, value(o.Value)))
			continue
		}
		current, err := p[:i].Apply(doc)
		if err != nil {
			return nil, err
		}
		moved, err := lookup(current, o.From)
		if err != nil {
			return nil, err
		}
		out = append(out,
			jsonpatch.NewOperation(Remove, o.From, nil),
			jsonpatch.NewOperation(Add, o.Path, moved))
	}
	return out, nil
}

// value keeps a missing value out of the interface, where it would be a non-nil one.
func value(raw json.RawMessage) any {
	if raw == nil {
		return nil
	}
	return raw
}

// lookup returns the value at a JSON Pointer (RFC 6901).
func lookup(doc []byte, pointer string) (json.RawMessage, error) {
	at, err := rawjson.Parse(doc)
	if err != nil {
		return nil, err
	}
	tokens, err := splitPointer(pointer)
	if err != nil {
		return nil, err
	}
	for _, token := range tokens {
		if at.Kind() == '[' {
			index, err := strconv.Atoi(token)
			if err != nil {
				return nil, fmt.Errorf("%s: %q is not an index", pointer, token)
			}
			at = at.Element(index)
		} else {
			at = at.Member(token)
		}
		if !at.Exists() {
			return nil, fmt.Errorf("%s: the document has no %q there", pointer, token)
		}
	}
	return json.RawMessage(at.Text()), nil
}

// splitPointer returns the unescaped tokens of a JSON Pointer.
func splitPointer(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	if pointer[0] != '/' {
		return nil, fmt.Errorf("path %q does not start with a slash", pointer)
	}
	tokens := strings.Split(pointer[1:], "/")
	for i, t := range tokens {
		if strings.Contains(t, "~") {
			tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
		}
	}
	return tokens, nil
}

// appendToken appends one escaped token, with its slash, to a JSON Pointer.
func appendToken(dst []byte, token string) []byte {
	dst = append(dst, '/')
	for i := range len(token) {
		switch token[i] {
		case '~':
			dst = append(dst, '~', '0')
		case '/':
			dst = append(dst, '~', '1')
		default:
			dst = append(dst, token[i])
		}
	}
	return dst
}
