package sidecar

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubewright/kubewright/internal/podgen"
	"github.com/kubewright/kubewright/sidecar"
)

// judged is how many Pods the API server is asked about, before and after.
const judged = 1500

// TestValidPodsStayValid asks the API server, by dry runs, whether made-up Pods are valid, and wants those that are to be
// valid with everything injected, of the class that they had. What it has filled in before is injected into once more,
// as when a webhook is called again: nothing may change.
func TestValidPodsStayValid(t *testing.T) {
	c := shared.Get(t)
	namespace := c.Namespace(t)
	config, err := c.RESTConfig()
	require.NoError(t, err)
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	pods := client.CoreV1().Pods(namespace)
	create := func(pod *corev1.Pod) (*corev1.Pod, error) {
		return pods.Create(context.Background(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	}
	classic := shipper()
	classic.Classic = true
	sets := []*sidecar.Set{newSet(t, shipper()), newSet(t, classic)}
	var valid, refused atomic.Int64
	classes := sync.Map{}
	seeds := make(chan uint64)
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for seed := range seeds {
				r := rand.New(rand.NewPCG(seed, 7))
				pod := annotate(podgen.New(r), podgen.Annotations(r))
				before, err := create(pod)
				if err != nil {
					continue
				}
				valid.Add(1)
				out, _, err := sets[seed%2].Apply(pod, sidecar.Namespace{})
				if err != nil {
					refused.Add(1)
					continue
				}
				after, err := create(out)
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
					continue
				}
				if before.Status.QOSClass != after.Status.QOSClass {
					t.Errorf("seed %d: class %s became %s", seed, before.Status.QOSClass, after.Status.QOSClass)
				}
				classes.Store(after.Status.QOSClass, true)
				again, _, err := sets[seed%2].Apply(after, sidecar.Namespace{})
				if err != nil || encode(t, again) != encode(t, after) {
					t.Errorf("seed %d: injecting into what the API server made of it changed it: %v", seed, err)
				}
			}
		})
	}
	for seed := range uint64(judged) {
		seeds <- seed
	}
	close(seeds)
	workers.Wait()
	t.Logf("%d of %d Pods are valid, of which %d can't have what they ask for", valid.Load(), judged, refused.Load())
	require.Greater(t, valid.Load(), int64(judged*2/3), "the generator makes few valid Pods")
	require.Less(t, refused.Load(), valid.Load()*3/4)
	for _, class := range []corev1.PodQOSClass{corev1.PodQOSGuaranteed, corev1.PodQOSBurstable, corev1.PodQOSBestEffort} {
		_, ok := classes.Load(class)
		require.True(t, ok, "no Pod of class %s", class)
	}
}
