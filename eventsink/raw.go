package eventsink

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// appendRaw writes the record as it is, one member a field, for stores that know no Elastic Common Schema.
func (f *Renderer) appendRaw(dst []byte, r *Record, t *stamps) []byte {
	dst = appendText(dst, `{"uid":"`, r.UID)
	dst = appendStamp(dst, `,"@timestamp":`, &t.last)
	dst = append(dst, f.raw...)
	dst = appendField(dst, `,"namespace":"`, r.Namespace)
	dst = appendField(dst, `,"name":"`, r.Name)
	dst = appendField(dst, `,"resourceVersion":"`, r.ResourceVersion)
	dst = appendField(dst, `,"type":"`, r.Type)
	dst = appendField(dst, `,"reason":"`, r.Reason)
	dst = appendField(dst, `,"action":"`, r.Action)
	message := cut(r.Message, f.format.MaxMessage)
	dst = appendText(dst, `,"message":"`, message)
	if len(message) < len(r.Message) {
		dst = appendUint(append(dst, `,"messageBytes":`...), uint64(len(r.Message)))
	}
	dst = appendUint(append(dst, `,"occurrences":`...), uint64(r.Occurrences))
	if r.Combined {
		dst = append(dst, `,"combined":true`...)
	}
	dst = appendRawReference(dst, `,"regarding":{"kind":"`, &r.Regarding)
	if r.Related != (corev1.ObjectReference{}) {
		dst = appendRawReference(dst, `,"related":{"kind":"`, &r.Related)
	}
	dst = appendField(dst, `,"component":"`, r.Component)
	dst = appendField(dst, `,"instance":"`, r.Instance)
	dst = appendField(dst, `,"host":"`, r.Host)
	return append(appendRawEnd(dst, r, t), '}')
}

func appendRawEnd(dst []byte, r *Record, t *stamps) []byte {
	dst = appendStamp(dst, `,"first":`, &t.first)
	dst = appendStamp(dst, `,"last":`, &t.last)
	dst = appendStamp(dst, `,"created":`, &t.created)
	dst = appendText(dst, `,"lastFrom":"`, r.LastFrom.String())
	if skew, ok := r.Skew(); ok && skew != 0 {
		dst = strconv.AppendInt(append(dst, `,"skewMillis":`...), skew.Milliseconds(), 10)
	}
	dst = appendMap(dst, `,"labels":`, r.Labels)
	return appendMap(dst, `,"annotations":`, r.Annotations)
}

func appendRawReference(dst []byte, open string, o *corev1.ObjectReference) []byte {
	dst = appendText(dst, open, o.Kind)
	dst = appendField(dst, `,"name":"`, o.Name)
	dst = appendField(dst, `,"namespace":"`, o.Namespace)
	dst = appendField(dst, `,"uid":"`, string(o.UID))
	dst = appendField(dst, `,"apiVersion":"`, o.APIVersion)
	dst = appendField(dst, `,"resourceVersion":"`, o.ResourceVersion)
	dst = appendField(dst, `,"fieldPath":"`, o.FieldPath)
	return append(dst, '}')
}
