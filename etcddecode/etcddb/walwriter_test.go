package etcddb

import (
	"encoding/binary"
	"hash/crc32"
	"iter"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"
)

// walWriter writes a log as etcd does.
type walWriter struct {
	b   []byte
	crc uint32
}

func (w *walWriter) record(kind uint64, data []byte) {
	w.crc = crc32.Update(w.crc, crc32.MakeTable(crc32.Castagnoli), data)
	r := wire.AppendVarint(nil, 1, kind)
	r = wire.AppendVarint(r, 2, uint64(w.crc))
	r = wire.AppendBytes(r, 3, data)
	padding := (8 - len(r)%8) % 8
	length := uint64(len(r))
	if padding > 0 {
		length |= uint64(0x80|padding) << 56
	}
	w.b = binary.LittleEndian.AppendUint64(w.b, length)
	w.b = append(append(w.b, r...), make([]byte, padding)...)
}

func (w *walWriter) entry(index, term uint64, data []byte) {
	e := wire.AppendVarint(nil, 2, term)
	e = wire.AppendVarint(e, 3, index)
	w.record(2, wire.AppendBytes(e, 4, data))
}

func (w *walWriter) commit(index uint64) { w.record(3, wire.AppendVarint(nil, 3, index)) }

// put is the request of a put.
func put(key, value string) []byte {
	return wire.AppendBytes(nil, 4, wire.AppendBytes(wire.AppendBytes(nil, 1, []byte(key)), 2, []byte(value)))
}

// frames yields the records of a log.
func frames(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(b) >= 8 {
			n := binary.LittleEndian.Uint64(b)
			size := n & (1<<56 - 1)
			if n>>63 != 0 {
				size += n >> 56 & 7
			}
			if size == 0 || size > uint64(len(b)-8) || !yield(b[8:8+size]) {
				return
			}
			b = b[8+size:]
		}
	}
}
