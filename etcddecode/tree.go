package etcddecode

import (
	"errors"
	"fmt"
	"slices"
)

// kind is the JSON type of a node.
type kind uint8

const (
	kindNull   kind = iota
	kindBool        // num
	kindInt         // num
	kindFloat       // num has its bits
	kindString      // text
	kindList
	kindMap
)

// node is one value of a tree. Nodes refer to each other by their place in the tree; 0, the root, is nobody's child,
// so it also says that there is none.
type node struct {
	key   string // in a map
	text  string
	num   int64
	first int32
	last  int32
	next  int32
	count int32 // children
	kind  kind
}

// tree is a JSON value, whatever it was read from. Strings alias the text that it was read from.
type tree struct {
	nodes []node
	limit int // of nodes
}

// maxDepth bounds the nesting of everything that is read.
const maxDepth = 1000

var (
	errTooDeep  = fmt.Errorf("nested deeper than %d levels", maxDepth)
	errTooLarge = errors.New("too many values for its size")
)

// reset empties the tree before a value of size bytes is read into it. No value of the API has more nodes than bytes,
// the fields that Kubernetes prints without storing them apart; input that claims to is refused before it has taken
// 64 bytes of memory for each of its own.
func (t *tree) reset(size int) {
	t.nodes = slices.Grow(t.nodes[:0], min(64+size/12, 1<<16))
	t.limit = 4096 + size
}

// add appends a node to the children of a parent, whose index is -1 for the root. It returns -1 when there are too
// many.
func (t *tree) add(parent int32, n node) int32 {
	i := int32(len(t.nodes))
	if int(i) >= t.limit {
		return -1
	}
	t.nodes = append(t.nodes, n)
	if parent >= 0 {
		p := &t.nodes[parent]
		if p.first == 0 {
			p.first = i
		} else {
			t.nodes[p.last].next = i
		}
		p.last = i
		p.count++
	}
	return i
}

// cut removes the last child that was added and everything under it. before is the child before it, or 0.
func (t *tree) cut(parent, before int32) {
	p := &t.nodes[parent]
	t.nodes = t.nodes[:p.last]
	p = &t.nodes[parent]
	if before == 0 {
		p.first, p.last = 0, 0
	} else {
		p.last = before
		t.nodes[before].next = 0
	}
	p.count--
}

// get returns the child of a map by its key. Of several, the last counts, as in encoding/json.
func (t *tree) get(parent int32, key string) (int32, bool) {
	found := int32(0)
	if len(t.nodes) == 0 || t.nodes[parent].kind != kindMap {
		return 0, false
	}
	for i := t.nodes[parent].first; i != 0; i = t.nodes[i].next {
		if t.nodes[i].key == key {
			found = i
		}
	}
	return found, found != 0
}

// find follows a path of keys from the root.
func (t *tree) find(path ...string) (int32, bool) { return t.at(0, path...) }

// at follows a path of keys from a node.
func (t *tree) at(i int32, path ...string) (int32, bool) {
	for _, key := range path {
		var ok bool
		if i, ok = t.get(i, key); !ok {
			return 0, false
		}
	}
	return i, len(t.nodes) > 0
}

// text returns the string at a path from the root, or "".
func (t *tree) text(path ...string) string {
	if i, ok := t.find(path...); ok && t.nodes[i].kind == kindString {
		return t.nodes[i].text
	}
	return ""
}

// set makes a string of the child of a map, adding it if it is not there.
func (t *tree) set(parent int32, key, text string) {
	if i, ok := t.get(parent, key); ok {
		n := &t.nodes[i]
		n.kind, n.text, n.first, n.last, n.count = kindString, text, 0, 0, 0
		return
	}
	t.limit++
	t.add(parent, node{key: key, kind: kindString, text: text})
}

// remove takes a key out of a map.
func (t *tree) remove(parent int32, key string) {
	before := int32(0)
	p := &t.nodes[parent]
	for i := p.first; i != 0; i = t.nodes[i].next {
		if t.nodes[i].key != key {
			before = i
			continue
		}
		next := t.nodes[i].next
		if before == 0 {
			p.first = next
		} else {
			t.nodes[before].next = next
		}
		if p.last == i {
			p.last = before
		}
		p.count--
	}
}

// children appends the children of a node in their order.
func (t *tree) children(dst []int32, parent int32) []int32 {
	for i := t.nodes[parent].first; i != 0; i = t.nodes[i].next {
		dst = append(dst, i)
	}
	return dst
}
