package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// What a load may come to at most.
const (
	loadWorkers = 4
	loadRate    = 40 // Pods a second, by each worker
	loadPods    = 5000
	loadTime    = time.Minute
)

// load is workers that create Pods, each one after the other, until finish is called. A Pod counts as created if the
// webhook has mutated it; every other outcome is a failure.
type load struct {
	namespace string
	mutated   func(*corev1.Pod) bool
	template  corev1.Pod

	cancel  context.CancelFunc
	running sync.WaitGroup
	created atomic.Int64

	mu       sync.Mutex
	failures []error
}

// startLoad returns when the first Pods are there.
func startLoad(t *testing.T, c *cluster.Cluster, namespace string, mutated func(*corev1.Pod) bool) *load {
	t.Helper()
	l := &load{namespace: namespace, mutated: mutated}
	require.NoError(t, yaml.UnmarshalStrict([]byte(pod("web", good)), &l.template))
	l.template.Name, l.template.GenerateName = "", "web-"
	ctx, cancel := context.WithTimeout(t.Context(), loadTime)
	l.cancel = cancel
	t.Cleanup(func() { // a test that fails early must not leave workers behind
		cancel()
		l.running.Wait()
	})
	for range loadWorkers {
		client := loadClient(t, c)
		l.running.Go(func() { l.work(ctx, client) })
	}
	l.awaitMore(t, loadWorkers)
	return l
}

// loadClient has a connection and a rate limit of its own.
func loadClient(t *testing.T, c *cluster.Cluster) kubernetes.Interface {
	t.Helper()
	config, err := c.RESTConfig()
	require.NoError(t, err)
	config.QPS, config.Burst = loadRate, 1
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

func (l *load) work(ctx context.Context, client kubernetes.Interface) {
	for l.created.Load() < loadPods && ctx.Err() == nil {
		// A request that has begun is always finished: one that was cut off would say nothing.
		got, err := client.CoreV1().Pods(l.namespace).Create(context.WithoutCancel(ctx), l.template.DeepCopy(), metav1.CreateOptions{})
		switch {
		case err != nil:
			l.fail(err)
		case !l.mutated(got):
			l.fail(fmt.Errorf("Pod %s is not mutated", got.Name))
		default:
			l.created.Add(1)
		}
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		l.fail(errors.New("the load came to its bound before the test had seen what it wanted"))
	}
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, err)
}

func (l *load) failed() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.failures[:min(len(l.failures), 5)])
}

// awaitMore returns after so many Pods more.
func (l *load) awaitMore(t *testing.T, n int64) {
	t.Helper()
	want := l.created.Load() + n
	cluster.Eventually(t, 30*time.Second, func() error {
		if got := l.created.Load(); got < want {
			return fmt.Errorf("%d Pods are created, want %d; failures: %v", got, want, l.failed())
		}
		return nil
	})
}

// finish stops the workers, wants no failure at all, and returns the number of Pods.
func (l *load) finish(t *testing.T) int64 {
	t.Helper()
	l.cancel()
	l.running.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.failures, "%d of %d requests failed", len(l.failures), l.created.Load()+int64(len(l.failures)))
	return l.created.Load()
}
