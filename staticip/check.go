package staticip

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// CheckCreate judges a new StatefulSet: its annotations, whether every replica has an address, whether that can be
// written beside what the template says to the CNI, and whether the addresses fit the network. A workload without a pool
// is only told when its template fixes one address for several replicas.
//
// Problems of severity warning are for the user to see; [Problems.Err] has the others, or nil to admit the request.
// Conflicts with other workloads need all of them: see [Plan].
func CheckCreate(w Workload, n Network, opts Options) Problems {
	x, problems := n.index()
	_, found := x.judge(w, opts)
	return append(problems, found...)
}

// CheckUpdate judges the change of a StatefulSet: what [CheckCreate] says of the new one, and what the change does to
// running Pods ([CodeMoves], [CodeShrink], [CodeRolloutDeadlock], [CodeGains]).
//
// n.InUse should have the addresses of the StatefulSet's own Pods where [NeedsInUse] says so: they may still be those of
// a pool from before the old object. An address that another Pod has is then refused ([CodeConflict]), and an ordinal
// whose Pod has its new address already does not move, so that a pool can always be set to what the Pods have.
//
// To remove a pool while ordinals that own an address have Pods is refused: months later they would get random
// addresses, one by one. Who means it writes "none" in place of the pool, which is only warned of.
//
// Only what the update makes worse is an error. Problems that the old object had too are warnings, so that a
// StatefulSet that got into trouble can still be scaled down, labeled or deleted.
func CheckUpdate(old, updated Workload, n Network, opts Options) Problems {
	x, problems := n.index()
	before, known := x.judge(old, opts)
	after, found := x.judge(updated, opts)
	changes := change(before, after, x.home(after))
	found = withoutCovered(found, changes)
	demote(found, known, before, after)
	problems = append(problems, found...)
	return append(problems, changes.on(updated.String(), after.key)...)
}

// CheckScale judges a request to the scale subresource, which carries no annotations: w is the StatefulSet as it is,
// replicas the number asked for.
func CheckScale(w Workload, replicas int32, n Network, opts Options) Problems {
	scaled := w
	scaled.Replicas = replicas
	return CheckUpdate(w, scaled, n, opts)
}

// judge reads a workload and finds everything that can be said about it alone.
func (x *index) judge(w Workload, opts Options) (*set, Problems) {
	s, problems := read(w, opts)
	fixed := s.fixedTemplate(opts)
	problems = append(problems, fixed...)
	if !s.pool.IsZero() {
		if p := s.rendered(fixed, opts); p != nil {
			problems = append(problems, *p)
		}
		if w.HostNetwork {
			problems = append(problems, *hostNetwork("template"))
		}
		if m, ok := opts.renderer().(interface{ maskless(p Pool) *Problem }); ok {
			if p := m.maskless(s.pool); p != nil {
				problems = append(problems, *p)
			}
		}
		problems = append(problems, s.capacity(s.active, opts)...)
		problems = append(problems, x.check(s)...)
	}
	return s, problems.on(w.String(), s.key)
}

// fixedTemplate refuses a template with an address of its own: all Pods would fight for it.
func (s *set) fixedTemplate(opts Options) (problems Problems) {
	for _, c := range opts.renderer().claims(s.Namespace, s.Template) {
		var p *Problem
		switch {
		case !s.pool.IsZero() && (s.Replicas > 1 || !c.exact):
			p = refuse(CodeTemplateFixed, "the template sets it for all %d replicas, but the pool decides for each; remove it from the template", s.Replicas)
		case c.exact && s.Replicas > 1:
			p = refuse(CodeTemplateFixed, "the template gives %d replicas the same address; list one for each in the annotation %s", s.Replicas, opts.PoolKey())
		default:
			continue
		}
		p.Key, p.Value = c.key, shorten(s.Template[c.key])
		problems = append(problems, *p.about(s.active, netip.Addr{}))
	}
	return problems
}

// rendered tries what [Assign] will do: the first Pod that owns its addresses, with the annotations of the template but
// those that are refused already. The others have the same template, and fail for the same reason.
func (s *set) rendered(refused Problems, opts Options) *Problem {
	short, _, _ := s.ends()
	owners := between(s.active, int64(s.first), short)
	if owners == nil {
		return nil
	}
	ordinal := owners[0].First
	a, _ := s.at(ordinal)
	have := maps.Clone(s.Template)
	for _, p := range refused {
		delete(have, p.Key)
	}
	_, p := opts.renderer().render(target{s.Namespace, s.Name, fmt.Sprintf("%s-%d", s.Name, ordinal), ordinal, a}, have)
	if p == nil {
		return nil
	}
	if _, ok := have[p.Key]; ok {
		p.Message = "in the template: " + p.Message
	}
	return p.about(s.active, netip.Addr{})
}

// trouble is what makes two problems of one workload comparable before and after an update. Where ordinals are named,
// they are compared in place of the text.
type trouble struct {
	code         Code
	key, text    string
	withOrdinals bool
}

func (p Problem) trouble() trouble {
	if len(p.Ordinals) > 0 {
		return trouble{code: p.Code, key: p.Key, withOrdinals: true}
	}
	return trouble{code: p.Code, key: p.Key, text: p.Value + p.Message}
}

// demote makes warnings of errors that the old object had too: in the same words, or for the same ordinals or more. An
// address that is new to its ordinal is new trouble, and so is a fixed address in the template of a workload that now
// asks for a pool.
func demote(found, known Problems, old, updated *set) {
	var renumbered []Span
	if !old.equal(updated.placement) {
		for _, m := range Moved(old.pool, updated.pool, old.first, updated.first) {
			renumbered = append(renumbered, m.Ordinals)
		}
		renumbered = tidy(renumbered)
	}
	before := map[trouble]Problems{}
	for _, k := range known {
		if k.Severity != SeverityWarning {
			before[k.trouble()] = append(before[k.trouble()], k)
		}
	}
	for i, p := range found {
		if p.Code == CodeTemplateFixed && updated.asked && !old.asked || p.Addr.IsValid() && intersect(p.Ordinals, renumbered) != nil {
			continue
		}
		for _, k := range before[p.trouble()] {
			if subtract(p.Ordinals, k.Ordinals) == nil {
				found[i].Severity = SeverityWarning
			}
		}
	}
}

// withoutCovered drops a shortage of ordinals that a change explains better.
func withoutCovered(found, changes Problems) Problems {
	var lost []Span
	for _, c := range changes {
		if c.Code == CodeShrink {
			lost = c.Ordinals
		}
	}
	return slices.DeleteFunc(found, func(p Problem) bool {
		switch p.Code {
		case CodeBeyondPool, CodeDualShort, CodeBelowBase:
			return len(p.Ordinals) > 0 && subtract(p.Ordinals, lost) == nil
		}
		return false
	})
}
