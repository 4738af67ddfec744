package eventsink

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// flood creates Events until its context ends or there are enough of them.
type flood struct {
	client    kubernetes.Interface
	namespace string
	workers   int
	rate      int // a second, 0 for as many as go
	most      int64

	made atomic.Int64
}

func (f *flood) run(ctx context.Context) error {
	var running sync.WaitGroup
	var failed atomic.Pointer[error]
	for w := range f.workers {
		running.Go(func() {
			if err := f.work(ctx, w); err != nil && ctx.Err() == nil {
				failed.Store(&err)
			}
		})
	}
	running.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *flood) work(ctx context.Context, worker int) error {
	var pace <-chan time.Time
	if f.rate > 0 {
		ticker := time.NewTicker(time.Second * time.Duration(f.workers) / time.Duration(f.rate))
		defer ticker.Stop()
		pace = ticker.C
	}
	for ctx.Err() == nil {
		n := f.made.Add(1)
		if f.most > 0 && n > f.most {
			f.made.Add(-1)
			return nil
		}
		_, err := f.client.CoreV1().Events(f.namespace).Create(ctx, event(f.namespace, worker, n), metav1.CreateOptions{})
		if err != nil {
			f.made.Add(-1)
			if apierrors.IsAlreadyExists(err) {
				continue
			}
			return err
		}
		if pace != nil {
			<-pace
		}
	}
	return nil
}

// event looks like a kubelet's.
func event(namespace string, worker int, n int64) *corev1.Event {
	now := metav1.Now()
	pod := fmt.Sprintf("pod-%d", n%97)
	kind := []string{"Normal", "Warning"}[n%2]
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s.%d.%x", pod, worker, now.UnixNano())},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: pod, UID: "7d9a4c2e-0000-4000-8000-000000000000", APIVersion: "v1", FieldPath: "spec.containers{web}"},
		Reason:         []string{"Pulled", "BackOff", "Created", "Unhealthy", "Started"}[n%5], Message: strings.Repeat("Back-off restarting failed container web. ", 3),
		Source: corev1.EventSource{Component: "kubelet", Host: "node-1"}, ReportingController: "kubelet", ReportingInstance: "node-1",
		FirstTimestamp: now, LastTimestamp: now, Count: 1, Type: kind,
	}
}

// recorders emit through client-go's two recorders, which fold repeats into counts and series, combine what is similar,
// and drop what is too much, until the context ends.
func recorders(ctx context.Context, client kubernetes.Interface, namespace string) {
	broadcaster := record.NewBroadcasterWithCorrelatorOptions(record.CorrelatorOptions{QPS: 50, BurstSize: 500})
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	defer broadcaster.Shutdown()
	old := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "e2e-recorder"})
	series := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	_ = series.StartRecordingToSinkWithContext(ctx)
	defer series.Shutdown()
	fresh := series.NewRecorder(scheme.Scheme, "example.com/e2e-recorder")
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("recorded-%d", n%20), UID: "7d9a4c2e-0000-4000-8000-000000000001"}}
		old.Eventf(pod, corev1.EventTypeWarning, "Unhealthy", "Readiness probe failed")
		old.Eventf(pod, corev1.EventTypeNormal, "Similar", "attempt %d", n) // these are combined
		fresh.Eventf(pod, nil, corev1.EventTypeWarning, "FailedScheduling", "Scheduling", "0/3 nodes are available")
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// controllers have the real ones emit: a Deployment scales its ReplicaSet, which makes and deletes Pods that nothing runs.
func controllers(ctx context.Context, client kubernetes.Interface, namespace string) error {
	labels := map[string]string{"app": "web"}
	deployment := deployment(namespace, labels)
	if _, err := client.AppsV1().Deployments(namespace).Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		return err
	}
	for n := 0; ctx.Err() == nil; n++ {
		scale, err := client.AppsV1().Deployments(namespace).GetScale(ctx, "web", metav1.GetOptions{})
		if err == nil {
			scale.Spec.Replicas = int32([]int{30, 2}[n%2])
			_, err = client.AppsV1().Deployments(namespace).UpdateScale(ctx, "web", scale, metav1.UpdateOptions{})
		}
		if err != nil && !apierrors.IsConflict(err) && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
	return nil
}

// clearEvents deletes all Events, so that a test starts from none. Those of a flood take longer on a busy machine than the
// API server lets one request last; what it has deleted by then stays deleted.
func clearEvents(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	list, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, n := range list.Items {
		cluster.Eventually(t, 5*time.Minute, func() error {
			return client.CoreV1().Events(n.Name).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
		})
	}
}
