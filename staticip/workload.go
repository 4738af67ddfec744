package staticip

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Workload is what this package reads of a StatefulSet. Fill it from the object. Nothing in it is modified, and only a
// [Usage] keeps it.
type Workload struct {
	// Kind is for messages; empty is "StatefulSet".
	Kind                 string
	Namespace, Name, UID string
	// Replicas is spec.replicas, where nil means 1. Start is spec.ordinals.start.
	Replicas, Start int32
	// Skipped are ordinals without a Pod: reserveOrdinals of OpenKruise's Advanced StatefulSet.
	Skipped []Span
	// Parallel is podManagementPolicy Parallel: Pods are created and deleted without waiting for others.
	Parallel bool
	// OnDelete says that Pods are replaced by hand (updateStrategy OnDelete), in an order unknown here.
	OnDelete bool
	// HostNetwork is spec.template.spec.hostNetwork.
	HostNetwork bool
	// Annotations are those of the object, Template those of spec.template. The pool may stand in either: in the
	// object it can grow without a restart of the Pods, in the template each change rolls them.
	Annotations, Template map[string]string
}

// String is "StatefulSet namespace/name".
func (w Workload) String() string {
	return cmp.Or(w.Kind, "StatefulSet") + " " + w.Namespace + "/" + w.Name
}

// active returns the ordinals that have a Pod: replicas of them, from Start, without the skipped ones.
func (w Workload) active() (spans []Span) {
	next, left := int64(max(w.Start, 0)), int64(w.Replicas)
	emit := func(n int64) {
		if s, ok := clip(next, next+n-1); ok {
			spans = append(spans, s)
		}
		left -= max(n, 0)
	}
	for _, hole := range tidy(w.Skipped) {
		if int64(hole.Last) < next {
			continue
		}
		emit(min(left, int64(hole.First)-next))
		next = int64(hole.Last) + 1
	}
	emit(left)
	return spans
}

// set is a workload whose annotations have been read. The pool is zero when none is asked for, or when it is wrong.
type set struct {
	Workload
	placement
	key      string // the annotation of the pool
	active   []Span
	asked    bool // a pool is written somewhere, right or wrong
	released bool // "none" is written in its place
}

// text is the pool as it is written.
func (s *set) text() string {
	if text, ok := s.Annotations[s.key]; ok {
		return text
	}
	return s.Template[s.key]
}

// placement says which ordinal owns which address.
type placement struct {
	pool  Pool
	first int32 // the ordinal of index 0
}

func (a placement) equal(b placement) bool {
	return a.first == b.first && a.pool.String() == b.pool.String()
}

// at returns what an ordinal owns. ok is false when a family is missing.
func (a placement) at(ordinal int32) (Assignment, bool) {
	if ordinal < a.first {
		return Assignment{}, false
	}
	return a.pool.At(uint64(int64(ordinal) - int64(a.first)))
}

// end returns the ordinal behind the last one of a family, no more than 2^31.
func (a placement) end(t *track) int64 {
	return int64(min(uint64(a.first)+min(t.size, math.MaxInt32+1), math.MaxInt32+1))
}

// read finds the pool of a workload. Metadata wins over the template; both may stand only if they mean the same.
func read(w Workload, opts Options) (*set, Problems) {
	k := opts.keys()
	meta, tmpl := k.section(w.Annotations), k.section(w.Template)
	s := &set{Workload: w, key: k.pool, active: w.active(), asked: meta.asked || tmpl.asked, released: meta.none || tmpl.none}
	problems := append(k.unknown(w.Annotations), k.unknown(w.Template)...)
	at, more := k.parse(meta)
	s.placement, problems = at, append(problems, more...)
	if tmpl != meta {
		at, more = k.parse(tmpl)
		problems = append(problems, more...)
		switch {
		case meta.none && tmpl.asked, tmpl.none && meta.asked,
			!at.pool.IsZero() && !s.pool.IsZero() && !s.equal(at):
			p := refuse(CodeTwoPlaces, "metadata has the pool %q from ordinal %d and the template %q from ordinal %d; keep one of them, best that of the metadata",
				shorten(meta.pool), s.first, shorten(tmpl.pool), at.first)
			p.Key = k.pool
			problems = append(problems, *p)
		case !meta.asked:
			s.placement = at
		}
	}
	if problems.Err() != nil {
		s.placement = placement{}
	}
	return s, problems
}

// keys are the annotations that are read, and how.
type keys struct {
	domain, pool, first string
	masks               masks
}

func (o Options) keys() keys {
	return keys{o.domain(), o.PoolKey(), o.firstKey(), masks{o.Mask4, o.Mask6}}
}

// section is what one set of annotations says.
type section struct {
	pool, first        string
	asked, none, based bool
}

// noPool is what is written in place of a pool to give up the addresses of Pods that run.
const noPool = "none"

func (k keys) section(annotations map[string]string) (s section) {
	s.pool, s.asked = annotations[k.pool]
	s.none = s.asked && strings.TrimSpace(s.pool) == noPool
	s.asked = s.asked && !s.none
	s.first, s.based = annotations[k.first]
	return s
}

// parse reads one section.
func (k keys) parse(s section) (at placement, problems Problems) {
	if s.based {
		var p *Problem
		if at.first, p = parseFirst(s.first); p == nil && !s.asked && !s.none {
			p = refuse(CodeBadFirstOrdinal, "there is no %s beside it; write both in the same place", k.pool)
		}
		if p != nil {
			p.Key, p.Value = k.first, shorten(s.first)
			problems = append(problems, *p)
		}
	}
	if s.asked {
		pool, more := parsePool(s.pool, k.masks)
		at.pool, problems = pool, append(problems, more.on("", k.pool)...)
	}
	return at, problems
}

func parseFirst(s string) (int32, *Problem) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return 0, refuse(CodeBadFirstOrdinal, `not an ordinal; write a number from 0 to 2147483647, e.g. "0"`)
	}
	return int32(n), nil
}

// unknown refuses keys that look like ours: a typing mistake would mean a Pod with a random address.
func (k keys) unknown(annotations map[string]string) (problems Problems) {
	for key := range annotations {
		rest, ours := strings.CutPrefix(key, k.domain)
		if !ours || !strings.HasPrefix(rest, "/") || key == k.pool || key == k.first {
			continue
		}
		p := refuse(CodeUnknownKey, "unknown annotation; write %s or %s", k.pool, k.first)
		p.Key = key
		problems = append(problems, *p)
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Key, b.Key) })
	return problems
}
