package admissiontest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kubewright/kubewright/admission"
)

// Want is what a review should say. Make it with [Allowed], [Denied] or [Fails]; its methods add to a copy. The zero
// Want wants nothing.
//
// A finding is wanted by its rule, by rule and field, or by rule, field and message, as a line of findings.txt has
// them behind the action:
//
//	no-latest
//	no-latest spec.containers[app].image
//	no-latest spec.containers[app].image: "nginx" has no tag: write one
//
// The wanted findings are all there may be: another one fails the test, unless [Want.AndMore] allows it. One that is
// wanted by its rule alone may be there several times.
type Want struct {
	verdict  string // allowed, denied, failed or empty
	findings []string
	any      bool // of the verdict: whatever denies
	more     bool
	failure  string
	patch    patchWanted
	golden   string
}

type patchWanted int

const (
	anyPatch patchWanted = iota
	noPatch
	goldenPatch
)

// Allowed wants the request admitted. It says nothing about a patch: that is for [Want.Patched] and [Want.Unpatched].
func Allowed() Want { return Want{verdict: "allowed"} }

// Denied wants the request refused because of these findings, or of any if none is named.
func Denied(findings ...string) Want {
	return Want{verdict: "denied", any: len(findings) == 0}.with(admission.Deny, findings)
}

// Fails wants the review to end with an internal error that contains a text, which over HTTP is a status that leaves
// the request to the webhook's failurePolicy.
func Fails(text string) Want { return Want{verdict: "failed", failure: text} }

// Warns also wants findings that are shown to the client.
func (w Want) Warns(findings ...string) Want { return w.with(admission.Warn, findings) }

// Audits also wants findings that are recorded in the audit log. There is one a rule, with the field of the first.
func (w Want) Audits(findings ...string) Want { return w.with(admission.Audit, findings) }

// AndMore lets there be more findings than those that are named.
func (w Want) AndMore() Want {
	w.more = true
	return w
}

// Patched wants a patch, and the patched object to be that of a golden file (YAML), which -update writes.
func (w Want) Patched(golden string) Want {
	w.patch, w.golden = goldenPatch, golden
	return w
}

// Unpatched wants no patch.
func (w Want) Unpatched() Want {
	w.patch = noPatch
	return w
}

func (w Want) with(action admission.Action, findings []string) Want {
	w.findings = slices.Clone(w.findings)
	for _, f := range findings {
		w.findings = append(w.findings, string(action)+" "+f)
	}
	return w
}

// check compares a review with what is wanted of it.
func (w Want) check(t testing.TB, tr *trial) {
	t.Helper()
	if tr.err != nil {
		w.checkFailure(t, tr.err)
		return
	}
	if w.verdict != "" {
		w.checkFindings(t, tr)
	}
	w.checkPatch(t, tr)
}

func (w Want) checkFindings(t testing.TB, tr *trial) {
	t.Helper()
	d := w.diff(tr.findings)
	if got := tr.verdict(); w.verdict != got {
		found := ""
		if d == "" { // which would have them
			found = indented(lines(tr.findings))
		}
		t.Errorf("verdict: want %s, got %s%s", w.verdict, got, found)
	}
	if d != "" {
		t.Errorf("findings (- wanted, + found):\n%s", d)
	}
}

func (w Want) checkFailure(t testing.TB, err error) {
	t.Helper()
	switch {
	case w.verdict != "failed":
		t.Errorf("review failed, which over HTTP is no response but an error status: %s", explain(err))
	case !strings.Contains(err.Error(), w.failure):
		t.Errorf("review failed as wanted, but not with %q: %s", w.failure, explain(err))
	}
}

func (w Want) checkPatch(t testing.TB, tr *trial) {
	t.Helper()
	switch {
	case w.patch == noPatch && len(tr.resp.Patch) > 0:
		t.Errorf("patch: want none, got\n%s", patchLines(tr.resp.Patch))
	case w.patch == goldenPatch && len(tr.resp.Patch) == 0:
		t.Errorf("patch: want one that makes %s, got none: the request is %s", w.golden, tr.verdict())
	case w.patch == goldenPatch && tr.patched != nil:
		compareGolden(t, w.golden, tr.patched)
	}
}

// diff has a line for each finding that is wanted and not there, or there and not wanted, among those that are right.
func (w Want) diff(found []finding) string {
	var out []string
	missing := slices.Clone(w.findings)
	wrong := false
	for _, f := range found {
		ok := w.more || w.any && f.action == admission.Deny
		for _, want := range w.findings {
			if f.isA(want) {
				ok = true
				missing = slices.DeleteFunc(missing, func(m string) bool { return m == want })
			}
		}
		mark := "  "
		if !ok {
			mark, wrong = "+ ", true
		}
		out = append(out, mark+f.String())
	}
	for _, m := range missing {
		out = append(out, "- "+m)
	}
	if !wrong && len(missing) == 0 {
		return ""
	}
	return strings.Join(out, "\n")
}

// isA reports whether a finding is what a line wants: the line is the finding's, or its beginning up to a space or colon.
func (f finding) isA(line string) bool {
	rest, ok := strings.CutPrefix(f.String(), line)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == ':')
}

func indented(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return fmt.Sprintf("\n  %s", strings.Join(lines, "\n  "))
}
