// Package wire reads the protobuf wire format, without allocating and without trust.
package wire

import (
	"encoding/binary"
	"iter"
)

// The wire types.
const (
	Varint  = 0
	Fixed64 = 1
	Bytes   = 2
	Fixed32 = 5
)

// Field is one field of a message: Bytes of a length-delimited one, which alias the message, Number of any other.
type Field struct {
	Num    uint64
	Type   uint8
	Number uint64
	Bytes  []byte
}

// Next reads the first field of a message into f and says how long it is in bytes. Its length is 0 if it is no field, as
// groups are none.
func Next(b []byte, f *Field) (length int) {
	tag, n := uvarint(b)
	if n <= 0 || tag>>3 == 0 {
		return 0
	}
	*f = Field{Num: tag >> 3, Type: uint8(tag & 7)}
	switch rest := b[n:]; f.Type {
	case Varint:
		var size int
		if f.Number, size = uvarint(rest); size > 0 {
			return n + size
		}
	case Bytes:
		size, header := uvarint(rest)
		if header > 0 && size <= uint64(len(rest)-header) {
			end := header + int(size)
			f.Bytes = rest[header:end:end]
			return n + end
		}
	case Fixed64:
		if len(rest) >= 8 {
			f.Number = binary.LittleEndian.Uint64(rest)
			return n + 8
		}
	case Fixed32:
		if len(rest) >= 4 {
			f.Number = uint64(binary.LittleEndian.Uint32(rest))
			return n + 4
		}
	}
	return 0
}

// uvarint is binary.Uvarint with the short cases first.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	if len(b) > 1 && b[1] < 0x80 {
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, 2
	}
	return binary.Uvarint(b)
}

// Fields yields the fields of a message, and false at the first thing that is none.
func Fields(b []byte) iter.Seq2[Field, bool] {
	return func(yield func(Field, bool) bool) {
		for len(b) > 0 {
			var f Field
			n := Next(b, &f)
			if !yield(f, n > 0) || n == 0 {
				return
			}
			b = b[n:]
		}
	}
}

// AppendVarint appends a varint field, unless it is zero, as proto3 does.
func AppendVarint(b []byte, num int, v uint64) []byte {
	if v == 0 {
		return b
	}
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(num)<<3|Varint), v)
}

// AppendBytes appends a length-delimited field, unless it is empty, as proto3 does.
func AppendBytes(b []byte, num int, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(num)<<3|Bytes), uint64(len(v)))
	return append(b, v...)
}
