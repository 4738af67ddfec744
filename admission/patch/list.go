package patch

import (
	"reflect"
	"slices"
)

// list aligns the elements of two lists, moves the document's elements to their new order, and goes into each pair.
func (w *walk) list(p *plan, mergeKey string, a, b reflect.Value, s slot) {
	if a.Len() == 0 || b.Len() == 0 {
		if a.Len() != b.Len() {
			w.set(b, s)
		}
		return
	}
	key := p.elem.keyField(mergeKey)
	if key != nil && sameKeys(key, a, b) {
		for i := range a.Len() {
			w.element(p.elem, i, i, a, b)
		}
		return
	}
	if equal(p, a, b) {
		return
	}
	match, kept := align(p.elem, key, a, b, len(w.find(len(w.source)).Text()))
	if kept == 0 {
		w.set(b, s)
		return
	}
	if kept < a.Len() || kept < b.Len() || !slices.IsSorted(match) {
		w.rearrange(match, kept, a.Len(), b, s)
	}
	for j, i := range match {
		if i >= 0 {
			w.element(p.elem, i, j, a, b)
		}
	}
}

// element goes into the element that is at i in a and at j in b.
func (w *walk) element(p *plan, i, j int, a, b reflect.Value) {
	depth := w.enterElement(i, j)
	w.value(p, a.Index(i), b.Index(j), slot{element: true})
	w.leave(depth)
}

// maxShift bounds the elements that the operations of one list shift. Whoever applies an operation shifts all that is
// behind its element, so that ten thousand of them in a list of a hundred thousand take seconds, also in the API server.
const maxShift = 1 << 22

// rearrange brings the document's list to the order of b, with the elements of a that it keeps as they are.
func (w *walk) rearrange(match []int, kept, lenA int, b reflect.Value, s slot) {
	stays := longestIncreasing(match)
	changes := lenA - kept
	for j := range match {
		if !stays[j] {
			changes++
		}
	}
	if changes*max(lenA, len(match)) > maxShift && w.rewrite(match, lenA, b, s) {
		return
	}
	w.reorder(match, stays, lenA, b)
}

// rewrite writes the list whole, with the texts that its elements have in the document. It reports false, having done
// nothing, where the document has other elements than a.
func (w *walk) rewrite(match []int, lenA int, b reflect.Value, s slot) bool {
	list := w.find(len(w.source))
	if list.Len() != lenA {
		return false
	}
	texts := make([][]byte, 0, lenA)
	for e := range list.Elements() {
		texts = append(texts, e.Text())
	}
	out := append(make([]byte, 0, len(list.Text())), '[')
	for j, i := range match {
		if j > 0 {
			out = append(out, ',')
		}
		if i >= 0 {
			out = append(out, texts[i]...)
			continue
		}
		depth := len(w.path)
		w.path = appendIndex(w.path, j)
		out = append(out, w.encode(b.Index(j), false)...)
		w.path = w.path[:depth]
	}
	w.ops = append(w.ops, Operation{Op: s.op(), Path: string(w.path), Value: append(out, ']')})
	return true
}

// reorder emits the operations after which the document's list has the order of b: removals from the back, then each
// new or displaced element directly behind its predecessor. Elements in the longest run that kept its order stay put.
func (w *walk) reorder(match []int, stays []bool, lenA int, b reflect.Value) {
	depth := len(w.path)
	inB := make([]bool, lenA)
	for _, i := range match {
		if i >= 0 {
			inB[i] = true
		}
	}
	now := make([]int, 0, lenA) // the elements of a that are in the document's list, as it is after each operation
	for i := range inB {
		if inB[i] {
			now = append(now, i)
		}
	}
	for i := lenA - 1; i >= 0; i-- {
		if !inB[i] {
			w.path = appendIndex(w.path, i)
			w.remove()
			w.path = w.path[:depth]
		}
	}
	at := 0 // where the next element of b belongs
	for j, i := range match {
		switch {
		case i < 0:
			w.path = appendIndex(w.path, at)
			w.write(Add, b.Index(j), false)
			now = slices.Insert(now, at, -1)
		case stays[j]:
			at += slices.Index(now[at:], i)
		default:
			from := slices.Index(now, i)
			if from < at {
				at--
			}
			w.move(from, at)
			now = slices.Insert(slices.Delete(now, from, from+1), at, i)
		}
		w.path = w.path[:depth]
		at++
	}
}

// move moves an element of the list at hand, to an index that counts without it (RFC 6902 §4.4).
func (w *walk) move(from, to int) {
	if from == to {
		return
	}
	source := string(appendIndex(w.path, from))
	w.ops = append(w.ops, Operation{Op: Move, From: source, Path: string(appendIndex(w.path, to))})
}

// longestIncreasing marks a longest increasing subsequence, ignoring negative values.
func longestIncreasing(seq []int) []bool {
	var tails []int // tails[n] is the index of the smallest end of a subsequence of length n+1
	before := make([]int, len(seq))
	for j, v := range seq {
		if v < 0 {
			continue
		}
		n, _ := slices.BinarySearchFunc(tails, v, func(t, v int) int { return seq[t] - v })
		before[j] = -1
		if n > 0 {
			before[j] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, j)
		} else {
			tails[n] = j
		}
	}
	marked := make([]bool, len(seq))
	if len(tails) > 0 {
		for j := tails[len(tails)-1]; j >= 0; j = before[j] {
			marked[j] = true
		}
	}
	return marked
}
