package admissiontest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// tampered is a good handler whose reviews and answers something goes wrong with.
type tampered struct {
	Handler
	review func(*admissionv1.AdmissionRequest, *admissionv1.AdmissionResponse)
	serve  http.HandlerFunc
}

func (h *tampered) Review(ctx context.Context, req *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	resp, err := h.Handler.Review(ctx, req)
	if err == nil && h.review != nil {
		h.review(req, resp)
	}
	return resp, err
}

// ServeHTTP answers with what Review says.
func (h *tampered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.serve != nil {
		h.serve(w, r)
		return
	}
	review := &admissionv1.AdmissionReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	resp, err := h.Review(r.Context(), review.Request)
	if err != nil {
		code := http.StatusInternalServerError
		if strings.Contains(err.Error(), "not for this webhook") {
			code = http.StatusBadRequest
		}
		http.Error(w, err.Error(), code)
		return
	}
	review.Request, review.Response = nil, resp
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

func patchWith(ops string) func(*admissionv1.AdmissionRequest, *admissionv1.AdmissionResponse) {
	return func(req *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse) {
		if req.Operation == admissionv1.Create {
			resp.Patch, resp.PatchType = []byte(ops), new(admissionv1.PatchTypeJSONPatch)
		}
	}
}

// failingLater can't review objects that have a sidecar.
type failingLater struct{ Handler }

func (h *failingLater) Review(ctx context.Context, req *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	if strings.Contains(string(req.Object.Raw), "sidecar") {
		return nil, errors.New("no sidecars, please")
	}
	return h.Handler.Review(ctx, req)
}

// positional patches as most webhooks do: the Go value after against the raw object before, list elements by index.
type positional struct {
	Handler
	ofWhole bool // compare with the Go value before, so that only what moves is lost
}

func (h *positional) Review(ctx context.Context, req *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	resp := &admissionv1.AdmissionResponse{UID: req.UID, Allowed: true}
	if req.Operation != admissionv1.Create || req.Kind.Kind != "Pod" {
		return resp, nil
	}
	pod := &corev1.Pod{}
	if err := json.Unmarshal(req.Object.Raw, pod); err != nil {
		return nil, err
	}
	before := req.Object.Raw
	if h.ofWhole {
		before, _ = json.Marshal(pod)
	}
	_ = addSidecar(ctx, req, pod)
	after, _ := json.Marshal(pod)
	ops, err := jsonpatch.CreatePatch(before, after)
	if err != nil || len(ops) == 0 {
		return resp, err
	}
	resp.Patch, _ = json.Marshal(ops)
	resp.PatchType = new(admissionv1.PatchTypeJSONPatch)
	return resp, nil
}

type failingKind struct {
	Handler
	kind string
}

func (h *failingKind) Review(ctx context.Context, req *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	if req.Kind.Kind == h.kind {
		return nil, errors.New(h.kind + " failed")
	}
	return h.Handler.Review(ctx, req)
}

// kindTeller is a handler that knows the types of its kinds.
type kindTeller struct{ Handler }

func (kindTeller) Kinds() map[schema.GroupVersionKind]reflect.Type {
	return map[schema.GroupVersionKind]reflect.Type{
		corev1.SchemeGroupVersion.WithKind("Pod"):             reflect.TypeFor[corev1.Pod](),
		appsv1.SchemeGroupVersion.WithKind("Deployment"):      reflect.TypeFor[appsv1.Deployment](),
		{Group: "example.com", Version: "v1", Kind: "Widget"}: reflect.TypeFor[widget](),
	}
}

// nothing is what a handler returns that forgot to return something.
type nothing struct{ Handler }

func (nothing) Review(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	return nil, nil
}

type flaky struct {
	Handler
	calls *int
}

func (h *flaky) Review(ctx context.Context, req *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	if *h.calls++; *h.calls > 1 {
		return nil, fmt.Errorf("call %d", *h.calls)
	}
	return h.Handler.Review(ctx, req)
}

// untold is a handler that does not tell its kinds.
type untold struct{ Handler }
