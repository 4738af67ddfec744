package eventsink

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// combinedPrefix is what client-go's correlator puts before the newest message once more than ten similar Events came
// within ten minutes (tools/record/events_cache.go).
const combinedPrefix = "(combined from similar events): "

// FromCore makes a record of a core/v1 Event. It overwrites every field of dst and allocates nothing.
func FromCore(dst *Record, ev *corev1.Event) {
	dst.meta(&ev.ObjectMeta)
	dst.Type, dst.Reason, dst.Action, dst.Message = ev.Type, ev.Reason, ev.Action, ev.Message
	dst.Regarding, dst.Related = ev.InvolvedObject, related(ev.Related)
	dst.reporter(ev.ReportingController, ev.ReportingInstance, &ev.Source)
	t := times{eventTime: ev.EventTime.Time, first: ev.FirstTimestamp.Time, last: ev.LastTimestamp.Time}
	count := ev.Count
	if s := ev.Series; s != nil {
		t.series, count = s.LastObservedTime.Time, max(count, s.Count)
	}
	dst.settle(&t, count)
}

// FromEvents makes the same record of the events.k8s.io/v1 form of an Event.
func FromEvents(dst *Record, ev *eventsv1.Event) {
	dst.meta(&ev.ObjectMeta)
	dst.Type, dst.Reason, dst.Action, dst.Message = ev.Type, ev.Reason, ev.Action, ev.Note
	dst.Regarding, dst.Related = ev.Regarding, related(ev.Related)
	dst.reporter(ev.ReportingController, ev.ReportingInstance, &ev.DeprecatedSource)
	t := times{eventTime: ev.EventTime.Time, first: ev.DeprecatedFirstTimestamp.Time, last: ev.DeprecatedLastTimestamp.Time}
	count := ev.DeprecatedCount
	if s := ev.Series; s != nil {
		t.series, count = s.LastObservedTime.Time, max(count, s.Count)
	}
	dst.settle(&t, count)
}

// DecodeJSON makes a record of an Event's JSON, of core/v1 or of events.k8s.io/v1 by its apiVersion. Without one it is
// taken for core/v1, as the items of a list come. Unknown fields are ignored: the API server's word counts.
func DecodeJSON(dst *Record, data []byte) error {
	var head metav1.TypeMeta
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("eventsink: an Event's JSON: %w", err)
	}
	if head.Kind != "Event" && head.Kind != "" {
		return fmt.Errorf("eventsink: kind %q: want an Event", short(head.Kind))
	}
	switch head.APIVersion {
	case "", "v1":
		var ev corev1.Event
		if err := json.Unmarshal(data, &ev); err != nil {
			return fmt.Errorf("eventsink: a core/v1 Event's JSON: %w", err)
		}
		FromCore(dst, &ev)
	case eventsv1.SchemeGroupVersion.String():
		var ev eventsv1.Event
		if err := json.Unmarshal(data, &ev); err != nil {
			return fmt.Errorf("eventsink: an events.k8s.io/v1 Event's JSON: %w", err)
		}
		FromEvents(dst, &ev)
	default:
		return fmt.Errorf("eventsink: apiVersion %q of an Event: want v1 or %s", short(head.APIVersion), eventsv1.SchemeGroupVersion)
	}
	return nil
}

func (r *Record) meta(m *metav1.ObjectMeta) {
	r.UID, r.Namespace, r.Name, r.ResourceVersion = string(m.UID), m.Namespace, m.Name, m.ResourceVersion
	r.Created = usable(m.CreationTimestamp.Time)
	r.Labels, r.Annotations = m.Labels, m.Annotations
}

func (r *Record) reporter(controller, instance string, source *corev1.EventSource) {
	r.Component, r.Instance, r.Host = controller, instance, source.Host
	if r.Component == "" {
		r.Component = source.Component
	}
}

func related(o *corev1.ObjectReference) corev1.ObjectReference {
	if o == nil {
		return corev1.ObjectReference{}
	}
	return *o
}

// times are the timestamps an Event may carry besides its creation.
type times struct{ series, last, eventTime, first time.Time }

// settle fills in what follows from several fields. The chain is that of kubectl's printer, which no field alone
// survives: a series has count 0 and no firstTimestamp (kubernetes/kubernetes#90482).
func (r *Record) settle(t *times, count int32) {
	t.series, t.last, t.eventTime, t.first = usable(t.series), usable(t.last), usable(t.eventTime), usable(t.first)
	switch {
	case !t.series.IsZero():
		r.Last, r.LastFrom = t.series, TimeSeries
	case !t.last.IsZero():
		r.Last, r.LastFrom = t.last, TimeLast
	case !t.eventTime.IsZero():
		r.Last, r.LastFrom = t.eventTime, TimeEvent
	case !t.first.IsZero():
		r.Last, r.LastFrom = t.first, TimeFirst
	case !r.Created.IsZero():
		r.Last, r.LastFrom = r.Created, TimeCreated
	default:
		r.Last, r.LastFrom = time.Time{}, NoTime
	}
	switch {
	case !t.first.IsZero():
		r.First = t.first
	case !t.eventTime.IsZero():
		r.First = t.eventTime
	case !r.Created.IsZero():
		r.First = r.Created
	default:
		r.First = r.Last
	}
	r.Occurrences = uint32(max(count, 1))
	r.Combined = strings.HasPrefix(r.Message, combinedPrefix)
}

// usable returns t if a document can hold it, 1970 to 9999, and else the zero Time.
func usable(t time.Time) time.Time {
	if s := t.Unix(); s <= 0 || s >= 253402300800 {
		return time.Time{}
	}
	return t
}
