package eventsink

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// SeriesKey are the labels of one series. Namespace is that of the regarded object, empty for what has none: Events of
// Nodes lie in the namespace default, but are not of it.
type SeriesKey struct{ Type, Reason, Kind, Namespace, Component string }

// Counts is what one series holds.
type Counts struct {
	Occurrences uint64 // deltas of occurrences, for a counter
	Objects     uint64 // Events seen for the first time, for a counter
	// Last is the newest Last of a counted record.
	Last time.Time
	// Exemplar is the record counted last: the way from a series to its document.
	Exemplar Exemplar
}

// Exemplar names a document. Its labels fit the 128 runes that OpenMetrics allows.
type Exemplar struct {
	UID  string
	Time time.Time
}

// Limits bound an Aggregator. The zero value of each field means its default.
type Limits struct {
	Series     int // all series; 5000, at least 8
	Reasons    int // distinct values of each label: 500
	Kinds      int // 100
	Namespaces int // 1000
	Components int // 200
	// Other is the value that stands for all values beyond a limit. "other".
	Other string
}

// maxLabel bounds a label's value: reasons and controllers are 128 bytes at most by the API's validation, but old
// emitters are not validated.
const maxLabel = 128

// Aggregator folds records into series whose number is bounded whatever the cluster does: reason is free text, and a
// name, UID or message is never a label. Values beyond a limit, longer than 128 bytes, or not UTF-8, become Other, and
// the folding is counted. The sum over all series is the sum of what was added.
//
// An Aggregator is not safe for concurrent use.
type Aggregator struct {
	limits   Limits
	series   map[SeriesKey]*counts
	values   [labels]map[string]struct{}
	overflow [labels + 1]uint64
}

// The labels that are limited one by one, in the order of Aggregator.values.
const (
	reason = iota
	kind
	namespace
	component
	labels
)

var overflowNames = [labels + 1]string{"reason", "kind", "namespace", "component", "series"} //nolint:gochecknoglobals // a constant

// counts are Counts whose exemplar's UID is reused.
type counts struct {
	Counts
	uid []byte
}

// NewAggregator returns an Aggregator within the limits.
func NewAggregator(l Limits) (*Aggregator, error) {
	for _, f := range []struct {
		value    *int
		fallback int
		name     string
	}{
		{&l.Series, 5000, "Series"},
		{&l.Reasons, 500, "Reasons"},
		{&l.Kinds, 100, "Kinds"},
		{&l.Namespaces, 1000, "Namespaces"},
		{&l.Components, 200, "Components"},
	} {
		if *f.value < 0 {
			return nil, fmt.Errorf("eventsink: Limits.%s is %d; write 1 or more, or 0 for %d", f.name, *f.value, f.fallback)
		}
		if *f.value == 0 {
			*f.value = f.fallback
		}
	}
	if l.Series < 8 {
		return nil, fmt.Errorf("eventsink: Limits.Series is %d; write at least 8, since three are kept for overflow", l.Series)
	}
	if l.Other == "" {
		l.Other = "other"
	}
	a := &Aggregator{limits: l, series: map[SeriesKey]*counts{}}
	for i := range a.values {
		a.values[i] = map[string]struct{}{}
	}
	return a, nil
}

// Add counts delta occurrences of the record, and one object if it is new, and returns the series they went to. It
// allocates nothing unless the series is new.
func (a *Aggregator) Add(r *Record, v Verdict, delta uint32) SeriesKey {
	key := SeriesKey{Type: r.Type, Reason: r.Reason, Kind: r.Regarding.Kind, Namespace: r.Regarding.Namespace, Component: r.Component}
	c, ok := a.series[key]
	if !ok { // otherwise each of its values is within its limit
		key = a.limited(key)
		c, ok = a.series[key]
	}
	if !ok {
		key, c = a.create(key)
	}
	c.Occurrences += uint64(delta)
	if v == New {
		c.Objects++
	}
	c.Last = later(c.Last, r.Last)
	if len(r.UID) <= maxUID {
		c.uid = append(c.uid[:0], r.UID...)
		c.Exemplar.Time = r.Last
	}
	return key
}

// limited is a key each of whose values is within its limit.
func (a *Aggregator) limited(key SeriesKey) SeriesKey {
	if key.Type != "Normal" && key.Type != "Warning" {
		key.Type = a.limits.Other
	}
	key.Reason = a.value(reason, key.Reason, a.limits.Reasons)
	key.Kind = a.value(kind, key.Kind, a.limits.Kinds)
	key.Namespace = a.value(namespace, key.Namespace, a.limits.Namespaces)
	key.Component = a.value(component, key.Component, a.limits.Components)
	return key
}

// value is v, or Other when v is unknown and there is no room for one more.
func (a *Aggregator) value(label int, v string, limit int) string {
	known := a.values[label]
	if _, ok := known[v]; ok || v == a.limits.Other {
		return v
	}
	if len(known) >= limit || len(v) > maxLabel || !utf8.ValidString(v) {
		a.overflow[label]++
		return a.limits.Other
	}
	known[strings.Clone(v)] = struct{}{}
	return v
}

// create makes room for one more series. The last three places are those where everything but the type is folded, so
// that the limit holds without exception.
func (a *Aggregator) create(key SeriesKey) (SeriesKey, *counts) {
	other := a.limits.Other
	folded := SeriesKey{Type: key.Type, Reason: other, Kind: other, Namespace: other, Component: other}
	if len(a.series) >= a.limits.Series-3 && key != folded {
		a.overflow[labels]++
		key = folded
		if c, ok := a.series[key]; ok {
			return key, c
		}
	}
	key = SeriesKey{
		Type: strings.Clone(key.Type), Reason: strings.Clone(key.Reason), Kind: strings.Clone(key.Kind),
		Namespace: strings.Clone(key.Namespace), Component: strings.Clone(key.Component),
	}
	c := &counts{}
	a.series[key] = c
	return key, c
}

// All yields a copy of every series, sorted by key. The Aggregator must not be used during the walk.
func (a *Aggregator) All() iter.Seq2[SeriesKey, Counts] {
	return func(yield func(SeriesKey, Counts) bool) {
		keys := make([]SeriesKey, 0, len(a.series))
		for k := range a.series {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, compareKeys)
		for _, k := range keys {
			c := a.series[k].Counts
			c.Exemplar.UID = string(a.series[k].uid)
			if !yield(k, c) {
				return
			}
		}
	}
}

func compareKeys(a, b SeriesKey) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Component, b.Component))
}

// Len is the number of series, Limit the most there can be.
func (a *Aggregator) Len() int { return len(a.series) }

// Limit is the most series there can be.
func (a *Aggregator) Limit() int { return a.limits.Series }

// Overflow yields how many records were folded, for each label ("reason", "kind", "namespace", "component") and for
// the limit of all series ("series").
func (a *Aggregator) Overflow() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, n := range a.overflow {
			if !yield(overflowNames[i], n) {
				return
			}
		}
	}
}

// Expire forgets the series to which nothing was added with a Last since then, and the values that only they had, so
// that clusters whose namespaces come and go do not end up in Other. It returns how many it forgot. A scraper sees the
// series end; when it comes back it starts at zero, as after a restart.
func (a *Aggregator) Expire(since time.Time) int {
	before := len(a.series)
	for i := range a.values {
		clear(a.values[i])
	}
	for k, c := range a.series {
		if c.Last.Before(since) {
			delete(a.series, k)
			continue
		}
		for i, v := range [labels]string{k.Reason, k.Kind, k.Namespace, k.Component} {
			if v != a.limits.Other {
				a.values[i][v] = struct{}{}
			}
		}
	}
	return before - len(a.series)
}
