package admissiontest

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/kubewright/kubewright/admission"
)

// finding is one thing that a response says, as a client of the API server would see it.
type finding struct {
	action  admission.Action
	rule    string
	field   string
	message string
}

// String is the finding as a line of findings.txt.
func (f finding) String() string { return string(f.action) + " " + f.text() }

// text is the line behind the action, which is what [Want] is about.
func (f finding) text() string {
	return f.place() + ": " + strings.Join(strings.Fields(f.message), " ")
}

// place is the line up to the message.
func (f finding) place() string {
	if f.field == "" {
		return orDefault(f.rule, "-")
	}
	return orDefault(f.rule, "-") + " " + f.field
}

// findingsOf reads the findings off a response, in its order: what denies, what warns, what is for the audit log.
func findingsOf(resp *admissionv1.AdmissionResponse) []finding {
	if resp == nil {
		return nil
	}
	found := denials(resp)
	for _, w := range resp.Warnings {
		found = append(found, warning(w))
	}
	for _, key := range sortedKeys(resp.AuditAnnotations) {
		field, message := splitField(resp.AuditAnnotations[key])
		found = append(found, finding{admission.Audit, key, field, message})
	}
	return found
}

func denials(resp *admissionv1.AdmissionResponse) []finding {
	if resp.Allowed || resp.Result == nil {
		return nil
	}
	if resp.Result.Details == nil || len(resp.Result.Details.Causes) == 0 {
		return []finding{{admission.Deny, "", "", resp.Result.Message}}
	}
	var found []finding
	for _, c := range resp.Result.Details.Causes {
		found = append(found, finding{admission.Deny, string(c.Type), c.Field, c.Message})
	}
	return found
}

var (
	ruleAtEnd  = regexp.MustCompile(`^(.*) \(([A-Za-z0-9][-A-Za-z0-9_.]*)\)$`)
	fieldFirst = regexp.MustCompile(`^([A-Za-z_][^\s:\[]*(?:\[[^\]]*\][^\s:\[]*)*): (.*)$`)
)

// warning takes "field: message (rule)" apart.
func warning(text string) finding {
	rule := ""
	if m := ruleAtEnd.FindStringSubmatch(text); m != nil {
		text, rule = m[1], m[2]
	}
	field, message := splitField(text)
	return finding{admission.Warn, rule, field, message}
}

func splitField(text string) (field, message string) {
	if m := fieldFirst.FindStringSubmatch(text); m != nil {
		return m[1], m[2]
	}
	return "", text
}

// lines are the findings as findings.txt has them.
func lines(found []finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.String())
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
