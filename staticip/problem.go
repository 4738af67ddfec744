package staticip

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Severity says whether a [Problem] refuses the request.
type Severity string

// The severities. The empty Severity counts as SeverityError.
const (
	SeverityError   Severity = "error"   // refuse
	SeverityWarning Severity = "warning" // admit, and tell the user
)

// Problem is one thing that is wrong, or will be. It is an error: errors.AsType[Problem](err) finds the first one in
// an error of this package, errors.AsType[Problems](err) all of them, and errors.Is(err, code) asks for one [Code].
type Problem struct {
	Code     Code
	Severity Severity
	// Object is the object at fault, such as "StatefulSet shop/redis" or "Pod shop/redis-1". It is empty for a pool
	// that was parsed alone.
	Object string
	// Other is the second object of a conflict.
	Other string
	// Key is the annotation at fault.
	Key string
	// Item counts the items of a pool from 1, and is 0 when the problem is not about one item.
	Item int
	// Value is the text at fault, shortened.
	Value string
	// Ordinals are the ordinals concerned, ascending; nil when the problem is not about ordinals.
	Ordinals []Span
	// Addr is the first address concerned.
	Addr netip.Addr
	// Message says what is wrong and what to write instead.
	Message string
	// Err is the cause, where another package found it.
	Err error
}

// Error is "object: key: item 3 "value": message" with the parts that are there.
func (p Problem) Error() string {
	var b strings.Builder
	for _, part := range []string{p.Object, p.Key} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	switch {
	case p.Item > 0:
		fmt.Fprintf(&b, "item %d %q: ", p.Item, p.Value)
	case p.Value != "":
		fmt.Fprintf(&b, "%q: ", p.Value)
	}
	b.WriteString(p.Message)
	return b.String()
}

// Unwrap returns the cause, or nil.
func (p Problem) Unwrap() error { return p.Err }

// Is reports whether target is the problem's [Code].
func (p Problem) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == p.Code
}

// Problems is a list of problems in a stable order. As an error it prints one problem a line.
type Problems []Problem

// Error joins the problems with newlines.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems one by one, for errors.Is and errors.As.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// Err returns the problems that are errors as one error of type Problems, or nil when all are warnings.
func (ps Problems) Err() error {
	var errs Problems
	for _, p := range ps {
		if p.Severity != SeverityWarning {
			errs = append(errs, p)
		}
	}
	if errs == nil {
		return nil
	}
	return errs
}

// on returns the problems as those of object, and of key unless they name another.
func (ps Problems) on(object, key string) Problems {
	for i := range ps {
		ps[i].Object = object
		if ps[i].Key == "" {
			ps[i].Key = key
		}
	}
	return ps
}

// refuse makes an error about a code alone; callers fill in what else they know.
func refuse(code Code, format string, args ...any) *Problem {
	return &Problem{Code: code, Severity: SeverityError, Message: fmt.Sprintf(format, args...)}
}

func warn(code Code, format string, args ...any) *Problem {
	p := refuse(code, format, args...)
	p.Severity = SeverityWarning
	return p
}

// about adds the ordinals and the first address to a problem.
func (p *Problem) about(ordinals []Span, addr netip.Addr) *Problem {
	p.Ordinals, p.Addr = ordinals, addr
	return p
}

// err turns one problem into the error type that all functions of the package return.
func (p *Problem) err(object string) error {
	return Problems{*p}.on(object, "").Err()
}

// shorten keeps what users write from flooding a message: annotations may have 256 KiB.
func shorten(s string) string {
	const limit = 64
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
