package etcddecode

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// cborReader reads CBOR (RFC 8949) with the choices of the Kubernetes serializer (KEP-4222): byte strings are text
// unless tag 22 says that they become base64, maps have string keys that differ, integers fit into 64 bits with sign,
// floats are finite, of the simple values there are only true, false and null.
type cborReader struct {
	text string
	at   int
	tree *tree
	// changed is told of text that is not UTF-8.
	changed func(offset int, reason Reason)
}

// CBOR major types.
const (
	cborUnsigned = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborSimple
)

// indefinite is the argument of an item whose length is not stored.
const indefinite = 31

// Tags with a meaning for Kubernetes.
const (
	tagTimeText   = 0
	tagTimeEpoch  = 1
	tagBignum     = 2
	tagNegBignum  = 3
	tagBase64URL  = 21
	tagBase64     = 22
	tagBase16     = 23
	tagSelfDesc   = 55799
	tagNothing    = math.MaxUint64
	cborBreakByte = 0xff
)

func readCBOR(t *tree, text string, changed func(offset int, reason Reason)) error {
	r := cborReader{text: text, tree: t, changed: changed}
	if err := r.value(-1, "", tagNothing, 0); err != nil {
		return err
	}
	if r.at < len(text) {
		return r.errorf("something follows the CBOR value")
	}
	return nil
}

func (r *cborReader) errorf(what string) error { return r.fail(errors.New(what)) }

func (r *cborReader) fail(err error) error {
	return fmt.Errorf("%w at byte %d of %d of the CBOR", err, r.at, len(r.text))
}

// head reads the start of an item.
func (r *cborReader) head() (major int, low byte, arg uint64, err error) {
	if r.at >= len(r.text) {
		return 0, 0, 0, r.errorf("the value ends too early")
	}
	b := r.text[r.at]
	r.at++
	major, low = int(b>>5), b&31
	switch {
	case low < 24:
		return major, low, uint64(low), nil
	case low == indefinite && major >= cborBytes && major != cborTag:
		return major, low, 0, nil
	case low > 27:
		return 0, 0, 0, r.errorf("no such item")
	}
	size := 1 << (low - 24)
	if len(r.text)-r.at < size {
		return 0, 0, 0, r.errorf("the value ends too early")
	}
	for range size {
		arg = arg<<8 | uint64(r.text[r.at])
		r.at++
	}
	return major, low, arg, nil
}

func (r *cborReader) add(parent int32, n node) (int32, error) {
	i := r.tree.add(parent, n)
	if i < 0 {
		return 0, r.fail(errTooLarge)
	}
	return i, nil
}

func (r *cborReader) value(parent int32, key string, tag uint64, depth int) error {
	if depth > maxDepth {
		return r.fail(errTooDeep)
	}
	start := r.at
	major, low, arg, err := r.head()
	if err != nil {
		return err
	}
	if !tagged(tag, major, low) {
		return r.errorf("a tag that may not stand before this item")
	}
	switch major {
	case cborUnsigned, cborNegative:
		return r.integer(parent, key, major, arg, tag)
	case cborBytes, cborText:
		r.at = start
		return r.str(parent, key, tag)
	case cborArray:
		return r.array(parent, key, low, arg, depth)
	case cborMap:
		return r.object(parent, key, low, arg, depth)
	case cborTag:
		if arg == tagBignum || arg == tagNegBignum {
			return r.errorf("a number of more than 64 bits")
		}
		return r.value(parent, key, arg, depth+1)
	}
	return r.simple(parent, key, low, arg, tag)
}

// tagged says whether a tag may stand before an item (RFC 8949 §3.4). Those of base64 and its like may stand before any and
// are then for all byte strings in it; Kubernetes writes them before strings alone.
func tagged(tag uint64, major int, low byte) bool {
	switch tag {
	case tagTimeText:
		return major == cborText
	case tagTimeEpoch:
		return major == cborUnsigned || major == cborNegative || major == cborSimple && low >= 25
	case tagBase64, tagBase64URL, tagBase16:
		return major == cborBytes || major == cborText
	}
	return true
}

func (r *cborReader) integer(parent int32, key string, major int, arg, tag uint64) error {
	if arg > math.MaxInt64 {
		return r.errorf("an integer of more than 64 bits")
	}
	i := int64(arg)
	if major == cborNegative {
		i = -1 - i
	}
	if tag == tagTimeEpoch {
		return r.time(parent, key, time.Unix(i, 0).UTC())
	}
	_, err := r.add(parent, node{key: key, kind: kindInt, num: i})
	return err
}

// time adds what Kubernetes makes of a time: a text of RFC 3339, which has years of four digits.
func (r *cborReader) time(parent int32, key string, t time.Time) error {
	if t.Year() < 0 || t.Year() > 9999 {
		return r.errorf("a time out of range")
	}
	_, err := r.add(parent, node{key: key, kind: kindString, text: t.Format(time.RFC3339Nano)})
	return err
}

func (r *cborReader) str(parent int32, key string, tag uint64) error {
	start := r.at
	s, isText, err := r.chunks()
	if err != nil {
		return err
	}
	if !isText {
		switch tag {
		case tagBase64:
			s = base64Text([]byte(s))
		case tagBase64URL:
			s = base64URL([]byte(s))
		case tagBase16:
			s = fmt.Sprintf("%x", s)
		}
	}
	if tag == tagTimeText {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return r.errorf("a time that is not one of RFC 3339")
		}
		return r.time(parent, key, t)
	}
	_, err = r.add(parent, node{key: key, kind: kindString, text: r.utf8(s, start)})
	return err
}

func (r *cborReader) utf8(s string, offset int) string {
	if utf8.ValidString(s) {
		return s
	}
	r.changed(offset, InvalidUTF8)
	return string([]rune(s))
}

// chunks reads a byte or text string, in one piece or several.
func (r *cborReader) chunks() (s string, isText bool, err error) {
	major, low, arg, err := r.head()
	if err != nil {
		return "", false, err
	}
	isText = major == cborText
	if major != cborBytes && !isText {
		return "", false, r.errorf("no string")
	}
	if low != indefinite {
		s, err = r.take(arg, isText)
		return s, isText, err
	}
	var b []byte
	for !r.skipBreak() {
		m, l, arg, err := r.head()
		if err != nil {
			return "", false, err
		}
		if m != major || l == indefinite {
			return "", false, r.errorf("a string of unlike pieces")
		}
		piece, err := r.take(arg, isText)
		if err != nil {
			return "", false, err
		}
		b = append(b, piece...)
	}
	return string(b), isText, nil
}

func (r *cborReader) take(n uint64, isText bool) (string, error) {
	if n > uint64(len(r.text)-r.at) {
		return "", r.errorf("the value ends too early")
	}
	s := r.text[r.at : r.at+int(n)]
	if isText && !utf8.ValidString(s) {
		return "", r.errorf("a text string that is not UTF-8")
	}
	r.at += int(n)
	return s, nil
}

func (r *cborReader) skipBreak() bool {
	if r.at < len(r.text) && r.text[r.at] == cborBreakByte {
		r.at++
		return true
	}
	return false
}

// more says whether another element follows the ones before it.
func (r *cborReader) more(low byte, arg uint64, before uint64) bool {
	if low == indefinite {
		return !r.skipBreak()
	}
	return before < arg
}

func (r *cborReader) array(parent int32, key string, low byte, arg uint64, depth int) error {
	me, err := r.add(parent, node{key: key, kind: kindList})
	if err != nil {
		return err
	}
	for n := uint64(0); r.more(low, arg, n); n++ {
		if err := r.value(me, "", tagNothing, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (r *cborReader) object(parent int32, key string, low byte, arg uint64, depth int) error {
	me, err := r.add(parent, node{key: key, kind: kindMap})
	if err != nil {
		return err
	}
	last := ""
	var keys map[string]bool
	for n := uint64(0); r.more(low, arg, n); n++ {
		offset := r.at
		k, _, err := r.chunks()
		if err != nil {
			return err
		}
		k = r.utf8(k, offset)
		// Keys that rise in the order of the encoding need no set.
		if n > 0 && keys == nil && !cborLess(last, k) {
			keys = map[string]bool{}
			for _, c := range r.tree.children(nil, me) {
				keys[r.tree.nodes[c].key] = true
			}
		}
		if keys != nil {
			if keys[k] {
				return r.errorf("a key that stands twice")
			}
			keys[k] = true
		}
		last = k
		if err := r.value(me, k, tagNothing, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// cborLess is the order of keys of the same major type in deterministic encoding: shorter first.
func cborLess(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

func (r *cborReader) simple(parent int32, key string, low byte, arg, tag uint64) error {
	n := node{key: key}
	switch low {
	case 20, 21:
		n.kind, n.num = kindBool, int64(low-20)
	case 22:
		n.kind = kindNull
	case 25, 26, 27:
		f := cborFloat(low, arg)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return r.errorf("a number that JSON does not have")
		}
		if tag == tagTimeEpoch {
			if math.Abs(f) > 1<<53 {
				return r.errorf("a time out of range")
			}
			whole, part := math.Modf(f)
			return r.time(parent, key, time.Unix(int64(whole), int64(part*1e9)).UTC())
		}
		n = floatNode(key, f)
	default:
		return r.errorf("a simple value that JSON does not have")
	}
	_, err := r.add(parent, n)
	return err
}

func cborFloat(low byte, arg uint64) float64 {
	switch low {
	case 25:
		return float16(uint16(arg))
	case 26:
		return float64(math.Float32frombits(uint32(arg)))
	}
	return math.Float64frombits(arg)
}

// float16 decodes IEEE 754 half precision.
func float16(h uint16) float64 {
	sign, exp, frac := 1.0, int(h>>10&31), float64(h&1023)
	if h&0x8000 != 0 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac == 0 {
			return sign * math.Inf(1)
		}
		return math.NaN()
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}
