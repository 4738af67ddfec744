package admission

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Limits of what the API server passes on. It cuts warnings to maxWarning characters once all together have more than
// maxWarnings, and drops one that holds a control character or is not UTF-8
// (k8s.io/apiserver/pkg/endpoints/filters/warning.go).
const (
	maxWarning  = 256
	maxWarnings = 4096
	maxAudit    = 8192
	maxCauses   = 500 // of a denial, so that an object of many faults does not get an answer many times its size
)

// failOpenKey is the audit annotation that names the functions which failed open.
const failOpenKey = "failed-open"

// respond turns what the functions said into a response, and returns the findings with the actions that were taken.
func (h *Handler) respond(c *call, res result) (*admissionv1.AdmissionResponse, []Finding) {
	var denied, warned, audited, taken []Finding
	for _, f := range res.findings {
		if a := h.options.Actions[f.Rule]; a != "" {
			f.Action = a
		}
		if h.options.Exempt != nil && h.options.Exempt(c.req, f.Rule) {
			f.Action = Off
		}
		switch f.Action {
		case Off:
			continue
		case Warn:
			warned = append(warned, f)
		case Audit:
			audited = append(audited, f)
		default: // what is not known to be harmless is refused
			f.Action = Deny
			denied = append(denied, f)
		}
		taken = append(taken, f)
	}
	resp := &admissionv1.AdmissionResponse{
		UID:              c.req.UID,
		Allowed:          len(denied) == 0,
		Warnings:         warnings(warned, res.dropped),
		AuditAnnotations: auditAnnotations(audited, res.dropped),
	}
	switch {
	case !resp.Allowed:
		resp.Result = h.denial(c.req, denied)
	case len(res.patch) > 0:
		jsonPatch := admissionv1.PatchTypeJSONPatch
		resp.Patch, resp.PatchType = res.patch.AppendJSON(nil), &jsonPatch
	}
	return resp, taken
}

// denial carries the findings twice: as the message, which clients print, and as causes, which they can read. The API
// server puts the webhook's name before the message.
func (h *Handler) denial(req *admissionv1.AdmissionRequest, findings []Finding) *metav1.Status {
	status := &metav1.Status{
		Status: metav1.StatusFailure,
		Code:   http.StatusForbidden,
		Reason: metav1.StatusReasonForbidden,
		Details: &metav1.StatusDetails{
			Name:  req.Name,
			Group: req.Kind.Group,
			Kind:  req.Kind.Kind,
		},
	}
	if h.options.Invalid {
		status.Code, status.Reason = http.StatusUnprocessableEntity, metav1.StatusReasonInvalid
	}
	shown := findings[:min(len(findings), maxCauses)]
	lines := make([]string, len(shown))
	for i, f := range shown {
		lines[i] = oneLine(f.String())
		status.Details.Causes = append(status.Details.Causes, metav1.StatusCause{
			Type:    metav1.CauseType(f.Rule),
			Field:   f.Field,
			Message: f.Message,
		})
	}
	status.Message = lines[0]
	if len(lines) > 1 {
		status.Message = fmt.Sprintf("%d findings:\n- %s", len(findings), strings.Join(lines, "\n- "))
	}
	if more := len(findings) - len(shown); more > 0 {
		status.Message += fmt.Sprintf("\n- and %d more", more)
	}
	return status
}

// warnings are what clients will get to see of the findings: each on one line, within the API server's limits.
func warnings(findings []Finding, dropped []error) []string {
	texts := make([]string, 0, len(findings)+len(dropped))
	for _, f := range findings {
		rule := " (" + oneLine(f.Rule) + ")"
		f.Rule = ""
		texts = append(texts, cut(oneLine(f.String()), max(maxWarning-utf8.RuneCountInString(rule), 1))+rule)
	}
	for _, err := range dropped {
		texts = append(texts, oneLine(err.Error())+": continued without it")
	}
	var out []string
	seen := map[string]bool{}
	total := 0
	for i, text := range texts {
		text = cut(text, maxWarning)
		if seen[text] {
			continue
		}
		seen[text] = true
		if total += utf8.RuneCountInString(text); total > maxWarnings-maxWarning && i < len(texts)-1 {
			return append(out, fmt.Sprintf("%d more warnings are not shown", len(texts)-i))
		}
		out = append(out, text)
	}
	return out
}

// auditAnnotations has one entry a rule. Its keys and values depend on nothing but the findings, so that they are the
// same when the API server calls again.
func auditAnnotations(findings []Finding, dropped []error) map[string]string {
	if len(findings) == 0 && len(dropped) == 0 {
		return nil
	}
	out := map[string]string{}
	add := func(key, text string) {
		have := out[key]
		switch {
		case have == "":
			out[key] = text
		case len(have) <= maxAudit: // bytes: enough to be cut
			out[key] = have + "; " + text
		}
	}
	for _, f := range findings {
		text := f.Message
		if f.Field != "" {
			text = f.Field + ": " + text
		}
		add(auditKey(f.Rule), oneLine(text))
	}
	for _, err := range dropped {
		add(failOpenKey, oneLine(err.Error()))
	}
	for key, text := range out {
		out[key] = cut(text, maxAudit)
	}
	return out
}

// auditKey makes a key that the API server accepts of any rule.
func auditKey(rule string) string {
	if ruleName.MatchString(rule) {
		return rule
	}
	key := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.", r)) {
			return r
		}
		return '-'
	}, rule)
	key = strings.Trim(key[:min(len(key), 63)], "-_.")
	if key == "" {
		return "finding"
	}
	return key
}

// oneLine replaces what can't stand in a header: control characters and what is not UTF-8.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// cut bounds a text to a number of characters.
func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)
	return string(runes[:limit-1]) + "…"
}
