package eventsink

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/watchcodec"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/events"
)

// TestDecodedBothWays watches what the API server has to tell of a few seconds, in both API groups, through package
// watchcodec and through the generated code: every frame gives the same record.
func TestDecodedBothWays(t *testing.T) {
	c := shared.Get(t)
	client := events.Client(t, c)
	namespace := c.Namespace(t)
	list, err := client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	write(t, c, client, namespace)
	config, err := c.RESTConfig()
	require.NoError(t, err)
	usual := scheme.Codecs.WithoutConversion()
	for path, gv := range map[string]schema.GroupVersion{"/api": corev1.SchemeGroupVersion, "/apis": eventsv1.SchemeGroupVersion} {
		for name, from := range map[string]metav1.ListOptions{
			"what happened": {ResourceVersion: list.ResourceVersion},
			"what there is": {SendInitialEvents: new(true), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true},
		} {
			want, _ := frames(t, config, path, gv, usual, namespace, from)
			got, straight := frames(t, config, path, gv, watchcodec.NewSerializer(usual), namespace, from)
			require.Equal(t, len(got), straight, "every frame was decoded straight into a record")
			require.Equal(t, want, got)
			require.True(t, slices.ContainsFunc(got, func(f frame) bool {
				return f.r.Labels["app"] == "web" && len(f.r.Annotations) == 2 && f.r.Related.Kind == "Node" && f.r.LastFrom == eventsink.TimeSeries && f.r.Occurrences == 12
			}))
			require.True(t, slices.ContainsFunc(got, func(f frame) bool { return f.r.Combined }))
			require.Equal(t, from.ResourceVersion != "", slices.ContainsFunc(got, func(f frame) bool { return f.kind == watch.Deleted }))
			t.Logf("%s, %s: %d frames", gv, name, len(got))
		}
	}
}

// write has Events made by kubelets, recorders and controllers, some by hand with all that they can have, and at last one
// whose reason is Last.
func write(t *testing.T, c *cluster.Cluster, client kubernetes.Interface, namespace string) {
	t.Helper()
	f := &flood{client: client, namespace: namespace, workers: 4, most: 200}
	require.NoError(t, f.run(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	go recorders(ctx, client, namespace)
	require.NoError(t, controllers(ctx, client, namespace))

	old := event(namespace, 0, 0)
	old.Name, old.Labels, old.Annotations = "full", map[string]string{"app": "web"}, map[string]string{"a": "1", "b": "ü\n"}
	old.Related = &corev1.ObjectReference{Kind: "Node", Name: "node-1", UID: "n", APIVersion: "v1", ResourceVersion: "5"}
	old.Series = &corev1.EventSeries{Count: 9, LastObservedTime: metav1.NowMicro()}
	old.Action = "Restarting"
	made, err := client.CoreV1().Events(namespace).Create(t.Context(), old, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = client.CoreV1().Events(namespace).Patch(t.Context(), made.Name, types.MergePatchType, []byte(`{"count":12,"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u"}]}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	fresh := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "gone"}, EventTime: metav1.NowMicro(), Reason: "Evicted", Action: "Evicting", Note: "ü",
		Type: "Warning", ReportingController: "example.com/e2e", ReportingInstance: "e2e-0", Regarding: old.InvolvedObject, Related: old.Related,
	}
	_, err = client.EventsV1().Events(namespace).Create(t.Context(), fresh, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, client.EventsV1().Events(namespace).Delete(t.Context(), fresh.Name, metav1.DeleteOptions{}))
	events.Settled(t, c)
	last := event(namespace, 0, 0)
	last.Name, last.Reason = "last", "Last"
	_, err = client.CoreV1().Events(namespace).Create(t.Context(), last, metav1.CreateOptions{})
	require.NoError(t, err)
}

// frame is one frame of a watch.
type frame struct {
	kind watch.EventType
	r    eventsink.Record
}

// frames watches until the last Event or, of those that there are, until they end. straight is how many frames came as records.
func frames(t *testing.T, config *rest.Config, path string, gv schema.GroupVersion, s runtime.NegotiatedSerializer, namespace string, o metav1.ListOptions) (all []frame, straight int) {
	t.Helper()
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion, config.ContentType, config.NegotiatedSerializer = path, &gv, runtime.ContentTypeProtobuf, s
	client, err := rest.RESTClientFor(config)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o.Watch = true
	w, err := client.Get().Namespace(namespace).Resource("events").VersionedParams(&o, scheme.ParameterCodec).Watch(ctx)
	require.NoError(t, err)
	defer w.Stop()
	for e := range w.ResultChan() {
		f := frame{kind: e.Type}
		switch object := e.Object.(type) {
		case *watchcodec.Event:
			f.r = object.Record
			straight++
		case *corev1.Event:
			eventsink.FromCore(&f.r, object)
		case *eventsv1.Event:
			eventsink.FromEvents(&f.r, object)
		default:
			t.Fatalf("%s %v", e.Type, e.Object)
		}
		all = append(all, f)
		if e.Type == watch.Bookmark || o.SendInitialEvents == nil && f.r.Reason == "Last" {
			return all, straight
		}
	}
	t.Fatalf("the watch ended after %d frames", len(all))
	return nil, 0
}
