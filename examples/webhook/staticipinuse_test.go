package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/kubewright/kubewright/staticip"
)

// held is a Pod of redis, with an address or, where there is none, asking for one.
func held(ordinal int, ip, asks string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: redis-%d, namespace: shop, labels: {app: redis},
		annotations: {cni.projectcalico.org/ipAddrs: '[%q]'},
		ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: redis, uid: uid-1, controller: true}]}, status: {podIP: %q}}`, ordinal, asks, ip)
}

// TestPoolsInTwoSteps are pools against which the object before says nothing, but what the Pods have does.
func TestPoolsInTwoSteps(t *testing.T) {
	redis := but(redis, "{replicas: 3}", "{replicas: 3, selector: {matchLabels: {app: redis}}}")
	pool := func(pool string) string { return but(redis, "10.0.0.10-10.0.0.12", pool) }
	pods := []string{held(0, "10.0.0.10", "10.0.0.10"), held(1, "10.0.0.11", "10.0.0.11"), held(2, "", "10.0.0.12")}
	const inUse = "(first of ordinals 0-1) is in use by Pod shop/redis-1, and 1 more address by other Pods"
	for name, c := range map[string]struct {
		pods     []string
		old, set string
		refused  string
		listed   bool
	}{
		"restored":                     {pods, pool("none"), redis, "", true},
		"shifted":                      {pods, pool("none"), pool("10.0.0.11-10.0.0.13"), inUse, true},
		"shifted, by way of another":   {pods, pool("10.0.1.1-10.0.1.3"), pool("10.0.0.11-10.0.0.13"), inUse, true},
		"shifted, asked for alone":     {pods[2:], pool("none"), pool("10.0.0.11-10.0.0.13"), "10.0.0.12 (ordinal 1) is in use by Pod shop/redis-2;", true},
		"set to what the Pods have":    {pods, pool("10.0.0.12,10.0.0.11,10.0.0.10"), redis, "", true},
		"appended":                     {pods, redis, pool("10.0.0.10-10.0.0.15"), "", true},
		"orphans that a new set takes": {[]string{but(pods[1], "uid: uid-1, controller: true", "uid: uid-1")}, "", pool("10.0.0.11-10.0.0.13"), "10.0.0.11 (ordinal 0) is in use by Pod shop/redis-1;", true},
		"Pods of a deleted set":        {[]string{but(pods[1], "uid: uid-1", "uid: uid-9")}, "", pool("10.0.0.11-10.0.0.13"), "", true},
		"Pods of other labels":         {[]string{but(pods[1], "app: redis", "app: web")}, pool("none"), pool("10.0.0.11-10.0.0.13"), "", true},
		"a Pod on its way out":         {[]string{but(pods[1], "namespace: shop", "namespace: shop, deletionTimestamp: '2026-01-01T00:00:00Z'")}, pool("none"), pool("10.0.0.11-10.0.0.13"), "", true},
		"orphans of other names":       {[]string{but(pods[1], "uid: uid-1, controller: true", "uid: uid-1", "name: redis-1,", "name: redis-exporter,")}, "", pool("10.0.0.11-10.0.0.13"), "", true},
		"removed":                      {pods, redis, but(redis, "staticip.kubewright.io", "example.com"), "the pool is removed, but there are Pods of ordinals 0-2", false},
		"removed while it is deleted":  {pods, redis, but(redis, "staticip.kubewright.io", "example.com", "name: redis,", "name: redis, deletionTimestamp: '2026-01-01T00:00:00Z',"), "", false},
		"given up":                     {pods, redis, pool("none"), "", false},
		"another label":                {pods, redis, but(redis, "name: redis,", "name: redis, labels: {a: b},"), "", false},
		"scaled down":                  {pods, redis, but(redis, "replicas: 3", "replicas: 2"), "", false},
		"no pool":                      {pods, "", but(redis, "staticip.kubewright.io", "example.com"), "", false},
	} {
		for group, change := range map[string]func(string) string{
			"apps":           func(s string) string { return s },
			"apps.kruise.io": func(s string) string { return strings.Replace(s, "apps/v1", "apps.kruise.io/v1beta1", 1) },
		} {
			t.Run(group+"/"+name, func(t *testing.T) {
				f := newFixed(t, c.pods...)
				allowed, text, _ := f.said(t, request(t, change(c.set), change(c.old)))
				require.Equal(t, c.refused == "", allowed, text)
				require.Contains(t, text, c.refused)
				require.Equal(t, c.listed, len(f.cluster.Actions()) > 0, "Pods are listed where it counts")
			})
		}
	}
}

// TestScaleOntoWhatPodsHave is a scale request for an ordinal whose address another Pod still has.
func TestScaleOntoWhatPodsHave(t *testing.T) {
	f := newFixed(t, but(redis, "10.0.0.10-10.0.0.12", "10.0.1.1-10.0.1.3,10.0.0.12"), held(2, "10.0.0.12", "10.0.0.12"))
	allowed, text, _ := f.said(t, scaleRequest(t, "apps", 3, 4))
	require.False(t, allowed)
	require.Contains(t, text, "spec.replicas: StatefulSet shop/redis: staticip.kubewright.io/pool: 10.0.0.12 (ordinal 3) is in use by Pod shop/redis-2; delete that Pod")
	f.cluster.ClearActions()
	allowed, text, _ = f.said(t, scaleRequest(t, "apps", 3, 2))
	require.True(t, allowed, text)
	require.Len(t, f.cluster.Actions(), 1, "the StatefulSet")
}

// TestPodsThatCannotBeListed leave the request to the failurePolicy.
func TestPodsThatCannotBeListed(t *testing.T) {
	f := newFixed(t, redis)
	f.cluster.PrependReactor("list", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("pods is forbidden")
	})
	for _, req := range []*admissionv1.AdmissionRequest{
		request(t, redis, ""),
		request(t, but(redis, "10.0.0.12", "10.0.0.13"), redis),
		request(t, but(redis, "apps/v1", "apps.kruise.io/v1beta1"), ""),
		scaleRequest(t, "apps", 2, 4),
	} {
		_, err := f.Review(t.Context(), req)
		require.EqualError(t, err, "validator staticip: list the Pods of StatefulSet shop/redis: pods is forbidden")
	}
}

// TestSelectorThatCannotBeRead is not this webhook's to refuse.
func TestSelectorThatCannotBeRead(t *testing.T) {
	f := newFixed(t, held(1, "10.0.0.11", "10.0.0.11"))
	set := but(redis, "{replicas: 3}", "{replicas: 3, selector: {matchExpressions: [{key: a, operator: Near}]}}")
	allowed, text, _ := f.said(t, request(t, set, ""))
	require.True(t, allowed, text)
	allowed, text, _ = f.said(t, request(t, but(set, "10.0.0.10-", "10.0.0.9-"), ""))
	require.False(t, allowed)
	require.Contains(t, text, "10.0.0.11 (ordinal 2) is in use by Pod shop/redis-1")
}

// TestAttachmentsHaveOtherNumbers: the addresses of a Pod's first interface say nothing about those of another network.
func TestAttachmentsHaveOtherNumbers(t *testing.T) {
	const key = "k8s.v1.cni.cncf.io/networks"
	opts := staticip.Options{Renderer: staticip.Multus{Network: "storage", Attachment: true}}
	var found occupants
	pod := &corev1.Pod{Status: corev1.PodStatus{PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}}}}
	pod.Name, pod.Annotations = "redis-0", map[string]string{key: `[{"name":"storage","ips":["10.0.0.10/24"]}]`}
	found.add("shop", pod, opts)
	require.Equal(t, map[netip.Addr]string{netip.MustParseAddr("10.0.0.10"): "shop/redis-0"}, found.inUse())
}

// TestParallelSets wait less.
func TestParallelSets(t *testing.T) {
	down := but(redis, "replicas: 3", "replicas: 1")
	moved := but(down, "10.0.0.10-10.0.0.12", "10.0.0.11")
	for policy, want := range map[string]bool{"OrderedReady": false, "Parallel": true} {
		for _, version := range []string{"apps/v1", "apps.kruise.io/v1beta1"} {
			f := newFixed(t, held(1, "10.0.0.11", "10.0.0.11"))
			set := but(moved, "replicas: 1", "replicas: 1, podManagementPolicy: "+policy, "apps/v1", version)
			allowed, text, _ := f.said(t, request(t, set, but(set, "10.0.0.11", "10.0.1.1")))
			require.Equal(t, want, allowed, "%s %s: %s", policy, version, text)
		}
	}
}
