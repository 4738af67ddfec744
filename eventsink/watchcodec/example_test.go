package watchcodec_test

import (
	"context"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/watchcodec"
)

// told is what an API server has to tell.
var told = frames(runtime.ContentTypeProtobuf,
	watch.Event{Type: watch.Added, Object: &corev1.Event{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "106"}, Reason: "BackOff"}},
	watch.Event{Type: watch.Bookmark, Object: &corev1.Event{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "107"}}},
	watch.Event{Type: watch.Error, Object: &metav1.Status{Code: http.StatusGone}},
)

func ExampleNewSerializer() {
	server := newServer(told)
	defer server.Close()
	config := &rest.Config{Host: server.URL} // or of a kubeconfig

	config.APIPath, config.GroupVersion = "/api", &corev1.SchemeGroupVersion
	config.ContentType = runtime.ContentTypeProtobuf
	config.NegotiatedSerializer = watchcodec.NewSerializer(scheme.Codecs.WithoutConversion())
	client, err := rest.RESTClientFor(config)
	if err != nil {
		panic(err)
	}
	w, err := typedcorev1.New(client).Events(metav1.NamespaceAll).Watch(context.Background(), metav1.ListOptions{})
	if err != nil {
		panic(err)
	}
	for frame := range w.ResultChan() {
		switch o := frame.Object.(type) {
		case *watchcodec.Event:
			fmt.Println(frame.Type, o.Record.Reason, o.Record.ResourceVersion)
		default:
			fmt.Printf("%s %T\n", frame.Type, o)
		}
	}
	// Output:
	// ADDED BackOff 106
	// BOOKMARK  107
	// ERROR *v1.Status
}

func ExampleDecode() {
	event := &corev1.Event{Reason: "BackOff", Count: 7}
	raw, err := event.Marshal()
	if err != nil {
		panic(err)
	}
	var r eventsink.Record
	if err := watchcodec.Decode(&r, enveloped("v1", raw)); err != nil {
		panic(err)
	}
	fmt.Println(r.Reason, r.Occurrences)
	fmt.Println(watchcodec.Decode(&r, []byte(`{"kind": "Event"}`)))
	// Output:
	// BackOff 7
	// eventsink/watchcodec: the object does not begin with "k8s\x00": no Event of v1 or events.k8s.io/v1
}
