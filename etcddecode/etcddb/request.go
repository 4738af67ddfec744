package etcddb

import "github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"

// opKind is what an operation of an entry of the log does.
type opKind uint8

const (
	opNone opKind = iota // nothing that is kept in a database
	opUnknown
	opRange
	opPut
	opDelete
	opTxn
	opCompaction
	opLeaseGrant
	opLeaseRevoke
	opLeaseCheckpoint
	opAlarm
	opAuth
	opCluster
	opV2
)

// op is an operation. Byte slices alias the entry.
type op struct {
	kind                     opKind
	key, end, value          []byte
	lease, ttl               int64 // of a put or of lease operations
	ignoreValue, ignoreLease bool
	revision                 int64 // of a compaction
	txn                      *txn
	leases                   []Lease // of a checkpoint
	alarm                    alarm
}

// txn is an etcdserverpb.TxnRequest.
type txn struct {
	compares         []compare
	success, failure []op
}

type compare struct {
	result, target uint64
	key, end       []byte
	number         int64
	value          []byte
}

type alarm struct{ action, member, kind uint64 }

// maxTxnDepth bounds how deep transactions nest.
const maxTxnDepth = 64

// parseRequest reads an etcdserverpb.InternalRaftRequest. The first request in it counts; etcd never writes two.
func parseRequest(b []byte) (o op, ok bool) {
	for f, ok := range wire.Fields(b) {
		switch {
		case !ok:
			return op{}, false
		case f.Num == 1 || f.Num == 100: // ID, header
		case f.Num == 2 && o.kind == opNone:
			// A request to the v2 store, in a field of its own or, as 3.4 writes them, instead of all this: an
			// etcdserverpb.Request, whose field 2 is the method.
			return op{kind: opV2}, true
		case f.Type != wire.Bytes:
			return op{}, false
		case o.kind == opNone:
			if o, ok = parseOp(f.Num, f.Bytes); !ok {
				return op{}, false
			}
		}
	}
	return o, true
}

func parseOp(number uint64, b []byte) (op, bool) {
	switch {
	case number == 3:
		return parseKeys(op{kind: opRange}, b)
	case number == 4:
		return parsePut(b)
	case number == 5:
		return parseKeys(op{kind: opDelete}, b)
	case number == 6:
		t, ok := parseTxn(b, 0)
		return op{kind: opTxn, txn: t}, ok
	case number >= 7 && number <= 11:
		return parseControl(number, b)
	case number >= 1000 && number < 1300:
		return op{kind: opAuth}, true
	case number >= 1300 && number < 1400, number == 9900:
		return op{kind: opCluster}, true
	}
	return op{kind: opUnknown}, true
}

// parseKeys reads key and range_end, which range and delete requests have in the same place.
func parseKeys(o op, b []byte) (op, bool) {
	for f, ok := range wire.Fields(b) {
		switch {
		case !ok:
			return op{}, false
		case f.Num == 1:
			o.key = f.Bytes
		case f.Num == 2:
			o.end = f.Bytes
		}
	}
	return o, true
}

func parsePut(b []byte) (op, bool) {
	o := op{kind: opPut}
	for f, ok := range wire.Fields(b) {
		if !ok {
			return op{}, false
		}
		switch f.Num {
		case 1:
			o.key = f.Bytes
		case 2:
			o.value = f.Bytes
		case 3:
			o.lease = int64(f.Number)
		case 5:
			o.ignoreValue = f.Number != 0
		case 6:
			o.ignoreLease = f.Number != 0
		}
	}
	return o, true
}

// parseControl reads compactions, lease requests and alarms, whose fields are numbers.
func parseControl(number uint64, b []byte) (op, bool) {
	var n [4]int64
	var leases []Lease
	for f, ok := range wire.Fields(b) {
		if !ok {
			return op{}, false
		}
		if f.Num < 4 {
			n[f.Num] = int64(f.Number)
		}
		if number == 11 && f.Num == 1 {
			l, ok := parseLease(f.Bytes)
			if !ok {
				return op{}, false
			}
			leases = append(leases, Lease{ID: l.ID, RemainingTTL: l.TTL}) // the fields of a checkpoint: ID, remaining TTL
		}
	}
	switch number {
	case 7:
		return op{kind: opCompaction, revision: n[1]}, true
	case 8:
		return op{kind: opLeaseGrant, ttl: n[1], lease: n[2]}, true
	case 9:
		return op{kind: opLeaseRevoke, lease: n[1]}, true
	case 10:
		return op{kind: opAlarm, alarm: alarm{uint64(n[1]), uint64(n[2]), uint64(n[3])}}, true
	}
	return op{kind: opLeaseCheckpoint, leases: leases}, true
}

func parseTxn(b []byte, depth int) (*txn, bool) {
	if depth > maxTxnDepth {
		return nil, false
	}
	t := &txn{}
	for f, ok := range wire.Fields(b) {
		if !ok {
			return nil, false
		}
		switch f.Num {
		case 1:
			c, ok := parseCompare(f.Bytes)
			if !ok {
				return nil, false
			}
			t.compares = append(t.compares, c)
		case 2, 3:
			o, ok := parseRequestOp(f.Bytes, depth)
			if !ok {
				return nil, false
			}
			if f.Num == 2 {
				t.success = append(t.success, o)
			} else {
				t.failure = append(t.failure, o)
			}
		}
	}
	return t, true
}

func parseRequestOp(b []byte, depth int) (o op, ok bool) {
	for f, ok := range wire.Fields(b) {
		if !ok {
			return op{}, false
		}
		switch f.Num {
		case 1:
			o, ok = parseKeys(op{kind: opRange}, f.Bytes)
		case 2:
			o, ok = parsePut(f.Bytes)
		case 3:
			o, ok = parseKeys(op{kind: opDelete}, f.Bytes)
		case 4:
			o = op{kind: opTxn}
			o.txn, ok = parseTxn(f.Bytes, depth+1)
		}
		if !ok {
			return op{}, false
		}
	}
	return o, true
}

func parseCompare(b []byte) (c compare, ok bool) {
	for f, ok := range wire.Fields(b) {
		if !ok {
			return compare{}, false
		}
		switch f.Num {
		case 1:
			c.result = f.Number
		case 2:
			c.target = f.Number
		case 3:
			c.key = f.Bytes
		case 4, 5, 6, 8:
			c.number = int64(f.Number)
		case 7:
			c.value = f.Bytes
		case 64:
			c.end = f.Bytes
		}
	}
	return c, true
}

// parseLease reads a leasepb.Lease.
func parseLease(b []byte) (l Lease, ok bool) {
	for f, ok := range wire.Fields(b) {
		if !ok {
			return Lease{}, false
		}
		switch f.Num {
		case 1:
			l.ID = int64(f.Number)
		case 2:
			l.TTL = int64(f.Number)
		case 3:
			l.RemainingTTL = int64(f.Number)
		}
	}
	return l, true
}
