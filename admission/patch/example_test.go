package patch_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission/patch"
)

// A sidecar goes before the other containers: one operation, and what this Go type does not know of "app" stays there.
func ExampleDiffer_Diff() {
	raw := []byte(`{"metadata":{"name":"p"},"spec":{"containers":[{"name":"app","image":"app:1","fieldOfTheFuture":{"x":1}}]}}`)
	pods := patch.For[corev1.Pod]()
	doc, err := patch.Parse(raw)
	if err != nil {
		panic(err)
	}
	before, err := pods.Decode(doc)
	if err != nil {
		panic(err)
	}
	after := before.DeepCopy()
	after.Spec.Containers = append([]corev1.Container{{Name: "shipper", Image: "shipper:2"}}, after.Spec.Containers...)
	p, err := pods.Diff(doc, before, after)
	if err != nil {
		panic(err)
	}
	fmt.Println(p)
	patched, err := p.Apply(raw)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(patched))
	// Output:
	// {"op":"add","path":"/spec/containers/0","value":{"name":"shipper","image":"shipper:2","resources":{}}}
	// {"metadata":{"name":"p"},"spec":{"containers":[{"name":"shipper","image":"shipper:2","resources":{}},{"name":"app","image":"app:1","fieldOfTheFuture":{"x":1}}]}}
}

// Verify says what the API server would do with a patch: here, drop a member that is written in the wrong case.
func ExampleDiffer_Verify() {
	pods := patch.For[corev1.Pod]()
	doc, err := patch.Parse([]byte(`{"spec":{}}`))
	if err != nil {
		panic(err)
	}
	wrong := patch.Patch{{Op: patch.Add, Path: "/spec/NodeName", Value: []byte(`"node-1"`)}}
	fmt.Println(pods.Verify(doc, wrong, &corev1.Pod{Spec: corev1.PodSpec{NodeName: "node-1"}}))
	// Output:
	// patched object does not decode strictly: unknown field "spec.NodeName"
}

// Operations is for code that works with gomodules.xyz/jsonpatch/v2, which has no "from".
func ExamplePatch_Operations() {
	p := patch.Patch{{Op: patch.Move, From: "/l/1", Path: "/l/0"}}
	operations, err := p.Operations([]byte(`{"l":["a","b"]}`))
	if err != nil {
		panic(err)
	}
	for _, o := range operations {
		fmt.Println(o.Json())
	}
	// Output:
	// {"op":"remove","path":"/l/1"}
	// {"op":"add","path":"/l/0","value":"b"}
}
