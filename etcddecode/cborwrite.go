package etcddecode

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// appendCBOR writes a value as Kubernetes stores a custom resource with CBORServingAndStorage (KEP-4222): the tag that
// says it is CBOR, and then the deterministic encoding of RFC 8949 §4.2.1 with byte strings for text.
func (t *tree) appendCBOR(dst []byte, root int32) []byte {
	w := cborWriter{tree: t, out: append(dst, magicCBOR...)}
	w.value(root)
	return w.out
}

type cborWriter struct {
	*tree
	out   []byte
	stack []int32 // the sorted children of the maps around
}

func (w *cborWriter) value(i int32) {
	n := &w.nodes[i]
	switch n.kind {
	case kindNull:
		w.out = append(w.out, cborSimple<<5|22)
	case kindBool:
		w.out = append(w.out, cborSimple<<5|20+byte(n.num))
	case kindInt:
		if n.num < 0 {
			w.head(cborNegative, uint64(^n.num))
		} else {
			w.head(cborUnsigned, uint64(n.num))
		}
	case kindFloat:
		w.out = appendCBORFloat(w.out, n.float())
	case kindString:
		w.str(n.text)
	case kindList:
		w.head(cborArray, uint64(n.count))
		for c := n.first; c != 0; c = w.nodes[c].next {
			w.value(c)
		}
	case kindMap:
		w.object(i)
	}
}

// object writes the entries in the order of their encoded keys, which is that of lengths first.
func (w *cborWriter) object(i int32) {
	from := len(w.stack)
	w.stack = w.children(w.stack, i)
	slices.SortFunc(w.stack[from:], func(a, b int32) int {
		x, y := w.nodes[a].key, w.nodes[b].key
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		return strings.Compare(x, y)
	})
	to := len(w.stack)
	w.head(cborMap, uint64(to-from))
	for at := from; at < to; at++ {
		c := w.stack[at]
		w.str(w.nodes[c].key)
		w.value(c)
	}
	w.stack = w.stack[:from]
}

func (w *cborWriter) str(s string) {
	w.head(cborBytes, uint64(len(s)))
	w.out = append(w.out, s...)
}

// head writes a major type and its argument in as few bytes as there can be.
func (w *cborWriter) head(major byte, arg uint64) {
	major <<= 5
	switch {
	case arg < 24:
		w.out = append(w.out, major|byte(arg))
	case arg <= math.MaxUint8:
		w.out = append(w.out, major|24, byte(arg))
	case arg <= math.MaxUint16:
		w.out = binary.BigEndian.AppendUint16(append(w.out, major|25), uint16(arg))
	case arg <= math.MaxUint32:
		w.out = binary.BigEndian.AppendUint32(append(w.out, major|26), uint32(arg))
	default:
		w.out = binary.BigEndian.AppendUint64(append(w.out, major|27), arg)
	}
}

// appendCBORFloat writes the shortest float that has the same value.
func appendCBORFloat(dst []byte, f float64) []byte {
	if float64(float32(f)) != f {
		return binary.BigEndian.AppendUint64(append(dst, cborSimple<<5|27), math.Float64bits(f))
	}
	if h, ok := half(float32(f)); ok {
		return binary.BigEndian.AppendUint16(append(dst, cborSimple<<5|25), h)
	}
	return binary.BigEndian.AppendUint32(append(dst, cborSimple<<5|26), math.Float32bits(float32(f)))
}

// half is f in IEEE 754 half precision, and false if that has no such number.
func half(f float32) (h uint16, ok bool) {
	bits := math.Float32bits(f)
	sign, exp, frac := uint16(bits>>16&0x8000), int(bits>>23&0xff)-127, bits&0x7fffff
	switch {
	case f == 0:
		return sign, true
	case exp >= -14 && exp <= 15 && frac&0x1fff == 0:
		return sign | uint16(exp+15)<<10 | uint16(frac>>13), true
	case exp >= -24 && exp < -14: // a subnormal number: units of 2^-24
		shift := -1 - exp // of a significand of 24 bits
		significand := frac | 0x800000
		if significand&(1<<shift-1) == 0 {
			return sign | uint16(significand>>shift), true
		}
	}
	return 0, false
}
