package cgroupview

import "fmt"

// Heap is how far a runtime lets its heap grow unless it is told otherwise.
type Heap struct {
	Bytes   uint64 // 0 if the runtime has no heap of its own, no bound for it, or if the machine's memory is not known
	Because string // one line; empty if the runtime has no heap of its own
	Wrong   bool   // the kernel kills the process before the heap is full, or a limit goes unseen
	Blind   string // what the runtime does not see or do here; empty if nothing
}

const mib = 1 << 20

// heap is the default of each runtime that has a collector: Go, the JVM, V8 in Node.js and .NET.
func (p Runtime) heap(l *Limits) Heap {
	var rule func(memory uint64) (heap uint64, name string)
	switch p {
	case GoRuntime:
		return heapOfGo(l)
	case JVM, JVMLeaf, JVMShares:
		rule = heapOfJVM
	case Libuv:
		rule = heapOfV8
	case DotNet:
		rule = heapOfDotNet
	default:
		return Heap{}
	}
	seen := p.memorySeen(l)
	if seen.Bytes == 0 {
		return Heap{Because: "nothing is known of the machine's memory"}
	}
	if p == DotNet && seen.State != Limited {
		return Heap{Because: "no limit is seen, and none is set"}
	}
	n, name := rule(seen.Bytes)
	out := Heap{Bytes: n, Because: fmt.Sprintf("%s %s = %d", name, seen.Path, seen.Bytes)}
	switch {
	case l.Memory.State != Limited:
	case seen.Bytes > l.Memory.Bytes:
		out.Blind = fmt.Sprintf("does not see %s = %d", l.Memory.Path, l.Memory.Bytes)
	case n > l.Memory.Bytes:
		out.Blind = fmt.Sprintf("is killed at %s = %d", l.Memory.Path, l.Memory.Bytes)
	}
	if l.High.State == Limited && n > l.High.Bytes && out.Blind == "" {
		out.Blind = fmt.Sprintf("is slowed down from %s = %d", l.High.Path, l.High.Bytes)
	}
	out.Wrong = out.Blind != ""
	return out
}

// heapOfGo: the runtime reads no memory limit, golang/go#75164.
func heapOfGo(l *Limits) Heap {
	out := Heap{Because: "the heap grows by GOGC alone"}
	if soft := l.Soft(); soft.State == Limited {
		out.Wrong, out.Blind = true, fmt.Sprintf("does not see %s = %d: wants GOMEMLIMIT", soft.Path, soft.Bytes)
	}
	return out
}

// memorySeen is the memory that a runtime thinks it has: a limit, or else the machine's. State is Limited for a limit.
//
// JDKs before 24 read their own cgroup alone; without a limit there, of v1 also memory.stat, which knows the ancestors.
// libuv reads its own cgroup alone, and of v2 the lower one of memory.max and memory.high. .NET looks at all levels.
func (p Runtime) memorySeen(l *Limits) Amount {
	seen := l.memoryInside()
	switch p {
	case JVMLeaf, JVMShares:
		own := l.ownMemory(kindMemory)
		if v1 := l.ownMemory(kindHierarchical).State == Limited; !v1 || own.State == Limited {
			seen = own
		}
	case Libuv:
		seen = l.ownMemory(kindMemory)
		if high := l.ownMemory(kindHigh); high.State == Limited && (seen.State != Limited || high.Bytes < seen.Bytes) {
			seen = high
		}
	}
	if seen.State != Limited {
		seen = Amount{Unlimited, l.MemTotal, "/proc/meminfo", 0}
	}
	return seen
}

// memoryInside is the lowest limit that the process itself sees: of v1, memory.stat tells of all.
func (l *Limits) memoryInside() Amount {
	inside := Amount{State: Unlimited}
	for i := range l.Why {
		s := &l.Why[i]
		if s.kind == kindHierarchical && !s.Outside {
			return l.Memory
		}
		if s.kind == kindMemory && s.State == Limited && !s.Outside && (l.MemTotal == 0 || s.value < l.MemTotal) &&
			(inside.State != Limited || s.value < inside.Bytes) {
			inside = Amount{Limited, s.value, s.Path, s.Level}
		}
	}
	return inside
}

// ownMemory is what a file of the group itself says, where that is below the machine's memory.
func (l *Limits) ownMemory(k kind) Amount {
	for i := range l.Why {
		if s := &l.Why[i]; s.kind == k && s.Level == 0 && s.State == Limited && !s.Outside && (l.MemTotal == 0 || s.value < l.MemTotal || k == kindHierarchical) {
			return Amount{Limited, s.value, s.Path, 0}
		}
	}
	return Amount{State: Unlimited}
}

// heapOfJVM is MaxHeapSize by the defaults of MaxRAM, MaxRAMPercentage and MinRAMPercentage, hotspot's
// Arguments::set_heap_size: a quarter; at least 124.8 MiB, but half of the memory where even that is less. It is rounded
// up to 2 MiB, and by G1 to its regions, of up to 32 MiB.
func heapOfJVM(memory uint64) (heap uint64, name string) {
	const (
		maxRAM = 128 << 30
		least  = 96 * mib * 13 / 10 / 8 * 8
		align  = 2 * mib
	)
	memory = min(memory, maxRAM)
	heap, name = memory/4, "a quarter of"
	switch {
	case memory/2 < least:
		heap, name = memory/2, "half of"
	case heap < least:
		heap, name = least, "the least, for"
	}
	return (heap + align - 1) / align * align, name
}

// heapOfV8 is the old space, what --max-old-space-size sets, by V8's Heap::HeapSizeFromPhysicalMemory on a 64-bit machine
// and Node.js's ResourceConstraints: half of the memory, at least 256 MiB, at most 2 GiB, or 4 from 15.5 GiB of memory on.
// The young generation comes on top, with up to 48 MiB.
func heapOfV8(memory uint64) (heap uint64, name string) {
	const (
		least = 256 * mib
		page  = 256 << 10
		large = 15<<30 + 512*mib
	)
	most := uint64(2 << 30)
	if memory >= large {
		most = 4 << 30
	}
	heap, name = memory/2, "half of"
	switch {
	case heap < least:
		heap, name = least, "the least, for"
	case heap > most:
		heap, name = most, "the most, for"
	}
	return (heap + page - 1) / page * page, name
}

// heapOfDotNet is GCHeapHardLimit where there is a limit: three quarters of it, at least 20 MiB.
func heapOfDotNet(memory uint64) (heap uint64, name string) {
	const least = 20 * mib
	if heap = memory / 4 * 3; heap < least {
		return least, "the least, for"
	}
	return heap, "three quarters of"
}
