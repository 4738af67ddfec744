package staticip

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
)

// capacity says which of the given ordinals own no address, or not one of each family.
func (s *set) capacity(wanted []Span, opts Options) (problems Problems) {
	if below := between(wanted, 0, int64(s.first)); below != nil {
		p := refuse(CodeBelowBase, "%s: below first-ordinal %d, which owns the first address; lower the annotation %s or raise spec.ordinals.start",
			ordinals(below), s.first, opts.firstKey())
		problems = append(problems, *p.about(below, netip.Addr{}))
	}
	short, long, shortName := s.ends()
	if beyond := between(wanted, long, math.MaxInt32+1); beyond != nil {
		problems = append(problems, *s.beyond(beyond, opts))
	}
	if short == long {
		return problems
	}
	if missing := between(wanted, short, long); missing != nil {
		p := refuse(CodeDualShort, "%s: no %s address; %s: add %s at the end", ordinals(missing),
			shortName, s.has(), s.lacks(missing))
		return append(problems, *p.about(missing, netip.Addr{}))
	}
	tail, _ := clip(short, long-1)
	p := warn(CodeDualShort, "%s; %s would have no %s address: write as many of both families", s.has(), ordinals([]Span{tail}), shortName)
	return append(problems, *p.about([]Span{tail}, netip.Addr{}))
}

// ends returns the ordinals behind the shorter and the longer family, and which one is shorter. They are equal when
// the pool has one family.
func (s *set) ends() (short, long int64, shortName string) {
	v4, v6 := s.end(&s.pool.v4), s.end(&s.pool.v6)
	switch {
	case s.pool.v6.size == 0:
		return v4, v4, ""
	case s.pool.v4.size == 0:
		return v6, v6, ""
	case v4 < v6:
		return v4, v6, familyName(true)
	}
	return v6, v4, familyName(false)
}

// beyond refuses ordinals behind the last address.
func (s *set) beyond(spans []Span, opts Options) *Problem {
	hint := ""
	if s.Start > 0 && s.first == 0 {
		hint = fmt.Sprintf(`, or, if the first address is that of ordinal %d, set the annotation %s: "%d"`, s.Start, opts.firstKey(), s.Start)
	}
	p := refuse(CodeBeyondPool, "%s: no address; replicas %d need %s but %s: add %s at the end%s", ordinals(spans),
		s.Replicas, ordinals(s.active), s.has(), s.lacks(spans), hint)
	return p.about(spans, netip.Addr{})
}

// lacks is "2 IPv4 addresses and 4 IPv6 addresses", what it takes to reach the last of spans.
func (s *set) lacks(spans []Span) string {
	var parts []string
	for _, t := range s.pool.tracks() {
		if n := int64(spans[len(spans)-1].Last) - s.end(t) + 1; n > 0 && t.size > 0 {
			parts = append(parts, addresses(uint64(n), familyName(t.is4)))
		}
	}
	return strings.Join(parts, " and ")
}

// has is "the pool has 6 IPv4 addresses (ordinals 0-5) and 4 IPv6 addresses (ordinals 0-3)".
func (s *set) has() string {
	var parts []string
	for _, t := range s.pool.tracks() {
		if last, ok := clip(int64(s.first), s.end(t)-1); ok && t.size > 0 {
			parts = append(parts, fmt.Sprintf("%s (%s)", addresses(t.size, familyName(t.is4)), ordinals([]Span{last})))
		}
	}
	return "the pool has " + strings.Join(parts, " and ")
}

// addresses is "1 IPv4 address" or "6 IPv4 addresses".
func addresses(n uint64, family string) string {
	if n == 1 {
		return "1 " + family + " address"
	}
	return fmt.Sprintf("%d %s addresses", n, family)
}
