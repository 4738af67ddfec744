package patch

import (
	"reflect"
	"strconv"
)

// Bounds of the comparisons spent on elements without keys, which grow with the product of their numbers, and of the
// text that is compared.
const (
	maxCompare     = 1 << 18
	maxCompareText = 1 << 26
)

// align returns for each element of b the element of a that it is a later state of, or -1, and how many were found. size
// is the length of a's text.
func align(p *plan, key *field, a, b reflect.Value, size int) ([]int, int) {
	match := make([]int, b.Len())
	for j := range match {
		match[j] = -1
	}
	m := matcher{plan: p, a: a, b: b, size: size / a.Len(), match: match, used: make([]bool, a.Len())}
	if key != nil && m.byKey(key) {
		if m.few() {
			m.renamed(key)
		}
		return match, m.kept
	}
	m.byEnds()
	if !m.few() {
		m.byText()
	}
	few := m.few()
	if few {
		m.leftovers(func(a, b reflect.Value) bool { return equal(p, a, b) })
	}
	m.byNeighbours(few)
	if few {
		m.leftovers(func(a, b reflect.Value) bool { return p.shape != shapeScalar && similar(p, a, b) })
	}
	return match, m.kept
}

// few reports whether what has no partner yet can be compared each with each.
func (m *matcher) few() bool {
	pairs := (m.a.Len() - m.kept) * (m.b.Len() - m.kept)
	return pairs <= maxCompare && pairs*m.size <= maxCompareText
}

// keyField is the field of the element that the merge key names.
func (p *plan) keyField(mergeKey string) *field {
	if mergeKey == "" {
		return nil
	}
	if p.shape == shapePointer {
		p = p.elem
	}
	if p.shape != shapeStruct {
		return nil
	}
	if f := p.byName[mergeKey]; f != nil && f.plan.shape == shapeScalar {
		return f
	}
	return nil
}

type matcher struct {
	plan  *plan // of an element
	a, b  reflect.Value
	size  int    // of an element of a as text, on average
	match []int  // by element of b
	used  []bool // by element of a
	kept  int
}

func (m *matcher) pair(i, j int) {
	m.match[j], m.used[i] = i, true
	m.kept++
}

// byKey pairs elements of the same key. It reports false, having done nothing, where keys are empty or not unique: then
// they identify nothing.
func (m *matcher) byKey(key *field) bool {
	const taken = -1
	index, ok := keysOf(key, m.a)
	for j := 0; ok && j < len(m.match); j++ {
		var text string
		if text, ok = keyText(key, m.b.Index(j)); !ok {
			break
		}
		i, known := index[text]
		if known {
			m.match[j], ok = i, i != taken
		}
		index[text] = taken
	}
	for j, i := range m.match {
		if !ok {
			m.match[j] = -1
		} else if i >= 0 {
			m.pair(i, j)
		}
	}
	return ok
}

// sameKeys reports the usual case, in which keys identify the elements and none of these came, went or moved. For the
// uniqueness of a few keys, comparing all of them is cheaper than a map.
func sameKeys(key *field, a, b reflect.Value) bool {
	n := a.Len()
	if n != b.Len() || n > 16 {
		return false
	}
	for i := range n {
		ka, ok := keyOf(key, a.Index(i))
		if !ok || isEmptyKey(ka) {
			return false
		}
		kb, ok := keyOf(key, b.Index(i))
		if !ok || !equalScalar(ka, kb) {
			return false
		}
		for x := range i {
			if kx, _ := keyOf(key, a.Index(x)); equalScalar(ka, kx) {
				return false
			}
		}
	}
	return true
}

func isEmptyKey(v reflect.Value) bool { return v.Kind() == reflect.String && v.Len() == 0 }

// keyOf returns the key of an element, or false when it is behind a nil pointer.
func keyOf(key *field, element reflect.Value) (reflect.Value, bool) {
	if element.Kind() == reflect.Pointer {
		if element.IsNil() {
			return reflect.Value{}, false
		}
		element = element.Elem()
	}
	v := key.of(element)
	return v, v.IsValid()
}

// keysOf returns the index of each key, or false when they are not unique names of the elements.
func keysOf(key *field, list reflect.Value) (map[string]int, bool) {
	index := make(map[string]int, list.Len())
	for i := range list.Len() {
		text, ok := keyText(key, list.Index(i))
		if _, taken := index[text]; taken || !ok {
			return nil, false
		}
		index[text] = i
	}
	return index, true
}

// keyText returns the key of an element, or false when it has none.
func keyText(key *field, element reflect.Value) (string, bool) {
	v, ok := keyOf(key, element)
	if !ok || isEmptyKey(v) {
		return "", false
	}
	return scalarText(v), true
}

func scalarText(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	case v.CanFloat():
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return strconv.FormatBool(v.Bool())
}

// renamed pairs elements that differ in nothing but the key, so that what the type does not know of them survives a
// renaming.
func (m *matcher) renamed(key *field) {
	p := m.plan
	m.leftovers(func(a, b reflect.Value) bool {
		if p.shape == shapePointer {
			return equalStruct(p.elem, a.Elem(), b.Elem(), key)
		}
		return equalStruct(p, a, b, key)
	})
}

// leftovers pairs, in order, the elements that have no partner yet and that ok accepts.
func (m *matcher) leftovers(ok func(a, b reflect.Value) bool) {
	for j, i := range m.match {
		if i >= 0 {
			continue
		}
		for i := range m.used {
			if !m.used[i] && ok(m.a.Index(i), m.b.Index(j)) {
				m.pair(i, j)
				break
			}
		}
	}
}

// byEnds pairs equal elements that kept their distance to either end.
func (m *matcher) byEnds() {
	na, nb := m.a.Len(), m.b.Len()
	front := 0
	for front < min(na, nb) && equal(m.plan, m.a.Index(front), m.b.Index(front)) {
		m.pair(front, front)
		front++
	}
	for back := 1; back <= min(na, nb)-front && equal(m.plan, m.a.Index(na-back), m.b.Index(nb-back)); back++ {
		m.pair(na-back, nb-back)
	}
}

// byText pairs elements of one JSON text, in order, without comparing each with each.
func (m *matcher) byText() {
	where := map[string][]int{}
	for i, used := range m.used {
		if !used {
			if text, err := marshal(m.a.Index(i)); err == nil {
				where[string(text)] = append(where[string(text)], i)
			}
		}
	}
	for j, i := range m.match {
		if i >= 0 {
			continue
		}
		text, err := marshal(m.b.Index(j))
		if same := where[string(text)]; err == nil && len(same) > 0 {
			m.pair(same[0], j)
			where[string(text)] = same[1:]
		}
	}
}

// byNeighbours pairs what is left between two neighbours that were found: all of it when it is as many elements as
// before, because changing elements is more usual than exchanging them, and otherwise those that are similar, of many only
// at both ends. What the type does not know of a changed element stays.
func (m *matcher) byNeighbours(few bool) {
	for j := 0; j < len(m.match); j++ {
		if m.match[j] >= 0 {
			continue
		}
		first := 0
		if j > 0 {
			first = m.match[j-1] + 1
		}
		last, end := first, j
		for last < len(m.used) && !m.used[last] {
			last++
		}
		for end < len(m.match) && m.match[end] < 0 {
			end++
		}
		if few || last-first == end-j {
			m.pairRun(first, last, j, end)
		} else {
			m.pairEnds(first, last, j, end)
		}
		j = end
	}
}

// pairRun pairs elements first to last of a with elements from to end of b, in order.
func (m *matcher) pairRun(first, last, from, end int) {
	all := last-first == end-from
	for j := from; j < end; j++ {
		for i := first; i < last; i++ {
			if all || similar(m.plan, m.a.Index(i), m.b.Index(j)) {
				m.pair(i, j)
				first = i + 1
				break
			}
		}
	}
}

// pairEnds pairs elements of these runs that are similar and have kept their distance to either end.
func (m *matcher) pairEnds(first, last, from, end int) {
	for ; first < last && from < end && similar(m.plan, m.a.Index(first), m.b.Index(from)); first, from = first+1, from+1 {
		m.pair(first, from)
	}
	for ; first < last && from < end && similar(m.plan, m.a.Index(last-1), m.b.Index(end-1)); last, end = last-1, end-1 {
		m.pair(last-1, end-1)
	}
}

// similar reports whether b can be a changed a: for structs, when at least half of the members that a has are the same.
func similar(p *plan, a, b reflect.Value) bool {
	switch p.shape {
	case shapePointer:
		return !a.IsNil() && !b.IsNil() && similar(p.elem, a.Elem(), b.Elem())
	case shapeAny:
		return similarAny(a.Interface(), b.Interface())
	case shapeStruct:
		has, same := 0, 0
		for i := range p.fields {
			f := &p.fields[i]
			if va := f.of(a); va.IsValid() && !va.IsZero() {
				has++
				if equalMember(f, va, f.of(b)) {
					same++
				}
			}
		}
		return has > 0 && 2*same >= has
	}
	return true
}

// similarAny does the same for decoded JSON.
func similarAny(a, b any) bool {
	ma, ok := a.(map[string]any)
	if !ok {
		return true
	}
	mb, ok := b.(map[string]any)
	if !ok {
		return false
	}
	same := 0
	for k, va := range ma {
		if vb, ok := mb[k]; ok && reflect.DeepEqual(va, vb) {
			same++
		}
	}
	return 2*same >= len(ma)
}
