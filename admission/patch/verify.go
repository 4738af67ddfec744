package patch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	kjson "sigs.k8s.io/json"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

// Verify is the whole proof that a patch is right: it applies to doc under the library that the API server uses, the
// result decodes strictly (an unknown member that doc had before is not the patch's fault), and what it decodes to is
// want. The error says which of these fails, and where.
func (d *Differ[T]) Verify(doc *Document, p Patch, want *T) error {
	return d.core.verify(doc, p, want)
}

func (c *core) verify(doc *Document, p Patch, want any) error {
	if err := doc.keepsType(p); err != nil {
		return err
	}
	text, err := p.Apply(doc.root.Text())
	if err != nil {
		return err
	}
	patched, err := Parse(text)
	if err != nil {
		return fmt.Errorf("patched object does not decode: %w", err)
	}
	if err := c.strict(doc, p, patched); err != nil {
		return err
	}
	got, err := c.decode(patched)
	if err != nil {
		return fmt.Errorf("patched object does not decode: %w", err)
	}
	rest, err := c.diff(patched, got, want)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("patched object is not the mutated one: %v is missing", rest[0])
	}
	return nil
}

// keepsType refuses patches that make another kind of object: the API server can't decode what they make.
func (d *Document) keepsType(p Patch) error {
	for _, o := range p {
		for _, pointer := range []string{o.Path, o.From} {
			if pointer == "/metadata/managedFields" || strings.HasPrefix(pointer, "/metadata/managedFields/") {
				return fmt.Errorf("%v: managedFields are the API server's", o)
			}
		}
		if o.Path != "/kind" && o.Path != "/apiVersion" && o.From != "/kind" && o.From != "/apiVersion" {
			continue
		}
		if d.Has(strings.TrimPrefix(o.Path, "/")) || o.Op != Add {
			return fmt.Errorf("%v: an object can't become one of another kind", o)
		}
	}
	return nil
}

// maxStrict is how many problems sigs.k8s.io/json reports at most.
const maxStrict = 100

// strict decodes both documents strictly and reports what only the patched one has wrong. managedFields, which no patch
// touches, are left out, as in Decode.
func (c *core) strict(doc *Document, p Patch, patched *Document) error {
	problems, err := kjson.UnmarshalStrict(patched.withoutManagedFields(), c.new())
	if err != nil {
		return fmt.Errorf("patched object does not decode: %w", err)
	}
	if len(problems) == 0 {
		return nil
	}
	if len(problems) >= maxStrict { // there may be more, and others than before
		return c.check(doc, p)
	}
	before, _ := kjson.UnmarshalStrict(doc.withoutManagedFields(), c.new())
	known := make(map[string]int, len(before))
	for _, e := range before {
		known[withoutIndexes(e.Error())]++
	}
	var errs []error
	for _, e := range problems {
		if k := withoutIndexes(e.Error()); known[k] > 0 {
			known[k]--
			continue
		}
		errs = append(errs, e)
	}
	if len(errs) > 0 {
		return fmt.Errorf("patched object does not decode strictly: %w", errors.Join(errs...))
	}
	return nil
}

// withoutIndexes makes the messages about an element the same before and after it moved.
func withoutIndexes(message string) string {
	var b strings.Builder
	inside := false
	for _, r := range message {
		if r == ']' {
			inside = false
		}
		if !inside {
			b.WriteRune(r)
		}
		if r == '[' {
			inside = true
		}
	}
	return b.String()
}

// Check is the cheap part of Verify, for patches that Diff has made: each operation applies to the document at hand,
// judged by walking only the paths that the patch names, each of these paths exists in T, and each value decodes
// strictly into the type that T has there. What Check accepts applies and decodes strictly; that the result is the
// mutated object follows from how Diff works and is not looked at. Documents with duplicate members on those paths are
// refused.
func (d *Differ[T]) Check(doc *Document, p Patch) error {
	return d.core.check(doc, p)
}

func (c *core) check(doc *Document, p Patch) error {
	if err := doc.keepsType(p); err != nil {
		return err
	}
	root := &tree{value: doc.root}
	for _, o := range p {
		if err := c.checkOperation(root, o); err != nil {
			return fmt.Errorf("%v: %w", o, err)
		}
	}
	return nil
}

func (c *core) checkOperation(doc *tree, o Operation) error {
	if !utf8.ValidString(o.Path) || bytes.Contains(o.Value, []byte(`\ufffd`)) {
		return errors.New("it may hold text that is not UTF-8, which JSON can't say")
	}
	to, err := splitPointer(o.Path)
	if err != nil {
		return err
	}
	switch o.Op {
	case Move:
		return c.checkMove(doc, o.From, to)
	case Remove:
		_, err := doc.take(to)
		return err
	}
	value, err := rawjson.Parse(o.Value)
	if err != nil {
		return err
	}
	if err := c.checkValue(to, value); err != nil && !c.rearranges(doc, to, value) {
		return err
	}
	return doc.put(o.Op, to, tree{value: value})
}

// rearranges reports whether a value replaces a list of the document by one whose elements stood in it before, unknown
// members and all, or decode strictly.
func (c *core) rearranges(doc *tree, path []string, value rawjson.Value) bool {
	list, _, err := c.typeAt(path)
	if err != nil || list.shape != shapeList || value.Kind() != '[' {
		return false
	}
	before := map[string]struct{}{}
	for e := range doc.at(path).Elements() {
		before[string(e.Text())] = struct{}{}
	}
	for e := range value.Elements() {
		if _, stood := before[string(e.Text())]; !stood && !fits(list.elem, e) && decodeStrictly(list.elem, e) != nil {
			return false
		}
	}
	return len(before) > 0
}

// checkMove allows moves within a list, whose elements have one type.
func (c *core) checkMove(doc *tree, source string, to []string) error {
	from, err := splitPointer(source)
	if err != nil {
		return err
	}
	if len(from) == 0 || len(from) != len(to) || !slices.Equal(from[:len(from)-1], to[:len(to)-1]) {
		return errors.New("it moves a value to another list")
	}
	if list, _, err := c.typeAt(to[:len(to)-1]); err != nil || list.shape != shapeList && list.shape != shapeAny {
		return errors.Join(errors.New("it moves what is no element of a list"), err)
	}
	moved, err := doc.take(from)
	if err != nil {
		return err
	}
	return doc.put(Add, to, moved)
}

// typeAt returns what T has at a path, and the field if that is a struct's.
func (c *core) typeAt(path []string) (p *plan, f *field, err error) {
	p = c.plan
	for _, token := range path {
		p, f = p.target(), nil
		switch p.shape {
		case shapeStruct:
			if f = p.byName[token]; f == nil {
				return nil, nil, fmt.Errorf("%s has no member %q", p.typ, token)
			}
			p = f.plan
		case shapeList, shapeMap:
			p = p.elem
		case shapeAny:
		default:
			return nil, nil, fmt.Errorf("the path goes into a %s, which is one value", p.typ)
		}
	}
	return p.target(), f, nil
}

// target is the type behind pointers.
func (p *plan) target() *plan {
	for p.shape == shapePointer {
		p = p.elem
	}
	return p
}

// checkValue makes sure that a value decodes strictly into the type that T has at the path. As in Decode, the library
// that API servers use has the last word on what is out of the ordinary, and all errors are its.
func (c *core) checkValue(path []string, value rawjson.Value) error {
	p, f, err := c.typeAt(path)
	if err != nil {
		return err
	}
	if f != nil && f.quoted {
		var inner string
		if err := json.Unmarshal(value.Text(), &inner); err != nil {
			return fmt.Errorf("value is not a quoted one: %w", err)
		}
		return kjson.UnmarshalCaseSensitivePreserveInts([]byte(inner), reflect.New(p.typ).Interface())
	}
	if fits(p, value) {
		return nil
	}
	return decodeStrictly(p, value)
}
