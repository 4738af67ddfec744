package watchcodec

import (
	"errors"
	"fmt"
	"time"
)

// The wire types of protobuf.
const (
	varint     = 0
	fixed64    = 1
	delimited  = 2
	startGroup = 3
	endGroup   = 4
	fixed32    = 5
)

var (
	errTruncated = errors.New("the message ends within it")
	errTag       = errors.New("no field begins like this")
	errWireType  = errors.New("its wire type is that of another field")
)

// message goes through the fields of a protobuf message. Its judgement is that of the code which is generated for
// k8s.io/api, byte for byte, and not that of the protobuf specification: a field that has come before is overwritten, a
// number of more than 64 bits loses the rest, a group is passed over.
type message struct {
	data  []byte
	start int // of the field
	at    int // behind the field

	field  int32
	wire   uint8
	number uint64 // of a varint
	bytes  []byte // of a length-delimited field; they alias data
	err    error
}

// next finds the next field. It returns false at the end, and at a fault, which is then in err.
func (m *message) next() bool {
	if m.at >= len(m.data) || m.err != nil {
		return false
	}
	m.start = m.at
	tag := uint64(m.data[m.at])
	if tag < 0x80 { // as of all fields up to 15
		m.at++
	} else {
		m.field = 0
		tag = m.varint()
	}
	m.field, m.wire = int32(tag>>3), uint8(tag&7)
	if m.field <= 0 || m.wire == endGroup {
		return m.fail(errTag)
	}
	if m.wire == delimited {
		m.delimited()
	} else {
		m.value(m.wire)
	}
	return m.err == nil
}

// value reads a value of any wire type, a group with all that is in it.
func (m *message) value(wire uint8) {
	for depth := 0; ; wire = uint8(m.varint() & 7) {
		switch wire {
		case varint:
			m.number = m.varint()
		case delimited:
			m.delimited()
		case fixed64:
			m.at += 8
		case fixed32:
			m.at += 4
		case startGroup:
			depth++
		case endGroup:
			depth--
		default:
			m.fail(errTag)
		}
		if m.at > len(m.data) {
			m.fail(errTruncated)
		}
		if depth < 0 {
			m.fail(errTag)
		}
		if depth <= 0 || m.err != nil {
			return
		}
	}
}

func (m *message) delimited() {
	size := m.varint()
	if size > uint64(len(m.data)-m.at) {
		m.fail(errTruncated)
		return
	}
	end := m.at + int(size)
	m.bytes = m.data[m.at:end]
	m.at = end
}

// varint is 0 where there is none, which is then in err.
func (m *message) varint() uint64 {
	if at := m.at; at < len(m.data) && m.data[at] < 0x80 {
		m.at = at + 1
		return uint64(m.data[at])
	}
	return m.longVarint()
}

func (m *message) longVarint() (v uint64) {
	for shift := 0; shift < 64 && m.at < len(m.data); shift += 7 {
		b := m.data[m.at]
		m.at++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	m.fail(errTruncated)
	return 0
}

// entry reads the field as an entry of a map. A key or a value may reach beyond the entry here, as it may in the
// generated code, and has no wire type.
func (m *message) entry() (key, value []byte) {
	if !m.is(delimited) {
		return nil, nil
	}
	e := message{data: m.data, at: m.at - len(m.bytes)}
	for e.at < m.at && e.err == nil {
		e.start = e.at
		tag := e.varint()
		switch e.field = int32(tag >> 3); e.field {
		case 1:
			e.delimited()
			key = e.bytes
		case 2:
			e.delimited()
			value = e.bytes
		default:
			if e.value(uint8(tag & 7)); e.at > m.at {
				e.fail(errTruncated)
			}
		}
	}
	m.nested("an entry of a map", e.err)
	return key, value
}

// text reads the field as a string.
func (m *message) text(dst *[]byte) {
	if m.is(delimited) {
		*dst = m.bytes
	}
}

func (m *message) int32(dst *int32) {
	if m.is(varint) {
		*dst = int32(m.number)
	}
}

// time reads the field as a metav1.Time, whose nanoseconds count for nothing.
func (m *message) time(dst *time.Time) {
	if seconds, _, ok := m.timestamp(); ok {
		*dst = time.Unix(seconds, 0)
	} else {
		*dst = time.Time{}
	}
}

// microTime reads the field as a metav1.MicroTime.
func (m *message) microTime(dst *time.Time) {
	if seconds, nanos, ok := m.timestamp(); ok {
		*dst = time.Unix(seconds, int64(nanos.Truncate(time.Microsecond)))
	} else {
		*dst = time.Time{}
	}
}

// timestamp is the two numbers of a time. ok is false for an empty one, which is the zero Time.
func (m *message) timestamp() (seconds int64, nanos time.Duration, ok bool) {
	if !m.is(delimited) || len(m.bytes) == 0 {
		return 0, 0, false
	}
	t := message{data: m.bytes}
	for t.next() {
		switch t.field {
		case 1:
			if t.is(varint) {
				seconds = int64(t.number)
			}
		case 2:
			if t.is(varint) {
				nanos = time.Duration(int32(t.number))
			}
		}
	}
	m.nested("a time", t.err)
	return seconds, nanos, true
}

func (m *message) is(wire uint8) bool { return m.wire == wire || m.fail(errWireType) }

// inner is the message that the field is, without any field if it is none.
func (m *message) inner() message {
	if !m.is(delimited) {
		return message{}
	}
	return message{data: m.bytes}
}

// nested notes the fault of a message within this one.
func (m *message) nested(name string, err error) {
	if err != nil {
		m.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (m *message) fail(why error) bool {
	if m.err == nil {
		m.err = fmt.Errorf("field %d at byte %d: %w", m.field, m.start, why)
	}
	return false
}
