package patch

import (
	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

// Document is the JSON text of an object, looked through once. It aliases the text, which must not change while the
// Document is in use; it is safe for concurrent use.
type Document struct {
	root rawjson.Value
}

// Parse looks through a JSON text. An error says at which offset its structure is wrong.
func Parse(raw []byte) (*Document, error) {
	root, err := rawjson.Parse(raw)
	if err != nil {
		return nil, err
	}
	return &Document{root}, nil
}

// DocumentOf is the document that is a value of a larger text. It is for package admission, which has looked through
// the review that an object comes in.
func DocumentOf(v rawjson.Value) *Document { return &Document{v} }

// Has reports whether the document has a member, which is not null, at a path of member names.
func (d *Document) Has(path ...string) bool {
	at := d.root
	for _, name := range path {
		at = at.Member(name)
	}
	return !at.IsNull()
}
