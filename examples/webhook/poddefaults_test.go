package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPodDefaults(t *testing.T) {
	d := &podDefaults{Labels: map[string]string{"team": "none"}, Annotations: map[string]string{"a": "1", "b": "2"}}
	for name, c := range map[string]struct{ labels, annotations, wantLabels, wantAnnotations map[string]string }{
		"bare": {nil, nil, map[string]string{"team": "none"}, map[string]string{"a": "1", "b": "2"}},
		"what the user wrote stays": {
			map[string]string{"team": "shop"},
			map[string]string{"a": "", "c": "3"},
			map[string]string{"team": "shop"},
			map[string]string{"a": "", "b": "2", "c": "3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: c.labels, Annotations: c.annotations}}
			for range 2 { // idempotent
				require.NoError(t, d.mutate(t.Context(), nil, pod))
				require.Equal(t, c.wantLabels, pod.Labels)
				require.Equal(t, c.wantAnnotations, pod.Annotations)
			}
		})
	}
	pod := &corev1.Pod{}
	require.NoError(t, (&podDefaults{}).mutate(t.Context(), nil, pod))
	require.Equal(t, &corev1.Pod{}, pod, "nothing is made of nothing")
}
