package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	k8stesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"
)

const staticIPConfig = `name: policies.example.org
staticIP:
  enabled: true
  ownerKinds: [apps.kruise.io/v1beta1/StatefulSet]
  network:
    blocks: [{name: default, cidr: 10.0.0.0/16}]
    reserved: [{name: router, cidr: 10.0.0.1}]
`

// fixed is a webhook that gives fixed addresses, with a cluster that has the StatefulSets of the tests.
type fixed struct {
	*admission.Handler
	cluster *dynamicfake.FakeDynamicClient
}

func newFixed(t *testing.T, objects ...string) fixed {
	t.Helper()
	c, err := parseConfig([]byte(staticIPConfig))
	require.NoError(t, err)
	var stored []runtime.Object
	for _, text := range objects {
		stored = append(stored, fromYAML(t, text))
	}
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	cluster := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{pods: "PodList"}, stored...)
	c.StaticIP.sets = clusterSets{cluster}
	h, err := c.handler(admission.Options{FullVerification: true})
	require.NoError(t, err)
	return fixed{h, cluster}
}

func fromYAML(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(text), &o.Object))
	return o
}

// request asks for the creation of an object, or for its update if there is an old one.
func request(t *testing.T, text, old string) *admissionv1.AdmissionRequest {
	t.Helper()
	o := fromYAML(t, text)
	gvk := o.GroupVersionKind()
	gvr := resourceOf(gvk)
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	req := &admissionv1.AdmissionRequest{
		UID: "u", Kind: metav1.GroupVersionKind(gvk), Resource: metav1.GroupVersionResource(gvr),
		Name: o.GetName(), Namespace: "shop", Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw},
	}
	if old != "" {
		req.Operation = admissionv1.Update
		req.OldObject.Raw, err = json.Marshal(fromYAML(t, old))
		require.NoError(t, err)
	}
	return req
}

// said is what a response tells, errors and warnings.
func (f fixed) said(t *testing.T, req *admissionv1.AdmissionRequest) (allowed bool, text string, patched map[string]string) {
	t.Helper()
	resp, err := f.Review(t.Context(), req)
	require.NoError(t, err)
	text = strings.Join(resp.Warnings, "\n")
	if resp.Result != nil {
		text += resp.Result.Message
	}
	if len(resp.Patch) > 0 {
		after, err := apply(req.Object.Raw, resp.Patch)
		require.NoError(t, err)
		o := &unstructured.Unstructured{}
		require.NoError(t, o.UnmarshalJSON(after))
		patched = o.GetAnnotations()
	}
	return resp.Allowed, text, patched
}

const (
	redis = `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: redis, namespace: shop, uid: uid-1, annotations: {staticip.kubewright.io/pool: "10.0.0.10-10.0.0.12"}}, spec: {replicas: 3}}`
	owned = `{apiVersion: v1, kind: Pod, metadata: {name: redis-1, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: redis, uid: uid-1, controller: true}]}, spec: {containers: []}}`
	bare  = `{apiVersion: v1, kind: Pod, metadata: {name: bare}, spec: {containers: []}}`
)

// but replaces parts of a text, each of which must be there.
func but(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			panic(pairs[i] + " is not in " + text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func withPool(text string) string {
	return but(text, "metadata: {", `metadata: {annotations: {staticip.kubewright.io/pool: "10.0.0.10-10.0.0.12"}, `)
}

// TestPodGetsItsAddress is the mutator, with the StatefulSet redis in the cluster.
func TestPodGetsItsAddress(t *testing.T) {
	const key = "cni.projectcalico.org/ipAddrs"
	kruise := but(redis, "apps/v1", "apps.kruise.io/v1beta1", "name: redis", "name: adv", "uid-1", "uid-2")
	plain := `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: plain, namespace: shop, uid: uid-3}}`
	freed := `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: freed, namespace: shop, uid: uid-4, annotations: {staticip.kubewright.io/pool: none}}}`
	for name, c := range map[string]struct {
		pod     string
		refused string
		address string
	}{
		"its own":              {owned, "", `["10.0.0.11"]`},
		"the first":            {but(owned, "redis-1", "redis-0"), "", `["10.0.0.10"]`},
		"Advanced StatefulSet": {but(owned, "apps/v1", "apps.kruise.io/v1beta1", "redis", "adv", "uid-1", "uid-2"), "", `["10.0.0.11"]`},
		"it has it":            {but(owned, "metadata: {", `metadata: {annotations: {`+key+`: '["10.0.0.11"]'}, `), "", ""},
		"it has another":       {but(owned, "metadata: {", `metadata: {annotations: {`+key+`: '["10.0.0.9"]'}, `), "metadata.annotations[" + key + `]: "[\"10.0.0.9\"]": already set, but ordinal 1 owns 10.0.0.11`, ""},
		"beyond the pool":      {but(owned, "redis-1", "redis-3"), "ordinal 3: no address", ""},
		"recreated set":        {but(owned, "uid-1", "uid-9"), `StatefulSet shop/redis has UID "uid-1", but the Pod is controlled by redis with UID "uid-9"`, ""},
		"no such set":          {but(owned, "redis", "gone"), "is controlled by StatefulSet gone, which does not exist; try again once it does (staticip.OwnerUID)", ""},
		"host network":         {but(owned, "spec: {", "spec: {hostNetwork: true, "), "the Pod uses hostNetwork", ""},
		"set without a pool":   {but(owned, "redis", "plain", "uid-1", "uid-3"), "", ""},
		"bare Pod":             {bare, "", ""},
		"bare Pod that asks":   {withPool(bare), "has no controller: a fixed address needs a stable ordinal", ""},
		"ReplicaSet's":         {but(owned, "kind: StatefulSet", "kind: ReplicaSet"), "", ""},
		"ReplicaSet's that asks": {
			withPool(but(owned, "redis-1", "web-5d4f8-24567", "kind: StatefulSet, name: redis", "kind: ReplicaSet, name: web-5d4f8", "name: web-5d4f8-24567", "name: web-5d4f8-24567, labels: {pod-template-hash: 5d4f8}")),
			"is owned by ReplicaSet web-5d4f8 (Deployment web), whose Pods have random names", "",
		},
		"not from the controller":                {but(owned, "redis-1", "redis-01"), "name is not redis-<ordinal>", ""},
		"generated name":                         {but(owned, "name: redis-1", "generateName: redis-"), "name is not redis-<ordinal>", ""},
		"label of another ordinal":               {but(owned, "name: redis-1,", `name: redis-1, labels: {apps.kubernetes.io/pod-index: "0"},`), `is "0" but the name says 1`, ""},
		"wrong name, set without a pool":         {but(owned, "redis-1", "redis-01", "redis", "plain", "uid-1", "uid-3"), "", ""},
		"asks, set without a pool":               {withPool(but(owned, "redis", "plain", "uid-1", "uid-3")), "", `["10.0.0.11"]`},
		"of an old revision, addresses given up": {withPool(but(owned, "redis", "freed", "uid-1", "uid-4")), "", ""},
		"wrong name, addresses given up":         {but(owned, "redis-1", "redis-01", "redis", "freed", "uid-1", "uid-4"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixed(t, redis, kruise, plain, freed)
			req := request(t, c.pod, "")
			allowed, text, patched := f.said(t, req)
			require.Equal(t, c.refused == "", allowed, text)
			require.Contains(t, text, c.refused)
			require.Equal(t, c.address, patched[key])
			if !strings.Contains(c.pod, "kind: StatefulSet") {
				require.Empty(t, f.cluster.Actions(), "ordinary Pods cost no read")
			}
			if patched == nil {
				return
			}
			o := fromYAML(t, c.pod)
			o.SetAnnotations(patched)
			raw, err := json.Marshal(o)
			require.NoError(t, err)
			req.Object.Raw = raw
			resp, err := f.Review(t.Context(), req)
			require.NoError(t, err)
			require.Empty(t, resp.Patch, "a second time changes nothing")
		})
	}
}

// TestUnreadableSetIsAnInternalError leaves a Pod to the failurePolicy, which is Fail.
func TestUnreadableSetIsAnInternalError(t *testing.T) {
	f := newFixed(t, redis)
	f.cluster.PrependReactor("get", "*", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("etcd is tired")
	})
	req := request(t, owned, "")
	body, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: req})
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, admission.MutatePath, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	f.Routes().ServeHTTP(w, r)
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), "read StatefulSet shop/redis: etcd is tired")

	_, err = f.Review(t.Context(), scaleRequest(t, "apps", 3, 4))
	require.EqualError(t, err, "validator staticip: read StatefulSet shop/redis: etcd is tired")
}

// TestAddressIsImmutable is the validator of Pods.
func TestAddressIsImmutable(t *testing.T) {
	has := func(ip string) string {
		return but(owned, "metadata: {", `metadata: {annotations: {cni.projectcalico.org/ipAddrs: '["`+ip+`"]'}, `)
	}
	f := newFixed(t, redis)
	allowed, text, _ := f.said(t, request(t, has("10.0.0.12"), has("10.0.0.11")))
	require.False(t, allowed)
	require.Contains(t, text, `metadata.annotations[cni.projectcalico.org/ipAddrs]: "[\"10.0.0.12\"]": the address of a Pod cannot change while it runs; keep ["10.0.0.11"]`)
	allowed, text, _ = f.said(t, request(t, owned, has("10.0.0.11")))
	require.False(t, allowed, text)
	allowed, text, _ = f.said(t, request(t, but(has("10.0.0.11"), "name: redis-1", "name: redis-1, labels: {a: b}"), has("10.0.0.11")))
	require.True(t, allowed)
	require.Empty(t, text)
	require.Empty(t, f.cluster.Actions(), "nothing is read for it")
}

func scaleRequest(t *testing.T, group string, from, to int) *admissionv1.AdmissionRequest {
	t.Helper()
	scale := func(n int) string {
		text, err := json.Marshal(map[string]any{
			"apiVersion": "autoscaling/v1", "kind": "Scale",
			"metadata": map[string]any{"name": "redis", "namespace": "shop"}, "spec": map[string]any{"replicas": n},
		})
		require.NoError(t, err)
		return string(text)
	}
	req := request(t, scale(to), scale(from))
	req.Resource = metav1.GroupVersionResource{Group: group, Version: "v1", Resource: "statefulsets"}
	req.SubResource = "scale"
	return req
}

func TestScale(t *testing.T) {
	f := newFixed(t, redis)
	for name, c := range map[string]struct {
		req     *admissionv1.AdmissionRequest
		refused string
	}{
		"down":          {scaleRequest(t, "apps", 3, 1), ""},
		"past the pool": {scaleRequest(t, "apps", 3, 5), "spec.replicas: StatefulSet shop/redis: staticip.kubewright.io/pool: ordinals 3-4: no address"},
		"as it is":      {scaleRequest(t, "apps", 9, 9), ""},
		"no such set":   {scaleRequest(t, "apps.kruise.io", 3, 9), ""},
		"not a StatefulSet": {func() *admissionv1.AdmissionRequest {
			r := scaleRequest(t, "apps", 3, 9)
			r.Resource.Resource = "deployments"
			return r
		}(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			allowed, text, _ := f.said(t, c.req)
			require.Equal(t, c.refused == "", allowed)
			require.Contains(t, text, c.refused)
		})
	}
}

// TestStaticIPManifests is what the API server sends.
func TestStaticIPManifests(t *testing.T) {
	f := newFixed(t)
	m, err := f.Manifests(admission.ManifestOptions{Name: "x.y", URL: "https://localhost"})
	require.NoError(t, err)
	sent := map[schema.GroupResource]string{}
	for _, r := range m.Validating.Webhooks[0].Rules {
		for _, resource := range r.Resources {
			for _, o := range r.Operations {
				sent[schema.GroupResource{Group: r.APIGroups[0], Resource: resource}] += string(o) + " "
			}
		}
	}
	require.Equal(t, "UPDATE ", sent[schema.GroupResource{Resource: "pods"}])
	require.Equal(t, "CREATE UPDATE ", sent[schema.GroupResource{Group: "apps", Resource: "statefulsets"}])
	for _, group := range []string{"apps", "apps.kruise.io"} {
		require.Equal(t, "UPDATE ", sent[schema.GroupResource{Group: group, Resource: "statefulsets/scale"}])
	}
	for _, resource := range []string{"clonesets", "daemonsets", "broadcastjobs"} {
		require.Equal(t, "CREATE UPDATE ", sent[schema.GroupResource{Group: "apps.kruise.io", Resource: resource}])
	}
	require.Len(t, m.Mutating.Webhooks[0].Rules, 1)
}
