package staticip

import (
	"net/netip"
	"slices"
)

// CheckCreate judges a new StatefulSet: its annotations, whether every replica has an address, and whether the
// addresses fit the network. A workload without a pool is only told when its template fixes one address for several
// replicas.
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
// Only what the update makes worse is an error. Problems that the old object had too are warnings, so that a
// StatefulSet that got into trouble can still be scaled down, labeled or deleted.
func CheckUpdate(old, updated Workload, n Network, opts Options) Problems {
	x, problems := n.index()
	before, known := x.judge(old, opts)
	after, found := x.judge(updated, opts)
	changes := change(before, after)
	found = withoutCovered(found, changes)
	demote(found, known, before.equal(after.placement))
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
	problems = append(problems, s.fixedTemplate(opts)...)
	if !s.pool.IsZero() {
		if w.HostNetwork {
			problems = append(problems, *hostNetwork("template"))
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

// trouble is what makes two problems of one workload comparable before and after an update.
type trouble struct {
	code         Code
	other, text  string
	withOrdinals bool
}

func (p Problem) trouble() trouble {
	if len(p.Ordinals) > 0 {
		return trouble{code: p.Code, other: p.Other, withOrdinals: true}
	}
	return trouble{code: p.Code, other: p.Other, text: p.Value + p.Message}
}

// demote makes warnings of errors that the old object had too: in the same words, or for the same ordinals or more.
func demote(found, known Problems, samePool bool) {
	before := map[trouble]Problems{}
	for _, k := range known {
		if k.Severity != SeverityWarning {
			before[k.trouble()] = append(before[k.trouble()], k)
		}
	}
	for i, p := range found {
		for _, k := range before[p.trouble()] {
			if len(p.Ordinals) == 0 || (samePool || p.Addr == k.Addr) && subtract(p.Ordinals, k.Ordinals) == nil {
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
