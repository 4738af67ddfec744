package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/kubewright/kubewright/admission"
)

// The verdicts on an object.
const (
	allowed = "allowed"
	denied  = "denied"
	skipped = "skipped"
	failed  = "error"
)

// verdict is what would happen to an object on its way into a cluster.
type verdict struct {
	Source        string          `json:"source"`
	APIVersion    string          `json:"apiVersion"`
	Kind          string          `json:"kind"`
	Namespace     string          `json:"namespace,omitempty"`
	Name          string          `json:"name,omitempty"`
	GenerateName  string          `json:"generateName,omitempty"`
	Verdict       string          `json:"verdict"`
	Reason        string          `json:"reason,omitempty"` // of skipped and error
	Findings      []finding       `json:"findings,omitempty"`
	UnknownFields []string        `json:"unknownFields,omitempty"`
	Patch         json.RawMessage `json:"patch,omitempty"`

	// PodPatch is what mutators do to the Pods of a workload, where sidecars are asked for.
	PodPatch json.RawMessage `json:"podPatch,omitempty"`

	object object
	after  []byte   // the object with the patch
	pod    *verdict // that PodPatch is of
}

type finding struct {
	Action  admission.Action `json:"action"`
	Rule    string           `json:"rule"`
	Field   string           `json:"field,omitempty"`
	Message string           `json:"message"`
}

// judge asks a handler what an API server would ask it, without one.
type judge struct {
	config     *Config
	handler    *admission.Handler
	kinds      map[schema.GroupVersionKind]reflect.Type
	sets       inputSets
	namespaces inputNamespaces
	namespace  string // of objects that name none
	findings   []finding
}

func newJudge(c *Config, namespace string) (*judge, error) {
	j := &judge{config: c, namespace: namespace, sets: inputSets{}, namespaces: inputNamespaces{}}
	c.StaticIP.sets, c.Sidecars.namespaces = j.sets, j.namespaces
	var err error
	j.handler, err = c.handler(admission.Options{
		FullVerification: true,
		Logger:           slog.New(slog.DiscardHandler), // failures are part of the verdict
		Observe:          j.note,
	})
	if err != nil {
		return nil, err
	}
	j.kinds = j.handler.Kinds()
	return j, nil
}

func (j *judge) note(_ context.Context, o admission.Observation) {
	for _, f := range o.Findings {
		j.findings = append(j.findings, finding{f.Action, f.Rule, f.Field, f.Message})
	}
}

func (j *judge) review(ctx context.Context, o object) verdict {
	ok := j.kinds[o.GroupVersionKind()] != nil
	if ok && o.Namespace == "" {
		o.Namespace = j.namespace
	}
	v := verdict{
		Source: o.source, APIVersion: o.APIVersion, Kind: o.Kind,
		Namespace: o.Namespace, Name: o.Name, GenerateName: o.GenerateName,
		object: o, after: o.raw,
	}
	switch {
	case !ok:
		v.Verdict, v.Reason = skipped, fmt.Sprintf("no policy is for %s %s", o.APIVersion, o.Kind)
		return v
	case j.config.excludes(o.Namespace):
		v.Verdict, v.Reason = skipped, fmt.Sprintf("namespace %s is excluded", o.Namespace)
		return v
	}
	v.UnknownFields = unknownFields(o.raw)
	if err := j.pass(ctx, creationOf(o, resourceOf(o.GroupVersionKind())), &v); err != nil {
		v.Verdict, v.Reason = failed, err.Error()
		return v
	}
	pod, err := j.podOf(ctx, o)
	switch {
	case err != nil:
		v.Verdict, v.Reason = failed, err.Error()
	case pod != nil:
		v.pod, v.PodPatch = pod, pod.Patch
	}
	return v
}

// pass sends an object through both phases, as an API server does, but does not stop at a refusal of the first.
func (j *judge) pass(ctx context.Context, req *admissionv1.AdmissionRequest, v *verdict) error {
	j.findings = nil
	mutated, err := j.handler.Mutating().Review(ctx, req)
	if err != nil {
		return err
	}
	if len(mutated.Patch) > 0 {
		v.Patch = mutated.Patch
		if v.after, err = apply(req.Object.Raw, mutated.Patch); err != nil {
			return err
		}
		req.Object.Raw = v.after
	}
	if _, err := j.handler.Validating().Review(ctx, req); err != nil {
		return err
	}
	v.Findings, v.Verdict = j.findings, allowed
	if slices.ContainsFunc(v.Findings, func(f finding) bool { return f.Action == admission.Deny }) {
		v.Verdict = denied
	}
	return nil
}

func apply(raw, patch []byte) ([]byte, error) {
	p, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, err
	}
	return p.Apply(raw)
}

// creationOf is the request for the creation of an object by nobody in particular.
func creationOf(o object, gvr schema.GroupVersionResource) *admissionv1.AdmissionRequest {
	kind, resource := metav1.GroupVersionKind(o.GroupVersionKind()), metav1.GroupVersionResource(gvr)
	dryRun := true
	return &admissionv1.AdmissionRequest{
		UID:             "review",
		Kind:            kind,
		Resource:        resource,
		RequestKind:     &kind,
		RequestResource: &resource,
		Name:            o.Name,
		Namespace:       o.Namespace,
		Operation:       admissionv1.Create,
		UserInfo:        authenticationv1.UserInfo{Username: "review"},
		Object:          runtime.RawExtension{Raw: o.raw},
		DryRun:          &dryRun,
		Options:         runtime.RawExtension{Raw: []byte(`{"apiVersion":"meta.k8s.io/v1","kind":"CreateOptions"}`)},
	}
}

// unknownFields are what a built-in kind does not have: misspelled, or newer than this program. What is misspelled is
// judged as if it was not there, so the verdict should not stand without saying so.
func unknownFields(raw []byte) []string {
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	_, _, err := strict.Decode(raw, nil, nil)
	problems, ok := runtime.AsStrictDecodingError(err)
	if !ok {
		return nil
	}
	var texts []string
	for _, p := range problems.Errors() {
		texts = append(texts, p.Error())
	}
	return texts
}
