package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// TestWatchesOfPodsThatEndAtOnce lead to a list and a pause, not to the next watch.
func TestWatchesOfPodsThatEndAtOnce(t *testing.T) {
	client := fake.NewClientset()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var watches, lists atomic.Int32
	client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		if lists.Add(1) == 3 {
			cancel()
		}
		return false, nil, nil
	})
	client.PrependWatchReactor("pods", func(clienttesting.Action) (bool, watch.Interface, error) {
		if watches.Add(1) == 100 {
			cancel()
		}
		w := watch.NewFake()
		w.Stop()
		return true, w, nil
	})
	w, err := newPodWatcher(client.CoreV1().Pods(""), time.Time{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	w.run(ctx)
	require.EqualValues(t, 3, lists.Load())
	require.LessOrEqual(t, watches.Load(), int32(3))
}
