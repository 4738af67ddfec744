package patch

import (
	"github.com/kubewright/kubewright/admission/internal/rawjson"
	kjson "sigs.k8s.io/json"
)

// Document is the JSON text of an object, looked through once. It aliases the text, which must not change while the
// Document is in use; it is safe for concurrent use.
type Document struct {
	raw  []byte
	root rawjson.Value
}

// Parse looks through a JSON text. An error says at which offset its structure is wrong.
func Parse(raw []byte) (*Document, error) {
	root, err := rawjson.Parse(raw)
	if err != nil {
		return nil, err
	}
	return &Document{raw, root}, nil
}

// Has reports whether the document has a member, which is not null, at a path of member names.
func (d *Document) Has(path ...string) bool {
	at := d.root
	for _, name := range path {
		at = at.Member(name)
	}
	return !at.IsNull()
}

// Decode decodes a document as the API server does: member names match by case, and members that T does not know are
// ignored. metadata.managedFields is left out: no admission function should change it, and it can be a large part of
// the document.
func (d *Differ[T]) Decode(doc *Document) (*T, error) {
	v, err := d.core.decode(doc)
	if err != nil {
		return nil, err
	}
	return v.(*T), nil
}

func (c *core) decode(doc *Document) (any, error) {
	v := c.new()
	if err := kjson.UnmarshalCaseSensitivePreserveInts(doc.withoutManagedFields(), v); err != nil {
		return nil, err
	}
	return v, nil
}

// withoutManagedFields returns the text with an empty metadata.managedFields, or the text itself if it has none.
func (d *Document) withoutManagedFields() []byte {
	fields := d.root.Member("metadata").Member("managedFields")
	if fields.Kind() != '[' {
		return d.raw
	}
	start, end := fields.Offset(), fields.Offset()+len(fields.Text())
	out := make([]byte, 0, len(d.raw)-(end-start)+len("[]"))
	out = append(out, d.raw[:start]...)
	out = append(out, "[]"...)
	return append(out, d.raw[end:]...)
}
