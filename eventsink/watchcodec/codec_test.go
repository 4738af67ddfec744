package watchcodec_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	restwatch "k8s.io/client-go/rest/watch"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/watchcodec"
)

// frames is a watch as the API server writes it.
func frames(mediaType string, events ...watch.Event) []byte {
	info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), mediaType)
	var out bytes.Buffer
	e := restwatch.NewEncoder(streaming.NewEncoder(info.StreamSerializer.NewFrameWriter(&out), info.StreamSerializer.Serializer),
		scheme.Codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion))
	for i := range events {
		if err := e.Encode(&events[i]); err != nil {
			panic(err)
		}
	}
	return out.Bytes()
}

// decoder reads a watch as rest.Request does.
func decoder(t testing.TB, s runtime.NegotiatedSerializer, mediaType string, text []byte) *restwatch.Decoder {
	t.Helper()
	objects, frames, framer, err := runtime.NewClientNegotiator(s, corev1.SchemeGroupVersion).StreamDecoder(mediaType, nil)
	require.NoError(t, err)
	return restwatch.NewDecoder(streaming.NewDecoder(framer.NewFrameReader(io.NopCloser(bytes.NewReader(text))), frames), objects)
}

var usual = scheme.Codecs.WithoutConversion()

// asRecord puts a record in the place of an Event of the generated code.
func asRecord(o runtime.Object) any {
	var r eventsink.Record
	switch o := o.(type) {
	case *watchcodec.Event:
		return o.Record
	case *corev1.Event:
		eventsink.FromCore(&r, o)
		return r
	}
	return o
}

func TestFrames(t *testing.T) {
	a, _ := filled(1)
	b, _ := filled(2)
	bookmark := &corev1.Event{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "7", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}
	told := []watch.Event{
		{Type: watch.Added, Object: a},
		{Type: watch.Bookmark, Object: bookmark},
		{Type: watch.Modified, Object: b},
		{Type: watch.Deleted, Object: a},
		{Type: watch.Added, Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod"}}},
		{Type: watch.Error, Object: &metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonExpired}},
	}
	for _, mediaType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		text := frames(mediaType, told...)
		ours, theirs := decoder(t, watchcodec.NewSerializer(usual), mediaType, text), decoder(t, usual, mediaType, text)
		for i, e := range told {
			kind, object, err := ours.Decode()
			require.NoError(t, err)
			wantKind, want, err := theirs.Decode()
			require.NoError(t, err)
			require.Equal(t, wantKind, kind)
			require.Equal(t, asRecord(want), asRecord(object), i)
			_, fast := object.(*watchcodec.Event)
			_, isEvent := e.Object.(*corev1.Event)
			require.Equal(t, isEvent && mediaType == runtime.ContentTypeProtobuf, fast, "%s: %T", mediaType, object)
			require.Equal(t, want.GetObjectKind().GroupVersionKind(), object.GetObjectKind().GroupVersionKind())
		}
		_, _, err := ours.Decode()
		require.Equal(t, io.EOF, err)
	}
}

// Where the caller says what to decode into, or which kind it is, it gets that.
func TestIntoIsRespected(t *testing.T) {
	info, ok := runtime.SerializerInfoForMediaType(watchcodec.NewSerializer(usual).SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	require.True(t, ok)
	core, events := filled(3)
	data := enveloped("v1", marshal(t, core))
	o, kind, err := info.Serializer.Decode(data, nil, &corev1.Event{})
	require.NoError(t, err)
	require.IsType(t, &corev1.Event{}, o)
	require.Equal(t, "Event", kind.Kind)
	o, _, err = info.Serializer.Decode(data, &schema.GroupVersionKind{Version: "v1", Kind: "Event"}, nil)
	require.NoError(t, err)
	require.IsType(t, &corev1.Event{}, o)
	o, kind, err = info.Serializer.Decode(enveloped("events.k8s.io/v1", marshal(t, events)), nil, nil)
	require.NoError(t, err)
	require.IsType(t, &watchcodec.Event{}, o)
	require.Equal(t, "events.k8s.io/v1, Kind=Event", kind.String())
	_, _, err = info.Serializer.Decode(enveloped("v1", []byte("\x08\x01")), nil, nil)
	require.ErrorContains(t, err, "wire type")
	_, _, err = info.Serializer.Decode([]byte("{}"), nil, nil)
	require.ErrorContains(t, err, "does not appear to be a protobuf message")

	_, _, err = info.StreamSerializer.Decode([]byte("\x08\x01"), nil, &metav1.WatchEvent{})
	require.ErrorContains(t, err, "wrong wireType")
	_, _, err = info.StreamSerializer.Decode(nil, nil, &metav1.WatchEvent{})
	require.ErrorContains(t, err, "empty data")
	o, _, err = info.StreamSerializer.Decode(marshal(t, core), nil, &corev1.Event{})
	require.NoError(t, err)
	require.IsType(t, &corev1.Event{}, o)
	same, ok := runtime.SerializerInfoForMediaType(usual.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	require.True(t, ok)
	o, _, err = same.Serializer.Decode(data, nil, nil)
	require.NoError(t, err)
	require.IsType(t, &corev1.Event{}, o, "the serializer that was given is as it was")
}

func TestCopy(t *testing.T) {
	e := &watchcodec.Event{Record: eventsink.Record{UID: "u", Labels: map[string]string{"a": "1"}}}
	c, ok := e.DeepCopyObject().(*watchcodec.Event)
	require.True(t, ok)
	require.Equal(t, e, c)
	c.Record.Labels["a"] = "2"
	require.Equal(t, "1", e.Record.Labels["a"])
}

// newServer answers a list and a watch of Events in protobuf.
func newServer(text []byte) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
		if r.URL.Query().Get("watch") == "" {
			info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
			_ = scheme.Codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion).Encode(&corev1.EventList{Items: []corev1.Event{{Reason: "Started"}}}, w)
			return
		}
		w.Header().Set("Content-Type", runtime.ContentTypeProtobuf+";stream=watch")
		_, _ = w.Write(text)
	}))
}

// A typed client over a RESTClient with the serializer: watches are records, lists are lists, damage ends the watch.
func TestTypedClient(t *testing.T) {
	core, _ := filled(4)
	text := frames(runtime.ContentTypeProtobuf, watch.Event{Type: watch.Added, Object: core})
	damaged := append(bytes.Clone(text), 0, 0, 0, 11, 0x0a, 5, 'A', 'D', 'D', 'E', 'D', 0x12, 2, 0x0a, 0) // a frame with an empty object
	server := newServer(damaged)
	t.Cleanup(server.Close)
	client, err := rest.RESTClientFor(&rest.Config{Host: server.URL, APIPath: "/api", ContentConfig: rest.ContentConfig{
		GroupVersion: &corev1.SchemeGroupVersion, ContentType: runtime.ContentTypeProtobuf, NegotiatedSerializer: watchcodec.NewSerializer(usual),
	}})
	require.NoError(t, err)
	events := typedcorev1.New(client).Events("")
	list, err := events.List(context.Background(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, "Started", list.Items[0].Reason)
	w, err := events.Watch(context.Background(), metav1.ListOptions{})
	require.NoError(t, err)
	e := <-w.ResultChan()
	want, err := wanted(t, enveloped("v1", marshal(t, core)))
	require.NoError(t, err)
	require.Equal(t, want, asRecord(e.Object))
	require.IsType(t, &watchcodec.Event{}, e.Object)
	e = <-w.ResultChan()
	require.Equal(t, watch.Error, e.Type, "as of the usual decoder")
	_, more := <-w.ResultChan()
	require.False(t, more)
}

// FuzzFrame: on any frame, the decoder with the serializer does what the usual one does.
func FuzzFrame(f *testing.F) {
	core, _ := filled(5)
	core.ManagedFields, core.OwnerReferences, core.DeletionTimestamp = nil, nil, nil
	f.Add(frames(runtime.ContentTypeProtobuf, watch.Event{Type: watch.Added, Object: core})[4:])
	f.Add(frames(runtime.ContentTypeProtobuf, watch.Event{Type: watch.Error, Object: &metav1.Status{Code: 410}})[4:])
	f.Add(frames(runtime.ContentTypeProtobuf, watch.Event{Type: watch.Bookmark, Object: &corev1.Event{}})[4:])
	f.Add([]byte("\x0a\x05ADDED\x12\x00"))
	f.Add([]byte("\x12\x02\x0a\x01\x0a\x05OTHER\x12\x00\x1a\x00"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		text := append([]byte{byte(len(frame) >> 24), byte(len(frame) >> 16), byte(len(frame) >> 8), byte(len(frame))}, frame...)
		kind, object, err := decoder(t, watchcodec.NewSerializer(usual), runtime.ContentTypeProtobuf, text).Decode()
		wantKind, want, wantErr := decoder(t, usual, runtime.ContentTypeProtobuf, text).Decode()
		if err != nil {
			require.Error(t, wantErr, "refused alone: %v", err)
			require.Equal(t, errors.Is(wantErr, io.EOF), errors.Is(err, io.EOF))
			return
		}
		if wantErr != nil { // damage in what is passed over: FuzzDecode looks closer
			require.IsType(t, &watchcodec.Event{}, object)
			return
		}
		require.Equal(t, wantKind, kind)
		require.Equal(t, asRecord(want), asRecord(object))
	})
}
