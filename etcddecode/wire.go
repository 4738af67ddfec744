package etcddecode

import (
	"encoding/binary"
	"errors"
	"math"
)

// Protobuf wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireGroup   = 3
	wireFixed32 = 5
)

var errWire = errors.New("no valid protobuf")

// wireField is one field of a message: its payload, or for numbers the value.
type wireField struct {
	number int
	typ    int
	num    uint64
	bytes  string
	raw    string // tag and payload
}

// nextField takes the first field off a message. Groups, which Kubernetes never writes, are errors.
func nextField(msg string) (f wireField, rest string, err error) {
	tag, n := uvarint(msg)
	if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return f, "", errWire
	}
	f.number, f.typ = int(tag>>3), int(tag&7)
	body := msg[n:]
	size := 0
	switch f.typ {
	case wireVarint:
		if f.num, size = uvarint(body); size <= 0 {
			return f, "", errWire
		}
	case wireFixed64:
		if size = 8; len(body) >= 8 {
			f.num = binary.LittleEndian.Uint64([]byte(body[:8]))
		}
	case wireFixed32:
		if size = 4; len(body) >= 4 {
			f.num = uint64(binary.LittleEndian.Uint32([]byte(body[:4])))
		}
	case wireBytes:
		length, n := uvarint(body)
		if n <= 0 || length > math.MaxInt32 {
			return f, "", errWire
		}
		if size = n + int(length); size <= len(body) {
			f.bytes = body[n:size]
		}
	default:
		return f, "", errWire
	}
	if size > len(body) {
		return f, "", errWire
	}
	end := len(msg) - len(body) + size
	f.raw = msg[:end]
	return f, msg[end:], nil
}

// uvarint is binary.Uvarint for strings.
func uvarint(s string) (v uint64, n int) {
	if len(s) > 0 && s[0] < 0x80 {
		return uint64(s[0]), 1
	}
	for shift := 0; n < len(s) && n < binary.MaxVarintLen64; shift += 7 {
		b := s[n]
		n++
		if b < 0x80 {
			if n == binary.MaxVarintLen64 && b > 1 {
				return 0, -1
			}
			return v | uint64(b)<<shift, n
		}
		v |= uint64(b&0x7f) << shift
	}
	return 0, -1
}

// wireString returns the bytes field with a number in a message of few fields, "" if it is absent.
func wireString(msg string, number int) (string, error) {
	out := ""
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return "", err
		}
		if f.number == number && f.typ == wireBytes {
			out = f.bytes
		}
		msg = rest
	}
	return out, nil
}

func appendBytes(dst []byte, number int, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(number)<<3|wireBytes)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
