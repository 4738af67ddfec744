package policy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/admission/policy"
)

// handler has all checks with their default options.
func handler(t *testing.T, o admission.Options) *admission.Handler {
	t.Helper()
	var checks []policy.Check
	for _, name := range policy.Names() {
		c, err := policy.New(name, nil)
		require.NoError(t, err)
		checks = append(checks, c)
	}
	h, err := admission.NewHandler(o, policy.Register(checks...)...)
	require.NoError(t, err)
	return h
}

// request is an AdmissionRequest as the API server sends it.
func request(t *testing.T, gv schema.GroupVersion, kind, resource string, op admissionv1.Operation, obj, old any) *admissionv1.AdmissionRequest {
	t.Helper()
	resource, sub, _ := strings.Cut(resource, "/")
	req := &admissionv1.AdmissionRequest{
		UID:         "u",
		Kind:        metav1.GroupVersionKind{Group: gv.Group, Version: gv.Version, Kind: kind},
		Resource:    metav1.GroupVersionResource{Group: gv.Group, Version: gv.Version, Resource: resource},
		SubResource: sub,
		Operation:   op,
	}
	for raw, v := range map[*runtime.RawExtension]any{&req.Object: obj, &req.OldObject: old} {
		if v == nil {
			continue
		}
		data, err := json.Marshal(v)
		require.NoError(t, err)
		var withType map[string]any
		require.NoError(t, json.Unmarshal(data, &withType))
		withType["apiVersion"], withType["kind"] = gv.String(), kind
		raw.Raw, err = json.Marshal(withType)
		require.NoError(t, err)
	}
	return req
}

func review(t *testing.T, h *admission.Handler, req *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	resp, err := h.Validating().Review(t.Context(), req)
	require.NoError(t, err)
	return resp
}

// hostPID is broken in one place, so that each path can be recognised.
func hostPID() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{HostPID: true}}
}

func TestHandlerDeniesEveryKind(t *testing.T) {
	h := handler(t, admission.Options{})
	cron := &batchv1.CronJob{}
	cron.Spec.JobTemplate.Spec.Template = hostPID()
	template := hostPID()
	for _, tc := range []struct {
		gv             schema.GroupVersion
		kind, resource string
		obj            any
		field          string
	}{
		{corev1.SchemeGroupVersion, "Pod", "pods", &corev1.Pod{Spec: hostPID().Spec}, "spec.hostPID"},
		{corev1.SchemeGroupVersion, "PodTemplate", "podtemplates", &corev1.PodTemplate{Template: hostPID()}, "template.spec.hostPID"},
		{
			corev1.SchemeGroupVersion, "ReplicationController", "replicationcontrollers",
			&corev1.ReplicationController{Spec: corev1.ReplicationControllerSpec{Template: &template}}, "spec.template.spec.hostPID",
		},
		{appsv1.SchemeGroupVersion, "Deployment", "deployments", &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: hostPID()}}, "spec.template.spec.hostPID"},
		{appsv1.SchemeGroupVersion, "StatefulSet", "statefulsets", &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Template: hostPID()}}, "spec.template.spec.hostPID"},
		{appsv1.SchemeGroupVersion, "DaemonSet", "daemonsets", &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Template: hostPID()}}, "spec.template.spec.hostPID"},
		{appsv1.SchemeGroupVersion, "ReplicaSet", "replicasets", &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Template: hostPID()}}, "spec.template.spec.hostPID"},
		{batchv1.SchemeGroupVersion, "Job", "jobs", &batchv1.Job{Spec: batchv1.JobSpec{Template: hostPID()}}, "spec.template.spec.hostPID"},
		{batchv1.SchemeGroupVersion, "CronJob", "cronjobs", cron, "spec.jobTemplate.spec.template.spec.hostPID"},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			resp := review(t, h, request(t, tc.gv, tc.kind, tc.resource, admissionv1.Create, tc.obj, nil))
			require.False(t, resp.Allowed)
			require.Contains(t, resp.Result.Message, tc.field+": hostPID true shows all processes of the node")

			resp = review(t, h, request(t, tc.gv, tc.kind, tc.resource, admissionv1.Update, tc.obj, tc.obj))
			require.True(t, resp.Allowed, "an update that changes nothing")
			resp = review(t, h, request(t, tc.gv, tc.kind, tc.resource, admissionv1.Delete, nil, tc.obj))
			require.True(t, resp.Allowed, "DELETE")
		})
	}
}

func TestHandlerPodSubresources(t *testing.T) {
	h := handler(t, admission.Options{})
	old := &corev1.Pod{Spec: hostPID().Spec}
	debugged := old.DeepCopy()
	debugged.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "busybox:1"},
	}}
	for resource, allowed := range map[string]bool{
		"pods": false, "pods/ephemeralcontainers": false, "pods/resize": false, "pods/status": true,
	} {
		resp := review(t, h, request(t, corev1.SchemeGroupVersion, "Pod", resource, admissionv1.Update, debugged, old))
		require.Equal(t, allowed, resp.Allowed, resource)
	}

	mirror := &corev1.Pod{Spec: hostPID().Spec}
	mirror.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash"}
	require.True(t, review(t, h, request(t, corev1.SchemeGroupVersion, "Pod", "pods", admissionv1.Create, mirror, nil)).Allowed)
}

func TestHandlerActionsByCheck(t *testing.T) {
	h := handler(t, admission.Options{Actions: map[string]admission.Action{"host-namespaces": admission.Warn}})
	resp := review(t, h, request(t, corev1.SchemeGroupVersion, "Pod", "pods", admissionv1.Create, &corev1.Pod{Spec: hostPID().Spec}, nil))
	require.True(t, resp.Allowed)
	require.Len(t, resp.Warnings, 1)
	require.Contains(t, resp.Warnings[0], "hostPID")
}
