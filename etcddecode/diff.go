package etcddecode

import "slices"

// Change is one difference between two objects.
type Change struct {
	// Path of the field: names and indexes, spec.containers[0].image.
	Path string
	// Old and New are the values as JSON, "" where there is none. Secrets stay redacted: of one that changed, both are
	// [RedactedText].
	Old, New string
}

// Diff returns what differs between two objects, in the order of paths as they are put out. Elements of lists are
// compared by their index. What both redact is compared all the same. Either may be nil, which is no object.
func Diff(a, b *Object) []Change {
	if a == nil {
		a = &Object{}
	}
	if b == nil {
		b = &Object{}
	}
	d := differ{a: &a.tree, b: &b.tree}
	switch {
	case len(d.a.nodes) == 0 && len(d.b.nodes) == 0:
	case len(d.a.nodes) == 0:
		d.change(-1, 0)
	case len(d.b.nodes) == 0:
		d.change(0, -1)
	default:
		d.compare(0, 0)
	}
	return d.changes
}

type differ struct {
	a, b    *tree
	path    []step
	changes []Change
}

func (d *differ) change(i, j int32) {
	c := Change{Path: pathText(d.path)}
	if i >= 0 {
		c.Old = string(d.a.appendJSON(nil, i))
	}
	if j >= 0 {
		c.New = string(d.b.appendJSON(nil, j))
	}
	d.changes = append(d.changes, c)
}

// child compares two children, of which one may be missing.
func (d *differ) child(s step, i, j int32) {
	d.path = append(d.path, s)
	if i < 0 || j < 0 {
		d.change(i, j)
	} else {
		d.compare(i, j)
	}
	d.path = d.path[:len(d.path)-1]
}

func (d *differ) compare(i, j int32) {
	x, y := &d.a.nodes[i], &d.b.nodes[j]
	switch {
	case x.kind != y.kind:
		d.change(i, j)
	case x.kind == kindMap:
		d.compareMaps(i, j)
	case x.kind == kindList:
		c, e := x.first, y.first
		for n := 0; c != 0 || e != 0; n++ {
			next := [2]int32{}
			l, r := int32(-1), int32(-1)
			if c != 0 {
				l, next[0] = c, d.a.nodes[c].next
			}
			if e != 0 {
				r, next[1] = e, d.b.nodes[e].next
			}
			d.child(step{index: n}, l, r)
			c, e = next[0], next[1]
		}
	case x.text != y.text || x.num != y.num:
		d.change(i, j)
	}
}

func (d *differ) compareMaps(i, j int32) {
	var keys []string
	for _, c := range d.a.children(nil, i) {
		keys = append(keys, d.a.nodes[c].key)
	}
	for _, c := range d.b.children(nil, j) {
		keys = append(keys, d.b.nodes[c].key)
	}
	slices.SortFunc(keys, yamlLess)
	for _, key := range slices.Compact(keys) {
		l, ok := d.a.get(i, key)
		if !ok {
			l = -1
		}
		r, ok := d.b.get(j, key)
		if !ok {
			r = -1
		}
		d.child(step{name: key}, l, r)
	}
}
