package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/kubewright/kubewright/admission"
)

// Check is one rule about Pods. The package's own are made by the Check method of their options, such as
// [HostPort], or by name with [New]; others are written as literals. It is safe for concurrent use.
type Check struct {
	// Name is the rule's name, such as "host-port": lower-case words with hyphens, unique among the checks that
	// are registered together.
	Name string
	// Evaluate returns all that is wrong with the subject, always in the same order, and nil when nothing is. It is
	// a pure function: it must not change the subject, nor depend on anything else.
	Evaluate func(Subject) []admission.Finding
}

// report gathers the findings of one evaluation. Nothing is formatted or allocated before there is a finding.
type report struct {
	rule     string
	findings []admission.Finding
}

func (r *report) add(field, format string, args ...any) {
	r.findings = append(r.findings, admission.Finding{Rule: r.rule, Field: field, Message: fmt.Sprintf(format, args...)})
}

// problems gathers what is wrong with the options of one check.
type problems struct {
	check string
	errs  []error
}

func (p *problems) add(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(p.check+": "+format, args...))
}

// negative adds a problem when an option that counts seconds is below zero.
func (p *problems) negative(option string, seconds int64) {
	if seconds < 0 {
		p.add("%s %d is negative: write a number of seconds, or 0 for the default", option, seconds)
	}
}

// done returns the check, or all problems joined.
func (p *problems) done(c Check) (Check, error) {
	if err := errors.Join(p.errs...); err != nil {
		return Check{}, err
	}
	return c, nil
}

// quote makes a value of the object fit for a message: escaped, and cut when it is long.
func quote(s string) string {
	const most = 80 // bytes; a warning should stay below 120 characters, and never exceed 256
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}

// list joins what may be written instead, and cuts a long list.
func list(values []string) string {
	const most = 6
	if len(values) > most {
		return fmt.Sprintf("%s … (%d in all)", strings.Join(values[:most], ", "), len(values))
	}
	return strings.Join(values, ", ")
}
