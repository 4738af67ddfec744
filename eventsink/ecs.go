package eventsink

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// appendECS writes the Elastic Common Schema. kubernetes.event.* are the names of Metricbeat's event metricset, which
// Kibana's dashboards look for; its message is an alias in the template, because the text is stored once.
func (f *Renderer) appendECS(dst []byte, r *Record, t *stamps) []byte {
	message := cut(r.Message, f.format.MaxMessage)
	dst = appendText(dst, `{"message":"`, message)
	dst = appendStamp(dst, `,"@timestamp":`, &t.last)
	dst = appendEvent(dst, r, t)
	dst = f.appendOrchestrator(dst, r)
	dst = appendKubernetes(dst, r, t)
	dst = appendText(dst, `,"eventsink":{"timestamp_source":"`, r.LastFrom.String())
	if r.Combined {
		dst = append(dst, `,"combined":true`...)
	}
	if len(message) < len(r.Message) {
		dst = appendUint(append(dst, `,"message_bytes":`...), uint64(len(r.Message)))
	}
	if skew, ok := r.Skew(); ok && skew != 0 {
		dst = strconv.AppendInt(append(dst, `,"skew_ms":`...), skew.Milliseconds(), 10)
	}
	return append(dst, "}}"...)
}

// appendEvent writes ECS's event.* and log.level.
func appendEvent(dst []byte, r *Record, t *stamps) []byte {
	dst = append(dst, `,"event":{"kind":"event","module":"kubernetes","dataset":"kubernetes.event"`...)
	dst = appendField(dst, `,"action":"`, r.Reason)
	dst = appendField(dst, `,"id":"`, r.UID)
	dst = appendStamp(dst, `,"created":`, &t.created)
	dst = appendStamp(dst, `,"start":`, &t.first)
	dst = appendStamp(dst, `,"end":`, &t.last)
	if r.Type == corev1.EventTypeWarning {
		return append(dst, `},"log":{"level":"warning"}`...)
	}
	return append(dst, `},"log":{"level":"info"}`...)
}

// appendOrchestrator writes ECS's orchestrator.*: the object that the Event is about.
func (f *Renderer) appendOrchestrator(dst []byte, r *Record) []byte {
	dst = append(append(dst, `,"orchestrator":{"type":"kubernetes"`...), f.cluster...)
	dst = appendField(dst, `,"namespace":"`, r.Regarding.Namespace)
	dst = appendText(dst, `,"resource":{"type":"`, r.Regarding.Kind)
	dst = appendField(dst, `,"name":"`, r.Regarding.Name)
	dst = appendField(dst, `,"id":"`, string(r.Regarding.UID))
	return append(dst, "}}"...)
}

func appendKubernetes(dst []byte, r *Record, t *stamps) []byte {
	dst = appendUint(append(dst, `,"kubernetes":{"event":{"count":`...), uint64(r.Occurrences))
	dst = appendField(dst, `,"type":"`, r.Type)
	dst = appendField(dst, `,"reason":"`, r.Reason)
	dst = appendField(dst, `,"action":"`, r.Action)
	dst = appendText(dst, `,"metadata":{"uid":"`, r.UID)
	dst = appendField(dst, `,"name":"`, r.Name)
	dst = appendField(dst, `,"namespace":"`, r.Namespace)
	dst = appendField(dst, `,"resource_version":"`, r.ResourceVersion)
	dst = append(dst, '}')
	dst = appendReference(dst, `,"involved_object":{"kind":"`, &r.Regarding)
	if r.Related != (corev1.ObjectReference{}) {
		dst = appendReference(dst, `,"related":{"kind":"`, &r.Related)
	}
	if t.first.n > 0 && t.last.n > 0 {
		dst = appendStamp(dst, `,"timestamp":{"first_occurrence":`, &t.first)
		dst = append(appendStamp(dst, `,"last_occurrence":`, &t.last), '}')
	}
	dst = appendReporter(dst, r)
	dst = appendMap(dst, `,"labels":`, r.Labels)
	dst = appendMap(dst, `,"annotations":`, r.Annotations)
	return append(dst, "}}"...)
}

func appendReporter(dst []byte, r *Record) []byte {
	if r.Component != "" || r.Host != "" {
		dst = appendText(dst, `,"source":{"component":"`, r.Component)
		dst = append(appendField(dst, `,"host":"`, r.Host), '}')
	}
	return appendField(dst, `,"reporting_instance":"`, r.Instance)
}

// appendReference opens with the object's brace and its kind.
func appendReference(dst []byte, open string, o *corev1.ObjectReference) []byte {
	dst = appendText(dst, open, o.Kind)
	dst = appendField(dst, `,"name":"`, o.Name)
	dst = appendField(dst, `,"namespace":"`, o.Namespace)
	dst = appendField(dst, `,"uid":"`, string(o.UID))
	dst = appendField(dst, `,"api_version":"`, o.APIVersion)
	dst = appendField(dst, `,"resource_version":"`, o.ResourceVersion)
	dst = appendField(dst, `,"field_path":"`, o.FieldPath)
	return append(dst, '}')
}

// appendField appends a member, unless its value is empty. The key has its comma, its colon, and the value's first
// quote.
func appendField(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return appendText(dst, key, value)
}

// appendText appends a member also when it is empty.
func appendText(dst []byte, key, value string) []byte {
	return append(appendEscaped(append(dst, key...), value), '"')
}

// appendMap appends labels as an object sorted by key: a template maps it as flattened, so that keys are no fields.
// Keys that are no UTF-8 and become equal when written are kept apart by nothing; the API server admits none.
func appendMap(dst []byte, key string, m map[string]string) []byte {
	if len(m) == 0 {
		return dst
	}
	var few [16]string
	keys := few[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, key...)
	for i, k := range keys {
		c := byte(',')
		if i == 0 {
			c = '{'
		}
		dst = appendString(append(dst, c), k)
		dst = appendString(append(dst, ':'), m[k])
	}
	return append(dst, '}')
}
