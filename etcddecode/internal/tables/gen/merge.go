package main

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// union is what all releases know together: the newest shape of every message, and the fields that it once had.
type union struct {
	messages map[string]*message
	kinds    map[string]string // apiVersion/Kind to message id
}

const objectMeta = "k8s.io/apimachinery/pkg/apis/meta/v1.ObjectMeta"

// add merges a release. Releases are added oldest first. A number keeps its meaning between releases, but for the
// name of the struct behind it: where a field's struct was replaced by another, the fields of the first are added to
// the second. Anything else is returned as a conflict.
func (u *union) add(r *reader, index int) (conflicts []string) {
	renamed := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(r.messages)) {
		m := r.messages[id]
		m.last = index
		for i := range m.fields {
			m.fields[i].released = index
		}
		old := u.messages[id]
		if old == nil {
			u.messages[id] = m
			continue
		}
		for _, f := range old.fields {
			at := slices.IndexFunc(m.fields, func(g field) bool { return g.number == f.number })
			switch {
			case at < 0:
				m.fields = append(m.fields, f)
			case !f.same(m.fields[at]):
				conflicts = append(conflicts, id+"."+f.json)
			case f.message != m.fields[at].message:
				renamed[f.message] = m.fields[at].message
			}
		}
		u.messages[id] = m
	}
	for from, to := range renamed {
		u.inherit(u.messages[from], u.messages[to])
	}
	return conflicts
}

// inherit adds the fields that only the older of two structs has.
func (u *union) inherit(from, to *message) {
	for _, f := range from.fields {
		if !slices.ContainsFunc(to.fields, func(g field) bool { return g.number == f.number }) {
			f.released = -1
			to.fields = append(to.fields, f)
		}
	}
}

// same reports whether two releases mean the same by a field number, names of structs apart.
func (f field) same(g field) bool {
	return f.json == g.json && f.kind == g.kind && f.has("List") == g.has("List") && f.has("Map") == g.has("Map")
}

func (f field) has(flag string) bool { return slices.Contains(f.flags, flag) }

// addKinds reads every type of a package that can be the root of a value: those that embed TypeMeta, lists apart. Those
// of package meta belong to the core group.
func (u *union) addKinds(r *reader, p *source) error {
	version := p.path[strings.LastIndexByte(p.path, '/')+1:]
	for name, d := range p.types {
		if !isRoot(name, d) {
			continue
		}
		if err := r.read(p, name); err != nil {
			return err
		}
		key := version + "/" + name
		if p.group != "" && !strings.Contains(p.path, "/apimachinery/") {
			key = p.group + "/" + key
		}
		u.kinds[key] = p.path + "." + name
	}
	return nil
}

func isRoot(name string, d *declared) bool {
	struc, ok := d.expr.(*ast.StructType)
	if !ok || len(struc.Fields.List) == 0 || strings.HasSuffix(name, "List") {
		return false
	}
	first := struc.Fields.List[0]
	if len(first.Names) > 0 {
		return false
	}
	switch t := first.Type.(type) {
	case *ast.SelectorExpr:
		return t.Sel.Name == "TypeMeta"
	case *ast.Ident:
		return t.Name == "TypeMeta"
	}
	return false
}

// reachable returns the ids of the messages that the kinds need, sorted.
func (u *union) reachable() []string {
	seen := map[string]bool{}
	var visit func(id string)
	visit = func(id string) {
		if seen[id] {
			return
		}
		seen[id] = true
		for _, f := range u.messages[id].fields {
			if f.message != "" {
				visit(f.message)
			}
		}
	}
	visit(objectMeta)
	for _, id := range u.kinds {
		visit(id)
	}
	return slices.Sorted(maps.Keys(seen))
}
