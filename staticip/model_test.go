package staticip

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The model: an obvious implementation that keeps every address of a small universe in a slice.

// part is one item of a generated pool: consecutive addresses of 10.0.0.0/24 or fd00::/120, by their last byte.
type part struct {
	v6, exclude bool
	lo, hi      int
	block       bool // written as a CIDR; lo and hi are then the usable hosts, or all addresses of an exclusion
	length      int  // the prefix length of the block, or the mask of the range; 0 is none
	base        int  // first address of the block
}

func byteAddr(v6 bool, n int) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(n)})
	}
	return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})
}

func (p part) full() int {
	if p.v6 {
		return 128
	}
	return 32
}

// text writes the part in one of its spellings.
func (p part) text(r *rand.Rand) string {
	var s string
	switch lo, hi := byteAddr(p.v6, p.lo), byteAddr(p.v6, p.hi); {
	case p.block:
		s = fmt.Sprintf("%s/%d", byteAddr(p.v6, p.base), p.length)
	case p.lo == p.hi && p.length == 0 && r.IntN(2) == 0:
		s = lo.String()
	default:
		s = lo.String() + []string{"-", ".."}[r.IntN(2)] + hi.String()
	}
	if p.length > 0 && !p.block {
		s += fmt.Sprintf("/%d", p.length)
	}
	if p.exclude {
		s = "!" + s
	}
	return s
}

// randomParts returns listed parts that do not overlap, in random order, and a few exclusions among them.
func randomParts(r *rand.Rand) []part {
	var parts []part
	used := [2][256]bool{}
	for range 1 + r.IntN(7) {
		p := randomPart(r)
		row := &used[familyOf(!p.v6)]
		clash := p.hi < p.lo
		for n := p.lo; n <= p.hi; n++ {
			clash = clash || row[n]
		}
		if clash {
			continue
		}
		for n := p.lo; n <= p.hi; n++ {
			row[n] = true
		}
		parts = append(parts, p)
	}
	for range r.IntN(3) {
		p := randomPart(r)
		p.exclude = true
		if p.block {
			p.lo, p.hi = p.base, p.base+1<<(p.full()-p.length)-1
		}
		parts = append(parts, p)
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return parts
}

func randomPart(r *rand.Rand) part {
	p := part{v6: r.IntN(2) == 0}
	if r.IntN(3) == 0 {
		free := r.IntN(6)
		p.block, p.length = true, p.full()-free
		p.base = (2 + r.IntN(253)) >> free << free
		if p.v6 && p.base == 0 {
			p.base = 1 << free
		}
		p.lo, p.hi = p.base, p.base+1<<free-1
		if free >= 2 {
			p.lo++
			if !p.v6 {
				p.hi--
			}
		}
		return p
	}
	p.lo = 2 + r.IntN(240)
	p.hi = p.lo + r.IntN(12)
	if r.IntN(3) == 0 {
		p.length = p.full() - 8
	}
	return p
}

// enumerate returns the addresses of one family in the order of their ordinals, with their masks.
func enumerate(parts []part, v6 bool) (out []netip.Prefix) {
	var excluded [256]bool
	for _, p := range parts {
		for n := p.lo; p.exclude && p.v6 == v6 && n <= p.hi; n++ {
			excluded[n] = true
		}
	}
	for _, p := range parts {
		length := p.length
		if length == 0 {
			length = p.full()
		}
		for n := p.lo; !p.exclude && p.v6 == v6 && n <= p.hi; n++ {
			if !excluded[n] {
				out = append(out, netip.PrefixFrom(byteAddr(v6, n), length))
			}
		}
	}
	return out
}

// modelPool is a generated pool with what the model says of it.
type modelPool struct {
	text   string
	parts  []part
	v4, v6 []netip.Prefix
	pool   Pool
}

// at is what the model owns at index i.
func (m modelPool) at(i int) (a Assignment) {
	if i >= 0 && i < len(m.v4) {
		a.V4 = m.v4[i]
	}
	if i >= 0 && i < len(m.v6) {
		a.V6 = m.v6[i]
	}
	return a
}

func (m modelPool) size() int { return max(len(m.v4), len(m.v6)) }

// newModel writes parts as text and parses it. ok is false when the exclusions left nothing of a family.
func newModel(t *testing.T, r *rand.Rand, parts []part) (m modelPool, ok bool) {
	t.Helper()
	var b strings.Builder
	listed := [2]bool{}
	for i, p := range parts {
		if i > 0 {
			b.WriteString([]string{",", ";", " ", "\n", " , "}[r.IntN(5)])
		}
		b.WriteString(p.text(r))
		if !p.exclude {
			listed[familyOf(!p.v6)] = true
		}
	}
	m = modelPool{text: b.String(), parts: parts, v4: enumerate(parts, false), v6: enumerate(parts, true)}
	pool, _, err := ParsePool(m.text)
	if listed[0] != (len(m.v4) > 0) || listed[1] != (len(m.v6) > 0) || m.size() == 0 {
		require.Error(t, err, "pool %q has a family of which nothing is left", m.text)
		return m, false
	}
	require.NoError(t, err, "pool %q", m.text)
	m.pool = pool
	return m, true
}

// eachModel runs a law on many generated pools. The seed is fixed, and a failure prints the text of the pool.
func eachModel(t *testing.T, runs int, law func(t *testing.T, r *rand.Rand, m modelPool)) {
	t.Helper()
	for seed := range runs {
		r := rand.New(rand.NewPCG(uint64(seed), 4))
		if m, ok := newModel(t, r, randomParts(r)); ok {
			law(t, r, m)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// workload puts a model pool on a StatefulSet.
func (m modelPool) workload(name string, replicas int32) Workload {
	return Workload{
		Namespace: "shop", Name: name, UID: "uid-" + name, Replicas: replicas,
		Annotations: map[string]string{Options{}.PoolKey(): m.text},
	}
}
