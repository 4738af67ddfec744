package etcddb

import (
	"bytes"
	"cmp"
	"slices"
)

// replay applies entries of the log as etcd does (server/etcdserver/apply, txn). It knows the newest change of each key.
type replay struct {
	ix     *index
	fetch  *fetcher
	sorted []string // the keys that the index had first, for ranges
	recent []string // those that came since
	leases map[int64]*Lease
	// attached are the keys that a lease was ever given to, from the first time that one is revoked.
	attached map[int64][]string
	alarms   map[alarm]bool // with action 0
	overlay  *overlay
	origin   Origin
	entry    uint64 // the index of the raft entry
	sub      int64  // how many changes the transaction has made
}

// apply applies one request. What etcd would refuse changes nothing.
func (p *replay) apply(o *op) {
	p.sub = 0
	switch o.kind {
	case opPut, opDelete, opTxn:
		p.write(o)
	case opCompaction:
		if o.revision > p.overlay.compacted && o.revision <= p.overlay.revision && !p.alarmed(alarmCorrupt) {
			p.overlay.compacted = o.revision
		}
	case opLeaseGrant:
		if p.leases[o.lease] == nil && !p.alarmed(alarmNoSpace) && !p.alarmed(alarmCorrupt) {
			p.leases[o.lease] = &Lease{ID: o.lease, TTL: o.ttl}
		}
	case opLeaseRevoke:
		p.revoke(o.lease)
	case opLeaseCheckpoint:
		for _, l := range o.leases {
			if have := p.leases[l.ID]; have != nil {
				have.RemainingTTL = l.RemainingTTL
			}
		}
	case opAlarm:
		p.setAlarm(o.alarm)
	}
	if p.sub > 0 {
		p.overlay.revision++
	}
}

// The alarms that make etcd refuse requests.
const (
	alarmNoSpace = 1
	alarmCorrupt = 2
)

func (p *replay) alarmed(kind uint64) bool {
	for a := range p.alarms {
		if a.kind == kind {
			return true
		}
	}
	return false
}

func (p *replay) setAlarm(a alarm) {
	action := a.action
	a.action = 0
	switch action {
	case 1:
		p.alarms[a] = true
	case 2:
		delete(p.alarms, a)
	}
}

// write applies a request that may change keys: all of it, or nothing.
func (p *replay) write(o *op) {
	if p.alarmed(alarmCorrupt) || p.alarmed(alarmNoSpace) && puts(o) {
		return
	}
	var steps []*op
	if !p.plan(o, &steps) {
		return
	}
	for _, step := range steps {
		if step.kind == opPut {
			p.put(step)
		} else {
			for _, key := range p.keys(step.key, step.end) {
				p.remove(key)
			}
		}
	}
}

// puts reports whether a request costs space: etcd counts both branches of a transaction.
func puts(o *op) bool {
	if o.kind == opPut {
		return true
	}
	return o.kind == opTxn && (slices.ContainsFunc(o.txn.success, func(o op) bool { return puts(&o) }) ||
		slices.ContainsFunc(o.txn.failure, func(o op) bool { return puts(&o) }))
}

// plan lists the puts and deletes of the branches that are taken, all of which etcd decides before it writes, and reports
// whether each of them is possible.
func (p *replay) plan(o *op, steps *[]*op) bool {
	switch o.kind {
	case opPut:
		if len(o.key) == 0 || (o.ignoreValue || o.ignoreLease) && p.get(string(o.key)) == nil {
			return false
		}
		*steps = append(*steps, o)
		return o.lease == 0 || p.leases[o.lease] != nil
	case opDelete:
		*steps = append(*steps, o)
	case opTxn:
		branch := o.txn.success
		if slices.ContainsFunc(o.txn.compares, func(c compare) bool { return !p.holds(c) }) {
			branch = o.txn.failure
		}
		for i := range branch {
			if !p.plan(&branch[i], steps) {
				return false
			}
		}
	}
	return true
}

// get returns the newest change of a key that exists.
func (p *replay) get(key string) *entry {
	if e := p.ix.get([]byte(key)); e != nil && !e.tombstone {
		return e
	}
	return nil
}

// keys lists the keys of a range that exist, in order. No end is the one key, an end of "\x00" is no end.
func (p *replay) keys(key, end []byte) (found []string) {
	if len(end) == 0 {
		if p.get(string(key)) != nil {
			found = append(found, string(key))
		}
		return found
	}
	if p.sorted == nil {
		for _, e := range p.ix.sorted() {
			p.sorted = append(p.sorted, e.key)
		}
		p.recent = nil
	}
	all := len(end) == 1 && end[0] == 0
	take := func(k string) {
		if k >= string(key) && (all || k < string(end)) && p.get(k) != nil {
			found = append(found, k)
		}
	}
	first, _ := slices.BinarySearch(p.sorted, string(key))
	for _, k := range p.sorted[first:] {
		if !all && k >= string(end) {
			break
		}
		take(k)
	}
	for _, k := range p.recent {
		take(k)
	}
	slices.Sort(found)
	return found
}

// holds evaluates a comparison. Keys that do not exist have zeros, and no value at all.
func (p *replay) holds(c compare) bool {
	found := p.keys(c.key, c.end)
	if len(found) == 0 {
		return c.target != targetValue && result(c.result, cmp.Compare(0, c.number))
	}
	for _, key := range found {
		e := p.get(key)
		order := 0
		switch c.target {
		case targetVersion:
			order = cmp.Compare(e.version, c.number)
		case targetCreate:
			order = cmp.Compare(e.create, c.number)
		case targetMod:
			order = cmp.Compare(e.rev.Main, c.number)
		case targetValue:
			r, err := p.fetch.record(e)
			if err != nil {
				p.overlay.note(err)
				return false
			}
			order = bytes.Compare(r.Value, c.value)
		case targetLease:
			order = cmp.Compare(e.lease, c.number)
		}
		if !result(c.result, order) {
			return false
		}
	}
	return true
}

// The numbers of etcdserverpb.Compare.
const (
	targetVersion = iota
	targetCreate
	targetMod
	targetValue
	targetLease
)

func result(want uint64, order int) bool {
	switch want {
	case 0:
		return order == 0
	case 1:
		return order > 0
	case 2:
		return order < 0
	case 3:
		return order != 0
	}
	return true
}

// put writes a key. All was checked.
func (p *replay) put(o *op) {
	r := &Record{Key: o.key, Value: o.value, Version: 1, Create: p.overlay.revision + 1, Lease: o.lease}
	if old := p.get(string(o.key)); old != nil {
		r.Create, r.Version = old.create, old.version+1
		if o.ignoreLease {
			r.Lease = old.lease
		}
		if o.ignoreValue {
			r.Value = p.value(old)
		}
	}
	r.Size = len(r.Value)
	p.record(r)
}

// value is the value of an entry, to keep.
func (p *replay) value(e *entry) []byte {
	if e.wal != nil {
		return e.wal.Value
	}
	r, err := p.fetch.record(e)
	p.overlay.note(err)
	return bytes.Clone(r.Value)
}

func (p *replay) remove(key string) { p.record(&Record{Key: []byte(key), Tombstone: true}) }

// record notes a change as the next of the transaction.
func (p *replay) record(r *Record) {
	r.Rev = Revision{p.overlay.revision + 1, p.sub}
	r.Mod, r.Origin, r.Page = r.Rev.Main, p.origin, p.entry
	p.sub++
	p.overlay.records = append(p.overlay.records, r)
	if p.sorted != nil && p.ix.get(r.Key) == nil {
		p.recent = append(p.recent, string(r.Key))
	}
	p.ix.add(&Query{}, &change{Record: *r, wal: r})
	if p.attached != nil {
		p.attach(p.ix.get(r.Key))
	}
}

func (p *replay) attach(e *entry) {
	if e.lease != 0 && !e.tombstone {
		p.attached[e.lease] = append(p.attached[e.lease], e.key)
	}
}

// revoke ends a lease and deletes its keys, in their order, as one transaction.
func (p *replay) revoke(id int64) {
	if p.leases[id] == nil || p.alarmed(alarmCorrupt) {
		return
	}
	if p.attached == nil {
		p.attached = map[int64][]string{}
		for e := range p.ix.all() {
			p.attach(e)
		}
	}
	keys := p.attached[id]
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if e := p.get(key); e != nil && e.lease == id {
			p.remove(key)
		}
	}
	delete(p.attached, id)
	delete(p.leases, id)
}
