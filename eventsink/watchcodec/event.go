package watchcodec

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// event is an Event as it is read. Its strings alias the frame until all of them are known.
type event struct {
	corev1.Event
	texts [texts][]byte
}

// The strings of an Event. Those of a reference are in the order of their fields.
const (
	uid = iota
	resourceVersion
	namespace
	name
	eventType
	reason
	action
	note
	component
	host
	controller
	instance
	regarding
	related = regarding + referenceFields
	texts   = related + referenceFields

	referenceFields = 7
)

// core reads a core/v1 Event (k8s.io/api/core/v1/generated.proto).
func (e *event) core(data []byte) error {
	m := message{data: data}
	for m.next() {
		switch m.field {
		case 1:
			e.meta(&m)
		case 2:
			e.reference(&m, regarding)
		case 3:
			m.text(&e.texts[reason])
		case 4:
			m.text(&e.texts[note])
		case 5:
			e.source(&m)
		case 6:
			m.time(&e.FirstTimestamp.Time)
		case 7:
			m.time(&e.LastTimestamp.Time)
		case 8:
			m.int32(&e.Count)
		case 9:
			m.text(&e.texts[eventType])
		case 10:
			m.microTime(&e.EventTime.Time)
		case 11:
			e.series(&m)
		case 12:
			m.text(&e.texts[action])
		case 13:
			e.reference(&m, related)
		case 14:
			m.text(&e.texts[controller])
		case 15:
			m.text(&e.texts[instance])
		}
	}
	return m.err
}

// events reads an events.k8s.io/v1 Event (k8s.io/api/events/v1/generated.proto), which is the same under other numbers.
func (e *event) events(data []byte) error {
	m := message{data: data}
	for m.next() {
		switch m.field {
		case 1:
			e.meta(&m)
		case 2:
			m.microTime(&e.EventTime.Time)
		case 3:
			e.series(&m)
		case 4:
			m.text(&e.texts[controller])
		case 5:
			m.text(&e.texts[instance])
		case 6:
			m.text(&e.texts[action])
		case 7:
			m.text(&e.texts[reason])
		case 8:
			e.reference(&m, regarding)
		case 9:
			e.reference(&m, related)
		case 10:
			m.text(&e.texts[note])
		case 11:
			m.text(&e.texts[eventType])
		case 12:
			e.source(&m)
		case 13:
			m.time(&e.FirstTimestamp.Time)
		case 14:
			m.time(&e.LastTimestamp.Time)
		case 15:
			m.int32(&e.Count)
		}
	}
	return m.err
}

// meta reads what a record has of the ObjectMeta (k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto). The rest is
// passed over unseen, managedFields above all, which are a third of an Event and more.
func (e *event) meta(outer *message) {
	m := outer.inner()
	for m.next() {
		switch m.field {
		case 1:
			m.text(&e.texts[name])
		case 3:
			m.text(&e.texts[namespace])
		case 5:
			m.text(&e.texts[uid])
		case 6:
			m.text(&e.texts[resourceVersion])
		case 8:
			m.time(&e.CreationTimestamp.Time)
		case 11:
			put(&e.Labels, &m)
		case 12:
			put(&e.Annotations, &m)
		}
	}
	outer.nested("metadata", m.err)
}

func put(dst *map[string]string, m *message) {
	key, value := m.entry()
	if m.err != nil {
		return
	}
	if *dst == nil {
		*dst = map[string]string{}
	}
	(*dst)[string(key)] = string(value)
}

// reference reads an ObjectReference, whose fields are seven strings.
func (e *event) reference(outer *message, at int) {
	m := outer.inner()
	for m.next() {
		if m.field <= referenceFields {
			m.text(&e.texts[at+int(m.field)-1])
		}
	}
	outer.nested("an object reference", m.err)
}

func (e *event) source(outer *message) {
	m := outer.inner()
	for m.next() {
		switch m.field {
		case 1:
			m.text(&e.texts[component])
		case 2:
			m.text(&e.texts[host])
		}
	}
	outer.nested("source", m.err)
}

func (e *event) series(outer *message) {
	m := outer.inner()
	if e.Series == nil {
		e.Series = &corev1.EventSeries{}
	}
	for m.next() {
		switch m.field {
		case 1:
			m.int32(&e.Series.Count)
		case 2:
			m.microTime(&e.Series.LastObservedTime.Time)
		}
	}
	outer.nested("series", m.err)
}

// settle gives the Event its strings. They are parts of one, so that an Event costs one allocation, but for the identity
// and the version, which are kept longer than the rest and share another.
func (e *event) settle() {
	ids := join(e.texts[:namespace])
	e.UID, e.ResourceVersion = types.UID(ids.take(e.texts[uid])), ids.take(e.texts[resourceVersion])
	all := join(e.texts[namespace:])
	for i, dst := range [...]*string{
		&e.Namespace, &e.Name, &e.Type, &e.Reason, &e.Action, &e.Message,
		&e.Source.Component, &e.Source.Host, &e.ReportingController, &e.ReportingInstance,
	} {
		*dst = all.take(e.texts[namespace+i])
	}
	all.reference(&e.InvolvedObject, e.texts[regarding:related])
	if all != "" {
		e.Related = &corev1.ObjectReference{}
		all.reference(e.Related, e.texts[related:])
	}
}

// joined is texts one behind the other.
type joined string

func join(texts [][]byte) joined {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	var b strings.Builder
	b.Grow(size)
	for _, t := range texts {
		b.Write(t)
	}
	return joined(b.String())
}

// take cuts off the next text, of which only the length is wanted.
func (j *joined) take(t []byte) string {
	s := (*j)[:len(t)]
	*j = (*j)[len(t):]
	return string(s)
}

func (j *joined) reference(dst *corev1.ObjectReference, t [][]byte) {
	dst.Kind, dst.Namespace, dst.Name = j.take(t[0]), j.take(t[1]), j.take(t[2])
	dst.UID = types.UID(j.take(t[3]))
	dst.APIVersion, dst.ResourceVersion, dst.FieldPath = j.take(t[4]), j.take(t[5]), j.take(t[6])
}
