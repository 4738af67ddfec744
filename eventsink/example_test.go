package eventsink_test

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/eventsink"
)

// crash is an Event of a Pod that crashed n times.
func crash(n int32) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{UID: "0f8fad5b", Namespace: "shop", Name: "web-0.17f3", ResourceVersion: fmt.Sprint(100 + n), CreationTimestamp: metav1.NewTime(t0)},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web-0"},
		Type:           "Warning", Reason: "BackOff", Message: "Back-off restarting failed container", Count: n,
		Source: corev1.EventSource{Component: "kubelet"}, FirstTimestamp: metav1.NewTime(t0), LastTimestamp: metav1.NewTime(t0.Add(time.Minute)),
	}
}

func Example() {
	flow, err := eventsink.NewFlow(eventsink.FlowOptions{Start: t0})
	if err != nil {
		panic(err)
	}
	var r eventsink.Record
	for _, n := range []int32{1, 4, 4} { // the last one is a relist's
		eventsink.FromCore(&r, crash(n))
		verdict, err := flow.Admit(t0, &r, true)
		fmt.Println(verdict, err)
	}
	batch := flow.Next(t0, true)
	for i := range batch.Len() {
		fmt.Println(string(batch.Action(i)))
		flow.Settle(batch.Token(i), eventsink.Delivered, "")
	}
	for key, counts := range flow.Aggregator().All() {
		fmt.Println(key.Reason, key.Kind, key.Namespace, counts.Occurrences, counts.Objects)
	}
	ledger := flow.Ledger()
	fmt.Println(ledger.Received, ledger.Delivered, ledger.Duplicate, ledger.Balanced())
	checkpoint, _ := flow.Checkpoint(t0)
	fmt.Println(string(checkpoint.AppendJSON(nil)))
	// Output:
	// new <nil>
	// repeat <nil>
	// refresh <nil>
	// {"index":{"_index":"k8s-events-2026.03.01","_id":"0f8fad5b","version":1,"version_type":"external"}}
	// {"index":{"_index":"k8s-events-2026.03.01","_id":"0f8fad5b","version":4,"version_type":"external"}}
	// BackOff Pod shop 4 1
	// 3 2 1 true
	// {"resourceVersion":"104","time":"2026-03-01T12:00:00Z"}
}

func ExampleRenderer_AppendSource() {
	renderer, err := eventsink.NewRenderer(eventsink.Format{Schema: eventsink.Raw, Cluster: "blue"})
	if err != nil {
		panic(err)
	}
	var r eventsink.Record
	eventsink.FromCore(&r, crash(4))
	fmt.Println(string(renderer.AppendSource(nil, &r)))
	// Output: {"uid":"0f8fad5b","@timestamp":"2026-03-01T12:01:00Z","cluster":"blue","namespace":"shop","name":"web-0.17f3","resourceVersion":"104","type":"Warning","reason":"BackOff","message":"Back-off restarting failed container","occurrences":4,"regarding":{"kind":"Pod","name":"web-0","namespace":"shop"},"component":"kubelet","first":"2026-03-01T12:00:00Z","last":"2026-03-01T12:01:00Z","created":"2026-03-01T12:00:00Z","lastFrom":"last"}
}

func ExampleTracker() {
	tracker := eventsink.NewTracker(0, 0, t0)
	var r eventsink.Record
	for _, n := range []int32{1, 1, 250} { // a series is written every 30 minutes
		eventsink.FromCore(&r, crash(n))
		fmt.Println(tracker.Observe(&r, t0, true))
	}
	// Output:
	// new 1
	// refresh 0
	// repeat 249
}

func ExampleSource() {
	source, err := eventsink.NewSource(eventsink.SourceOptions{}, "184467")
	if err != nil {
		panic(err)
	}
	fmt.Println(source.Next().Verb) // is it still the cluster of the checkpoint?
	source.Probed("190000")
	request := source.Next()
	fmt.Println(request.Verb, request.ResourceVersion)
	fmt.Println(source.Ended(300*time.Millisecond, nil))
	fmt.Println(source.Ended(300*time.Millisecond, nil)) // a front end that hides the 410
	fmt.Println(source.Next().Verb)
	// Output:
	// probe
	// watch 184467
	// timeout
	// silent_close
	// watchlist
}

func ExampleShard() {
	shard, err := eventsink.ParseShard("1/2")
	fmt.Println(shard.Owns("0f8fad5b-d9cb-469f-a165-70867728950e"), err)
	fmt.Println(shard.Selector())
	// Output:
	// false <nil>
	// shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')
}
