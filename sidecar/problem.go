package sidecar

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// AnnotationError is one annotation that cannot be done: its value is wrong, or the Pod has something in the way.
// errors.AsType[*AnnotationError](err) finds the first in an error of this package.
type AnnotationError struct {
	Key     string // with prefix
	Value   string // shortened to 128 bytes
	Message string // what is wrong, and what to write instead
	Default bool   // it is one of [Namespace].Defaults, not of the Pod
}

// Error is `annotation sidecar.kubewright.io/log.json="yes": write true or false`.
func (e *AnnotationError) Error() string {
	return fmt.Sprintf("annotation %s=%q: %s", e.Key, e.Value, e.Message)
}

// problems are collected, so that a user repairs a template in one go.
type problems []*AnnotationError

// add keeps as many as anybody reads: an object may come with tens of thousands of annotations.
func (p *problems) add(e *AnnotationError) {
	if len(*p) < maxItems {
		*p = append(*p, e)
	}
}

// err joins the problems, sorted by key, each once.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	sorted := slices.Clone(p)
	slices.SortStableFunc(sorted, func(a, b *AnnotationError) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Message, b.Message))
	})
	var errs []error
	for i, e := range sorted {
		if i == 0 || *e != *sorted[i-1] {
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

// shorten keeps what users write from flooding a message: annotations may have 256 KiB.
func shorten(s string) string {
	const limit = 128
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
