package watchcodec

import (
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/eventsink"
)

// ErrNotEvent means the bytes are an object of another kind or version, or no object at all.
var ErrNotEvent = errors.New("no Event of v1 or events.k8s.io/v1")

// Decode makes a record of an Event in the protobuf of the API server: the bytes "k8s", 0, and a runtime.Unknown that
// holds an Event of v1 or of events.k8s.io/v1. The record is the one that [eventsink.FromCore] or
// [eventsink.FromEvents] makes of the object that the generated code decodes from the same bytes.
//
// It overwrites every field of dst, or none when it fails. Nothing of dst aliases data. The strings of a record share
// one allocation, the size of what they hold together; UID and ResourceVersion, which are what is kept of an Event, have
// one of their own, and so has each label and annotation.
//
// The error is [ErrNotEvent] for what another decoder should try. What the generated code refuses is refused, unless the
// damage is in a field that a record does not have.
func Decode(dst *eventsink.Record, data []byte) error {
	_, err := decode(dst, data)
	return err
}

func decode(dst *eventsink.Record, data []byte) (schema.GroupVersionKind, error) {
	version, raw, err := open(data)
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	var e event
	if version == corev1.SchemeGroupVersion {
		err = e.core(raw)
	} else {
		err = e.events(raw)
	}
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("eventsink/watchcodec: protobuf of an Event: %w", err)
	}
	e.settle()
	eventsink.FromCore(dst, &e.Event)
	return version.WithKind(eventKind), nil
}

// prefix announces a runtime.Unknown (k8s.io/apimachinery/pkg/runtime/serializer/protobuf).
const prefix = "k8s\x00"

const eventKind = "Event"

// open reads the envelope: which version of an Event it is, and its bytes.
func open(data []byte) (version schema.GroupVersion, raw []byte, err error) {
	if len(data) <= len(prefix) || string(data[:len(prefix)]) != prefix {
		return version, nil, fmt.Errorf("eventsink/watchcodec: the object does not begin with %q: %w", prefix, ErrNotEvent)
	}
	var apiVersion, kind, ignored []byte
	m := message{data: data[len(prefix):]}
	for m.next() {
		switch m.field {
		case 1:
			typeMeta(&m, &apiVersion, &kind)
		case 2:
			m.text(&raw)
		case 3, 4:
			m.text(&ignored)
		}
	}
	if m.err != nil {
		return version, nil, fmt.Errorf("eventsink/watchcodec: protobuf of an object: %w", m.err)
	}
	if string(kind) == eventKind {
		switch string(apiVersion) {
		case "v1":
			return corev1.SchemeGroupVersion, raw, nil
		case "events.k8s.io/v1":
			return eventsv1.SchemeGroupVersion, raw, nil
		}
	}
	return version, nil, fmt.Errorf("eventsink/watchcodec: kind %q of apiVersion %q: %w", short(kind), short(apiVersion), ErrNotEvent)
}

func typeMeta(outer *message, apiVersion, kind *[]byte) {
	m := outer.inner()
	for m.next() {
		switch m.field {
		case 1:
			m.text(apiVersion)
		case 2:
			m.text(kind)
		}
	}
	outer.nested("typeMeta", m.err)
}

// short cuts what an error quotes.
func short(s []byte) string {
	const most = 80
	return strings.ToValidUTF8(string(s[:min(len(s), most)]), "")
}
