package main

import (
	"fmt"
	"go/ast"
	"reflect"
	"strconv"
	"strings"
)

// message is the shape of one Go struct on the wire and in JSON.
type message struct {
	id     string // package path and type name
	last   int    // index of the newest release that has it
	fields []field
}

// field is one protobuf field. The names of kinds and flags are those of the package tables.
type field struct {
	number   int
	json     string
	kind     string
	flags    []string
	message  string // id of the message, for kinds that have one
	released int    // index of the newest release that has the field
}

// special maps types whose wire form, or whose JSON form, is not what their struct says.
var special = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":            "Time",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":       "MicroTime",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":        "Duration",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":        "Raw",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":        "Quantity",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString":      "IntOrString",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":         "Raw",
	"k8s.io/apimachinery/pkg/types.UID":                    "String",
	"k8s.io/apimachinery/pkg/types.NodeName":               "String",
	"k8s.io/apimachinery/pkg/types.NamespacedName":         "String",
	apiextensions + "v1.JSON":                              "Raw",
	apiextensions + "v1beta1.JSON":                         "Raw",
	apiextensions + "v1.JSONSchemaPropsOrArray":            "SchemaOrArray",
	apiextensions + "v1beta1.JSONSchemaPropsOrArray":       "SchemaOrArray",
	apiextensions + "v1.JSONSchemaPropsOrBool":             "SchemaOrBool",
	apiextensions + "v1beta1.JSONSchemaPropsOrBool":        "SchemaOrBool",
	apiextensions + "v1.JSONSchemaPropsOrStringArray":      "SchemaOrStrings",
	apiextensions + "v1beta1.JSONSchemaPropsOrStringArray": "SchemaOrStrings",
}

const apiextensions = "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/"

var basic = map[string]string{
	"string": "String", "bool": "Bool", "float64": "Double", "float32": "Float", "byte": "Byte", "uint8": "Byte",
	"int": "Int64", "int64": "Int64", "int32": "Int32", "int16": "Int32", "uint32": "Uint64", "uint64": "Uint64", "uint16": "Uint64",
}

// reader reads the messages of one release.
type reader struct {
	*release
	messages map[string]*message
}

// read adds the struct type to the messages, with everything it refers to.
func (r *reader) read(pkg *source, name string) error {
	id := pkg.path + "." + name
	if r.messages[id] != nil {
		return nil
	}
	d := pkg.types[name]
	if d == nil {
		return fmt.Errorf("no type %s", id)
	}
	struc, ok := d.expr.(*ast.StructType)
	if !ok {
		return fmt.Errorf("%s is no struct", id)
	}
	m := &message{id: id}
	r.messages[id] = m
	for _, f := range struc.Fields.List {
		fields, err := r.readField(pkg, d, f)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		m.fields = append(m.fields, fields...)
	}
	return nil
}

func (r *reader) readField(pkg *source, d *declared, f *ast.Field) ([]field, error) {
	if f.Tag == nil {
		return nil, nil
	}
	text, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return nil, err
	}
	tag := reflect.StructTag(text)
	wire := strings.Split(tag.Get("protobuf"), ",")
	if len(wire) < 2 {
		return nil, nil // TypeMeta, or a field that is not stored
	}
	var out field
	if out.number, err = strconv.Atoi(wire[1]); err != nil {
		return nil, err
	}
	name, options, _ := strings.Cut(tag.Get("json"), ",")
	out.json = name
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "omitempty":
			out.flags = append(out.flags, "OmitEmpty")
		case "omitzero":
			out.flags = append(out.flags, "OmitZero")
		case "inline":
			out.flags = append(out.flags, "Inline")
		}
	}
	if name == "" && len(f.Names) > 0 {
		out.json = f.Names[0].Name
	} else if name == "" && !out.has("Inline") {
		out.flags = append(out.flags, "Inline") // embedded without a name of its own
	}
	if err := r.typeOf(pkg, d, f.Type, &out); err != nil {
		return nil, fmt.Errorf("field %s: %w", tag, err)
	}
	return []field{out}, nil
}

// typeOf sets kind, message and shape flags from a Go type.
func (r *reader) typeOf(pkg *source, d *declared, expr ast.Expr, out *field) error {
	switch t := expr.(type) {
	case *ast.StarExpr:
		if !out.has("List") && !out.has("Map") {
			out.flags = append(out.flags, "Pointer")
		}
		return r.typeOf(pkg, d, t.X, out)
	case *ast.ArrayType:
		if id, ok := t.Elt.(*ast.Ident); ok && id.Name == "byte" {
			out.kind = "Bytes"
			return nil
		}
		out.flags = append(out.flags, "List")
		return r.typeOf(pkg, d, t.Elt, out)
	case *ast.MapType:
		out.flags = append(out.flags, "Map")
		return r.typeOf(pkg, d, t.Value, out)
	case *ast.SelectorExpr:
		path := d.imports[t.X.(*ast.Ident).Name]
		if kind := special[path+"."+t.Sel.Name]; kind != "" {
			out.kind = kind
			return nil
		}
		other, err := r.load(path)
		if err != nil {
			return err
		}
		if other == nil {
			return fmt.Errorf("type %s.%s is in no module that was downloaded", path, t.Sel.Name)
		}
		return r.named(other, t.Sel.Name, out)
	case *ast.Ident:
		if kind := basic[t.Name]; kind != "" && pkg.types[t.Name] == nil {
			out.kind = kind
			return nil
		}
		return r.named(pkg, t.Name, out)
	}
	return fmt.Errorf("type %T is not known", expr)
}

func (r *reader) named(pkg *source, name string, out *field) error {
	d := pkg.types[name]
	if d == nil {
		return fmt.Errorf("no type %s in %s", name, pkg.path)
	}
	id := pkg.path + "." + name
	if out.kind = special[id]; out.kind != "" {
		if strings.HasPrefix(out.kind, "Schema") {
			out.message = pkg.path + ".JSONSchemaProps"
			return r.read(pkg, "JSONSchemaProps")
		}
		return nil
	}
	switch t := d.expr.(type) {
	case *ast.StructType:
		out.kind, out.message = "Message", id
		return r.read(pkg, name)
	case *ast.ArrayType:
		// go-to-protobuf wraps a named list of strings, and only that, in a message with the field items.
		if elem, ok := t.Elt.(*ast.Ident); ok && elem.Name == "string" {
			out.kind = "Items"
			return nil
		}
	}
	return r.typeOf(pkg, d, d.expr, out)
}
