package watchcodec

import (
	"errors"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/kubewright/kubewright/eventsink"
)

// Event is the object of a frame of a watch: an Event, or the bookmark of one, of which only ResourceVersion and
// Annotations say something. The reader may keep it and change it.
type Event struct {
	Record eventsink.Record
	kind   schema.GroupVersionKind
}

// GetObjectKind says nothing, as for any object that a typed client has decoded.
func (*Event) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject makes an Event a runtime.Object.
func (e *Event) DeepCopyObject() runtime.Object {
	c := *e
	c.Record.Labels, c.Record.Annotations = maps.Clone(e.Record.Labels), maps.Clone(e.Record.Annotations)
	return &c
}

// NewSerializer returns a serializer that does what another does, but for the Events of watches in protobuf: each frame
// becomes an [*Event] at once. Anything else is decoded as before: Events in JSON, lists, what is decoded into an object
// that the caller gave, Status.
//
// It is safe for concurrent use if the other is.
func NewSerializer(s runtime.NegotiatedSerializer) runtime.NegotiatedSerializer {
	n := &negotiated{NegotiatedSerializer: s, accepts: slices.Clone(s.SupportedMediaTypes())}
	for i := range n.accepts {
		info := &n.accepts[i]
		if info.MediaType != runtime.ContentTypeProtobuf || info.StreamSerializer == nil {
			continue
		}
		info.Serializer = objects{info.Serializer}
		stream := *info.StreamSerializer
		stream.Serializer = frames{stream.Serializer, &schema.GroupVersionKind{Version: "v1", Kind: "WatchEvent"}}
		info.StreamSerializer = &stream
	}
	return n
}

type negotiated struct {
	runtime.NegotiatedSerializer
	accepts []runtime.SerializerInfo
}

func (n *negotiated) SupportedMediaTypes() []runtime.SerializerInfo { return n.accepts }

// objects decodes what frames hold.
type objects struct{ runtime.Serializer }

func (o objects) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if into != nil || defaults != nil {
		return o.Serializer.Decode(data, defaults, into)
	}
	e := &Event{}
	var err error
	e.kind, err = decode(&e.Record, data)
	if errors.Is(err, ErrNotEvent) {
		return o.Serializer.Decode(data, defaults, into)
	}
	if err != nil {
		return nil, nil, err
	}
	return e, &e.kind, nil
}

// frames decodes a watch's frames, metav1.WatchEvents. The object in one aliases the frame: client-go's watch decoder
// decodes it before it reads the next.
type frames struct {
	runtime.Serializer
	kind *schema.GroupVersionKind
}

func (f frames) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if e, ok := into.(*metav1.WatchEvent); ok && e != nil && frame(e, data) {
		return e, f.kind, nil
	}
	return f.Serializer.Decode(data, defaults, into)
}

// frame reads a WatchEvent (k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto). It returns false for what is none.
func frame(dst *metav1.WatchEvent, data []byte) bool {
	if len(data) == 0 {
		return false
	}
	var eventType, raw []byte
	m := message{data: data}
	for m.next() {
		switch m.field {
		case 1:
			m.text(&eventType)
		case 2:
			extension(&m, &raw)
		}
	}
	*dst = metav1.WatchEvent{Type: known(eventType), Object: runtime.RawExtension{Raw: raw}}
	return m.err == nil
}

// extension reads a runtime.RawExtension, which is bytes.
func extension(outer *message, raw *[]byte) {
	m := outer.inner()
	for m.next() {
		if m.field == 1 {
			m.text(raw)
		}
	}
	outer.nested("object", m.err)
}

// known is a type of frame as a string, without allocating one for those that there are.
func known(eventType []byte) string {
	for _, t := range [...]watch.EventType{watch.Added, watch.Modified, watch.Deleted, watch.Bookmark, watch.Error} {
		if string(eventType) == string(t) {
			return string(t)
		}
	}
	return string(eventType)
}
