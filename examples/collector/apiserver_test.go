package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	restwatch "k8s.io/client-go/rest/watch"
)

// apiServer has Events and Pods to list and to watch, and Leases and ConfigMaps to keep, over HTTP as client-go speaks it.
type apiServer struct {
	*httptest.Server
	mu      sync.Mutex
	version int
	objects map[string]runtime.Object // by path
	log     []change
	changed chan struct{} // closed and replaced
	asked   []string      // what was read of Events
	json    bool          // it does not speak protobuf
}

type change struct {
	kind    string // events, pods
	version int
	object  runtime.Object
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	a := &apiServer{version: 100, objects: map[string]runtime.Object{}, changed: make(chan struct{})}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.CloseClientConnections)
	t.Cleanup(a.Close)
	return a
}

// kubeconfig is a file that leads to it.
func (a *apiServer) kubeconfig(t *testing.T) string {
	t.Helper()
	return put(t, "kubeconfig", strings.Replace(read(t, "testdata/kubeconfig"), "https://127.0.0.1:1", a.URL, 1))
}

// add writes an Event or a Pod.
func (a *apiServer) add(kind string, o runtime.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	m, _ := meta.Accessor(o)
	m.SetResourceVersion(strconv.Itoa(a.version))
	a.log = append(a.log, change{kind, a.version, o})
	close(a.changed)
	a.changed = make(chan struct{})
}

// get is what is kept under a path, nil if nothing is.
func (a *apiServer) get(path string) runtime.Object {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.objects[path]
}

// set keeps an object over the head of whoever has read it.
func (a *apiServer) set(path string, o runtime.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keep(path, o)
}

func (a *apiServer) keep(path string, o runtime.Object) {
	a.version++
	m, _ := meta.Accessor(o)
	m.SetResourceVersion(strconv.Itoa(a.version))
	a.objects[path] = o
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, isCollection := strings.CutPrefix(r.URL.Path, "/api/v1/")
	switch {
	case isCollection && (kind == "events" || kind == "pods"):
		if r.URL.Query().Get("watch") != "" {
			a.watch(w, r, kind)
			return
		}
		a.list(w, r, kind)
	case r.Method == http.MethodGet:
		if o := a.get(r.URL.Path); o != nil {
			tell(w, http.StatusOK, o)
			return
		}
		fail(w, apierrors.NewNotFound(schema.GroupResource{}, r.URL.Path))
	default:
		a.write(w, r)
	}
}

// write creates or updates, unless somebody else has meanwhile.
func (a *apiServer) write(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	o, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		fail(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	m, _ := meta.Accessor(o)
	path := r.URL.Path
	if r.Method == http.MethodPost {
		path += "/" + m.GetName()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if old, ok := a.objects[path]; ok {
		is, _ := meta.Accessor(old)
		if is.GetResourceVersion() != m.GetResourceVersion() {
			fail(w, apierrors.NewConflict(schema.GroupResource{}, path, fmt.Errorf("it has changed")))
			return
		}
	}
	a.keep(path, o)
	tell(w, http.StatusOK, o)
}

func (a *apiServer) note(r *http.Request, kind string) {
	if kind == "events" {
		a.asked = append(a.asked, r.URL.RawQuery)
	}
}

func (a *apiServer) list(w http.ResponseWriter, r *http.Request, kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note(r, kind)
	items := []any{}
	at := a.version
	if r.URL.Query().Get("resourceVersionMatch") == string(metav1.ResourceVersionMatchExact) {
		at, _ = strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	}
	for _, c := range a.log {
		if c.kind == kind && c.version <= at && r.URL.Query().Get("limit") != "1" {
			items = append(items, c.object)
		}
	}
	name := map[string]string{"events": "EventList", "pods": "PodList"}[kind]
	tell(w, http.StatusOK, map[string]any{"kind": name, "apiVersion": "v1", "metadata": metav1.ListMeta{ResourceVersion: strconv.Itoa(at)}, "items": items})
}

func (a *apiServer) watch(w http.ResponseWriter, r *http.Request, kind string) {
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	initial := r.URL.Query().Get("sendInitialEvents") == "true"
	a.mu.Lock()
	a.note(r, kind)
	frames := a.encoder(w, r)
	a.mu.Unlock()
	for {
		a.mu.Lock()
		added, changed, version := a.since(kind, from), a.changed, a.version
		a.mu.Unlock()
		for _, o := range added {
			_ = frames.Encode(&watch.Event{Type: watch.Added, Object: o})
		}
		if initial {
			end := &corev1.Event{}
			end.ResourceVersion, end.Annotations = strconv.Itoa(version), map[string]string{metav1.InitialEventsAnnotationKey: "true"}
			_ = frames.Encode(&watch.Event{Type: watch.Bookmark, Object: end})
			initial = false
		}
		from = version
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}

// encoder writes frames of a watch in what the client accepts.
func (a *apiServer) encoder(w http.ResponseWriter, r *http.Request) *restwatch.Encoder {
	mediaType := runtime.ContentTypeJSON
	if !a.json && strings.HasPrefix(r.Header.Get("Accept"), runtime.ContentTypeProtobuf) {
		mediaType = runtime.ContentTypeProtobuf
	}
	w.Header().Set("Content-Type", mediaType+";stream=watch")
	info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), mediaType)
	frames := streaming.NewEncoder(info.StreamSerializer.NewFrameWriter(w), info.StreamSerializer.Serializer)
	return restwatch.NewEncoder(frames, scheme.Codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion))
}

func (a *apiServer) since(kind string, from int) (found []runtime.Object) {
	for _, c := range a.log {
		if c.kind == kind && c.version > from {
			found = append(found, c.object)
		}
	}
	return found
}

// typed has kind and apiVersion set, which a decoder goes by.
func typed(o runtime.Object) runtime.Object {
	o = o.DeepCopyObject()
	if kinds, _, err := scheme.Scheme.ObjectKinds(o); err == nil {
		o.GetObjectKind().SetGroupVersionKind(kinds[0])
	}
	return o
}

func tell(w http.ResponseWriter, status int, value any) {
	if o, ok := value.(runtime.Object); ok {
		value = typed(o)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func fail(w http.ResponseWriter, err *apierrors.StatusError) {
	tell(w, int(err.ErrStatus.Code), &err.ErrStatus)
}

func TestTheAPIServerOfTheTestsSeesConflicts(t *testing.T) {
	a := newAPIServer(t)
	a.set("/x/name", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "name"}})
	resp, err := http.Post(a.URL+"/x", "application/json", strings.NewReader(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"name","resourceVersion":"1"}}`))
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // only its status counts
	require.Equal(t, http.StatusConflict, resp.StatusCode)
}
